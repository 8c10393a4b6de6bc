// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Curve, Schedule, Schedules} from "../../../contracts/libraries/Schedules.sol";

/// @title The library {Schedules} by itself, to be compared with Python's.
contract SchedulesHarness {
    using Schedules for *;

    Curve private _curve;

    constructor(Schedule memory schedule, uint256 genesis, uint256 epochLength) {
        _curve = schedule.write(genesis, epochLength);
    }

    /// @notice What one licence gets for each of so many seconds.
    function emissions(uint256[] calldata secs) external view returns (uint256[] memory amounts) {
        Curve memory curve = _curve;
        bytes memory table = _curve.read();
        amounts = new uint256[](secs.length);
        for (uint256 i = 0; i < secs.length; ++i) amounts[i] = curve.emission(table, secs[i]);
    }
}
