// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Ids of assignments: job (64 bits), slot (32 bits) and generation (32 bits), in that order.
/// @notice The order makes the leaves of one job lie side by side in a report's tree.
library AssignmentIds {
    /// @notice The id of a job's slot in one generation; generations of a slot count from 1.
    function pack(uint64 job, uint32 slot, uint32 generation) internal pure returns (uint256) {
        return (uint256(job) << 64) | (uint256(slot) << 32) | generation;
    }

    /// @notice The id of a job's assignment by the low half of it: slot and generation.
    function inJob(uint64 job, uint64 place) internal pure returns (uint256) {
        return (uint256(job) << 64) | place;
    }

    /// @notice The job of an assignment id. Ids wider than 128 bits have no job: the caller finds nothing under them.
    function jobOf(uint256 id) internal pure returns (uint64) {
        return uint64(id >> 64);
    }
}
