// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Words} from "./Words.sol";
import {CspAccounts} from "../../contracts/csp/CspAccounts.sol";
import {ICspAccounts} from "../../contracts/interfaces/ICspAccounts.sol";
import {Permissions} from "../../contracts/libraries/Permissions.sol";

contract CspAccountsTest is Words {
    uint8 private constant CREATE = Permissions.CREATE;
    uint8 private constant GROW = Permissions.GROW;
    uint8 private constant LEAVE = Permissions.LEAVE;

    address private escrow = makeAddr("escrow");
    address private owner = makeAddr("owner");
    address private heir = makeAddr("heir");
    address private delegate = makeAddr("delegate");
    address private token = makeAddr("token");
    CspAccounts private accounts = new CspAccounts(escrow);
    uint48 private account;

    function setUp() external {
        vm.warp(1_800_000_000);
        vm.prank(owner);
        account = accounts.open();
    }

    function test_constructor__no_escrow__is_refused() external {
        vm.expectRevert(
            abi.encodeWithSelector(ICspAccounts.CspAccounts_SettingViolated.selector, "escrow is not zero")
        );
        new CspAccounts(address(0));
    }

    function test_open__by_anyone__counts_from_one() external {
        assertEq(account, 1);
        vm.expectEmit(address(accounts));
        emit ICspAccounts.AccountOpened(2, address(this));
        assertEq(accounts.open(), 2);
        assertEq(accounts.accountCount(), 2);
        assertEq(accounts.ownerOf(1), owner);
        assertEq(accounts.ownerOf(2), address(this));
        assertEq(accounts.ownerOf(3), address(0));
    }

    // Transfers

    function test_acceptAccount__offered__moves_it_without_delegates_and_limits() external {
        _appoint(CREATE, 100);
        vm.prank(owner);
        vm.expectEmit(address(accounts));
        emit ICspAccounts.TransferOffered(account, owner, heir);
        accounts.transferAccount(account, heir);
        assertEq(accounts.ownerOf(account), owner, "until it is accepted");
        vm.expectEmit(address(accounts));
        emit ICspAccounts.AccountTransferred(account, owner, heir);
        vm.prank(heir);
        accounts.acceptAccount(account);
        assertEq(accounts.ownerOf(account), heir);
        assertEq(accounts.offeredTo(account), address(0));
        assertEq(accounts.spendingLimit(account, delegate, token), 0, "limit");
        _expectNotPermitted(delegate, CREATE);
        accounts.authorise(account, delegate, CREATE);
        _expectNotPermitted(owner, CREATE);
        accounts.authorise(account, owner, CREATE);
        vm.prank(heir);
        accounts.setDelegate(account, delegate, CREATE, _in(1 days));
        assertEq(accounts.spendingLimit(account, delegate, token), 0, "the former owner's limit doesn't return");
    }

    function test_transferAccount__back_to_a_former_owner__brings_no_delegates_back() external {
        _appoint(CREATE, 100);
        _move(owner, heir);
        _move(heir, owner);
        _expectNotPermitted(delegate, CREATE);
        accounts.authorise(account, delegate, CREATE);
        assertEq(accounts.spendingLimit(account, delegate, token), 0);
    }

    function test_acceptAccount__never_offered_or_taken_back__is_refused() external {
        _expectNotOffered(heir);
        accounts.acceptAccount(account);
        vm.startPrank(owner);
        accounts.transferAccount(account, heir);
        accounts.transferAccount(account, address(0));
        vm.stopPrank();
        _expectNotOffered(heir);
        accounts.acceptAccount(account);
        _move(owner, heir);
        _expectNotOffered(heir);
        accounts.acceptAccount(account);
    }

    // Delegates

    function test_set__not_the_owner_or_no_account__is_refused() external {
        _expectNotOwner(delegate);
        accounts.transferAccount(account, delegate);
        _expectNotOwner(delegate);
        accounts.setDelegate(account, delegate, CREATE, _in(1 days));
        _expectNotOwner(delegate);
        accounts.setSpendingLimit(account, delegate, token, 1);
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_UnknownAccount.selector, 9));
        accounts.setDelegate(9, delegate, CREATE, _in(1 days));
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_UnknownAccount.selector, 9));
        accounts.authorise(9, address(0), CREATE);
    }

    function test_setDelegate__unknown_permission_or_past_expiry__is_refused() external {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_UnknownPermissions.selector, 17));
        accounts.setDelegate(account, delegate, 17, _in(1 days));
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_ExpiryPassed.selector, _in(0)));
        accounts.setDelegate(account, delegate, CREATE, _in(0));
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_NotDelegate.selector, account, delegate));
        accounts.setSpendingLimit(account, delegate, token, 1);
    }

    function test_authorise__owner__is_allowed_everything() external view {
        for (uint8 permission = 1; permission != 16; ++permission)
            assertEq(accounts.authorise(account, owner, permission), owner);
    }

    function testFuzz_authorise__delegate__has_just_its_permissions(uint8 permissions, uint8 asked) external {
        permissions = uint8(bound(permissions, 1, 15));
        _appoint(permissions, 0);
        if (asked == 0 || asked & ~permissions != 0) {
            _expectNotPermitted(delegate, asked);
            accounts.authorise(account, delegate, asked);
        } else {
            assertEq(accounts.authorise(account, delegate, asked), owner);
        }
    }

    function test_authorise__delegation_expired__is_refused() external {
        _appoint(LEAVE, 0);
        uint40 expiry = _in(1 days);
        skip(1 days - 1);
        accounts.authorise(account, delegate, LEAVE);
        skip(1);
        vm.expectRevert(
            abi.encodeWithSelector(ICspAccounts.CspAccounts_DelegationExpired.selector, account, delegate, expiry)
        );
        accounts.authorise(account, delegate, LEAVE);
    }

    function test_setDelegate__dropped_and_appointed_again__has_no_limit_of_before() external {
        _appoint(CREATE, 100);
        vm.startPrank(owner);
        accounts.setDelegate(account, delegate, 0, _in(1 days));
        (uint8 permissions, uint40 expiry) = accounts.delegateOf(account, delegate);
        assertEq(permissions, 0);
        assertEq(expiry, 0);
        accounts.setDelegate(account, delegate, CREATE | GROW, _in(1 days));
        assertEq(accounts.spendingLimit(account, delegate, token), 0);
        accounts.setSpendingLimit(account, delegate, token, 5);
        accounts.setDelegate(account, delegate, CREATE, _in(2 days));
        assertEq(accounts.spendingLimit(account, delegate, token), 5, "a change of permissions keeps it");
    }

    // Spending

    function test_spend__not_the_escrow__is_refused() external {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_NotEscrow.selector, owner));
        accounts.spend(account, owner, CREATE, token, 1);
    }

    function test_spend__owner__has_no_limit() external {
        vm.prank(escrow);
        assertEq(accounts.spend(account, owner, CREATE, token, type(uint256).max), owner);
    }

    function test_spend__without_the_permission__is_refused() external {
        _appoint(CREATE, 100);
        vm.prank(escrow);
        _expectNotPermitted(delegate, GROW);
        accounts.spend(account, delegate, GROW, token, 1);
        vm.prank(escrow);
        _expectNotPermitted(heir, CREATE);
        accounts.spend(account, heir, CREATE, token, 0);
    }

    function testFuzz_spend__delegate__never_spends_more_than_its_limit(
        uint256 limit,
        uint256[8] memory asks
    ) external {
        _appoint(CREATE, limit);
        uint256 left = limit;
        for (uint256 i = 0; i < asks.length; ++i) {
            uint256 ask = i % 2 == 0 || limit == 0 ? asks[i] : asks[i] % limit;
            vm.prank(escrow);
            if (ask > left) {
                _expectLimit(token, left, ask);
                accounts.spend(account, delegate, CREATE, token, ask);
                continue;
            }
            left -= ask;
            vm.expectEmit(address(accounts));
            emit ICspAccounts.DelegateSpent(account, delegate, token, ask, left);
            assertEq(accounts.spend(account, delegate, CREATE, token, ask), owner);
            assertEq(accounts.spendingLimit(account, delegate, token), left);
        }
    }

    function test_spend__another_token__has_its_own_limit() external {
        _appoint(CREATE, 100);
        vm.prank(escrow);
        _expectLimit(heir, 0, 1);
        accounts.spend(account, delegate, CREATE, heir, 1);
    }

    function test_authorise__owner__reads_one_word() external {
        vm.record();
        vm.startStateDiffRecording();
        accounts.authorise(account, owner, CREATE);
        assertEq(_contractsCalled(), 1, "contracts");
        assertEq(_wordsRead(address(accounts)), 1, "words");
    }

    function _appoint(uint8 permissions, uint256 limit) private {
        vm.startPrank(owner);
        accounts.setDelegate(account, delegate, permissions, _in(1 days));
        accounts.setSpendingLimit(account, delegate, token, limit);
        vm.stopPrank();
    }

    function _move(address from, address to) private {
        vm.prank(from);
        accounts.transferAccount(account, to);
        vm.prank(to);
        accounts.acceptAccount(account);
    }

    function _expectNotOwner(address caller) private {
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_NotOwner.selector, account, caller));
    }

    function _expectNotOffered(address caller) private {
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ICspAccounts.CspAccounts_NotOffered.selector, account, caller));
    }

    function _expectNotPermitted(address caller, uint8 permission) private {
        vm.expectRevert(
            abi.encodeWithSelector(ICspAccounts.CspAccounts_NotPermitted.selector, account, caller, permission)
        );
    }

    function _expectLimit(address token_, uint256 left, uint256 asked) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                ICspAccounts.CspAccounts_LimitExceeded.selector,
                account,
                delegate,
                token_,
                left,
                asked
            )
        );
    }

    function _in(uint256 span) private view returns (uint40) {
        return uint40(vm.getBlockTimestamp() + span);
    }
}
