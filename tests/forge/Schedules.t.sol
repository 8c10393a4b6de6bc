// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Curve, Schedule, Schedules} from "../../contracts/libraries/Schedules.sol";

contract SchedulesTest is Test {
    using Schedules for *;

    uint256 private constant GENESIS = 1_700_000_000;
    uint256 private constant DAY = 86_400;

    Curve private curve;

    /// @dev Written from outside, so that its reverts can be expected.
    function write(Schedule memory s) external {
        curve = s.write(GENESIS, DAY);
    }

    function writeFrom(Schedule memory s, uint256 genesis) external {
        curve = s.write(genesis, DAY);
    }

    function test_write__line__is_linear_and_ends_at_the_cap() external {
        this.write(Schedule(3, 10, 1000, abi.encodePacked(uint64(1e18))));
        assertEq(curve.startsAt, GENESIS + 3 * DAY);
        assertEq(_emission(0), 0);
        assertEq(_emission(DAY), 100);
        assertEq(_emission(10 * DAY - 1), 999);
        assertEq(_emission(10 * DAY), 1000);
        assertEq(_emission(type(uint40).max), 1000);
    }

    function test_write__points__are_joined_by_lines() external {
        this.write(Schedule(0, 2, 1000, abi.encodePacked(uint64(1e17), uint64(5e17), uint64(1e18))));
        assertEq(_emission(DAY), 50);
        assertEq(_emission(2 * DAY), 100);
        assertEq(_emission(3 * DAY), 300);
        assertEq(_emission(4 * DAY), 500);
        assertEq(_emission(5 * DAY), 750);
        assertEq(_emission(6 * DAY), 1000);
    }

    function test_write__no_shares__gives_nothing() external {
        this.write(Schedule(3, 10, 0, ""));
        assertEq(curve.startsAt, 0);
        assertEq(_emission(0), 0);
        assertEq(_emission(1e9), 0);
    }

    function test_write__largest_table__fits_the_code() external {
        this.write(Schedule(0, 1, 3070, _even(3070)));
        assertEq(_emission(1000 * DAY), 999, "each share is rounded down");
        assertEq(_emission(3070 * DAY), 3070);
    }

    function test_write__broken_rule__is_named() external {
        _refuse(Schedule(0, 1, 1, ""), "a cap has shares");
        _refuse(Schedule(0, 1, 0, _even(1)), "cap and stepEpochs of shares are not zero");
        _refuse(Schedule(0, 0, 1, _even(1)), "cap and stepEpochs of shares are not zero");
        _refuse(Schedule(0, 1, 1, bytes.concat(_even(1), hex"00")), "shares are 8 bytes each, at most 3,070");
        _refuse(Schedule(0, 1, 1, hex"00"), "shares are 8 bytes each, at most 3,070");
        _refuse(Schedule(0, 1, 1, _even(3071)), "shares are 8 bytes each, at most 3,070");
        _refuse(Schedule(0, type(uint32).max, 1, _even(1)), "a schedule ends within 40 bits of UNIX seconds");
        _refuse(Schedule(0, 1, 1, abi.encodePacked(uint64(2), uint64(1), uint64(1e18))), "shares never fall");
        _refuse(Schedule(0, 1, 1, abi.encodePacked(uint64(2e18), uint64(1e18))), "shares never fall");
        _refuse(Schedule(0, 1, 1, abi.encodePacked(uint64(1e18 - 1))), "the last share is 10^18");
        _refuse(Schedule(0, 1, 1, abi.encodePacked(uint64(1e18), uint64(1e18 + 1))), "the last share is 10^18");
    }

    function test_write__end_of_40_bits__is_reached_and_not_passed() external {
        Schedule memory s = Schedule(0, 1, 1000, abi.encodePacked(uint64(1e18)));
        this.writeFrom(s, type(uint40).max - DAY);
        assertEq(_emission(DAY), 1000);
        vm.expectRevert(
            abi.encodeWithSelector(
                Schedules.Schedules_Violated.selector,
                "a schedule ends within 40 bits of UNIX seconds"
            )
        );
        this.writeFrom(s, type(uint40).max - DAY + 1);
    }

    /// @dev Any table, any two times: never falls, never passes the cap, and equals the line through the two points around.
    function testFuzz_emission__any_table__follows_it(
        uint64[7] memory weights,
        uint96 cap,
        uint8 stepEpochs,
        uint40 earlier,
        uint40 later
    ) external {
        (uint256[8] memory points, bytes memory shares) = _table(weights);
        vm.assume(cap != 0 && stepEpochs != 0);
        this.write(Schedule(0, stepEpochs, cap, shares));

        uint256 step = stepEpochs * DAY;
        uint256 a = earlier % (8 * step);
        uint256 b = a + (later % (8 * step));
        assertLe(_emission(a), _emission(b), "it never falls");
        assertLe(_emission(b), cap);
        assertEq(_emission(7 * step), cap);
        if (a < 7 * step) assertEq(_emission(a), (cap * _line(points, step, a)) / (1e18 * step));
    }

    /// @dev Seven rising shares of which the last is 1, and a zero before them.
    function _table(uint64[7] memory weights) private pure returns (uint256[8] memory points, bytes memory shares) {
        uint256 sum = 0;
        for (uint256 i = 0; i < 7; ++i) sum += weights[i];
        vm.assume(sum != 0);
        uint256 acc = 0;
        for (uint256 i = 0; i < 7; ++i) {
            acc += weights[i];
            points[i + 1] = (acc * 1e18) / sum;
            shares = bytes.concat(shares, bytes8(uint64(points[i + 1])));
        }
    }

    /// @dev The share at `secs`, times `step`, on the line between the two points around.
    function _line(uint256[8] memory points, uint256 step, uint256 secs) private pure returns (uint256) {
        uint256 k = secs / step;
        return points[k] * step + (points[k + 1] - points[k]) * (secs - k * step);
    }

    function _emission(uint256 secs) private view returns (uint256) {
        Curve memory c = curve;
        return c.emission(curve.read(), secs);
    }

    function _refuse(Schedule memory s, string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(Schedules.Schedules_Violated.selector, rule));
        this.write(s);
    }

    function _even(uint256 steps) private pure returns (bytes memory shares) {
        shares = new bytes(steps * 8);
        for (uint256 i = 0; i < steps; ++i) {
            bytes8 share = bytes8(uint64(((i + 1) * 1e18) / steps));
            for (uint256 j = 0; j < 8; ++j) shares[i * 8 + j] = share[j];
        }
    }
}
