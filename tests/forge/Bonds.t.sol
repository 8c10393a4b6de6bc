// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BondSettings, BondView, IBonds} from "../../contracts/interfaces/IBonds.sol";
import {Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {BondsFixture} from "./BondsFixture.sol";
import {BondNeighbours} from "./fakes/BondNeighbours.sol";
import {
    BombToken,
    FalseToken,
    FeeToken,
    GreedyToken,
    MuteToken,
    PausableToken,
    ReentrantToken,
    SilentToken
} from "./fakes/Tokens.sol";

contract BondsTest is BondsFixture {
    // --- constructor

    function test_constructor__delay_below_the_rule__reverts() external {
        string memory rule =
            "withdrawalDelay >= (windowEpochs + 2) * epochLength + stallSpan + attestableSpan + reviewDelay";
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_SettingViolated.selector, rule));
        _deploy(ESCROW, BondSettings(DELAY - 1, 3));
    }

    function test_constructor__no_window__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_SettingViolated.selector, "windowEpochs >= 1"));
        _deploy(ESCROW, BondSettings(DELAY, 0));
    }

    function test_constructor__no_escrow__reverts() external {
        string memory rule = "escrow and burner are not zero";
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_SettingViolated.selector, rule));
        _deploy(address(0), BondSettings(DELAY, 3));
    }

    // --- deposit

    function test_deposit__by_anyone__is_the_subjects() external {
        _fund(STRANGER, address(_token), 30);
        vm.expectEmit(address(_bonds));
        emit IBonds.BondDeposited(DEED, address(_token), STRANGER, 30);
        vm.prank(STRANGER);
        _bonds.deposit(DEED, address(_token), 30);
        _deposit(ORACLE, address(_token), 12);
        assertEq(_balance(DEED, address(_token)), 30);
        assertEq(_balance(ORACLE, address(_token)), 12);
        assertEq(_token.balanceOf(address(_bonds)), 42);
    }

    function test_deposit__subject_without_bonds__reverts() external {
        uint256[5] memory strange = [
            uint256(0),
            Subjects.node(STRANGER),
            Subjects.csp(1),
            Subjects.oracle(address(0)),
            ORACLE | (1 << 160)
        ];
        for (uint256 i = 0; i < strange.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_UnknownSubject.selector, strange[i]));
            _bonds.deposit(strange[i], address(_token), 0);
        }
        vm.expectRevert(abi.encodeWithSelector(BondNeighbours.BondNeighbours_NoSuchLicence.selector, LICENCE + 1));
        _bonds.deposit(Subjects.licence(LICENCE + 1), address(_token), 0);
    }

    function test_deposit__fee_on_transfer__reverts() external {
        FeeToken token = new FeeToken();
        token.takeFee(10_000);
        _fund(STRANGER, address(token), 1_000);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_WrongAmountReceived.selector, 990, 1_000));
        vm.prank(STRANGER);
        _bonds.deposit(DEED, address(token), 1_000);
    }

    function test_deposit__nothing_moved__reverts() external {
        FalseToken token = new FalseToken();
        _fund(STRANGER, address(token), 5);
        token.answerWith(FalseToken.Answer.False);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token));
        vm.prank(STRANGER);
        _bonds.deposit(DEED, address(token), 5);
        token.answerWith(FalseToken.Answer.LyingTrue);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_WrongAmountReceived.selector, 0, 5));
        vm.prank(STRANGER);
        _bonds.deposit(DEED, address(token), 5);
    }

    function test_deposit__token_calls_back__is_credited_once() external {
        ReentrantToken token = new ReentrantToken();
        _deposit(DEED, address(token), 5);
        token.callBack(address(_bonds), abi.encodeCall(IBonds.deposit, (DEED, address(_token), 0)));
        _deposit(DEED, address(token), 5);
        assertFalse(token.succeeded());
        assertEq(bytes4(token.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertEq(_balance(DEED, address(token)), 10);
    }

    /// @dev A slash in the middle of a deposit takes what was there; what comes in is credited after it.
    function test_deposit__slashed_meanwhile__balances_agree() external {
        ReentrantToken token = new ReentrantToken();
        _deposit(DEED, address(token), 5);
        _around.set(DEED, Status.Blacklisted, true);
        token.callBack(address(_bonds), abi.encodeCall(IBonds.slash, (DEED, address(token))));
        _deposit(DEED, address(token), 7);
        assertTrue(token.succeeded());
        assertEq(_balance(DEED, address(token)), 7);
        assertEq(_bonds.burnable(address(token)), 5);
    }

    function test_deposit__odd_but_true_tokens__go_in_and_out() external {
        BombToken bomb = new BombToken();
        bomb.arm(100_000, false);
        GreedyToken greedy = new GreedyToken();
        greedy.eat(100_000);
        address[3] memory tokens = [address(new SilentToken()), address(bomb), address(greedy)];
        for (uint256 i = 0; i < tokens.length; ++i) {
            _deposit(DEED, tokens[i], 10);
            _update(tokens[i], 1, 4, 0);
            _bonds.sendToBurn(tokens[i]);
            _requestAll(DEED, tokens[i]);
            skip(DELAY);
            vm.prank(HOLDER);
            _bonds.withdraw(DEED, tokens[i], HOLDER);
            assertEq(IERC20(tokens[i]).balanceOf(HOLDER), 6);
            assertEq(IERC20(tokens[i]).balanceOf(address(_burner)), 4);
            assertEq(IERC20(tokens[i]).balanceOf(address(_bonds)), 0);
        }
    }

    // --- update

    function test_update__by_another__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NotEscrow.selector, STRANGER));
        vm.prank(STRANGER);
        _bonds.update(LICENCE, address(_token), 1, 0, 0);
    }

    function test_update__funded__reserves_burns_and_frees() external {
        _deposit(DEED, address(_token), 100);
        _update(address(_token), 1, 0, 40);
        _expectBond(100, 40);
        vm.expectEmit(address(_bonds));
        emit IBonds.PenaltyUpdated(LICENCE, address(_token), 1, 25, 10);
        _update(address(_token), 1, 25, 10); // 5 were freed by an appeal
        _expectBond(75, 10);
        _update(address(_token), 1, 0, 0); // burned never falls
        _expectBond(75, 0);
        (uint256 burned, uint256 reserved) = _bonds.penaltyOf(LICENCE, address(_token), 1);
        assertEq(burned, 25);
        assertEq(reserved, 0);
        assertEq(_bonds.burnable(address(_token)), 25);
    }

    function test_update__bond_lacks__reserves_what_there_is_and_of_later_deposits() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 0, 8);
        _update(address(_token), 2, 0, 12);
        _expectBond(10, 10);
        (, uint256 reserved) = _bonds.penaltyOf(LICENCE, address(_token), 2);
        assertEq(reserved, 12);
        assertEq(_bonds.bondOf(DEED, address(_token)).liable, 20);
        _deposit(DEED, address(_token), 20);
        _expectBond(30, 20);
    }

    /// @dev Whoever buys a licence sees what its node may still lose of a bond that is empty now.
    function test_bondOf__empty__tells_what_a_deposit_would_be_liable_for() external {
        _update(address(_token), 1, 0, 7);
        BondView memory bond = _bonds.bondOf(DEED, address(_token));
        assertEq(bond.balance, 0);
        assertEq(bond.reserved, 0);
        assertEq(bond.liable, 7);
        _deposit(DEED, address(_token), 10);
        _expectBond(10, 7);
        _update(address(_token), 1, 7, 0);
        _expectBond(3, 0);
        assertEq(_bonds.bondOf(DEED, address(_token)).liable, 0);
    }

    /// @dev A reservation keeps a bond from leaving, not another assignment's penalty from being taken.
    function test_update__another_reserved_first__is_taken_all_the_same() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 0, 10);
        _update(address(_token), 2, 0, 10);
        _update(address(_token), 2, 7, 0);
        assertEq(_bonds.burnable(address(_token)), 7);
        _expectBond(3, 3);
        _update(address(_token), 1, 10, 0);
        assertEq(_bonds.burnable(address(_token)), 10);
        _expectBond(0, 0);
    }

    /// @dev Whoever crowds a bond with one assignment and frees it by an appeal gets nothing out before the other is over.
    function test_update__another_frees_what_it_reserved__the_rest_stays_reserved() external {
        _deposit(DEED, address(_token), 10);
        _requestAll(DEED, address(_token));
        _update(address(_token), 1, 0, 10);
        _update(address(_token), 2, 0, 8);
        _update(address(_token), 1, 0, 0);
        skip(DELAY);
        _withdraw(HOLDER, DEED, HOLDER);
        assertEq(_token.balanceOf(HOLDER), 2);
        _update(address(_token), 2, 8, 0);
        assertEq(_bonds.burnable(address(_token)), 8);
    }

    /// @dev A token whose amounts nobody can add up hurts its own bonds alone, and not the escrow.
    function test_update__reservations_beyond_all_bounds__are_cut() external {
        _deposit(DEED, address(_token), type(uint112).max);
        _update(address(_token), 1, 0, type(uint112).max - 5);
        _update(address(_token), 2, 0, type(uint256).max);
        (, uint256 reserved) = _bonds.penaltyOf(LICENCE, address(_token), 2);
        assertEq(reserved, 5);
        _update(address(_token), 1, 0, 0);
        _expectBond(type(uint112).max, 5);
    }

    function test_update__bond_lacks_what_burns__the_rest_is_forgiven() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 0, 4);
        _update(address(_token), 2, 50, 0);
        _expectBond(0, 0);
        _deposit(DEED, address(_token), 100);
        _update(address(_token), 2, 50, 0);
        _expectBond(100, 4);
        _update(address(_token), 2, 51, 0);
        _expectBond(99, 4);
    }

    function test_update__told_again__writes_nothing() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 2, 3);
        vm.record();
        vm.recordLogs();
        _update(address(_token), 1, 2, 3);
        (, bytes32[] memory writes) = vm.accesses(address(_bonds));
        assertEq(writes.length, 0);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_update__after_a_slash__what_was_reserved_before_is_gone() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 2, 6);
        _slash(DEED, address(_token));
        (uint256 burned, uint256 reserved) = _bonds.penaltyOf(LICENCE, address(_token), 1);
        assertEq(burned, 2);
        assertEq(reserved, 0);
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 2, 0, 3);
        _update(address(_token), 1, 8, 0);
        _expectBond(4, 3);
        assertEq(_bonds.burnable(address(_token)), 16);
    }

    /// @dev The token's sender reaches the escrow, which settles: that must not fail because a transfer is under way.
    function test_update__in_a_tokens_call_back__is_done() external {
        ReentrantToken token = new ReentrantToken();
        _bonds = _deploy(address(token), BondSettings(DELAY, 3));
        _deposit(DEED, address(token), 10);
        _requestAll(DEED, address(token));
        skip(DELAY);
        token.callBack(address(_bonds), abi.encodeCall(IBonds.update, (LICENCE, address(token), 1, 5, 5)));
        vm.prank(HOLDER);
        _bonds.withdraw(DEED, address(token), HOLDER);
        assertTrue(token.succeeded());
        assertEq(_bonds.burnable(address(token)), 0); // all had been paid before
        assertEq(token.balanceOf(HOLDER), 10);
    }

    /// @dev Each assignment is told random steps, interleaved at random; in the end the sum is what was told last.
    function testFuzz_update__funded__burns_the_sum_in_any_order(uint256 seed, uint64[6] calldata last) external {
        uint256 sum = 0;
        for (uint256 i = 0; i < last.length; ++i) sum += last[i];
        _deposit(DEED, address(_token), 2 * sum + 1);
        uint256[6] memory told;
        for (uint256 step = 0; step < 30; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 which = seed % 6;
            told[which] += ((seed >> 64) % (last[which] - told[which] + 1));
            _update(address(_token), which, told[which], (seed >> 128) % (last[which] - told[which] + 1));
        }
        for (uint256 i = 0; i < last.length; ++i)
            _update(address(_token), (i * 5 + (seed % 6)) % 6, last[(i * 5 + (seed % 6)) % 6], 0);
        assertEq(_bonds.burnable(address(_token)), sum);
        _expectBond(sum + 1, 0);
    }

    /// @dev Whatever the escrow passes, for licences and assignments that never were, with any bond: no revert.
    function testFuzz_update__whatever_is_passed__never_reverts(
        uint96 bond,
        uint256[5] calldata licences,
        address[5] calldata tokens,
        uint256[5] calldata assignments,
        uint256[5] calldata burned,
        uint256[5] calldata reserved
    ) external {
        _deposit(DEED, address(_token), bond);
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(ESCROW);
            _bonds.update(licences[i], tokens[i], assignments[i], burned[i], reserved[i]);
            _update(address(_token), assignments[i] % 2, burned[i], reserved[i]);
            assertEq(
                _token.balanceOf(address(_bonds)),
                _balance(DEED, address(_token)) + _bonds.burnable(address(_token))
            );
        }
    }

    /// @dev Everybody at once, at random: what is held, reserved and burned always adds up.
    function testFuzz_bonds__any_history__adds_up(uint256 seed) external {
        LocalToken[2] memory tokens = [_token, new LocalToken()];
        uint256[3] memory subjects = [DEED, Subjects.licence(LICENCE + 1), ORACLE];
        _around.give(LICENCE + 1, HOLDER);
        for (uint256 step = 0; step < 60; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 which = (seed >> 8) % 3;
            _act(seed, subjects[which], address(tokens[(seed >> 16) % 2]));
            for (uint256 t = 0; t < 2; ++t) {
                uint256 owed = _bonds.burnable(address(tokens[t]));
                for (uint256 i = 0; i < 3; ++i) {
                    BondView memory bond = _bonds.bondOf(subjects[i], address(tokens[t]));
                    owed += bond.balance;
                    assertLe(bond.reserved, bond.balance);
                    if (i == 2) continue;
                    uint256 sum = _reservations(LICENCE + i, address(tokens[t]));
                    assertEq(bond.liable, sum);
                    assertEq(bond.reserved, sum < bond.balance ? sum : bond.balance);
                }
                assertEq(tokens[t].balanceOf(address(_bonds)), owed);
            }
        }
    }

    // --- slash and burn

    function test_slash__final__takes_all_and_reservations() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 0, 4);
        _requestAll(DEED, address(_token));
        _around.set(DEED, Status.Blacklisted, true);
        vm.expectEmit(address(_bonds));
        emit IBonds.BondSlashed(DEED, address(_token), 10);
        vm.prank(STRANGER);
        _bonds.slash(DEED, address(_token));
        _expectBond(0, 0);
        assertEq(_bonds.bondOf(DEED, address(_token)).requested, 0);
        assertEq(_bonds.burnable(address(_token)), 10);
        assertEq(_token.balanceOf(STRANGER), 0);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NothingToSlash.selector, DEED, _token));
        _bonds.slash(DEED, address(_token));
    }

    function test_slash__not_final__reverts() external {
        _deposit(DEED, address(_token), 10);
        _around.set(DEED, Status.Blacklisted, false);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NotSlashable.selector, DEED));
        _bonds.slash(DEED, address(_token));
    }

    function test_sendToBurn__taken__goes_to_the_burner_once() external {
        _deposit(DEED, address(_token), 10);
        _update(address(_token), 1, 4, 0);
        vm.expectEmit(address(_bonds));
        emit IBonds.SentToBurn(address(_token), 4);
        _bonds.sendToBurn(address(_token));
        assertEq(_token.balanceOf(address(_burner)), 4);
        assertEq(_burner.burn(address(_token)), 4);
        vm.expectRevert(abi.encodeWithSelector(IBonds.Bonds_NothingToBurn.selector, _token));
        _bonds.sendToBurn(address(_token));
    }

    /// @dev Penalties are told and slashes done whatever the token does; and no token holds up another.
    function test_bonds__token_fails_every_call__blocks_nothing_else() external {
        PausableToken paused = new PausableToken();
        FalseToken lying = new FalseToken();
        MuteToken mute = new MuteToken();
        BombToken bomb = new BombToken();
        GreedyToken greedy = new GreedyToken();
        address[5] memory tokens = [address(paused), address(lying), address(mute), address(bomb), address(greedy)];
        for (uint256 i = 0; i < 5; ++i) _deposit(DEED, tokens[i], 10);
        _deposit(DEED, address(_token), 10);
        paused.pause(true);
        lying.answerWith(FalseToken.Answer.False);
        mute.silence(true);
        bomb.arm(10_000, true);
        greedy.eat(type(uint256).max);
        for (uint256 i = 0; i < 5; ++i) {
            _update(tokens[i], 1, 3, 3);
            if (tokens[i] == address(mute)) continue; // it moves all the same
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, ) = address(_bonds).call{gas: 500_000}(abi.encodeCall(IBonds.sendToBurn, (tokens[i])));
            assertFalse(done);
            assertEq(_bonds.burnable(tokens[i]), 3);
        }
        _slash(DEED, address(paused));
        assertEq(_bonds.burnable(address(paused)), 10);
        _around.set(DEED, Status.None, false);
        _update(address(_token), 1, 3, 0);
        _bonds.sendToBurn(address(_token));
        _requestAll(DEED, address(_token));
        skip(DELAY);
        _withdraw(HOLDER, DEED, HOLDER);
        assertEq(_token.balanceOf(HOLDER), 7);
        paused.pause(false);
        _bonds.sendToBurn(address(paused));
        assertEq(paused.balanceOf(address(_burner)), 10);
    }

    /// @dev One action of somebody, chosen by a random number; those that aren't possible just then do nothing.
    function _act(uint256 seed, uint256 subject, address token) private {
        uint256 amount = (seed >> 32) % BIG;
        uint256 what = seed % 8;
        address holder = subject == ORACLE ? MEMBER : HOLDER;
        if (what < 2) {
            _deposit(subject, token, amount);
        } else if (what < 4) {
            if (subject != ORACLE) _book(seed, Subjects.idOf(subject), token);
        } else if (what == 4) {
            if ((seed >> 64) % 4 == 0) _slashIfAny(subject, token);
        } else if (what == 5) {
            uint256 balance = _balance(subject, token);
            _request(holder, subject, token, amount > balance ? balance : amount);
        } else if (what == 6) {
            _collect(holder, subject, token);
        } else if (_bonds.burnable(token) != 0) {
            _bonds.sendToBurn(token);
        }
    }

    /// @dev The escrow tells what an assignment's penalties come to; now and then more than any bond has.
    function _book(uint256 seed, uint256 id, address token) private {
        uint256 burned = (seed >> 64) % 20 == 0 ? type(uint256).max : (seed >> 64) % BIG;
        uint256 reserved = (seed >> 128) % 20 == 0 ? type(uint256).max : (seed >> 128) % BIG;
        uint256 assignment = (seed >> 24) % 3;
        (uint256 before, ) = _bonds.penaltyOf(id, token, assignment);
        uint256 balance = _balance(Subjects.licence(id), token);
        vm.prank(ESCROW);
        _bonds.update(id, token, assignment, burned, reserved);
        (uint256 told, ) = _bonds.penaltyOf(id, token, assignment);
        assertGe(told, before);
        // Every told penalty is taken; forgiven is only what the whole bond lacks.
        uint256 taken = balance - _balance(Subjects.licence(id), token);
        assertEq(taken, told - before < balance ? told - before : balance);
    }

    /// @dev A withdrawal whose delay is over pays no more than was asked for and is free.
    function _collect(address holder, uint256 subject, address token) private {
        skip(DELAY);
        BondView memory bond = _bonds.bondOf(subject, token);
        if (bond.requested == 0 || bond.balance == bond.reserved) return;
        uint256 before = IERC20(token).balanceOf(holder);
        vm.prank(holder);
        _bonds.withdraw(subject, token, holder);
        uint256 paid = IERC20(token).balanceOf(holder) - before;
        assertLe(paid, bond.requested);
        assertLe(paid, bond.balance - bond.reserved);
    }
}
