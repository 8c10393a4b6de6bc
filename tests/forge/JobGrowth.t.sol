// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {IJobEscrow, JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {IJobRules} from "../../contracts/interfaces/IJobRules.sol";
import {NetworkToken} from "../../contracts/rewards/NetworkToken.sol";
import {Street} from "./Street.sol";

/// @dev Jobs that grow and shrink: what they cost, from when on slots are served, and what is free when they go.
contract JobGrowthTest is Street {
    uint256 private constant KEY = 0xC5B;
    address private immutable CSP = vm.addr(KEY);
    uint48 private account;

    /// @dev What a job's slots are funded for, counted slot by slot.
    struct Model {
        uint40 startsAt;
        uint40 stop;
        uint256 deposited;
        uint256 gone;
        uint40[] starts;
    }

    function setUp() external {
        vm.warp(1_700_000_000);
        _found(0, 0);
        _mintLinked(3);
        account = _open(CSP);
    }

    // Growing

    function test_grow__later_end__costs_the_time_and_goes_on() external {
        uint64 job = _create(account, 2, 1_500);
        uint256 assignment = _assign(job, 0, 1);
        _at(700);
        _grow(job, 2, 2_500);
        assertEq(_job(job).deposit, _cost(2 * 2_500));
        assertEq(token.balanceOf(address(escrow)), _cost(2 * 2_500));
        _at(3_000);
        _say(assignment, 2_500, 2_500);
        _report(2);
        _settle(0);
        assertEq(_view(assignment).earned, 2_500);
    }

    function test_grow__more_slots__start_with_the_next_epoch() external {
        uint64 job = _create(account, 1, 3_000);
        _at(400);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.JobGrown(job, 3, genesis + 1_000, genesis + 3_000, uint96(_cost(7_000) - _cost(3_000)));
        _grow(job, 3, 3_000);
        for (uint32 slot = 1; slot < 3; ++slot) {
            vm.expectRevert(
                abi.encodeWithSelector(IJobEscrow.JobEscrow_SlotNotStarted.selector, slot, genesis + 1_000)
            );
            this.assign(job, slot, 1);
        }
        _assign(job, 0, 1);
        _at(1_000);
        _assign(job, 1, 2);
        _assign(job, 2, 3);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_UnknownSlot.selector, 3, 3));
        this.assign(job, 3, 1);
    }

    function test_grow__both_at_once__costs_both() external {
        uint64 job = _create(account, 1, 1_500);
        _at(200);
        _grow(job, 2, 4_000);
        assertEq(_job(job).deposit, _cost(4_000 + 3_000));
    }

    function test_grow__added_slots_would_never_start__is_refused_unless_extended() external {
        uint64 job = _create(account, 1, 1_900);
        _at(1_100);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_SlotNotStarted.selector, 1, genesis + 2_000));
        this.grow(job, 2, 1_900);
        _grow(job, 2, 2_001);
        assertEq(_job(job).deposit, _cost(2_001 + 1));
    }

    function test_grow__before_the_start__starts_with_the_job() external {
        JobTerms memory terms = _terms(address(token), 1, 0);
        (terms.startsAt, terms.endsAt) = (genesis + 2_300, genesis + 4_300);
        uint64 job = _create(account, terms);
        _at(100);
        _grow(job, 2, 4_300);
        assertEq(_job(job).deposit, _cost(4_000));
        _at(2_200);
        _grow(job, 3, 4_300); // in the epoch of the start: the third slot waits for the next
        assertEq(_job(job).deposit, _cost(4_000 + 1_300));
        _at(2_300);
        _assign(job, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_SlotNotStarted.selector, 2, genesis + 3_000));
        this.assign(job, 2, 2);
    }

    function test_grow__nothing_more_or_too_late__is_refused() external {
        uint64 job = _create(account, 2, 1_500);
        bytes4 notMore = IJobEscrow.JobEscrow_NotMore.selector;
        uint40 stop = genesis + 1_500;
        vm.expectRevert(abi.encodeWithSelector(notMore, 2, stop, 2, stop));
        this.grow(job, 2, 1_500);
        vm.expectRevert(abi.encodeWithSelector(notMore, 1, stop + 500, 2, stop));
        this.grow(job, 1, 2_000);
        vm.expectRevert(abi.encodeWithSelector(notMore, 3, stop - 1, 2, stop));
        this.grow(job, 3, 1_499);
        vm.expectRevert(
            abi.encodeWithSelector(IJobRules.JobRules_TermsViolated.selector, "all slots' seconds together < 2^44")
        );
        this.grow(job, type(uint32).max, 9_000);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_UnknownJob.selector, 9));
        this.grow(9, 3, 1_500);
        _at(1_500);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_AlreadyStopped.selector, job, stop));
        this.grow(job, 3, 9_000);
    }

    /// @dev Deposits are rounded up together: what was given up comes to a unit less when more is paid for, and that unit is out.
    function test_grow__after_a_refund__takes_no_unit_back() external {
        uint64 job = _create(account, 2, 1_001);
        _at(999);
        _shrink(job, 1);
        escrow.withdrawRefund(job);
        _grow(job, 1, 1_002);
        assertLt(_cost(2_003) - _cost(2_001), _cost(2_002) - _cost(2_000), "as constructed");
        escrow.withdrawRefund(job);
        assertEq(_job(job).refundable, 0);
        assertEq(_job(job).refunded, _cost(2_002) - _cost(2_000));
    }

    // Shrinking

    function test_shrink__served_slots__close_pay_their_past_and_free_their_future() external {
        uint64 job = _create(account, 3, 4_000);
        uint256 kept = _assign(job, 0, 1);
        uint256 gone = _assign(job, 2, 2);
        _at(600);
        uint256 had = token.balanceOf(CSP);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.AssignmentClosed(gone, genesis + 600);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.JobShrunk(job, 1);
        _shrink(job, 1);
        escrow.withdrawRefund(job);
        assertEq(token.balanceOf(CSP) - had, _cost(12_000) - _cost(12_000 - 2 * 3_400), "its future, at once");
        assertEq(licences.openAssignments(2), 0);
        vm.prank(_holder(2));
        licences.unlink(2);

        _at(1_000);
        _say(kept, 1_000, 1_000);
        _say(gone, 1_000, 1_000);
        _report(0);
        _settleAll();
        assertEq(_view(gone).earned, 600, "not a second after it was taken away");
        escrow.claim(_list(kept, gone));
        assertEq(token.balanceOf(_holder(2)), _net(600));
        assertEq(token.balanceOf(_holder(1)), _net(1_000));
    }

    function test_shrink__then_grow_in_one_epoch__slots_wait_for_the_next_and_cost_again() external {
        uint64 job = _create(account, 3, 3_000);
        _assign(job, 2, 1);
        _at(400);
        _shrink(job, 1);
        _grow(job, 2, 3_000);
        _grow(job, 3, 3_000);
        assertEq(_job(job).deposit, _cost(9_000 + 2 * 2_000));
        assertEq(_job(job).funded, 9_000 - 2 * 2_600 + 2 * 2_000);
        for (uint32 slot = 1; slot < 3; ++slot) {
            vm.expectRevert(
                abi.encodeWithSelector(IJobEscrow.JobEscrow_SlotNotStarted.selector, slot, genesis + 1_000)
            );
            this.assign(job, slot, 2);
        }
        _at(1_000);
        assertEq(uint32(_assign(job, 2, 2)), 2, "the slot's second generation");
    }

    function test_shrink__slots_not_started_yet__frees_all_they_cost() external {
        uint64 job = _create(account, 1, 3_000);
        _at(500);
        _grow(job, 4, 3_000);
        _shrink(job, 2);
        assertEq(_job(job).refundable, _cost(3_000 + 3 * 2_000) - _cost(3_000 + 2_000));
        _shrink(job, 1);
        assertEq(_job(job).funded, 3_000);
        escrow.withdrawRefund(job);
        assertEq(token.balanceOf(address(escrow)), _cost(3_000));
    }

    function test_shrink__to_none_or_to_more__is_refused() external {
        uint64 job = _create(account, 2, 3_000);
        vm.startPrank(CSP);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_UnknownSlot.selector, 0, 0));
        escrow.shrinkJob(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_UnknownSlot.selector, 2, 2));
        escrow.shrinkJob(job, 2);
        escrow.stopJob(job);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_AlreadyStopped.selector, job, _now()));
        escrow.shrinkJob(job, 1);
        vm.stopPrank();
    }

    // All of it

    /// @dev Whatever a CSP does to a job: the deposit is the rounded-up price of all slot-seconds it ever paid for together, what it gave
    /// up is free at once, and in the end all of it is back.
    function testFuzz_sequence__any__costs_its_slot_seconds_and_gives_back_the_rest(
        uint256 seed,
        uint256 offset,
        uint256 length
    ) external {
        Model memory m;
        m.startsAt = genesis + uint40(bound(offset, 0, 2_500));
        m.stop = m.startsAt + uint40(bound(length, 1, 5_000));
        JobTerms memory terms = _terms(address(token), uint32(1 + (seed % 3)), 0);
        (terms.startsAt, terms.endsAt) = (m.startsAt, m.stop);
        uint64 job = _create(account, terms);
        m.starts = new uint40[](0);
        _add(m, terms.slots, m.startsAt);
        m.deposited = uint256(terms.slots) * (m.stop - m.startsAt);

        for (uint256 i = 0; i < 8; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            vm.warp(_now() + (draw % 500));
            if (_now() >= m.stop) break;
            if (draw >> 254 == 0) _modelShrink(job, m, draw >> 16);
            else _modelGrow(job, m, draw >> 16);
            _assertModel(job, m);
        }
        uint40 stop = m.stop;
        if (_now() < stop && seed >> 255 == 0) {
            stop = _now() < m.startsAt ? m.startsAt : _now();
            for (uint256 i = 0; i < m.starts.length; ++i) {
                m.gone += m.stop - (m.starts[i] > stop ? m.starts[i] : stop);
            }
            vm.prank(CSP);
            escrow.stopJob(job);
            _assertModel(job, m);
        }
        _finish(job, stop);
        assertEq(_job(job).refunded, _cost(m.deposited));
        assertEq(token.balanceOf(address(escrow)), 0);
        assertEq(token.balanceOf(CSP), 1e15);
    }

    function _modelGrow(uint64 job, Model memory m, uint256 draw) private {
        uint32 more = uint32(draw % 3);
        uint40 later = uint40((draw >> 8) % 3) * uint40((draw >> 16) % 900);
        uint40 from = genesis + ((_now() - genesis) / EPOCH + 1) * EPOCH;
        if (from < m.startsAt) from = m.startsAt;
        if (more + later == 0 || (more != 0 && from >= m.stop + later)) return;
        uint32 slots = uint32(m.starts.length);
        m.deposited += uint256(slots) * later;
        m.stop += later;
        _add(m, more, from);
        if (more != 0) m.deposited += uint256(more) * (m.stop - from);
        _grow(job, slots + more, m.stop - genesis);
    }

    function _modelShrink(uint64 job, Model memory m, uint256 draw) private {
        uint256 slots = m.starts.length;
        if (slots == 1) return;
        uint256 left = 1 + (draw % (slots - 1));
        for (uint256 i = left; i < slots; ++i) m.gone += m.stop - (m.starts[i] > _now() ? m.starts[i] : _now());
        uint40[] memory starts = new uint40[](left);
        for (uint256 i = 0; i < left; ++i) starts[i] = m.starts[i];
        m.starts = starts;
        _shrink(job, uint32(left));
    }

    function _add(Model memory m, uint256 count, uint40 from) private pure {
        uint40[] memory starts = new uint40[](m.starts.length + count);
        for (uint256 i = 0; i < starts.length; ++i) starts[i] = i < m.starts.length ? m.starts[i] : from;
        m.starts = starts;
    }

    function _assertModel(uint64 job, Model memory m) private {
        JobView memory j = _job(job);
        assertEq(j.deposit, _cost(m.deposited), "deposit");
        assertEq(j.funded, m.deposited - m.gone, "funded");
        // What is out stays out, so rounding may leave a unit more with the CSP than the last growth would.
        uint256 due = _cost(m.deposited) - _cost(m.deposited - m.gone);
        assertGe(j.refunded + j.refundable, due, "what it gave up");
        assertLe(j.refunded + j.refundable, due + 1, "what it gave up, a unit more");
        escrow.withdrawRefund(job);
        uint256 there = token.balanceOf(address(escrow));
        assertEq(there, j.deposit - j.refunded - j.refundable, "what it left");
        assertGe(there, (PRICE * (m.deposited - m.gone)) / EPOCH, "enough for every second that may be earned");
    }

    /// @dev Waits for a report that reaches the stop, and closes.
    function _finish(uint64 job, uint40 stop) private {
        uint64 epoch = stop == genesis ? 0 : (stop - genesis - 1) / EPOCH;
        uint256 over = uint256(genesis) + (uint256(epoch) + 1) * EPOCH;
        if (over > _now()) vm.warp(over);
        _say(1, 0, 0);
        _report(epoch);
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.closeJob(job);
        escrow.withdrawRefund(job);
    }

    // Batches, permits, intents

    function test_multicall__many_jobs__all_or_none() external {
        bytes[] memory calls = new bytes[](3);
        for (uint32 i = 0; i < 3; ++i) {
            calls[i] = abi.encodeCall(escrow.createJob, (account, _terms(address(token), i + 1, 1_000)));
        }
        vm.prank(CSP);
        bytes[] memory answers = escrow.multicall(calls);
        for (uint32 i = 0; i < 3; ++i) {
            assertEq(abi.decode(answers[i], (uint64)), i + 1);
            assertEq(_job(i + 1).slots, i + 1);
        }
        assertEq(token.balanceOf(address(escrow)), _cost(1_000) + _cost(2_000) + _cost(3_000));

        calls[2] = abi.encodeCall(escrow.createJob, (account, _terms(address(token), 0, 1_000)));
        vm.prank(CSP);
        vm.expectRevert(
            abi.encodeWithSelector(IJobRules.JobRules_TermsViolated.selector, "price and slots are not zero")
        );
        escrow.multicall(calls);
        assertEq(escrow.jobCount(), 3);
    }

    function test_permit__in_one_batch_with_the_job__needs_no_approval() external {
        (NetworkToken t, bytes[] memory calls) = _permitted();
        vm.prank(CSP);
        escrow.multicall(calls);
        assertEq(t.balanceOf(address(escrow)), _cost(2_000));
        assertEq(t.allowance(CSP, address(escrow)), 0);
    }

    function test_permit__shown_by_somebody_before__does_no_harm() external {
        (NetworkToken t, bytes[] memory calls) = _permitted();
        vm.prank(address(0xBAD));
        escrow.multicall(_first(calls));
        assertEq(t.allowance(CSP, address(escrow)), _cost(2_000));
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PermitRefused(address(t), CSP);
        vm.prank(CSP);
        escrow.multicall(calls);
        assertEq(t.balanceOf(address(escrow)), _cost(2_000));
    }

    function test_permit__wrong_or_unknown_to_the_token__leaves_the_allowance_to_decide() external {
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PermitRefused(address(token), CSP);
        escrow.permit(address(token), CSP, 1, type(uint256).max, 27, bytes32(uint256(1)), bytes32(uint256(1)));
        (NetworkToken t, bytes[] memory calls) = _permitted();
        calls[0] = abi.encodeCall(escrow.permit, (address(t), CSP, 1, type(uint256).max, 27, "r", "s"));
        vm.prank(CSP);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(escrow), 0, _cost(2_000))
        );
        escrow.multicall(calls);
    }

    function test_terms__another_intent__is_another_hash() external {
        JobTerms memory terms = _terms(address(token), 1, 1_000);
        uint64 one = _create(account, terms);
        terms.intent = keccak256("something else");
        uint64 other = _create(account, terms);
        (, , bytes32 hash) = escrow.placementOf(one);
        assertEq(hash, keccak256(abi.encode(terms.token, PRICE, keccak256(abi.encode(terms.policy)), INTENT)));
        (, , bytes32 another) = escrow.placementOf(other);
        assertNotEq(hash, another);
        assertEq(another, escrow.rules().termsHash(terms));
    }

    /// @dev A token with permits, and the batch: its owner's permit, and the job that it pays for.
    function _permitted() private returns (NetworkToken t, bytes[] memory calls) {
        t = new NetworkToken("Epochal", "EPO", 1e24, address(this));
        t.mint(CSP, 1e20);
        admission.allowToken(address(t));
        bytes32 kind = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 permit = keccak256(
            abi.encode(kind, CSP, address(escrow), _cost(2_000), t.nonces(CSP), type(uint256).max)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, _typed("Epochal", address(t), permit));
        calls = new bytes[](2);
        calls[0] = abi.encodeCall(escrow.permit, (address(t), CSP, _cost(2_000), type(uint256).max, v, r, s));
        calls[1] = abi.encodeCall(escrow.createJob, (account, _terms(address(t), 2, 1_000)));
    }

    function _first(bytes[] memory calls) private pure returns (bytes[] memory one) {
        one = new bytes[](1);
        one[0] = calls[0];
    }

    // Calls that are expected to revert need a frame of their own.

    function assign(uint64 job, uint32 slot, uint256 licence) external {
        _assign(job, slot, licence);
    }

    function grow(uint64 job, uint32 slots, uint40 end) external {
        _grow(job, slots, end);
    }

    /// @param end seconds after the genesis
    function _grow(uint64 job, uint32 slots, uint40 end) private {
        vm.prank(CSP);
        escrow.growJob(job, slots, genesis + end);
    }

    function _shrink(uint64 job, uint32 slots) private {
        vm.prank(CSP);
        escrow.shrinkJob(job, slots);
    }
}
