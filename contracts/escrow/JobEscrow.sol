// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Jobs} from "./Jobs.sol";
import {Placements} from "./Placements.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";
import {Account, Accrual, Held} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {LeafProof} from "../libraries/LeafProof.sol";
import {Money, Rates} from "../libraries/Money.sol";

/// @title JobEscrow
/// @dev Jobs are in {Jobs}, assignments in {Placements}; here their seconds are settled and paid. Settling moves seconds
/// only; money follows from them when it goes out.
contract JobEscrow is Placements {
    using SafeERC20 for IERC20;
    using Accrual for *;
    using Money for *;

    uint8 private constant KIND_ASSIGNMENT = 1;

    /// @dev What all leaves of one settlement share. Times are UNIX seconds.
    /// @param jobStop when the job stops; 1, before any time, once it is closed: then nothing more is counted
    /// @param windowEnd end of the last whole policy window that the report covers
    /// @param reportEnd end of the report's epoch
    struct Context {
        uint256 epoch;
        uint256 jobStop;
        uint256 windowEnd;
        uint256 reportEnd;
    }

    /// @inheritdoc IJobEscrow
    uint32 public immutable appealEpochs;

    /// @param burner_ who gets what is to be burned
    /// @param appealEpochs_ epochs in which an appeal can turn withheld seconds into earned ones
    /// @param settleWindow_ seconds; below the epoch's length
    /// @param protocolSharePpm_ the protocol's share of the earned, in millionths
    /// @param tokens ERC-20 tokens in which jobs may pay
    constructor(
        IAttestations attestations_,
        INodeLicense licences_,
        address burner_,
        uint32 appealEpochs_,
        uint32 settleWindow_,
        uint24 protocolSharePpm_,
        address[] memory tokens
    ) Jobs(attestations_, burner_, settleWindow_, protocolSharePpm_, tokens) Placements(licences_) {
        appealEpochs = appealEpochs_;
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
    function settleAndClaim(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) external nonReentrant {
        _settleOne(epoch, assignment, earned, accounted, proof);
        _claim(assignment);
    }

    /// @inheritdoc IJobEscrow
    function settleRange(
        uint64 epoch,
        uint64 job,
        uint256 treeIndex,
        uint256[] calldata leaves,
        bytes32[] calldata proof
    ) external {
        Context memory c = _context(epoch, job);
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
        LeafProof.verifyRange(attestations.finalRoot(epoch), hashes, treeIndex, proof);

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
    function releaseHeld(uint256[] calldata assignments) external {
        bool abandoned = _abandoned();
        for (uint256 i = 0; i < assignments.length; ++i) {
            uint256 assignment = assignments[i];
            Account a = _records[assignment].account;
            require(a.openedAt() != 0, JobEscrow_UnknownAssignment(assignment));
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
                emit HeldReleased(assignment, uint40(released));
            }
        }
    }

    /// @inheritdoc IJobEscrow
    function claim(uint256[] calldata assignments) external nonReentrant {
        for (uint256 i = 0; i < assignments.length; ++i) _claim(assignments[i]);
    }

    /// @inheritdoc IJobEscrow
    function claimable(uint256 assignment) external view returns (uint256) {
        Account a = _records[assignment].account;
        Rates memory rates = _rates(_jobs[AssignmentIds.jobOf(assignment)]);
        return rates.net(a.earned()) - rates.net(a.claimed());
    }

    function _settleOne(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) private {
        bytes32 leaf = LeafProof.hash(KIND_ASSIGNMENT, assignment, earned, accounted);
        require(
            MerkleProof.processProofCalldata(proof, leaf) == attestations.finalRoot(epoch),
            JobEscrow_LeafNotInReport(epoch, leaf)
        );
        uint64 job = AssignmentIds.jobOf(assignment);
        uint256 moved = _apply(_context(epoch, job), assignment, earned, accounted);
        _tallies[job] = _tallies[job].add(moved);
        emit AssignmentsSettled(job, epoch, assignment, 1);
    }

    /// @dev Applies a proved leaf to its assignment.
    /// @return moved what to add to the job's tally
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
                (held, more) = _rebucket(c.epoch, assignment, newEarned, newAccounted);
                moved += more;
                a = a.hold(held != 0);
            }
            record.account = a;
        }
    }

    /// @dev Moves an assignment's withheld seconds: a raised `earned` first, then what its appeal span is over for, then
    /// what is new.
    /// @return left what is held now
    /// @return moved what to add to the job's tally
    function _rebucket(
        uint256 epoch,
        uint256 assignment,
        uint256 newEarned,
        uint256 newAccounted
    ) private returns (uint256 left, uint256 moved) {
        Held memory h = _held[assignment];
        uint256 before = h.total();
        if (newEarned > newAccounted) h.free(newEarned - newAccounted);
        uint256 released = h.total();
        h.release(epoch, appealEpochs);
        released -= h.total();
        if (released != 0) emit HeldReleased(assignment, uint40(released));
        if (newAccounted > newEarned) {
            h.hold(epoch.bucket(appealEpochs), newAccounted - newEarned);
            emit SecondsWithheld(assignment, uint64(epoch), uint40(newAccounted - newEarned));
        }
        left = h.total();
        _held[assignment] = h;
        unchecked {
            moved = Money.tally(0, 0, released, left) - Money.tally(0, 0, 0, before);
        }
    }

    function _heldSeconds(uint256 assignment) private view returns (uint256) {
        Held memory h = _held[assignment];
        return h.total();
    }

    function _claim(uint256 assignment) private {
        Account a = _records[assignment].account;
        require(a.openedAt() != 0, JobEscrow_UnknownAssignment(assignment));
        uint256 secs = a.earned() - a.claimed();
        if (secs == 0) return;
        uint64 job = AssignmentIds.jobOf(assignment);
        Job storage j = _jobs[job];
        (address token, uint256 price) = (j.token, j.price);
        Rates memory rates = Rates(price, EPOCH_LENGTH, protocolSharePpm, 0);
        uint256 amount = rates.net(a.earned()) - rates.net(a.claimed());
        address payee = _parties[assignment].payee;
        _records[assignment].account = a.claim();
        _tallies[job] = _tallies[job].claim(rates, secs, amount);
        emit Paid(assignment, payee, amount, uint40(a.earned()));
        IERC20(token).safeTransfer(payee, amount);
    }

    function _context(uint64 epoch, uint64 job) private view returns (Context memory c) {
        Status memory status = _status[job];
        require(status.windowEpochs != 0, JobEscrow_UnknownJob(job));
        uint256 covered = uint256(epoch) + 1;
        c.epoch = epoch;
        c.jobStop = status.closed ? 1 : status.stop;
        c.windowEnd = GENESIS + (covered / status.windowEpochs) * status.windowEpochs * EPOCH_LENGTH;
        c.reportEnd = GENESIS + covered * EPOCH_LENGTH;
    }
}
