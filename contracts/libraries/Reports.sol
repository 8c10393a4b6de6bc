// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Which reports are kept, in one word. From bit 0, 72 bits each for the pending report, the last final one and the
/// final one before it: its epoch (32 bits) and since when it is or will be final (40 bits, UNIX seconds; zero: there is no
/// such report). Then `reviewedBelow` (32 bits): reports of epochs below it were vetoed before, themselves or in favour of a
/// lower epoch. Then `place` (8 bits): where the pending report's root is among three slots used in turn.
type Reports is uint256;

using ReportsLibrary for Reports global;

/// @title Fields of {Reports}, and what happens to them. A report that becomes final moves 72 bits up.
library ReportsLibrary {
    uint256 private constant ENTRY_BITS = 72;
    uint256 private constant ENTRY = (1 << 72) - 1;
    uint256 private constant ENTRIES = (1 << 216) - 1;
    uint256 private constant REVIEWED = uint256(type(uint32).max) << 216;

    /// @notice The reports as they are at `time` (UNIX seconds): a pending one whose delay has passed is final.
    function asOf(Reports r, uint256 time) internal pure returns (Reports) {
        uint256 word = Reports.unwrap(r);
        uint256 finalAt = uint40(word >> 32);
        if (finalAt == 0 || time < finalAt) return r;
        uint256 next = word >> 248 == 2 ? 0 : (word >> 248) + 1;
        return Reports.wrap((next << 248) | (word & REVIEWED) | ((word << ENTRY_BITS) & ENTRIES));
    }

    /// @notice Epoch and finality of the pending report.
    function pending(Reports r) internal pure returns (uint32 epoch, uint40 finalAt) {
        return (uint32(Reports.unwrap(r)), uint40(Reports.unwrap(r) >> 32));
    }

    /// @notice Epoch and finality of the last final report.
    function last(Reports r) internal pure returns (uint32 epoch, uint40 finalAt) {
        return (uint32(Reports.unwrap(r) >> 72), uint40(Reports.unwrap(r) >> 104));
    }

    /// @notice Epoch and finality of the final report before the last.
    function previous(Reports r) internal pure returns (uint32 epoch, uint40 finalAt) {
        return (uint32(Reports.unwrap(r) >> 144), uint40(Reports.unwrap(r) >> 176));
    }

    /// @notice Reports of epochs below this one were vetoed before.
    function reviewedBelow(Reports r) internal pure returns (uint32) {
        return uint32(Reports.unwrap(r) >> 216);
    }

    /// @notice Where the root of the report `back` places before the pending one is: 0 pending, 1 last, 2 previous.
    function place(Reports r, uint256 back) internal pure returns (uint256) {
        unchecked {
            uint256 here = (Reports.unwrap(r) >> 248) + 3 - back;
            return here < 3 ? here : here - 3;
        }
    }

    /// @notice The reports with another pending one.
    function submit(Reports r, uint32 epoch, uint40 finalAt) internal pure returns (Reports) {
        return Reports.wrap((Reports.unwrap(r) & ~ENTRY) | epoch | (uint256(finalAt) << 32));
    }

    /// @notice The reports without a pending one.
    function drop(Reports r) internal pure returns (Reports) {
        return Reports.wrap(Reports.unwrap(r) & ~ENTRY);
    }

    /// @notice The reports with epochs below `epoch` marked as vetoed before.
    function review(Reports r, uint32 epoch) internal pure returns (Reports) {
        return Reports.wrap((Reports.unwrap(r) & ~REVIEWED) | (uint256(epoch) << 216));
    }
}
