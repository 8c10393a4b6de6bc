// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Placements: who serves which slot. Opened with the node's acceptance, closed by those concerned.
interface IPlacements {
    /// @notice Closes an assignment as of a time in the current epoch. Reallocations only.
    function closeAsOf(uint256 assignment, uint40 asOf) external;
}
