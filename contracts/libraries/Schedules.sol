// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {SignerSetData} from "./SignerSet.sol";

/// @notice How the licences of one kind are rewarded: the token that one licence gets after so many seconds of its own
/// availability, as a table with straight lines between its points. No shares: such licences get nothing.
/// @param startEpoch the network's epoch from which on seconds count
/// @param stepEpochs epochs from one point of the table to the next
/// @param cap what one licence gets in all, in the token's smallest unit
/// @param shares 8 bytes for each point after the first, which is zero: the cumulative share of the cap, in units of 10^-18;
/// never falling, and the last one 10^18
struct Schedule {
    uint32 startEpoch;
    uint32 stepEpochs;
    uint96 cap;
    bytes shares;
}

/// @notice A schedule as it is kept; two slots, of which only `left` changes.
/// @param table whose code holds the points, see {Schedules.read}; zero when such licences get nothing
/// @param cap what one licence gets in all, in the token's smallest unit
/// @param startsAt UNIX seconds from which on seconds count; zero when such licences get nothing
/// @param stepSeconds seconds from one point of the table to the next
/// @param steps number of steps
/// @param left what all licences of the kind can still get, in the token's smallest unit
struct Curve {
    address table;
    uint96 cap;
    uint40 startsAt;
    uint64 stepSeconds;
    uint16 steps;
    uint128 left;
}

/// @title Tables of emission: checked and written once, then read.
/// @notice The emission after given seconds never falls with more of them, and ends at the cap exactly.
library Schedules {
    using Memory for *;

    /// @notice A schedule breaks the named rule.
    error Schedules_Violated(string rule);

    /// @notice The share that is the whole cap.
    uint256 internal constant WHOLE = 1e18;

    uint256 private constant POINT_BYTES = 8;
    /// @dev With the first point and the STOP byte, 24,576 bytes of code at most.
    uint256 private constant MAX_STEPS = 3070;

    /// @notice Checks a schedule and writes its table.
    /// @param genesis UNIX time at which epoch 0 starts
    /// @param epochLength in seconds
    /// @return c its curve, with nothing left to give yet
    function write(Schedule memory s, uint256 genesis, uint256 epochLength) internal returns (Curve memory c) {
        if (s.shares.length == 0) {
            require(s.cap == 0, Schedules_Violated("a cap has shares"));
            return c;
        }
        require(s.cap != 0 && s.stepEpochs != 0, Schedules_Violated("cap and stepEpochs of shares are not zero"));
        // slither-disable-next-line divide-before-multiply -- another length is refused next
        uint256 steps = s.shares.length / POINT_BYTES;
        require(
            s.shares.length % POINT_BYTES == 0 && steps <= MAX_STEPS,
            Schedules_Violated("shares are 8 bytes each, at most 3,070")
        );
        uint256 startsAt = genesis + s.startEpoch * epochLength;
        uint256 stepSeconds = s.stepEpochs * epochLength;
        // No report reaches further, so that an Availability's 40 bits hold every second that counts.
        require(
            startsAt + stepSeconds * steps <= type(uint40).max,
            Schedules_Violated("a schedule ends within 40 bits of UNIX seconds")
        );

        bytes memory code = bytes.concat(bytes1(0), bytes8(0), s.shares);
        uint256 before = 0;
        for (uint256 i = 0; i < steps; ++i) {
            (uint256 from, uint256 to) = _points(code, i);
            require(before == from && from <= to, Schedules_Violated("shares never fall"));
            before = to;
        }
        require(before == WHOLE, Schedules_Violated("the last share is 10^18"));

        c.table = address(new SignerSetData(bytes.concat(bytes8(0), s.shares)));
        c.cap = s.cap;
        c.startsAt = uint40(startsAt);
        c.stepSeconds = uint64(stepSeconds);
        c.steps = uint16(steps);
    }

    /// @notice The curve's table, to be read once for many licences: a STOP byte, then the points, 8 bytes each.
    function read(Curve storage c) internal view returns (bytes memory) {
        return c.table.code;
    }

    /// @notice What one licence gets for `secs` seconds of its availability, in the token's smallest unit, rounded down.
    /// @param table what {read} returned for the same curve
    function emission(Curve memory c, bytes memory table, uint256 secs) internal pure returns (uint256) {
        if (secs >= uint256(c.stepSeconds) * c.steps) return c.cap;
        (uint256 from, uint256 to) = _points(table, secs / c.stepSeconds);
        // Below 2^96 * 2^60 * 2^64.
        uint256 share = from * c.stepSeconds + (to - from) * (secs % c.stepSeconds);
        return (c.cap * share) / (WHOLE * c.stepSeconds);
    }

    /// @dev The points at which step `index` starts and ends. The caller has checked that the table has that step.
    function _points(bytes memory table, uint256 index) private pure returns (uint256 from, uint256 to) {
        uint256 word = uint256(table.asSlice().load(1 + index * POINT_BYTES));
        return (word >> 192, uint64(word >> 128));
    }
}
