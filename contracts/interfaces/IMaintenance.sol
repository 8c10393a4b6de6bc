// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeLicense} from "./INodeLicense.sol";

/// @notice A declared span [from, to) in UNIX seconds.
struct MaintenanceWindow {
    uint40 from;
    uint40 to;
}

/// @title Maintenance: when a licence's node will be away, declared on chain beforehand.
/// @notice How oracles count it, for each assignment of the licence and each window [a, b) of its policy, with what this contract
/// says in the anchor state of the report that closes [a, b):
///
/// 1. Take the licence's declared windows, cut to [a, b) and to the time in which the licence had the slot, over all its
///    assignments in that slot, within the job's funded time. Declared windows never overlap, so each second is taken once.
/// 2. Of those seconds the earliest `policy.maintenanceSeconds` count. The rest are measured like any other time.
/// 3. A second that counts is unmeasured whatever the node did in it: neither up nor observed, not paid, not withheld. A tick
///    counts as maintenance when its first second does.
///
/// @dev Nothing declared here touches a second that has passed: a window starts no earlier than the block that declares it,
/// is cancelled only before it starts, and is shortened no further than to the present. So what oracles read of a span is the
/// same in every state after the span's end. Windows belong to the licence and stay with it when it moves.
interface IMaintenance {
    /// @notice A window was declared.
    event MaintenanceDeclared(uint256 indexed licence, uint40 from, uint40 to, address indexed by);
    /// @notice A window was cancelled before it started.
    event MaintenanceCancelled(uint256 indexed licence, uint40 from, address indexed by);
    /// @notice A window ends earlier, at `to`.
    event MaintenanceShortened(uint256 indexed licence, uint40 from, uint40 to, address indexed by);

    /// @notice Only the licence's holder and its node declare, cancel and shorten.
    error Maintenance_NotHolderOrNode(uint256 licence, address caller);
    /// @notice A window starts no earlier than now (UNIX seconds).
    error Maintenance_InThePast(uint40 from, uint256 time);
    /// @notice A window ends after it starts.
    error Maintenance_Empty(uint40 from, uint40 to);
    /// @notice A window lasts at most {longest} seconds.
    error Maintenance_TooLong(uint256 secs, uint256 longest);
    /// @notice The licence has a window that overlaps this one.
    error Maintenance_Overlaps(uint40 from, uint40 to);
    /// @notice The licence has as many windows that aren't over as it may have.
    error Maintenance_TooMany(uint256 licence, uint256 most);
    /// @notice The licence has no window that starts at `from` and isn't over.
    error Maintenance_UnknownWindow(uint256 licence, uint40 from);
    /// @notice The window has started (UNIX seconds): shorten it instead.
    error Maintenance_Started(uint256 licence, uint40 from);
    /// @notice A window is shortened to an end between now, or its start, and its present end (UNIX seconds).
    error Maintenance_NotShorter(uint40 to, uint256 earliest, uint40 end);

    /// @notice Declares that the licence's node will be away. Its holder or its node may.
    /// @param from start, UNIX seconds, not before the present block's time
    /// @param to end (exclusive), UNIX seconds
    function declare(uint256 licence, uint40 from, uint40 to) external;

    /// @notice Cancels a window that hasn't started. The licence's holder or its node may.
    /// @param from the window's start, by which it is known
    function cancel(uint256 licence, uint40 from) external;

    /// @notice Makes a window end earlier, but not in the past. The licence's holder or its node may.
    /// @param from the window's start, by which it is known
    /// @param to its new end (exclusive), UNIX seconds
    function shorten(uint256 licence, uint40 from, uint40 to) external;

    /// @notice The licence's windows that overlap [from, to), by time, whole. The next page starts at the last one's end.
    /// @param limit most windows to return
    /// @return page the windows
    /// @return more whether further ones overlap
    function windowsWithin(
        uint256 licence,
        uint40 from,
        uint40 to,
        uint256 limit
    ) external view returns (MaintenanceWindow[] memory page, bool more);

    /// @notice How many windows the licence ever had, cancelled ones not counted.
    function windowCount(uint256 licence) external view returns (uint256);

    /// @notice The longest a window lasts, in seconds.
    function longest() external view returns (uint256);

    /// @notice Where licences live.
    function licences() external view returns (INodeLicense);
}
