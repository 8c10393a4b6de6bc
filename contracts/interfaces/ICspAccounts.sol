// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Accounts of cloud service providers: an owner, transferable in two steps, and delegates inside explicit limits.
interface ICspAccounts {
    /// @notice Who owns the account: pays its deposits, gets its refunds. Zero when there is no such account.
    function ownerOf(uint48 account) external view returns (address owner);

    /// @notice Reverts unless the caller is the account's owner or a delegate with the permission.
    function authorise(uint48 account, address caller, uint8 permission) external view returns (address owner);

    /// @notice {authorise}, and count the amount against a delegate's spending limit. Escrow only.
    /// @param amount in the token's smallest unit
    /// @return owner whose wallet pays
    function spend(
        uint48 account,
        address caller,
        uint8 permission,
        address token,
        uint256 amount
    ) external returns (address owner);
}
