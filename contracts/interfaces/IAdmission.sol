// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Admission: whose money may come in, and in which tokens.
/// @notice Everything that governance decides about new deposits stands here; money that is in never asks it anything.
interface IAdmission {
    /// @notice Reverts, with the reason, unless the account may put money into the network now.
    /// @param owner the account's owner
    function requireAdmitted(uint48 account, address owner, address token) external view;
}
