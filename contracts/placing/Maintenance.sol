// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "../interfaces/IAttestations.sol";
import {IMaintenance, MaintenanceWindow} from "../interfaces/IMaintenance.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";

/// @title Maintenance
/// @dev A licence's windows lie in one list by time, without overlaps, so both their starts and their ends rise. Those that
/// aren't over are the last ones of the list and few; what is over is never moved.
contract Maintenance is IMaintenance {
    /// @dev Most windows of a licence that aren't over.
    uint256 private constant MOST = 32;
    /// @dev A window lasts at most so many epochs.
    uint256 private constant LONGEST_EPOCHS = 30;

    /// @inheritdoc IMaintenance
    INodeLicense public immutable licences;
    /// @inheritdoc IMaintenance
    uint256 public immutable longest;

    // slither-disable-next-line uninitialized-state -- it doesn't see what is written through a storage pointer
    mapping(uint256 licence => MaintenanceWindow[]) private _windows;

    /// @param attestations deployed before: the length of an epoch bounds that of a window
    constructor(IAttestations attestations, INodeLicense licences_) {
        licences = licences_;
        longest = LONGEST_EPOCHS * attestations.timing().epochLength;
    }

    modifier onlyHolderOrNode(uint256 licence) {
        require(
            msg.sender == licences.nodeOf(licence) || msg.sender == licences.ownerOf(licence),
            Maintenance_NotHolderOrNode(licence, msg.sender)
        );
        _;
    }

    /// @inheritdoc IMaintenance
    function declare(uint256 licence, uint40 from, uint40 to) external onlyHolderOrNode(licence) {
        require(from >= block.timestamp, Maintenance_InThePast(from, block.timestamp));
        require(from < to, Maintenance_Empty(from, to));
        require(to - from <= longest, Maintenance_TooLong(to - from, longest));
        MaintenanceWindow[] storage windows = _windows[licence];
        uint256 count = windows.length;
        require(count - _firstAfter(windows, block.timestamp) < MOST, Maintenance_TooMany(licence, MOST));

        uint256 place = _firstAfter(windows, from);
        if (place < count) {
            MaintenanceWindow memory next = windows[place];
            require(to <= next.from, Maintenance_Overlaps(next.from, next.to));
        }
        windows.push();
        for (uint256 i = count; i > place; --i) windows[i] = windows[i - 1];
        windows[place] = MaintenanceWindow({from: from, to: to});
        emit MaintenanceDeclared(licence, from, to, msg.sender);
    }

    /// @inheritdoc IMaintenance
    function cancel(uint256 licence, uint40 from) external onlyHolderOrNode(licence) {
        MaintenanceWindow[] storage windows = _windows[licence];
        uint256 place = _find(windows, licence, from);
        require(block.timestamp < from, Maintenance_Started(licence, from));
        uint256 last = windows.length - 1;
        for (uint256 i = place; i < last; ++i) windows[i] = windows[i + 1];
        windows.pop();
        emit MaintenanceCancelled(licence, from, msg.sender);
    }

    /// @inheritdoc IMaintenance
    function shorten(uint256 licence, uint40 from, uint40 to) external onlyHolderOrNode(licence) {
        MaintenanceWindow[] storage windows = _windows[licence];
        uint256 place = _find(windows, licence, from);
        uint40 end = windows[place].to;
        uint256 earliest = block.timestamp > from ? block.timestamp : uint256(from) + 1;
        require(to >= earliest && to < end, Maintenance_NotShorter(to, earliest, end));
        windows[place].to = to;
        emit MaintenanceShortened(licence, from, to, msg.sender);
    }

    /// @inheritdoc IMaintenance
    function windowsWithin(
        uint256 licence,
        uint40 from,
        uint40 to,
        uint256 limit
    ) external view returns (MaintenanceWindow[] memory page, bool more) {
        MaintenanceWindow[] storage windows = _windows[licence];
        uint256 first = _firstAfter(windows, from);
        uint256 count = 0;
        while (first + count < windows.length && windows[first + count].from < to) {
            if (count == limit) {
                more = true;
                break;
            }
            ++count;
        }
        page = new MaintenanceWindow[](count);
        for (uint256 i = 0; i < count; ++i) page[i] = windows[first + i];
    }

    /// @inheritdoc IMaintenance
    function windowCount(uint256 licence) external view returns (uint256) {
        return _windows[licence].length;
    }

    /// @dev The place of the window that starts at `from` and isn't over.
    function _find(
        MaintenanceWindow[] storage windows,
        uint256 licence,
        uint40 from
    ) private view returns (uint256 place) {
        place = _firstAfter(windows, from);
        require(
            place < windows.length && windows[place].from == from && windows[place].to > block.timestamp,
            Maintenance_UnknownWindow(licence, from)
        );
    }

    /// @dev The place of the first window that ends after `time`; the list's length when none does.
    function _firstAfter(MaintenanceWindow[] storage windows, uint256 time) private view returns (uint256 low) {
        uint256 high = windows.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (windows[middle].to > time) high = middle;
            else low = middle + 1;
        }
    }
}
