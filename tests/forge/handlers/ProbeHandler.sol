// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentView, JobView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {AssignmentIds} from "../../../contracts/libraries/AssignmentIds.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {CspHandler} from "./CspHandler.sol";
import {KeeperHandler} from "./KeeperHandler.sol";
import {OracleHandler} from "./OracleHandler.sol";

/// @dev From wherever the world stands, a future is tried out, judged and undone: what would happen if.
abstract contract ProbeHandler is CspHandler, OracleHandler, KeeperHandler {
    uint256 private constant UP_OF = 997;

    /// @dev Settling every report on the way or only the last, singly or in ranges, pays the same.
    function probePaths(uint256 seed) external act {
        if (assignments.length == 0) return;
        _settlePending();
        uint256 state = vm.snapshotState();
        (bytes32 stepwise, string memory wrong) = _walk(seed, true);
        vm.revertToState(state);
        bytes32 atOnce;
        string memory wrongToo;
        (atOnce, wrongToo) = _walk(seed, false);
        vm.revertToStateAndDelete(state);
        if (bytes(wrong).length != 0) _fault(wrong);
        if (bytes(wrongToo).length != 0) _fault(wrongToo);
        _check(stepwise == atOnce, "the path of settlements matters");
        ++done["probePaths"];
    }

    /// @dev All oracles, the guardian, orchestrators and governance are dead: each CSP gets everything back, alone, that isn't
    /// earned or burned, when the spans are over and not later.
    function probeExit(uint256) external act {
        if (escrow.jobCount() == 0) return;
        uint256 state = vm.snapshotState();
        string memory wrong = _exitAlone();
        vm.revertToStateAndDelete(state);
        if (bytes(wrong).length != 0) _fault(wrong);
        ++done["probeExit"];
    }

    /// @dev Everything stands against a node and its CSP, who leaves: what is final is paid all the same.
    function probeFloor(uint256 which) external act {
        _settlePending();
        if (newest == 0 || reports[newest - 1].count == 0) return;
        uint256 i = which % reports[newest - 1].count;
        uint256 state = vm.snapshotState();
        (uint256 peace, ) = _payAfter(i, false);
        vm.revertToState(state);
        (uint256 war, string memory wrong) = _payAfter(i, true);
        vm.revertToStateAndDelete(state);
        if (bytes(wrong).length != 0) _fault(wrong);
        _check(peace == war, "statuses, a pause or an exit took what was final");
        ++done["probeFloor"];
    }

    /// @dev From now on all oracles sign that everybody earned everything. CSPs see it when it becomes final, and leave a little
    /// later: what they lose stays within the figure.
    function probeCollusion(uint256 seed) external act {
        if (assignments.length == 0) return;
        _settlePending();
        uint256 state = vm.snapshotState();
        string memory wrong = _collude(seed % 2_000);
        vm.revertToStateAndDelete(state);
        if (bytes(wrong).length != 0) _fault(wrong);
        ++done["probeCollusion"];
    }

    // Inside

    /// @dev Nothing is pending afterwards.
    function _settlePending() private {
        (, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0) _pass(finalAt - _now());
    }

    /// @dev Submits a report of the next epoch that can be reported, and waits until it is final.
    function _publish(Published memory p) private {
        uint256 endsAt = genesis + (uint256(p.epoch) + 1) * EPOCH;
        if (_now() < endsAt) _pass(endsAt - _now());
        _submit(p);
        _pass(candidateFinalAt - _now());
    }

    function _nextEpoch() private view returns (uint64) {
        uint256 over = (_now() - genesis) / EPOCH;
        uint64 epoch = uint64(over == 0 ? 0 : over - 1);
        return everFinal && epoch <= lastEpoch ? lastEpoch + 1 : epoch;
    }

    /// @dev Three truthful reports on end, each settled or only the last.
    function _walk(uint256 seed, bool stepwise) private returns (bytes32 result, string memory wrong) {
        AssignmentView[] memory base = lens.assignmentsOf(_sorted());
        for (uint256 k = 0; k < 3; ++k) {
            Published memory p = _blank(_nextEpoch() + uint64((seed >> (8 * k)) % 2));
            for (uint256 i = 0; i < p.count; ++i) {
                uint256 secs = _provable(base[i], p.epoch);
                p.accounted[i] = uint64(base[i].accounted + secs);
                p.earned[i] = uint64(base[i].earned + (secs * ((seed >> i) % (UP_OF + 1))) / UP_OF);
            }
            _grow(p);
            _publish(p);
            if (!stepwise && k != 2) continue;
            Published storage s = reports[newest - 1];
            if (stepwise) for (uint256 i = 0; i < s.count; ++i) _settle(s, s.count - 1 - i, i % 2 == 0);
            else for (uint256 i = 0; i < s.count;) i = 1 + _settleFrom(s, i, s.count - 1);
        }
        for (uint256 i = 0; i < assignments.length; ++i) {
            AssignmentView memory a = lens.assignmentOf(assignments[i]);
            result = keccak256(abi.encode(result, a.earned, a.accounted, a.through));
        }
        escrow.claim(assignments);
        result = keccak256(abi.encode(result, paidOut()));
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            if (!clean(job)) continue;
            uint256 withheld = j.tally.released + j.tally.held;
            result = keccak256(abi.encode(result, j.paid, j.protocolDue + j.toProtocol, j.tally.unmeasured, withheld));
        }
        wrong = fault;
    }

    /// @dev Seconds from what is settled up to where a report of `epoch` may count.
    function _provable(AssignmentView memory a, uint256 epoch) private view returns (uint256) {
        if (a.jobClosed) return 0;
        uint256 window = termsOf[AssignmentIds.jobOf(a.id)].policy.windowEpochs;
        uint256 until = a.stop;
        if (until > genesis + (epoch + 1) * EPOCH) until = genesis + ((epoch + 1) / window) * window * EPOCH;
        return until > a.through ? until - a.through : 0;
    }

    function _sorted() private view returns (uint256[] memory ids) {
        Published memory p = _blank(0);
        ids = new uint256[](p.count);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = p.ids[i];
    }

    function _exitAlone() private returns (string memory) {
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            if (!clean(job) || j.leaving || _now() >= j.stop) continue;
            vm.prank(j.owner);
            escrow.stopJob(job);
            JobView memory later = lens.jobOf(job);
            uint256 funded = (uint256(later.price) * later.funded + EPOCH - 1) / EPOCH;
            if (later.refunded + later.refundable < later.deposit - funded) return "future money wasn't free at once";
        }
        (, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0) vm.warp(finalAt);
        (, , finalAt) = attestations.lastFinal();
        uint256 quiet = uint256(attestations.lastProgress()) + 4_000;
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            if (!clean(job)) continue;
            uint256 due = (quiet > j.stop ? quiet : j.stop) + 3_000;
            if (due < uint256(finalAt) + SETTLE_WINDOW) due = uint256(finalAt) + SETTLE_WINDOW;
            if (_now() < due) vm.warp(due);
            vm.startPrank(j.owner);
            if (!j.closed) escrow.closeJob(job);
            escrow.releaseHeld(_assignmentsOf(job));
            uint256 before = token.balanceOf(j.owner);
            escrow.withdrawRefund(job);
            vm.stopPrank();
            JobView memory later = lens.jobOf(job);
            if (token.balanceOf(j.owner) - before != later.refunded - j.refunded) return "an exit's refund went astray";
            if (later.tally.held != 0) return "an exit left money held";
            uint256 earned = (uint256(later.price) * later.tally.earned) / EPOCH;
            if (later.refunded + earned + later.burned + later.burnable + 4 < later.deposit) return "money stuck";
        }
        return fault;
    }

    function _assignmentsOf(uint64 job) private view returns (uint256[] memory ids) {
        ids = new uint256[](assignments.length);
        uint256 n = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            if (AssignmentIds.jobOf(assignments[i]) == job) ids[n++] = assignments[i];
        }
        uint256[] memory cut = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) cut[i] = ids[i];
        return cut;
    }

    /// @dev What an assignment's payee has been paid after its newest leaf was settled, in peace or with all against it.
    function _payAfter(uint256 i, bool against) private returns (uint256 claimed, string memory wrong) {
        Published storage p = reports[newest - 1];
        uint256 id = p.ids[i];
        if (!clean(AssignmentIds.jobOf(id))) return (0, "");
        AssignmentView memory a = lens.assignmentOf(id);
        JobView memory j = lens.jobOf(AssignmentIds.jobOf(id));
        if (against) {
            uint256[3] memory subjects = [Subjects.licence(a.licence), Subjects.node(a.node), Subjects.csp(j.account)];
            for (uint256 k = 0; k < 3; ++k) {
                (uint40 until, uint40 from, ) = trust.standingOf(subjects[k], Status.Blacklisted);
                // Lifted under appeal, it rests until that had lapsed.
                bool free = until == 0 ? from <= _now() : until <= _now();
                if (free) trust.blacklist(subjects[k], 7, bytes32("x"));
                (until, , ) = trust.standingOf(subjects[k], Status.Frozen);
                uint256 left = trust.freezeLeft(subjects[k]);
                if (left > 2_000) left = 2_000;
                if (until <= _now() && left != 0) trust.freeze(subjects[k], uint40(_now() + left), 7, bytes32("x"));
            }
            escrow.mark(_one(id));
            (uint40 since, uint40 paused) = admission.lastPause();
            if (_now() >= paused && _now() >= uint256(paused) + (paused - since)) admission.pause(uint40(_now() + 1));
            if (admission.tokenAllowed(address(token))) admission.forbidToken(address(token));
            if (!j.leaving && _now() < j.stop) {
                vm.prank(j.owner);
                escrow.stopJob(AssignmentIds.jobOf(id));
            }
        }
        _settle(p, i, true);
        // Freezes expire by themselves.
        vm.warp(_now() + 2_001);
        escrow.claim(_one(id));
        AssignmentView memory b = lens.assignmentOf(id);
        if (b.claimed != b.earned) return (0, "final money wasn't paid");
        return (b.claimed, fault);
    }

    function _collude(uint256 untilCancelled) private returns (string memory) {
        uint64 epoch = _nextEpoch();
        uint256 endsAt = genesis + (uint256(epoch) + 1) * EPOCH;
        if (_now() < endsAt) vm.warp(endsAt);
        uint256 n = escrow.jobCount();
        uint256[] memory figures = new uint256[](n + 1);
        JobView[] memory before = lens.jobsFrom(1, n);
        // What waits for a review, after a veto, takes longer to become final.
        _submit(_lie(epoch));
        uint256 reaction = candidateFinalAt - _now() + untilCancelled;
        for (uint64 job = 1; job <= n; ++job) figures[job] = _figure(job, before[job - 1], reaction);
        _pass(candidateFinalAt - _now());
        vm.warp(_now() + untilCancelled);
        for (uint64 job = 1; job <= n; ++job) {
            JobView memory j = lens.jobOf(job);
            if (j.leaving || _now() >= j.stop) continue;
            vm.prank(j.owner);
            escrow.stopJob(job);
        }
        // The first lie is settled, and another one that reaches the stop, and so on.
        for (uint256 k = 0; k < 4; ++k) {
            Published storage p = reports[newest - 1];
            for (uint256 i = 0; i < p.count; ++i) _settle(p, i, true);
            _publish(_lie(_nextEpoch()));
        }
        for (uint64 job = 1; job <= n; ++job) {
            JobView memory j = lens.jobOf(job);
            uint256 lost = uint256(j.price) * (j.tally.earned - before[job - 1].tally.earned);
            if (lost > figures[job]) return "colluding oracles took more than the figure";
        }
        return fault;
    }

    /// @dev Price times (seconds open since `through`, held seconds, and what accrues until the CSP has left).
    function _figure(uint64 job, JobView memory j, uint256 reaction) private view returns (uint256 figure) {
        uint256[] memory ids = _assignmentsOf(job);
        for (uint256 i = 0; i < ids.length; ++i) {
            AssignmentView memory a = lens.assignmentOf(ids[i]);
            uint256 open = a.stop < _now() ? a.stop : _now();
            if (!j.closed && open > a.through) figure += open - a.through;
            figure += a.held;
            // Only what is open can accrue more.
            if (a.closedAt == 0 && a.stop > _now()) figure += reaction;
        }
        return figure * j.price;
    }

    function _lie(uint64 epoch) private view returns (Published memory p) {
        p = _blank(epoch);
        for (uint256 i = 0; i < p.ids.length; ++i) p.earned[i] = p.accounted[i] = type(uint64).max;
        _grow(p);
    }
}
