// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BondView, IBonds} from "../../contracts/interfaces/IBonds.sol";
import {Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {BondsFixture} from "./BondsFixture.sol";
import {BlockingToken, RebasingToken, ReentrantToken} from "./fakes/Tokens.sol";

contract BondWithdrawalsTest is BondsFixture {
    function test_withdraw__requested_and_free__is_paid_to_whom_the_holder_names() external {
        _deposit(DEED, address(_token), 10);
        vm.expectEmit(address(_bonds));
        emit IBonds.WithdrawalRequested(DEED, address(_token), HOLDER, 6, uint40(block.timestamp + DELAY));
        _request(HOLDER, DEED, address(_token), 6);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_TooEarly.selector, block.timestamp + DELAY));
        _withdraw(HOLDER, DEED, STRANGER);
        skip(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_TooEarly.selector, block.timestamp + 1));
        _withdraw(HOLDER, DEED, STRANGER);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_WrongRecipient.selector, address(_bonds)));
        _withdraw(HOLDER, DEED, address(_bonds));
        vm.expectEmit(address(_bonds));
        emit IBonds.BondWithdrawn(DEED, address(_token), STRANGER, 6);
        _withdraw(HOLDER, DEED, STRANGER);
        assertEq(_token.balanceOf(STRANGER), 6);
        assertEq(_balance(DEED, address(_token)), 4);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NothingRequested.selector, DEED, _token));
        _withdraw(HOLDER, DEED, STRANGER);
    }

    function test_withdraw__oracles_bond__is_the_members_alone() external {
        _deposit(ORACLE, address(_token), 10);
        _around.sit(MEMBER, 500);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NotHolder.selector, ORACLE, HOLDER));
        _request(HOLDER, ORACLE, address(_token), 1);
        _request(MEMBER, ORACLE, address(_token), 10);
        skip(DELAY);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NotHolder.selector, ORACLE, HOLDER));
        _withdraw(HOLDER, ORACLE, HOLDER);
        uint256 before = vm.snapshotState();
        _around.sit(MEMBER, 3);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_ServedSince.selector, ORACLE, 3));
        _withdraw(MEMBER, ORACLE, MEMBER);
        vm.revertToState(before);
        _withdraw(MEMBER, ORACLE, MEMBER);
        assertEq(_token.balanceOf(MEMBER), 10);
    }

    function test_withdraw__partly_reserved__pays_the_rest_later() external {
        _deposit(DEED, address(_token), 10);
        _request(HOLDER, DEED, address(_token), 10);
        _update(address(_token), 1, 0, 7); // seconds served before, settled after the request
        skip(DELAY);
        _withdraw(HOLDER, DEED, HOLDER);
        assertEq(_token.balanceOf(HOLDER), 3);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_AllReserved.selector, 7, 7));
        _withdraw(HOLDER, DEED, HOLDER);
        _update(address(_token), 1, 5, 0);
        assertEq(_bonds.bondOf(DEED, address(_token)).requested, 7);
        _withdraw(HOLDER, DEED, HOLDER);
        assertEq(_token.balanceOf(HOLDER), 5);
        assertEq(_token.balanceOf(address(_bonds)), 5);
    }

    function test_withdraw__more_reserved_than_there_is__tells_both() external {
        _deposit(DEED, address(_token), 5);
        _request(HOLDER, DEED, address(_token), 5);
        _update(address(_token), 1, 0, 4);
        _update(address(_token), 2, 0, 4);
        skip(DELAY);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_AllReserved.selector, 5, 8));
        _withdraw(HOLDER, DEED, HOLDER);
    }

    function test_withdraw__licence_sold__is_void_and_the_buyers() external {
        _deposit(DEED, address(_token), 10);
        _requestAll(DEED, address(_token));
        skip(DELAY);
        _around.give(LICENCE, BUYER);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NotHolder.selector, DEED, HOLDER));
        _withdraw(HOLDER, DEED, HOLDER);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_HolderChanged.selector, HOLDER, BUYER));
        _withdraw(BUYER, DEED, BUYER);
        _request(BUYER, DEED, address(_token), 10);
        skip(DELAY);
        _withdraw(BUYER, DEED, BUYER);
        assertEq(_token.balanceOf(BUYER), 10);
    }

    function test_withdraw__linked_since__is_void() external {
        _deposit(DEED, address(_token), 10);
        _around.serve(LICENCE, 9);
        _requestAll(DEED, address(_token));
        _around.serve(LICENCE, 1);
        skip(DELAY);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_ServedSince.selector, DEED, 1));
        _withdraw(HOLDER, DEED, HOLDER);
    }

    function test_withdraw__any_status__waits() external {
        _deposit(DEED, address(_token), 10);
        _requestAll(DEED, address(_token));
        skip(DELAY);
        for (uint8 i = uint8(Status.Frozen); i <= uint8(Status.Blacklisted); ++i) {
            _around.set(DEED, Status(i), false);
            vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_StatusForbids.selector, DEED, Status(i)));
            _withdraw(HOLDER, DEED, HOLDER);
        }
        _around.set(DEED, Status.None, false);
        _withdraw(HOLDER, DEED, HOLDER);
        assertEq(_token.balanceOf(HOLDER), 10);
    }

    function test_request__not_possible__reverts() external {
        _deposit(DEED, address(_token), 10);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NotHolder.selector, DEED, STRANGER));
        _request(STRANGER, DEED, address(_token), 1);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_AmountExceedsBond.selector, 11, 10));
        _request(HOLDER, DEED, address(_token), 11);
        _around.link(LICENCE, STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_Linked.selector, LICENCE, STRANGER));
        _request(HOLDER, DEED, address(_token), 1);
    }

    function test_request__again__replaces_the_former_and_zero_calls_it_off() external {
        _deposit(DEED, address(_token), 10);
        _request(HOLDER, DEED, address(_token), 10);
        skip(DELAY - 1);
        _request(HOLDER, DEED, address(_token), 4);
        BondView memory bond = _bonds.bondOf(DEED, address(_token));
        assertEq(bond.requested, 4);
        assertEq(bond.availableAt, block.timestamp + DELAY);
        assertEq(bond.requester, HOLDER);
        _around.link(LICENCE, STRANGER); // calling off needs nothing
        _request(HOLDER, DEED, address(_token), 0);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NothingRequested.selector, DEED, _token));
        _withdraw(HOLDER, DEED, HOLDER);
    }

    function test_withdraw__token_calls_back__pays_once() external {
        ReentrantToken token = new ReentrantToken();
        _deposit(DEED, address(token), 5);
        _deposit(ORACLE, address(token), 5);
        _requestAll(DEED, address(token));
        skip(DELAY);
        token.callBack(address(_bonds), abi.encodeCall(IBonds.sendToBurn, (address(token))));
        vm.prank(HOLDER);
        _bonds.withdraw(DEED, address(token), HOLDER);
        assertEq(bytes4(token.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertEq(token.balanceOf(HOLDER), 5);
        assertEq(_balance(ORACLE, address(token)), 5);
    }

    function test_withdraw__token_refuses_the_holder__another_receiver_gets_it() external {
        BlockingToken token = new BlockingToken();
        _deposit(DEED, address(token), 5);
        _requestAll(DEED, address(token));
        skip(DELAY);
        token.refuse(HOLDER, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.BlockingToken_Refused.selector, HOLDER));
        vm.prank(HOLDER);
        _bonds.withdraw(DEED, address(token), HOLDER);
        vm.prank(HOLDER);
        _bonds.withdraw(DEED, address(token), STRANGER);
        assertEq(token.balanceOf(STRANGER), 5);
    }

    function test_withdraw__balances_fell_by_themselves__only_that_token_lacks() external {
        RebasingToken token = new RebasingToken();
        _deposit(DEED, address(token), 10);
        _deposit(ORACLE, address(token), 10);
        _deposit(DEED, address(_token), 10);
        token.rebase(500_000);
        _requestAll(DEED, address(token));
        _requestAll(DEED, address(_token));
        _request(MEMBER, ORACLE, address(token), 10);
        skip(DELAY);
        vm.prank(HOLDER);
        _bonds.withdraw(DEED, address(token), HOLDER);
        vm.expectRevert();
        vm.prank(MEMBER);
        _bonds.withdraw(ORACLE, address(token), MEMBER);
        _withdraw(HOLDER, DEED, HOLDER);
        assertEq(_token.balanceOf(HOLDER), 10);
    }
}
