// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IJobEscrow, ReleaseReason} from "../interfaces/IJobEscrow.sol";
import {Account, Accrual, Held} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {LeafProof} from "../libraries/LeafProof.sol";
import {Money, Rates} from "../libraries/Money.sol";
import {Assignments} from "./Assignments.sol";

/// @dev Leaves of final reports become booked seconds. Settling moves seconds only; money follows from them when it goes out.
abstract contract Settlement is Assignments {
    using Accrual for *;
    using Money for *;

    uint8 private constant KIND_ASSIGNMENT = 1;

    /// @dev What all leaves of one settlement share. Times are UNIX seconds.
    /// @param root of the report
    /// @param jobStop when the job stops; 1, before any time, once it is closed: then nothing more is counted
    /// @param windowEnd end of the last whole policy window that the report covers
    /// @param reportEnd end of the report's epoch
    /// @param penal whether withheld money costs the licence's bond
    struct Context {
        uint256 epoch;
        bytes32 root;
        uint256 jobStop;
        uint256 windowEnd;
        uint256 reportEnd;
        bool penal;
    }

    /// @inheritdoc IJobEscrow
    function settle(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) external {
        _settleOne(epoch, assignment, earned, accounted, proof);
    }

    /// @inheritdoc IJobEscrow
    function settleRange(
        uint64 epoch,
        uint64 job,
        uint256 treeIndex,
        uint256[] calldata leaves,
        bytes32[] calldata proof
    ) external {
        Context memory c = _context(epoch, job, attestations.finalRoot(epoch));
        bytes32[] memory hashes = new bytes32[](leaves.length);
        unchecked {
            for (uint256 i = 0; i < leaves.length; ++i) {
                uint256 leaf = leaves[i];
                hashes[i] = LeafProof.hash(
                    KIND_ASSIGNMENT,
                    AssignmentIds.inJob(job, uint64(leaf >> 128)),
                    uint64(leaf >> 64),
                    uint64(leaf)
                );
            }
        }
        LeafProof.verifyRange(c.root, hashes, treeIndex, proof);

        uint256 moved = 0;
        unchecked {
            for (uint256 i = 0; i < leaves.length; ++i) {
                uint256 leaf = leaves[i];
                moved += _apply(c, AssignmentIds.inJob(job, uint64(leaf >> 128)), uint64(leaf >> 64), uint64(leaf));
            }
        }
        _tallies[job] = _tallies[job].add(moved);
        emit AssignmentsSettled(job, epoch, AssignmentIds.inJob(job, uint64(leaves[0] >> 128)), leaves.length);
    }

    /// @inheritdoc IJobEscrow
    // slither-disable-next-line reentrancy-no-eth -- {Bonds} is immutable, and calls nobody when it is told of a penalty
    function releaseHeld(uint256[] calldata assignments) external {
        bool abandoned = _abandoned();
        for (uint256 i = 0; i < assignments.length; ++i) {
            uint256 assignment = assignments[i];
            Account a = _account(assignment);
            if (!a.holds()) continue;
            Held memory h = _held[assignment];
            uint256 before = h.total();
            if (abandoned || _settledLongEnough(h.olderBucket.releaseEpoch(appealEpochs))) h.older = 0;
            if (abandoned || _settledLongEnough(h.youngerBucket.releaseEpoch(appealEpochs))) h.younger = 0;
            uint256 left = h.total();
            if (left == before) continue;

            _held[assignment] = h;
            _records[assignment].account = a.hold(left != 0);
            uint64 job = AssignmentIds.jobOf(assignment);
            unchecked {
                uint256 released = before - left;
                _tallies[job] = _tallies[job].add(Money.tally(0, 0, released, 0) - Money.tally(0, 0, 0, released));
                emit HeldReleased(
                    assignment,
                    uint40(released),
                    abandoned ? ReleaseReason.Abandoned : ReleaseReason.SpanOver
                );
            }
            if (_status[job].penal) _penalise(job, assignment, a, left);
        }
    }

    function _settleOne(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) internal {
        bytes32 leaf = LeafProof.hash(KIND_ASSIGNMENT, assignment, earned, accounted);
        bytes32 root = attestations.finalRoot(epoch);
        require(MerkleProof.processProofCalldata(proof, leaf) == root, JobEscrow_LeafNotInReport(epoch, leaf));
        uint64 job = AssignmentIds.jobOf(assignment);
        Context memory c = _context(epoch, job, root);
        uint256 moved = _apply(c, assignment, earned, accounted);
        _tallies[job] = _tallies[job].add(moved);
        emit AssignmentsSettled(job, epoch, assignment, 1);
    }

    /// @dev Applies a proved leaf to its assignment.
    /// @return moved what to add to the job's tally
    // slither-disable-next-line reentrancy-no-eth -- {Bonds} is immutable, and calls nobody when it is told of a penalty
    function _apply(
        Context memory c,
        uint256 assignment,
        uint256 earned,
        uint256 accounted
    ) private returns (uint256 moved) {
        Record storage record = _records[assignment];
        Account a = record.account;
        // A leaf of an assignment that doesn't exist is void.
        if (a.openedAt() == 0) return 0;
        uint256 until = a.stop(c.jobStop);
        if (until > c.reportEnd) until = c.windowEnd;
        uint256 held = a.holds() ? _heldSeconds(assignment) : 0;
        uint256 newEarned;
        uint256 newAccounted;
        (a, newEarned, newAccounted, moved) = a.applyLeaf(earned, accounted, until, held);
        unchecked {
            moved = Money.tally(newEarned, moved - newAccounted, 0, 0);
            if (held != 0 || newEarned != newAccounted) {
                uint256 more;
                (held, more) = _rebucket(c, assignment, newEarned, newAccounted);
                moved += more;
                a = a.hold(held != 0);
                if (c.penal) _penalise(AssignmentIds.jobOf(assignment), assignment, a, held);
            }
            record.account = a;
        }
    }

    /// @dev Moves an assignment's withheld seconds: a raised `earned` first, then what its appeal span is over for, then
    /// what is new.
    /// @return left what is held now
    /// @return moved what to add to the job's tally
    function _rebucket(
        Context memory c,
        uint256 assignment,
        uint256 newEarned,
        uint256 newAccounted
    ) private returns (uint256 left, uint256 moved) {
        Held memory h = _held[assignment];
        uint256 before = h.total();
        if (newEarned > newAccounted) h.free(newEarned - newAccounted);
        uint256 released = h.total();
        h.release(c.epoch, appealEpochs);
        released -= h.total();
        if (released != 0) emit HeldReleased(assignment, uint40(released), ReleaseReason.LaterReport);
        if (newAccounted > newEarned) {
            h.hold(c.epoch.bucket(appealEpochs), newAccounted - newEarned);
            emit SecondsWithheld(assignment, uint64(c.epoch), c.root, uint40(newAccounted - newEarned));
        }
        left = h.total();
        _held[assignment] = h;
        unchecked {
            moved = Money.tally(0, 0, released, left) - Money.tally(0, 0, 0, before);
        }
    }

    /// @dev Tells the licence's bond what an assignment's withheld seconds cost it by now: for good, and for as long as they may
    /// be appealed.
    function _penalise(uint64 job, uint256 assignment, Account a, uint256 held) private {
        Job storage j = _jobs[job];
        Rates memory rates = _rates(j);
        uint256 withheld = a.accounted() - a.earned();
        uint256 burned = rates.penalty(withheld - held, j.penaltyPpm);
        uint256 reserved = rates.penalty(withheld, j.penaltyPpm) - burned;
        bonds.update(_parties[assignment].licence, j.token, assignment, burned, reserved);
    }

    function _heldSeconds(uint256 assignment) private view returns (uint256) {
        Held memory h = _held[assignment];
        return h.total();
    }

    function _context(uint64 epoch, uint64 job, bytes32 root) private view returns (Context memory c) {
        Status storage status = _status[job];
        uint256 window = status.windowEpochs;
        require(window != 0, JobEscrow_UnknownJob(job));
        c.epoch = epoch;
        c.root = root;
        c.jobStop = status.closed ? 1 : status.stop;
        c.penal = status.penal;
        unchecked {
            // Of factors of 64 and 32 bits.
            uint256 covered = uint256(epoch) + 1;
            c.windowEnd = uint256(GENESIS) + (covered - (covered % window)) * EPOCH_LENGTH;
            c.reportEnd = uint256(GENESIS) + covered * EPOCH_LENGTH;
        }
    }
}
