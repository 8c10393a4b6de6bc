// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {IJobEscrow, JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {Reallocation, ReallocationBatch, ReallocationEntry} from "../../contracts/interfaces/IReallocations.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {BlockingToken} from "./fakes/Tokens.sol";
import {Street} from "./Street.sol";

/// @dev Money that goes out: to whom, past whom, and to the unit. The protocol's share goes to the oracles here.
contract PaymentsTest is Street {
    address private constant CSP = address(0xC5B);
    address private constant ELSEWHERE = address(0xE15E);
    uint48 private account;
    uint64 private job;
    uint256[] private serving;
    BlockingToken private coin;

    function setUp() external {
        vm.warp(1_700_000_000);
        _found(0, 1e6);
        _mintLinked(4);
        account = _open(CSP);
        coin = new BlockingToken();
        admission.allowToken(address(coin));
        _fund(address(coin), CSP);
        JobTerms memory terms = _terms(address(coin), 4, 4_000);
        job = _create(account, terms);
        for (uint32 slot = 0; slot < 4; ++slot) serving.push(_assign(job, slot, slot + 1));
    }

    // Many at once

    function test_claim__one_blocked_and_one_frozen__pays_the_others_and_these_later() external {
        _serve(0, 1_000);
        coin.refuse(_holder(2), true);
        trust.freeze(Subjects.licence(3), _now() + 500, 7, "evidence");
        escrow.mark(serving);

        vm.expectEmit(address(escrow));
        emit IJobEscrow.Paid(serving[0], _holder(1), _net(1_000), 1_000);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PaymentRefused(serving[1], _holder(2), _net(1_000));
        vm.expectEmit(address(escrow));
        emit IJobEscrow.PaymentWaits(serving[2]);
        vm.expectEmit(address(escrow));
        emit IJobEscrow.Paid(serving[3], _holder(4), _net(1_000), 1_000);
        escrow.claim(serving);
        assertEq(coin.balanceOf(_holder(1)), _net(1_000));
        assertEq(coin.balanceOf(_holder(2)), 0);
        assertEq(coin.balanceOf(_holder(3)), 0);
        assertEq(coin.balanceOf(_holder(4)), _net(1_000));
        assertEq(_job(job).paid, 2 * _net(1_000));

        coin.refuse(_holder(2), false);
        vm.warp(_now() + 500);
        escrow.claim(serving);
        for (uint256 i = 1; i <= 4; ++i) assertEq(coin.balanceOf(_holder(i)), _net(1_000));
        escrow.claim(serving);
        assertEq(coin.balanceOf(address(escrow)), _cost(16_000) - 4 * _net(1_000), "nothing twice");
    }

    function test_endAssignment__before_what_is_settled_or_later_than_now__is_refused() external {
        uint40 opened = _now();
        _serve(0, 1_000);
        uint40[2] memory wrong = [opened + 999, _now() + 1];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IJobEscrow.JobEscrow_TimeOutOfBounds.selector,
                    wrong[i],
                    opened + 1_000,
                    block.timestamp
                )
            );
            vm.prank(address(placements));
            escrow.endAssignment(serving[0], wrong[i]);
        }
        vm.prank(address(placements));
        escrow.endAssignment(serving[0], opened + 1_000);
    }

    function test_deliver__by_anyone_but_the_escrow__is_refused() external {
        address[4] memory others = [address(this), CSP, _holder(1), address(placements)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_NotAllowed.selector, others[i]));
            vm.prank(others[i]);
            escrow.deliver(address(coin), others[i], 1);
        }
    }

    function test_claim__frozen_node__waits_as_its_licence_does() external {
        _serve(0, 1_000);
        trust.freeze(Subjects.node(_node(1)), _now() + 500, 7, "evidence");
        escrow.mark(serving);
        _claim(serving[0]);
        assertEq(coin.balanceOf(_holder(1)), 0);
        trust.liftFreeze(Subjects.node(_node(1)));
        _claim(serving[0]);
        assertEq(coin.balanceOf(_holder(1)), _net(1_000), "a mark left behind does nothing");
    }

    function test_claim__frozen_but_not_marked__is_paid() external {
        _serve(0, 1_000);
        trust.freeze(Subjects.licence(1), _now() + 500, 7, "evidence");
        _claim(serving[0]);
        assertEq(coin.balanceOf(_holder(1)), _net(1_000), "a freeze that nobody marks holds nothing up");
    }

    function test_mark__unknown_assignment__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_UnknownAssignment.selector, 7));
        escrow.mark(_list(7));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_UnknownAssignment.selector, 7));
        escrow.claim(_list(7));
    }

    // Elsewhere

    function test_claim_to__by_the_payee__goes_where_it_says() external {
        _serve(0, 1_000);
        coin.refuse(_holder(1), true);
        vm.prank(_holder(1));
        vm.expectEmit(address(escrow));
        emit IJobEscrow.Paid(serving[0], ELSEWHERE, _net(1_000), 1_000);
        escrow.claimTo(_list(serving[0]), ELSEWHERE);
        assertEq(coin.balanceOf(ELSEWHERE), _net(1_000));
    }

    function test_claim_to__by_others_or_to_nobody_or_refused__is_refused() external {
        _serve(0, 1_000);
        address[3] memory others = [CSP, _node(1), ELSEWHERE];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_NotAllowed.selector, others[i]));
            escrow.claimTo(_list(serving[0]), ELSEWHERE);
        }
        vm.startPrank(_holder(1));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_NotAllowed.selector, address(0)));
        escrow.claimTo(_list(serving[0]), address(0));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_NotAllowed.selector, address(escrow)));
        escrow.claimTo(_list(serving[0]), address(escrow));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_NotAllowed.selector, _holder(1)));
        escrow.claimTo(_list(serving[0], serving[1]), ELSEWHERE);
        assertEq(coin.balanceOf(ELSEWHERE), 0, "all or nothing");
        coin.refuse(ELSEWHERE, true);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrow_PaymentRefused.selector, serving[0], ELSEWHERE, _net(1_000))
        );
        escrow.claimTo(_list(serving[0]), ELSEWHERE);
        vm.stopPrank();
    }

    /// @dev The payee is who held the licence when the assignment opened; a later holder gets nothing of it.
    function test_claim_to__licence_sold_since__stays_the_former_holders() external {
        _at(400);
        vm.prank(_holder(1));
        placements.closeAssignment(serving[0]);
        vm.startPrank(_holder(1));
        licences.unlink(1);
        licences.transferFrom(_holder(1), ELSEWHERE, 1);
        vm.stopPrank();
        _serve(0, 1_000);
        vm.prank(ELSEWHERE);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_NotAllowed.selector, ELSEWHERE));
        escrow.claimTo(_list(serving[0]), ELSEWHERE);
        _claim(serving[0]);
        assertEq(coin.balanceOf(_holder(1)), _net(400));
    }

    function test_settle_and_claim__refused_or_waiting__settles_all_the_same() external {
        _at(EPOCH);
        for (uint256 i = 0; i < 4; ++i) _say(serving[i], 900, 1_000);
        _report(0);
        coin.refuse(_holder(1), true);
        trust.freeze(Subjects.licence(2), _now() + 500, 7, "evidence");
        escrow.mark(serving);
        for (uint256 i = 0; i < 3; ++i) {
            (Leaf memory leaf, bytes32[] memory proof) = _leaf(i);
            escrow.settleAndClaim(0, leaf.id, leaf.earned, leaf.accounted, proof);
            assertEq(_view(serving[i]).earned, 900);
            assertEq(_view(serving[i]).held, 100);
            assertEq(coin.balanceOf(_holder(i + 1)), i == 2 ? _net(900) : 0);
        }
    }

    // One epoch, two nodes

    function test_split__closed_and_assigned_anew__each_is_paid_its_own_seconds() external {
        _at(400);
        vm.prank(_node(1));
        placements.closeAssignment(serving[0]);
        vm.prank(_node(2));
        placements.closeAssignment(serving[1]);
        _at(637);
        uint256 next = _assign(job, 0, 2);
        _at(EPOCH);
        _say(serving[0], 1_000, 1_000);
        _say(next, 1_000, 1_000);
        _report(0);
        _settleAll();
        escrow.claim(_list(serving[0], next));
        assertEq(coin.balanceOf(_holder(1)), _net(400));
        assertEq(coin.balanceOf(_holder(2)), _net(363));
    }

    function test_split__reallocated__each_is_paid_up_to_the_time_that_the_committee_named() external {
        _at(1_500);
        bytes32 request = keccak256("request");
        _reallocate(request, serving[0], genesis + 1_437);
        assertEq(licences.openAssignments(1), 0);
        vm.prank(_node(2));
        placements.closeAssignment(serving[1]);
        _at(1_601);
        uint256 next = _assign(job, 0, 2);
        assertEq(uint32(next), uint32(serving[0]) + 1);
        _at(2_000);
        _say(serving[0], 2_000, 2_000);
        _say(next, 2_000, 2_000);
        _report(1);
        _settleAll();
        escrow.claim(_list(serving[0], next));
        assertEq(coin.balanceOf(_holder(1)), _net(1_437));
        assertEq(coin.balanceOf(_holder(2)), _net(399));
    }

    // Shares

    /// @dev Every unit of the deposit has one destination: payees, the oracles, the burner, the CSP. Nothing is left.
    function testFuzz_shares__whatever_was_earned__go_out_to_the_unit(uint256 seed, bool penultimate) external {
        uint256 earnedByAll;
        uint256 withheldByAll;
        _at(EPOCH);
        for (uint256 i = 0; i < 4; ++i) {
            uint64 accounted = uint64(uint256(keccak256(abi.encode(seed, i))) % 1_001);
            uint64 earned = uint64(uint256(keccak256(abi.encode(i, seed))) % (accounted + 1));
            (earnedByAll, withheldByAll) = (earnedByAll + earned, withheldByAll + accounted - earned);
            _say(serving[i], earned, accounted);
        }
        _report(0);
        _settleAll();
        if (penultimate) escrow.claim(serving);
        _stop();
        _at(2_000);
        for (uint256 i = 0; i < 4; ++i) _say(serving[i], 0, 0);
        _report(1);
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.closeJob(job);
        _at(6_000);
        _say(1, 0, 0);
        _report(5);
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.releaseHeld(serving);
        _pull();
        escrow.claim(serving);
        _pull();
        _pull();

        uint256 gross = (PRICE * earnedByAll) / EPOCH;
        assertEq(coin.balanceOf(address(oraclePay)), (gross * PROTOCOL_PPM) / 1_000_000, "protocol");
        assertEq(
            coin.balanceOf(address(burner)),
            (((PRICE * withheldByAll) / EPOCH) * 600_000) / 1_000_000,
            "burned, less the CSP's share"
        );
        JobView memory j = _job(job);
        assertEq(j.paid + j.refunded + j.burned + j.toProtocol, j.deposit);
        assertEq(coin.balanceOf(address(escrow)), 0);
    }

    /// @dev What was withheld in two spans is released span by span, each when its own is over.
    function test_release_held__one_span_over__keeps_the_other_until_its_own_is() external {
        _at(2_000);
        _say(serving[0], 1_900, 2_000);
        _report(1);
        _settle(0);
        _at(3_000);
        _say(serving[0], 2_700, 3_000);
        _report(2);
        _settle(0);
        assertEq(_view(serving[0]).held, 300);
        _releaseAfter(4);
        assertEq(_view(serving[0]).held, 200);
        _releaseAfter(5);
        assertEq(_view(serving[0]).held, 200);
        _releaseAfter(6);
        assertEq(_view(serving[0]).held, 0);
        assertEq(_job(job).tally.released, 300);
    }

    // After the end

    function test_closed__nothing_more_comes_in_or_is_counted_but_what_is_due_goes_out() external {
        _serve(0, 700);
        _at(2_000);
        for (uint256 i = 0; i < 4; ++i) _say(serving[i], 1_700, 2_000);
        _stop();
        _report(1);
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.closeJob(job);
        uint256 tally = _job(job).tally.earned;
        _settleAll();
        assertEq(_job(job).tally.earned, tally, "proved too late");
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_JobClosed.selector, job));
        escrow.closeJob(job);
        vm.startPrank(CSP);
        bytes memory stopped = abi.encodeWithSelector(
            IJobEscrow.JobEscrow_AlreadyStopped.selector,
            job,
            genesis + 2_000
        );
        vm.expectRevert(stopped);
        escrow.growJob(job, 5, uint40(genesis + 9_000));
        vm.expectRevert(stopped);
        escrow.stopJob(job);
        vm.stopPrank();

        escrow.claim(serving);
        for (uint256 i = 1; i <= 4; ++i) assertEq(coin.balanceOf(_holder(i)), _net(700), "earned stays claimable");
        _pull();
        uint256 left = coin.balanceOf(address(escrow));
        _pull();
        escrow.claim(serving);
        assertEq(coin.balanceOf(address(escrow)), left, "nothing goes out twice");
        (Leaf memory leaf, bytes32[] memory proof) = _leaf(0);
        vm.expectPartialRevert(IJobEscrow.JobEscrow_LeafNotInReport.selector);
        escrow.settle(1, leaf.id, leaf.earned + 1, leaf.accounted, proof);
        vm.expectPartialRevert(IAttestations.Attestations_NotFinal.selector);
        escrow.settle(2, leaf.id, leaf.earned, leaf.accounted, proof);
    }

    // Inside

    /// @dev Everybody's seconds up to the end of the epoch become final and are settled.
    function _serve(uint64 epoch, uint64 secs) private {
        _at((uint256(epoch) + 1) * EPOCH);
        for (uint256 i = 0; i < serving.length; ++i) _say(serving[i], secs, secs);
        _report(epoch);
        _settleAll();
    }

    /// @dev Releases what it can when a report without this job's leaves has been final for long enough.
    function _releaseAfter(uint64 epoch) private {
        _at((uint256(epoch) + 1) * EPOCH);
        _say(1, 0, 0);
        _report(epoch);
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.releaseHeld(serving);
    }

    function _stop() private {
        vm.prank(CSP);
        escrow.stopJob(job);
    }

    function _pull() private {
        escrow.withdrawRefund(job);
        escrow.sendToBurn(job);
        escrow.sendToProtocol(job);
    }

    /// @dev The committee asks for another node.
    function _reallocate(bytes32 id, uint256 assignment, uint40 asOf) private {
        ReallocationEntry memory entry;
        entry.request = Reallocation(id, assignment, 1, asOf);
        (entry.token, entry.price, entry.policy, entry.intent) = (address(coin), PRICE, _policy(), INTENT);
        (uint32 version, , , ) = attestations.committeeInForce();
        ReallocationBatch memory batch = ReallocationBatch(
            version,
            (_now() - genesis) / EPOCH,
            reallocations.leafOf(entry.request),
            type(uint64).max
        );
        bytes32 kind = keccak256("ReallocationBatch(uint64 committee,uint64 epoch,bytes32 root,uint64 expiry)");
        bytes32 digest = _typed("Epochal Reallocations", address(reallocations), keccak256(abi.encode(kind, batch)));
        bytes memory signatures;
        for (uint256 i = 1; i < ORACLES; ++i) {
            (bytes32 r, bytes32 vs) = vm.signCompact(oracleKeys[i], digest);
            signatures = bytes.concat(signatures, r, vs);
        }
        reallocations.request(batch, 14, signatures, entry);
    }
}
