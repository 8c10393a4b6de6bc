// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Accounts of cloud service providers: an owner, transferable in two steps, and delegates inside explicit limits.
/// @notice The owner may do everything without limits. A delegate needs a permission (see {Permissions}), and for spending
/// also enough of its limit in the token. What delegates spend comes from the owner's wallet, and refunds go to the owner,
/// never to a delegate. A transfer drops all delegates and limits of the former owner.
interface ICspAccounts {
    /// @notice An account was opened.
    event AccountOpened(uint48 indexed account, address indexed owner);
    /// @notice The owner offers the account; nothing moves until it is accepted. Zero: the offer was taken back.
    event TransferOffered(uint48 indexed account, address indexed owner, address indexed to);
    /// @notice The account has another owner, and no delegates.
    event AccountTransferred(uint48 indexed account, address indexed from, address indexed to);
    /// @notice A delegate's permissions (bits) hold until `expiry` (UNIX seconds); zeros when it was dropped.
    event DelegateSet(uint48 indexed account, address indexed delegate, uint8 permissions, uint40 expiry);
    /// @notice A delegate may spend `amount` of the token's smallest unit from now on.
    event SpendingLimitSet(uint48 indexed account, address indexed delegate, address indexed token, uint256 amount);
    /// @notice A delegate spent; `left` remains, both in the token's smallest unit.
    event DelegateSpent(
        uint48 indexed account,
        address indexed delegate,
        address indexed token,
        uint256 amount,
        uint256 left
    );

    /// @notice A setting breaks the named rule.
    error CspAccounts_SettingViolated(string rule);
    /// @notice There is no such account.
    error CspAccounts_UnknownAccount(uint48 account);
    /// @notice The caller doesn't own the account.
    error CspAccounts_NotOwner(uint48 account, address caller);
    /// @notice The account isn't offered to the caller.
    error CspAccounts_NotOffered(uint48 account, address caller);
    /// @notice The caller is neither the account's owner nor a delegate with the permission.
    error CspAccounts_NotPermitted(uint48 account, address caller, uint8 permission);
    /// @notice The delegate's permissions ended at `expiry` (UNIX seconds).
    error CspAccounts_DelegationExpired(uint48 account, address delegate, uint40 expiry);
    /// @notice The delegate may spend `left` of the token's smallest unit, not `asked`.
    error CspAccounts_LimitExceeded(uint48 account, address delegate, address token, uint256 left, uint256 asked);
    /// @notice There are no such permissions.
    error CspAccounts_UnknownPermissions(uint8 permissions);
    /// @notice A delegation must end after now; UNIX seconds.
    error CspAccounts_ExpiryPassed(uint40 expiry);
    /// @notice The address has no permissions of the account, so a limit would mean nothing.
    error CspAccounts_NotDelegate(uint48 account, address delegate);
    /// @notice Only the escrow spends.
    error CspAccounts_NotEscrow(address caller);

    /// @notice Opens an account for the caller; ids count from 1.
    function open() external returns (uint48 account);

    /// @notice Offers the account to another owner, in place of an earlier offer; zero takes it back. Owner only.
    function transferAccount(uint48 account, address to) external;

    /// @notice Takes an account that is offered to the caller. From then on the caller's wallet pays, and open refunds of
    /// the account's jobs are the caller's. What stands against the account in {ITrustRegistry} stays.
    function acceptAccount(uint48 account) external;

    /// @notice Sets all that a delegate may do; permissions of zero drop it with its spending limits, which
    /// outlast an expiry: who appoints a lapsed delegate anew drops it first, or sets them. Owner only.
    /// @param permissions bits of {Permissions}
    /// @param expiry UNIX seconds from which they no longer hold
    function setDelegate(uint48 account, address delegate, uint8 permissions, uint40 expiry) external;

    /// @notice Sets what a delegate may still spend in a token, in place of what was left. Owner only.
    /// @dev As with ERC-20 approvals, a delegate that sees the change coming may spend the old limit first.
    /// @param amount in the token's smallest unit
    function setSpendingLimit(uint48 account, address delegate, address token, uint256 amount) external;

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

    /// @notice Reverts unless the caller is the account's owner or a delegate with the permission.
    /// @param permission one bit of {Permissions}; of several, all are needed
    function authorise(uint48 account, address caller, uint8 permission) external view returns (address owner);

    /// @notice Who owns the account: pays its deposits, gets its refunds. Zero when there is no such account.
    function ownerOf(uint48 account) external view returns (address owner);

    /// @notice To whom the account is offered; zero when it isn't.
    function offeredTo(uint48 account) external view returns (address);

    /// @notice What a delegate may do (bits of {Permissions}) until `expiry` (UNIX seconds), whether that has passed or not.
    function delegateOf(uint48 account, address delegate) external view returns (uint8 permissions, uint40 expiry);

    /// @notice What a delegate may still spend in a token, in its smallest unit.
    function spendingLimit(uint48 account, address delegate, address token) external view returns (uint256);

    /// @notice How many accounts were opened.
    function accountCount() external view returns (uint48);

    /// @notice The escrow that spends.
    function escrow() external view returns (address);
}
