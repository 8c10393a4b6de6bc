// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bonds of licences and of oracles: deposited, reserved for penalties, slashed, withdrawn after a delay.
interface IBonds {
    /// @notice Tells an assignment's cumulative penalties. Escrow only; never reverts: what the bond lacks isn't owed.
    /// @param licence whose bond it is
    /// @param token the bond's and the job's ERC-20
    /// @param burned what was withheld for good comes to, in the token's smallest unit; never falls
    /// @param reserved what is withheld and may still be appealed comes to
    function update(uint256 licence, address token, uint256 assignment, uint256 burned, uint256 reserved) external;
}
