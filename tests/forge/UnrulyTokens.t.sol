// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {IJobEscrow, JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {ITrustRegistry} from "../../contracts/interfaces/ITrustRegistry.sol";
import {OraclePay} from "../../contracts/rewards/OraclePay.sol";
import {
    BlockingToken,
    BombToken,
    FalseToken,
    FeeToken,
    GreedyToken,
    MuteToken,
    PausableToken,
    RebasingToken,
    ReentrantToken,
    SilentToken
} from "./fakes/Tokens.sol";
import {LyingToken, PickyToken, SurchargeToken} from "./fakes/WorseTokens.sol";
import {IMintable, Street} from "./Street.sol";

/// @dev What each kind of unruly token does that governance wrongly admitted: docs/tokens.md in tests. Two jobs are in the unruly
/// token and one is in an honest one; each node earned 800 of 1,000 seconds.
contract UnrulyTokensTest is Street {
    uint256 private constant LENGTH = 4_000;
    uint64 private constant BAD = 1;
    uint64 private constant NEIGHBOUR = 2;
    uint64 private constant HONEST = 3;

    address[3] private owners = [address(0xC501), address(0xC502), address(0xC503)];
    uint256[3] private serving;
    IMintable private bad;

    function setUp() external {
        vm.warp(1_700_000_000);
        _found(0, 0);
        _mintLinked(4);
        for (uint256 i = 0; i < 3; ++i) _open(owners[i]);
    }

    // Fees

    function test_fee__when_deposited__is_refused() external {
        FeeToken t = new FeeToken();
        _admit(address(t));
        t.takeFee(10_000);
        uint256 deposit = _cost(LENGTH);
        _refuseDeposit(
            abi.encodeWithSelector(IJobEscrow.JobEscrow_WrongAmountReceived.selector, deposit - deposit / 100, deposit)
        );
    }

    function test_fee__taken_later__is_the_receivers_loss() external {
        FeeToken t = new FeeToken();
        _stage(address(t));
        t.takeFee(10_000);
        _claim(serving[0]);
        uint256 due = _net(800);
        assertEq(t.balanceOf(_holder(1)), due - due / 100);
        t.takeFee(0);
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    function test_surcharge__taken_later__is_the_loss_of_the_tokens_last_ones() external {
        SurchargeToken t = new SurchargeToken();
        _stage(address(t));
        t.charge(1_000);
        _claim(serving[0]);
        t.charge(0);
        assertEq(t.balanceOf(_holder(1)), _net(800));
        assertEq(t.balanceOf(address(escrow)), 2 * _cost(LENGTH) - _net(800) - 1_000, "the fee was other jobs' money");
        _assertWhole(HONEST);
    }

    // Rebasing

    function test_rebasing__rounding_while_deposited__is_refused() external {
        RebasingToken t = new RebasingToken();
        _admit(address(t));
        t.rebase(700_003);
        _refuseDeposit(
            abi.encodeWithSelector(IJobEscrow.JobEscrow_WrongAmountReceived.selector, _cost(LENGTH) - 1, _cost(LENGTH))
        );
    }

    function test_rebasing__down__first_come_are_paid_and_the_last_wait() external {
        RebasingToken t = new RebasingToken();
        _stage(address(t));
        t.rebase(150_000);
        _claim(serving[0]);
        assertApproxEqAbs(t.balanceOf(_holder(1)), _net(800), 1);
        uint256 there = t.balanceOf(address(escrow));
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PaymentRefused(serving[1], _holder(2), _net(800));
        _claim(serving[1]);
        assertEq(t.balanceOf(address(escrow)), there);
        assertEq(_view(serving[1]).claimed, 0, "still due");

        t.rebase(1_000_000);
        _claim(serving[1]);
        assertEq(t.balanceOf(_holder(2)), _net(800), "once it has grown again");
        _assertWhole(HONEST);
    }

    function test_rebasing__up__everybody_is_paid_and_the_surplus_stays() external {
        RebasingToken t = new RebasingToken();
        _stage(address(t));
        t.rebase(2_000_000);
        uint256 before = t.balanceOf(address(escrow));
        escrow.claim(_list(serving[0], serving[1]));
        assertApproxEqAbs(t.balanceOf(_holder(1)), _net(800), 1);
        assertApproxEqAbs(t.balanceOf(_holder(2)), _net(800), 1);
        assertApproxEqAbs(t.balanceOf(address(escrow)), before - 2 * _net(800), 2);
        assertGt(t.balanceOf(address(escrow)), 2 * _cost(LENGTH), "the surplus is nobody's");
        _assertWhole(HONEST);
    }

    // Blocking and pausing

    function test_blocking__payee__waits_or_names_another_and_stops_nobody() external {
        BlockingToken t = new BlockingToken();
        _stage(address(t));
        t.refuse(_holder(1), true);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PaymentRefused(serving[0], _holder(1), _net(800));
        escrow.claim(_list(serving[0], serving[1]));
        assertEq(t.balanceOf(_holder(1)), 0);
        assertEq(t.balanceOf(_holder(2)), _net(800));

        vm.prank(_holder(1));
        escrow.claimTo(_list(serving[0]), address(0xA1));
        assertEq(t.balanceOf(address(0xA1)), _net(800));
        _assertWhole(HONEST);
    }

    function test_blocking__csp__waits_or_hands_the_account_on() external {
        BlockingToken t = new BlockingToken();
        _stage(address(t));
        _stop(BAD);
        t.refuse(owners[0], true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.BlockingToken_Refused.selector, owners[0]));
        escrow.withdrawRefund(BAD);
        _claim(serving[0]);
        assertEq(t.balanceOf(_holder(1)), _net(800), "its payee doesn't wait");

        vm.prank(owners[0]);
        accounts.transferAccount(1, address(0xC5FF));
        vm.prank(address(0xC5FF));
        accounts.acceptAccount(1);
        escrow.withdrawRefund(BAD);
        assertEq(t.balanceOf(address(0xC5FF)), _job(BAD).refunded);
        assertGt(_job(BAD).refunded, 0);
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    function test_blocking__escrow__holds_up_the_token_alone_until_it_is_let_go() external {
        BlockingToken t = new BlockingToken();
        _stage(address(t));
        t.refuse(address(escrow), true);
        bytes memory refused = abi.encodeWithSelector(BlockingToken.BlockingToken_Refused.selector, address(escrow));
        _refuseDeposit(refused);
        _claim(serving[0]);
        assertEq(t.balanceOf(_holder(1)), 0);
        _stop(BAD);
        vm.expectRevert(refused);
        escrow.withdrawRefund(BAD);
        _assertWhole(HONEST);

        t.refuse(address(escrow), false);
        _claim(serving[0]);
        assertEq(t.balanceOf(_holder(1)), _net(800));
        escrow.withdrawRefund(BAD);
        _assertWhole(NEIGHBOUR);
    }

    function test_blocking__burner__keeps_the_burn_waiting_and_nothing_else() external {
        BlockingToken t = new BlockingToken();
        _stage(address(t));
        t.refuse(address(burner), true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.BlockingToken_Refused.selector, address(burner)));
        escrow.sendToProtocol(BAD);
        _assertWhole(NEIGHBOUR);
        _claim(serving[0]);
        t.refuse(address(burner), false);
        escrow.sendToProtocol(BAD);
        assertEq(_job(BAD).protocolDue, 0);
    }

    function test_pausable__paused__holds_up_the_token_alone() external {
        PausableToken t = new PausableToken();
        _stage(address(t));
        t.pause(true);
        bytes memory paused = abi.encodeWithSelector(PausableToken.PausableToken_Paused.selector);
        _refuseDeposit(paused);
        escrow.claim(_list(serving[0], serving[2]));
        assertEq(t.balanceOf(_holder(1)), 0);
        assertEq(token.balanceOf(_holder(3)), _net(800), "in the same batch");
        _stop(BAD);
        vm.expectRevert(paused);
        escrow.withdrawRefund(BAD);
        t.pause(false);
        _claim(serving[0]);
        assertEq(t.balanceOf(_holder(1)), _net(800));
        _assertWhole(NEIGHBOUR);
    }

    // Answers

    function test_false__when_deposited__is_refused() external {
        FalseToken t = new FalseToken();
        _admit(address(t));
        t.answerWith(FalseToken.Answer.False);
        _refuseDeposit(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(t)));
    }

    function test_false__true_without_moving_when_deposited__is_refused() external {
        FalseToken t = new FalseToken();
        _admit(address(t));
        t.answerWith(FalseToken.Answer.LyingTrue);
        _refuseDeposit(abi.encodeWithSelector(IJobEscrow.JobEscrow_WrongAmountReceived.selector, 0, _cost(LENGTH)));
    }

    function test_false__when_paid__waits() external {
        FalseToken t = new FalseToken();
        _stage(address(t));
        t.answerWith(FalseToken.Answer.False);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PaymentRefused(serving[0], _holder(1), _net(800));
        _claim(serving[0]);
        vm.prank(_holder(1));
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrow_PaymentRefused.selector, serving[0], address(0xA1), _net(800))
        );
        escrow.claimTo(_list(serving[0]), address(0xA1));
        _stop(BAD);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(t)));
        escrow.withdrawRefund(BAD);
        t.answerWith(FalseToken.Answer.Honest);
        _claim(serving[0]);
        assertEq(t.balanceOf(_holder(1)), _net(800));
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    function test_false__true_without_moving_when_paid__is_the_receivers_loss() external {
        FalseToken t = new FalseToken();
        _stage(address(t));
        t.answerWith(FalseToken.Answer.LyingTrue);
        _claim(serving[0]);
        t.answerWith(FalseToken.Answer.Honest);
        _claim(serving[0]);
        assertEq(t.balanceOf(_holder(1)), 0, "booked as paid, and gone");
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    /// @dev A payment that the token says failed must have moved nothing, or the payee is paid again out of other jobs' money.
    function test_lying__moves_and_answers_false__pays_nobody_twice() external {
        LyingToken t = new LyingToken();
        _stage(address(t));
        t.lie(true, true, address(0), "");
        for (uint256 i = 0; i < 8; ++i) _claim(serving[0]);
        t.lie(false, false, address(0), "");
        _claim(serving[0]);
        assertLe(t.balanceOf(_holder(1)), _net(800), "paid more than its due");
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    /// @dev A settlement inside a payment that fails must not be forgotten by half.
    function test_lying__settles_another_leaf_and_answers_false__leaves_the_sums_right() external {
        LyingToken t = new LyingToken();
        _stage(address(t));
        vm.prank(owners[0]);
        escrow.growJob(BAD, 2, uint40(genesis + LENGTH));
        _at(2_000);
        uint256 second = _assign(BAD, 1, 4);
        _at(3_000);
        _say(serving[0], 1_800, 2_000);
        _say(second, 1_000, 1_000);
        _report(2);
        (Leaf memory leaf, bytes32[] memory proof) = _leaf(1);
        bytes memory callback = abi.encodeCall(escrow.settle, (reported, leaf.id, leaf.earned, leaf.accounted, proof));
        t.lie(true, false, address(escrow), callback);
        _claim(serving[0]);
        t.lie(false, false, address(0), "");
        _settle(1);
        escrow.claim(_list(serving[0], second));
        _at(LENGTH);
        _say(second, 1_000, 1_000);
        _report(3);
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.closeJob(BAD);
        escrow.withdrawRefund(BAD);
        JobView memory j = _job(BAD);
        assertLe(j.refunded + j.paid + j.toProtocol + j.burned, j.deposit, "took other jobs' money");
        assertGe(t.balanceOf(address(escrow)), _cost(LENGTH), "the neighbour's");
        assertEq(j.tally.earned, uint256(_view(serving[0]).earned) + _view(second).earned, "sum of seconds");
    }

    /// @dev The oracles' pot pays out of one balance too.
    function test_lying__token_of_the_oracles_pot__pays_no_member_twice() external {
        LyingToken t = new LyingToken();
        OraclePay pot = new OraclePay(
            IAttestations(address(attestations)),
            IOracleRegistry(address(registry)),
            ITrustRegistry(address(trust)),
            address(burner),
            t,
            1_000_000
        );
        address[] memory members = _members(2);
        _at(EPOCH);
        for (uint256 i = 0; i < 2; ++i) draft.push(Leaf(DUTY, uint160(members[i]), 1_000, 1_000));
        _report(0);
        for (uint256 i = 0; i < 2; ++i) {
            (Leaf memory leaf, bytes32[] memory proof) = _leaf(i);
            pot.settle(0, members[i], leaf.earned, leaf.accounted, proof);
        }
        t.mint(address(pot), 2_000_000);
        t.lie(true, true, address(0), "");
        pot.claim(_members(1));
        pot.claim(_members(1));
        t.lie(false, false, address(0), "");
        pot.claim(members);
        assertEq(t.balanceOf(members[0]), 1_000_000);
        assertEq(t.balanceOf(members[1]), 1_000_000);
    }

    function test_silent__returns_nothing__is_as_good_as_any() external {
        _stage(address(new SilentToken()));
        _assertWhole(BAD);
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    function test_picky__refuses_to_move_nothing__is_never_asked_to() external {
        _stage(address(new PickyToken()));
        _assertWhole(BAD);
        for (uint256 i = 0; i < 2; ++i) {
            escrow.sendToBurn(BAD);
            escrow.sendToProtocol(BAD);
            escrow.withdrawRefund(BAD);
        }
        _assertWhole(NEIGHBOUR);
        _assertWhole(HONEST);
    }

    /// @dev Of a price below a unit a second, single seconds come to nothing.
    function test_picky__seconds_worth_less_than_a_unit__are_claimed_without_asking_it() external {
        _admit(address(new PickyToken()));
        JobTerms memory terms = _terms(address(bad), 1, LENGTH);
        terms.price = uint96(EPOCH / 10);
        uint64 job = _create(1, terms);
        uint256 assignment = _assign(job, 0, 1);
        _at(EPOCH);
        _say(assignment, 5, 5);
        _report(0);
        _settle(0);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.Paid(assignment, _holder(1), 0, 5);
        _claim(assignment);
        assertEq(_view(assignment).claimed, 5);
    }

    // Calls

    function test_reentrant__back_into_the_escrow__is_refused_and_pays_once() external {
        ReentrantToken t = new ReentrantToken();
        _stage(address(t));
        bytes[4] memory callbacks = [
            abi.encodeCall(escrow.claim, (_list(serving[0], serving[1]))),
            abi.encodeCall(escrow.withdrawRefund, (NEIGHBOUR)),
            abi.encodeCall(escrow.sendToProtocol, (BAD)),
            abi.encodeCall(escrow.permit, (address(t), owners[0], 1, 1, 27, 0, 0))
        ];
        bytes memory guard = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        uint256 from = vm.snapshotState();
        for (uint256 i = 0; i < callbacks.length; ++i) {
            t.callBack(address(escrow), callbacks[i]);
            _claim(serving[0]);
            assertEq(t.calls(), 1);
            assertFalse(t.succeeded());
            assertEq(t.answer(), guard);
            assertEq(t.balanceOf(_holder(1)), _net(800));
            assertEq(t.balanceOf(_holder(2)), 0);
            _assertWhole(NEIGHBOUR);
            vm.revertToState(from);
        }
    }

    function test_bomb__huge_answer__costs_gas_and_nothing_else() external {
        BombToken t = new BombToken();
        _stage(address(t));
        t.arm(200_000, false);
        escrow.claim(_list(serving[0], serving[2]));
        assertEq(t.balanceOf(_holder(1)), _net(800));
        assertEq(token.balanceOf(_holder(3)), _net(800));

        t.arm(200_000, true);
        escrow.claim(_list(serving[1]));
        assertEq(_view(serving[1]).claimed, 0, "refused, so it is still due");
        t.arm(0, false);
        _assertWhole(NEIGHBOUR);
    }

    function test_greedy__eats_all_gas__harms_only_whoever_puts_it_into_a_batch() external {
        GreedyToken t = new GreedyToken();
        _stage(address(t));
        t.eat(100_000_000);
        try escrow.claim{gas: 500_000}(_list(serving[0], serving[2])) {
            fail();
        } catch {
            assertEq(token.balanceOf(_holder(3)), 0, "what was left of the gas didn't do for both");
        }
        escrow.claim{gas: 3_000_000}(_list(serving[0]));
        assertEq(_view(serving[0]).claimed, 0, "refused");
        _assertWhole(HONEST);
        t.eat(0);
        _assertWhole(BAD);
    }

    function test_mute__tells_no_balance__takes_no_deposit_but_pays() external {
        MuteToken t = new MuteToken();
        _stage(address(t));
        t.silence(true);
        _refuseDeposit(abi.encodeWithSelector(MuteToken.MuteToken_Mute.selector));
        escrow.claim(_list(serving[0]));
        t.silence(false);
        assertEq(t.balanceOf(_holder(1)), _net(800));
        _assertWhole(NEIGHBOUR);
    }

    // What governance does about it

    function test_forbid__a_token_with_jobs__lets_all_that_is_in_out() external {
        SilentToken t = new SilentToken();
        _stage(address(t));
        admission.forbidToken(address(t));
        _refuseDeposit(abi.encodeWithSelector(IAdmission.Admission_TokenNotAllowed.selector, address(t)));
        _assertWhole(BAD);
        _assertWhole(NEIGHBOUR);
    }

    function test_shortfall__of_one_token__is_never_paid_in_another() external {
        SurchargeToken t = new SurchargeToken();
        _stage(address(t));
        t.charge(2 * _cost(LENGTH) - _net(800));
        _claim(serving[0]);
        t.charge(0);
        assertEq(t.balanceOf(address(escrow)), 0);
        _stop(BAD);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector,
                address(escrow),
                0,
                _job(BAD).refundable
            )
        );
        escrow.withdrawRefund(BAD);
        _assertWhole(HONEST);
    }

    // Inside

    function _admit(address t) private {
        bad = IMintable(t);
        admission.allowToken(t);
        for (uint256 i = 0; i < 2; ++i) _fundBad(owners[i]);
    }

    function _fundBad(address owner) private {
        bad.mint(owner, 1e15);
        vm.prank(owner);
        bad.approve(address(escrow), 1e15);
    }

    /// @dev Two jobs in the token, one in an honest one, and what their nodes did in the first epoch.
    function _stage(address t) private {
        _admit(t);
        for (uint64 job = BAD; job <= HONEST; ++job) {
            _create(uint48(job), _terms(job == HONEST ? address(token) : t, 1, LENGTH));
            serving[job - 1] = _assign(job, 0, job);
        }
        _at(EPOCH);
        for (uint256 i = 0; i < 3; ++i) _say(serving[i], 800, 1_000);
        _report(0);
        _settleAll();
    }

    function _refuseDeposit(bytes memory reason) private {
        JobTerms memory terms = _terms(address(bad), 1, LENGTH);
        vm.prank(owners[0]);
        vm.expectRevert(reason);
        escrow.createJob(1, terms);
    }

    function _stop(uint64 job) private {
        vm.prank(owners[job - 1]);
        escrow.stopJob(job);
    }

    /// @dev Whether a job's node and CSP get what is theirs, to the unit.
    function _assertWhole(uint64 job) private {
        IMintable t = job == HONEST ? IMintable(address(token)) : bad;
        if (_view(serving[job - 1]).claimed == 0) {
            uint256 before = t.balanceOf(_holder(job));
            _claim(serving[job - 1]);
            assertEq(t.balanceOf(_holder(job)) - before, _net(800), "the node's");
        }
        address owner = owners[job - 1];
        uint256 had = t.balanceOf(owner);
        _stop(job);
        escrow.withdrawRefund(job);
        assertEq(t.balanceOf(owner) - had, _cost(LENGTH) - _cost(_now() - genesis), "the CSP's");
    }
}
