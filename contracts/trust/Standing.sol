// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Appeal, Status} from "../interfaces/ITrustRegistry.sol";

/// @notice What stands against a subject, in one word. From bit 0, 84 bits each for freeze, suspension and blacklist: in
/// force until (40 bits, UNIX seconds; zero: it isn't), final from (40 bits, UNIX seconds), and its {Appeal} (4 bits).
type Standing is uint256;

using StandingLibrary for Standing global;

/// @title Fields of {Standing}.
library StandingLibrary {
    /// @notice A time that never comes.
    uint40 internal constant NEVER = type(uint40).max;
    uint256 private constant LANE_BITS = 84;
    uint256 private constant LANE = (1 << 84) - 1;

    /// @notice The gravest status in force at `time` (UNIX seconds).
    function gravest(Standing s, uint256 time) internal pure returns (Status) {
        if (Standing.unwrap(s) == 0) return Status.None;
        if (s.inForce(Status.Blacklisted, time)) return Status.Blacklisted;
        if (s.inForce(Status.Suspended, time)) return Status.Suspended;
        return s.inForce(Status.Frozen, time) ? Status.Frozen : Status.None;
    }

    /// @notice Whether the status is in force at `time` (UNIX seconds); {Status.None} never is.
    function inForce(Standing s, Status status, uint256 time) internal pure returns (bool) {
        return status != Status.None && time < s.untilOf(status);
    }

    /// @notice Whether the status is in force at `time` (UNIX seconds) and can't be lifted any more.
    function isFinal(Standing s, Status status, uint256 time) internal pure returns (bool) {
        return s.inForce(status, time) && time >= s.finalFrom(status);
    }

    /// @notice Until when the status is in force; UNIX seconds.
    function untilOf(Standing s, Status status) internal pure returns (uint40) {
        return uint40(Standing.unwrap(s) >> _place(status));
    }

    /// @notice From when the status is final; UNIX seconds.
    function finalFrom(Standing s, Status status) internal pure returns (uint40) {
        return uint40(Standing.unwrap(s) >> (_place(status) + 40));
    }

    /// @notice What became of the status's appeal.
    function appealOf(Standing s, Status status) internal pure returns (Appeal) {
        return Appeal((Standing.unwrap(s) >> (_place(status) + 80)) & 15);
    }

    /// @notice The standing with other fields of one status; all zero lift it.
    function put(
        Standing s,
        Status status,
        uint40 until,
        uint40 finalFrom_,
        Appeal appeal
    ) internal pure returns (Standing) {
        uint256 place = _place(status);
        uint256 lane = until | (uint256(finalFrom_) << 40) | (uint256(appeal) << 80);
        return Standing.wrap((Standing.unwrap(s) & ~(LANE << place)) | (lane << place));
    }

    function _place(Status status) private pure returns (uint256) {
        return (uint256(status) - 1) * LANE_BITS;
    }
}
