// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICspAccounts} from "../interfaces/ICspAccounts.sol";
import {Permissions} from "../libraries/Permissions.sol";

/// @title CspAccounts
/// @dev Delegates are kept under the account and the number of its owners so far, limits also under the number of times
/// the delegate was dropped, so that a transfer or a dropping forgets them all at once.
contract CspAccounts is ICspAccounts {
    uint8 private constant ALL = Permissions.CREATE | Permissions.GROW | Permissions.LEAVE | Permissions.PLACE;

    /// @dev One slot: all that an owner's call reads.
    struct Account {
        address owner;
        uint48 transfers;
    }

    struct Delegate {
        uint8 permissions;
        uint40 expiry;
        uint48 dropped;
    }

    /// @inheritdoc ICspAccounts
    address public immutable escrow;
    /// @inheritdoc ICspAccounts
    uint48 public accountCount;
    /// @inheritdoc ICspAccounts
    mapping(uint48 account => address) public offeredTo;
    mapping(uint48 account => Account) private _accounts;
    mapping(uint48 account => mapping(uint48 transfers => mapping(address => Delegate))) private _delegates;
    mapping(bytes32 key => uint256) private _limits;

    /// @param escrow_ the JobEscrow, whose address the deployer knows beforehand
    constructor(address escrow_) {
        require(escrow_ != address(0), CspAccounts_SettingViolated("escrow is not zero"));
        escrow = escrow_;
    }

    /// @inheritdoc ICspAccounts
    function open() external returns (uint48 account) {
        account = ++accountCount;
        _accounts[account].owner = msg.sender;
        emit AccountOpened(account, msg.sender);
    }

    /// @inheritdoc ICspAccounts
    function transferAccount(uint48 account, address to) external {
        _requireOwner(account);
        offeredTo[account] = to;
        emit TransferOffered(account, msg.sender, to);
    }

    /// @inheritdoc ICspAccounts
    function acceptAccount(uint48 account) external {
        require(offeredTo[account] == msg.sender, CspAccounts_NotOffered(account, msg.sender));
        Account memory former = _accounts[account];
        delete offeredTo[account];
        _accounts[account] = Account({owner: msg.sender, transfers: former.transfers + 1});
        emit AccountTransferred(account, former.owner, msg.sender);
    }

    /// @inheritdoc ICspAccounts
    function setDelegate(uint48 account, address delegate, uint8 permissions, uint40 expiry) external {
        Delegate storage d = _delegates[account][_requireOwner(account)][delegate];
        require(permissions & ~ALL == 0, CspAccounts_UnknownPermissions(permissions));
        if (permissions == 0) {
            expiry = 0;
            ++d.dropped;
        } else {
            require(expiry > block.timestamp, CspAccounts_ExpiryPassed(expiry));
        }
        d.permissions = permissions;
        d.expiry = expiry;
        emit DelegateSet(account, delegate, permissions, expiry);
    }

    /// @inheritdoc ICspAccounts
    function setSpendingLimit(uint48 account, address delegate, address token, uint256 amount) external {
        uint48 transfers = _requireOwner(account);
        Delegate memory d = _delegates[account][transfers][delegate];
        require(d.permissions != 0, CspAccounts_NotDelegate(account, delegate));
        _limits[_limitKey(account, transfers, delegate, d.dropped, token)] = amount;
        emit SpendingLimitSet(account, delegate, token, amount);
    }

    /// @inheritdoc ICspAccounts
    function spend(
        uint48 account,
        address caller,
        uint8 permission,
        address token,
        uint256 amount
    ) external returns (address owner) {
        require(msg.sender == escrow, CspAccounts_NotEscrow(msg.sender));
        uint48 transfers;
        (owner, transfers) = _known(account);
        if (caller == owner) return owner;
        uint48 dropped = _requirePermitted(account, transfers, caller, permission).dropped;
        bytes32 key = _limitKey(account, transfers, caller, dropped, token);
        uint256 left = _limits[key];
        require(amount <= left, CspAccounts_LimitExceeded(account, caller, token, left, amount));
        left -= amount;
        _limits[key] = left;
        emit DelegateSpent(account, caller, token, amount, left);
    }

    /// @inheritdoc ICspAccounts
    function authorise(uint48 account, address caller, uint8 permission) external view returns (address owner) {
        uint48 transfers;
        (owner, transfers) = _known(account);
        if (caller != owner) _requirePermitted(account, transfers, caller, permission);
    }

    /// @inheritdoc ICspAccounts
    function ownerOf(uint48 account) external view returns (address owner) {
        return _accounts[account].owner;
    }

    /// @inheritdoc ICspAccounts
    function delegateOf(uint48 account, address delegate) external view returns (uint8 permissions, uint40 expiry) {
        Delegate memory d = _delegates[account][_accounts[account].transfers][delegate];
        return (d.permissions, d.expiry);
    }

    /// @inheritdoc ICspAccounts
    function spendingLimit(uint48 account, address delegate, address token) external view returns (uint256) {
        uint48 transfers = _accounts[account].transfers;
        uint48 dropped = _delegates[account][transfers][delegate].dropped;
        return _limits[_limitKey(account, transfers, delegate, dropped, token)];
    }

    function _known(uint48 account) private view returns (address owner, uint48 transfers) {
        Account memory a = _accounts[account];
        require(a.owner != address(0), CspAccounts_UnknownAccount(account));
        return (a.owner, a.transfers);
    }

    function _requireOwner(uint48 account) private view returns (uint48) {
        (address owner, uint48 transfers) = _known(account);
        require(msg.sender == owner, CspAccounts_NotOwner(account, msg.sender));
        return transfers;
    }

    function _requirePermitted(
        uint48 account,
        uint48 transfers,
        address caller,
        uint8 permission
    ) private view returns (Delegate memory d) {
        d = _delegates[account][transfers][caller];
        require(
            permission != 0 && d.permissions & permission == permission,
            CspAccounts_NotPermitted(account, caller, permission)
        );
        require(block.timestamp < d.expiry, CspAccounts_DelegationExpired(account, caller, d.expiry));
    }

    function _limitKey(
        uint48 account,
        uint48 transfers,
        address delegate,
        uint48 dropped,
        address token
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(account, transfers, delegate, dropped, token));
    }
}
