// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ICommittee} from "../../contracts/interfaces/ICommittee.sol";
import {IPlacements, Placement} from "../../contracts/interfaces/IPlacements.sol";
import {
    IReallocations,
    Reallocation,
    ReallocationBatch,
    ReallocationEntry,
    Request,
    RequestState
} from "../../contracts/interfaces/IReallocations.sol";
import {Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {AssignmentIds} from "../../contracts/libraries/AssignmentIds.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {FakeAccounts} from "./fakes/Placing.sol";
import {ReallocatingWorld} from "./fakes/Reallocating.sol";

contract ReallocationsTest is ReallocatingWorld {
    // One request

    function test_request__signed_by_quorum__closes_as_of_and_asks() external {
        Reallocation memory r = _outage("a", failing, 100);
        uint40 deadline = uint40(vm.getBlockTimestamp() + policy.answerSeconds);
        vm.expectEmit(address(reallocations));
        emit IReallocations.ReallocationRequested(r.id, failing, JOB, 0, 2, r.asOf, deadline);
        _request(r);

        assertEq(escrow.accountOf(failing).closedAt(), r.asOf);
        assertTrue(reallocations.carriedOut(r.id));
        (Request memory last, RequestState state) = reallocations.requestOf(JOB, 0);
        assertEq(uint8(state), uint8(RequestState.Open));
        assertEq(last.id, r.id);
        assertEq(last.assignment, failing);
        assertEq(last.asOf, r.asOf);
        assertEq(last.deadline, deadline);
        assertEq(last.cooldownEnds, vm.getBlockTimestamp() + policy.cooldownSeconds);
        assertEq(last.reason, 2);
    }

    function test_request__any_quorum__is_enough(uint256 members) external {
        members = bound(members, 0, 31);
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, members, oracleKeys);
        uint256 given = signatures.length / 64;
        if (given < QUORUM) {
            vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_QuorumNotReached.selector, given, QUORUM));
        }
        reallocations.request(batch, members, signatures, _entry(r, new bytes32[](0)));
    }

    function test_request__carried_out_before__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        _request(r);
        _refused(r, abi.encodeWithSelector(IReallocations.Reallocations_Replayed.selector, r.id));
        r.assignment = _assign(0, 2);
        _refused(r, abi.encodeWithSelector(IReallocations.Reallocations_Replayed.selector, r.id));
    }

    function test_request__expired__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        vm.warp(batch.expiry + 1);
        vm.expectRevert(abi.encodeWithSelector(IReallocations.Reallocations_Expired.selector, batch.expiry));
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
        vm.warp(batch.expiry);
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
    }

    function test_request__of_another_epoch__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        batch.expiry = STOP;
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        uint256 startsAt = GENESIS + 5 * EPOCH;
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(i == 0 ? startsAt + EPOCH : startsAt - 1);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IReallocations.Reallocations_EpochNotCurrent.selector,
                    5,
                    startsAt,
                    startsAt + EPOCH
                )
            );
            reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
        }
    }

    function test_request__committee_taken_over_or_replaced__reverts_even_in_grace() external {
        Reallocation memory r = _outage("a", failing, 1);
        uint256[] memory next = _committee(4, "next");
        attestations.scheduleCommittee(_addresses(next), 7);
        vm.warp(GENESIS + 7 * EPOCH + 10);
        r.asOf = GENESIS + 7 * EPOCH + 1;
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        batch.committee = 1;
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_NotInForce.selector, 1, 2));
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));

        batch.committee = 2;
        signatures = _sign(batch, 7, next);
        attestations.replaceCommittee(_addresses(oracleKeys));
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_NotInForce.selector, 2, 3));
        reallocations.request(batch, 7, signatures, _entry(r, new bytes32[](0)));
    }

    function test_request__signatures_foreign_repeated_misplaced_or_malformed__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        ReallocationEntry memory entry = _entry(r, new bytes32[](0));
        bytes memory signatures = _sign(batch, 0xf, oracleKeys);

        address third = vm.addr(oracleKeys[3]);
        address fourth = vm.addr(oracleKeys[4]);
        vm.expectRevert(abi.encodeWithSelector(IReallocations.Reallocations_WrongSigner.selector, third, fourth));
        reallocations.request(batch, MEMBERS, signatures, entry);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_UnknownMember.selector, 0x2f, 5));
        reallocations.request(batch, 0x2f, signatures, entry);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_MalformedSignatures.selector, 256, 5));
        reallocations.request(batch, 0x1f, signatures, entry);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_MalformedSignatures.selector, 256, 3));
        reallocations.request(batch, 7, signatures, entry);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_MalformedSignatures.selector, 257, 4));
        reallocations.request(batch, 0xf, bytes.concat(signatures, hex"00"), entry);

        uint256[] memory keys = _committee(ORACLES, "oracle");
        keys[2] = keys[1];
        vm.expectRevert(
            abi.encodeWithSelector(
                IReallocations.Reallocations_WrongSigner.selector,
                vm.addr(keys[1]),
                vm.addr(oracleKeys[2])
            )
        );
        reallocations.request(batch, 0xf, _sign(batch, 0xf, keys), entry);

        // The twin of a valid signature, with s in the upper half of the order, is none.
        vm.expectPartialRevert(ECDSA.ECDSAInvalidSignatureS.selector);
        reallocations.request(batch, 0xf, _twin(signatures), entry);
    }

    function test_request__any_word_of_the_batch_changed__reverts(uint64 expiry, bytes32 root) external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        expiry = uint64(bound(expiry, batch.expiry + 1, type(uint64).max));
        (batch.expiry, expiry) = (expiry, batch.expiry);
        vm.expectPartialRevert(IReallocations.Reallocations_WrongSigner.selector);
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
        vm.assume(root != batch.root);
        (batch.expiry, batch.root) = (expiry, root);
        vm.expectPartialRevert(IReallocations.Reallocations_WrongSigner.selector);
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
    }

    function test_request__signed_for_another_chain__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(IReallocations.Reallocations_WrongSigner.selector);
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
    }

    // Its bounds

    function test_request__not_in_batch__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        r.asOf += 1;
        bytes32 leaf = reallocations.leafOf(r);
        vm.expectRevert(abi.encodeWithSelector(IReallocations.Reallocations_NotInBatch.selector, leaf, batch.root));
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
    }

    function test_request__zero_id__reverts() external {
        _refused(_outage(0, failing, 1), abi.encodeWithSelector(IReallocations.Reallocations_ZeroId.selector));
    }

    function test_request__unknown_assignment__reverts() external {
        uint256[2] memory ids = [failing + 1, failing | (1 << 128)];
        for (uint256 i = 0; i < 2; ++i) {
            _refused(
                _outage("a", ids[i], 1),
                abi.encodeWithSelector(IReallocations.Reallocations_UnknownAssignment.selector, ids[i])
            );
        }
    }

    function test_request__closed_already__reverts() external {
        vm.prank(orchestrator);
        placements.closeAssignment(failing);
        _refused(
            _outage("a", failing, 1),
            abi.encodeWithSelector(
                IReallocations.Reallocations_AlreadyClosed.selector,
                failing,
                uint40(vm.getBlockTimestamp())
            )
        );
    }

    /// @dev A node that is about to be replaced gains nothing by closing its assignment first.
    function test_request__closed_by_node_or_payee__asks_and_cools_down_all_the_same() external {
        (address payee, , address node) = escrow.partiesOf(failing);
        Reallocation memory r = _outage("a", failing, 100);
        uint40 closedAt = uint40(vm.getBlockTimestamp());
        uint256 before = vm.snapshotState();
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? payee : node);
            placements.closeAssignment(failing);
            assertTrue(placements.givenUp(failing));
            skip(10);
            uint40 deadline = uint40(vm.getBlockTimestamp() + policy.answerSeconds);
            vm.expectEmit(address(reallocations));
            emit IReallocations.ReallocationRequested(r.id, failing, JOB, 0, 2, closedAt, deadline);
            _request(r);
            assertEq(escrow.accountOf(failing).closedAt(), closedAt, "stays closed as it was");
            (Request memory last, RequestState state) = reallocations.requestOf(JOB, 0);
            assertEq(uint8(state), uint8(RequestState.Open));
            assertEq(last.asOf, closedAt);
            _refused(r, abi.encodeWithSelector(IReallocations.Reallocations_Replayed.selector, r.id));
            vm.revertToState(before);
        }
    }

    function test_request__closed_by_its_node__once_before_another_serves_and_for_time_before() external {
        (, , address node) = escrow.partiesOf(failing);
        policy.cooldownSeconds = 0;
        _setPolicy();
        vm.prank(node);
        placements.closeAssignment(failing);
        uint40 closedAt = uint40(vm.getBlockTimestamp());
        bytes memory closed = abi.encodeWithSelector(
            IReallocations.Reallocations_AlreadyClosed.selector,
            failing,
            closedAt
        );
        skip(1);
        Reallocation memory r = _outage("a", failing, 1);
        r.asOf = closedAt + 1;
        _refused(r, closed);
        uint256 before = vm.snapshotState();
        _assign(0, 2);
        _refused(_outage("a", failing, 1), closed);
        vm.revertToState(before);
        _request(_outage("a", failing, 1));
        _refused(_outage("b", failing, 1), closed);
        skip(policy.answerSeconds + 1);
        (, RequestState state) = reallocations.requestOf(JOB, 0);
        assertEq(uint8(state), uint8(RequestState.Forfeited));
        _refused(_outage("b", failing, 1), closed);
    }

    function test_request__closed_by_its_node_before_the_failure_was_long_enough__reverts() external {
        uint256 assignment = _assign(1, 2);
        skip(policy.outageSeconds - 1);
        (, , address node) = escrow.partiesOf(assignment);
        vm.prank(node);
        placements.closeAssignment(assignment);
        skip(1);
        _refused(
            _outage(
                "a",
                assignment,
                uint40(vm.getBlockTimestamp() - policy.outageSeconds - (GENESIS + uint40(_epoch()) * EPOCH))
            ),
            abi.encodeWithSelector(IReallocations.Reallocations_TooSoon.selector, assignment, vm.getBlockTimestamp())
        );
    }

    /// @dev A move that the orchestrator plans isn't turned into a failed slot, nor is what the CSP closes.
    function test_request__closed_by_orchestrator_or_csp__stays_theirs() external {
        uint256 before = vm.snapshotState();
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? orchestrator : accounts.ownerOf(1));
            placements.closeAssignment(failing);
            assertFalse(placements.givenUp(failing));
            _refused(
                _outage("a", failing, 1),
                abi.encodeWithSelector(
                    IReallocations.Reallocations_AlreadyClosed.selector,
                    failing,
                    uint40(vm.getBlockTimestamp())
                )
            );
            vm.revertToState(before);
        }
    }

    /// @dev Anyone may close for a suspended licence: else its node would have another address of its own do it.
    function test_request__closed_by_a_stranger__asks_all_the_same() external {
        (, uint256 licence, ) = escrow.partiesOf(failing);
        trust.set(Subjects.licence(licence), Status.Suspended);
        vm.prank(address(0x50CC));
        placements.closeAssignment(failing);
        assertTrue(placements.givenUp(failing));
        _request(_outage("a", failing, 100));
        (, RequestState state) = reallocations.requestOf(JOB, 0);
        assertEq(uint8(state), uint8(RequestState.Open));
    }

    function test_request__job_stopped__reverts() external {
        vm.warp(STOP);
        _refused(
            _outage("a", failing, 1),
            abi.encodeWithSelector(IReallocations.Reallocations_JobStopped.selector, JOB, STOP)
        );
    }

    function test_request__as_of_the_epochs_start_or_before__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        uint256 startsAt = r.asOf - 1;
        for (uint256 i = 0; i < 2; ++i) {
            r.asOf -= 1;
            _refused(
                r,
                abi.encodeWithSelector(IReallocations.Reallocations_AsOfBeforeEpoch.selector, r.asOf, startsAt)
            );
        }
    }

    function test_request__as_of_in_the_future__reverts() external {
        Reallocation memory r = _outage("a", failing, 401);
        _refused(
            r,
            abi.encodeWithSelector(IReallocations.Reallocations_AsOfInFuture.selector, r.asOf, vm.getBlockTimestamp())
        );
        r.asOf -= 1;
        _request(r);
    }

    function test_request__as_of_before_opening__reverts() external {
        uint256 assignment = _assign(1, 2);
        skip(policy.outageSeconds);
        Reallocation memory r = _outage("a", assignment, 399);
        _refused(
            r,
            abi.encodeWithSelector(IReallocations.Reallocations_AsOfBeforeOpening.selector, r.asOf, r.asOf + 1)
        );
        r.asOf += 1;
        _request(r);
        assertEq(escrow.accountOf(assignment).closedAt(), r.asOf);
    }

    function test_request__terms_are_not_the_jobs__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        ReallocationEntry memory entry = _entry(r, new bytes32[](0));
        entry.policy.cooldownSeconds = 0;
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        vm.expectPartialRevert(IReallocations.Reallocations_WrongTerms.selector);
        reallocations.request(batch, MEMBERS, signatures, entry);
    }

    function test_request__reason_not_in_policy__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        policy.outageSeconds = 0;
        policy.missedEpochs = 0;
        policy.maintenanceSeconds = 0;
        _setPolicy();
        uint8[5] memory reasons = [0, 1, 2, 4, 5];
        for (uint256 i = 0; i < reasons.length; ++i) {
            r.reason = reasons[i];
            _refused(r, abi.encodeWithSelector(IReallocations.Reallocations_ReasonNotInPolicy.selector, r.reason));
        }
    }

    /// @dev Else the slot would be forfeited in the same block.
    function test_request__policy_without_time_to_answer__reverts_whatever_the_reason() external {
        Reallocation memory r = _outage("a", failing, 1);
        (, uint256 licence, ) = escrow.partiesOf(failing);
        trust.set(Subjects.licence(licence), Status.Suspended);
        policy.outageSeconds = 0;
        policy.missedEpochs = 0;
        policy.answerSeconds = 0;
        _setPolicy();
        for (uint8 reason = 1; reason < 5; ++reason) {
            r.reason = reason;
            _refused(r, abi.encodeWithSelector(IReallocations.Reallocations_ReasonNotInPolicy.selector, r.reason));
        }
    }

    function test_request__maintenance__needs_a_policy_with_some() external {
        Reallocation memory r = _outage("a", failing, 1);
        r.reason = 4;
        _request(r);
        assertEq(escrow.accountOf(failing).closedAt(), r.asOf);
    }

    function test_request__outcast__needs_a_grave_status_of_licence_or_node() external {
        Reallocation memory r = _outage("a", failing, 1);
        r.reason = 3;
        bytes memory notOutcast = abi.encodeWithSelector(IReallocations.Reallocations_NotOutcast.selector, 1, _node(1));
        _refused(r, notOutcast);
        trust.set(Subjects.licence(1), Status.Frozen);
        _refused(r, notOutcast);
        trust.set(Subjects.node(_node(1)), Status.Suspended);
        _request(r);
        assertEq(escrow.accountOf(failing).closedAt(), r.asOf);
    }

    function test_request__open_for_less_than_the_failure_takes__reverts() external {
        Reallocation memory r = _outage("a", failing, 1);
        r.reason = 1;
        policy.missedEpochs = 6;
        _setPolicy();
        uint256 earliest = opened + 6 * EPOCH;
        bytes memory tooSoon = abi.encodeWithSelector(IReallocations.Reallocations_TooSoon.selector, failing, earliest);
        _refused(r, tooSoon);
        vm.warp(earliest);
        r.asOf = GENESIS + 6 * EPOCH + 1;
        _request(r);

        uint256 assignment = _assign(1, 2);
        r = _outage("b", assignment, uint40(earliest - GENESIS - 6 * EPOCH));
        skip(policy.outageSeconds - 1);
        tooSoon = abi.encodeWithSelector(
            IReallocations.Reallocations_TooSoon.selector,
            assignment,
            vm.getBlockTimestamp() + 1
        );
        _refused(r, tooSoon);
    }

    function test_request__within_cooldown__reverts() external {
        _request(_outage("a", failing, 1));
        uint40 until = uint40(vm.getBlockTimestamp() + policy.cooldownSeconds);
        uint256 assignment = _assign(0, 2);
        vm.warp(until - 1);
        _refused(
            _outage("b", assignment, 1),
            abi.encodeWithSelector(IReallocations.Reallocations_CoolingDown.selector, JOB, 0, until)
        );
        vm.warp(until);
        _request(_outage("b", assignment, 1));
    }

    // Many

    function test_requestMany__one_bad_among_them__skips_it_alone() external {
        uint256 other = _assign(1, 2);
        skip(policy.outageSeconds);
        Reallocation[] memory rs = new Reallocation[](3);
        rs[0] = _outage("a", failing, 1);
        rs[1] = _outage("b", failing + 7, 1);
        rs[2] = _outage("c", other, 500);
        (ReallocationBatch memory batch, ReallocationEntry[] memory entries) = _tree(rs);
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);

        vm.expectEmit(address(reallocations));
        emit IReallocations.ReallocationSkipped(
            "b",
            abi.encodeWithSelector(IReallocations.Reallocations_UnknownAssignment.selector, failing + 7)
        );
        reallocations.requestMany(batch, MEMBERS, signatures, entries);
        assertEq(escrow.accountOf(failing).closedAt(), rs[0].asOf);
        assertEq(escrow.accountOf(other).closedAt(), rs[2].asOf);
        assertFalse(reallocations.carriedOut("b"));
    }

    function test_requestMany__over_two_transactions__each_leaf_once() external {
        uint256 other = _assign(1, 2);
        skip(policy.outageSeconds);
        Reallocation[] memory rs = new Reallocation[](2);
        rs[0] = _outage("a", failing, 1);
        rs[1] = _outage("b", other, 500);
        (ReallocationBatch memory batch, ReallocationEntry[] memory entries) = _tree(rs);
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        reallocations.request(batch, MEMBERS, signatures, entries[1]);
        vm.expectEmit(address(reallocations));
        emit IReallocations.ReallocationSkipped(
            "b",
            abi.encodeWithSelector(IReallocations.Reallocations_Replayed.selector, bytes32("b"))
        );
        reallocations.requestMany(batch, MEMBERS, signatures, entries);
        assertEq(escrow.accountOf(failing).closedAt(), rs[0].asOf);
    }

    function test_requestMany__skipped_while_cooling_down__can_be_tried_again() external {
        policy.cooldownSeconds = 100;
        _setPolicy();
        _request(_outage("a", failing, 1));
        policy.outageSeconds = 50;
        _setPolicy();
        uint256 assignment = _assign(0, 2);
        skip(60);
        Reallocation[] memory rs = new Reallocation[](1);
        rs[0] = _outage("b", assignment, 401);
        (ReallocationBatch memory batch, ReallocationEntry[] memory entries) = _tree(rs);
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        reallocations.requestMany(batch, MEMBERS, signatures, entries);
        assertFalse(reallocations.carriedOut("b"));
        skip(40);
        reallocations.requestMany(batch, MEMBERS, signatures, entries);
        assertTrue(reallocations.carriedOut("b"));
    }

    function test_requestMany__not_signed__reverts_whole() external {
        Reallocation[] memory rs = new Reallocation[](1);
        rs[0] = _outage("a", failing, 1);
        (ReallocationBatch memory batch, ReallocationEntry[] memory entries) = _tree(rs);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.Committee_QuorumNotReached.selector, 0, QUORUM));
        reallocations.requestMany(batch, 0, "", entries);
        vm.expectRevert(abi.encodeWithSelector(IReallocations.Reallocations_NotSelf.selector, address(this)));
        reallocations.carryOut(batch, entries[0]);
    }

    /// @dev Whatever the batch's size, each leaf is proved and carried out where its assignment is open.
    function test_requestMany__any_size__each_carried_out(uint256 size, bytes32 seed) external {
        size = bound(size, 1, 9);
        policy.outageSeconds = 1;
        _setPolicy();
        Reallocation[] memory rs = new Reallocation[](size);
        for (uint32 i = 0; i < size; ++i) {
            bytes32 id = keccak256(abi.encode(seed, i));
            rs[i] = _outage(id, _assign(i + 1, 2), 400);
        }
        skip(1);
        (ReallocationBatch memory batch, ReallocationEntry[] memory entries) = _tree(rs);
        reallocations.requestMany(batch, MEMBERS, _sign(batch, MEMBERS, oracleKeys), entries);
        for (uint256 i = 0; i < size; ++i) assertTrue(reallocations.carriedOut(rs[i].id));
    }

    // The answer

    function test_answer__by_the_deadline__opens_a_new_assignment() external {
        _request(_outage("a", failing, 1));
        skip(policy.answerSeconds);
        uint256 expected = AssignmentIds.pack(JOB, 0, 2);
        vm.expectEmit(address(placements));
        emit IPlacements.ReallocationAnswered("a", expected);
        assertEq(_assign(0, 2), expected);
        (, RequestState state) = reallocations.requestOf(JOB, 0);
        assertEq(uint8(state), uint8(RequestState.Answered));

        // The request is over: the slot's next placement is an ordinary one.
        vm.prank(orchestrator);
        placements.closeAssignment(expected);
        skip(policy.answerSeconds);
        vm.recordLogs();
        _assign(0, 3);
        assertEq(vm.getRecordedLogs().length, 1, "answered twice");
    }

    function test_answer__with_the_failed_licence__reverts_until_cooldown_ends() external {
        _request(_outage("a", failing, 1));
        uint40 until = uint40(vm.getBlockTimestamp() + policy.cooldownSeconds);
        _assignRefused(1, abi.encodeWithSelector(IPlacements.Placements_LicenceCoolingDown.selector, 1, until));
        uint256 second = _assign(0, 2);
        vm.prank(orchestrator);
        placements.closeAssignment(second);
        vm.warp(until - 1);
        _assignRefused(1, abi.encodeWithSelector(IPlacements.Placements_LicenceCoolingDown.selector, 1, until));
        vm.warp(until);
        _assign(0, 1);
    }

    function test_answer__too_late__slot_stays_empty_until_the_csp_reopens_it() external {
        _request(_outage("a", failing, 1));
        uint40 deadline = uint40(vm.getBlockTimestamp() + policy.answerSeconds);
        vm.prank(csp);
        vm.expectRevert(abi.encodeWithSelector(IReallocations.Reallocations_NotForfeited.selector, JOB, 0));
        reallocations.reopenSlot(JOB, 0);

        vm.warp(deadline + 1);
        (, RequestState state) = reallocations.requestOf(JOB, 0);
        assertEq(uint8(state), uint8(RequestState.Forfeited));
        _assignRefused(2, abi.encodeWithSelector(IPlacements.Placements_SlotForfeited.selector, JOB, 0, deadline));
        _assign(1, 2); // another slot of the job is not concerned

        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(FakeAccounts.NotAuthorised.selector, orchestrator));
        reallocations.reopenSlot(JOB, 0);
        vm.expectEmit(address(reallocations));
        emit IReallocations.SlotReopened(JOB, 0, "a");
        vm.prank(delegate);
        reallocations.reopenSlot(JOB, 0);
        skip(10 * EPOCH);
        _assign(0, 2);
    }

    function test_requestOf__never_asked__none() external {
        (Request memory last, RequestState state) = reallocations.requestOf(JOB, 1);
        assertEq(uint8(state), uint8(RequestState.None));
        assertEq(last.id, 0);
        vm.prank(csp);
        vm.expectRevert(abi.encodeWithSelector(IReallocations.Reallocations_NotForfeited.selector, JOB, 1));
        reallocations.reopenSlot(JOB, 1);
    }

    function _assignRefused(uint256 licence, bytes memory reverts) private {
        Placement memory p = _placement(0, licence);
        (bytes32 r, bytes32 vs) = _accept(p, 2_000 + licence);
        vm.prank(orchestrator);
        vm.expectRevert(reverts);
        placements.assign(p, r, vs);
    }
}
