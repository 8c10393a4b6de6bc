// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Placements} from "./escrow/Placements.sol";
import {Jobs} from "./escrow/Jobs.sol";
import {IAttestations} from "./interfaces/IAttestations.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {INodeLicense} from "./interfaces/INodeLicense.sol";
import {Account, Accrual, Amounts, Held, Rates} from "./libraries/Accrual.sol";
import {AssignmentIds} from "./libraries/AssignmentIds.sol";
import {LeafProof} from "./libraries/LeafProof.sol";

/// @title JobEscrow
/// @dev Jobs are in {Jobs}, assignments in {Placements}; here their seconds are settled and paid.
contract JobEscrow is Placements {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using Accrual for *;

    uint8 private constant KIND_ASSIGNMENT = 1;

    /// @dev What all leaves of one settlement share.
    /// @param windowEnd end of the last whole policy window that the report covers, UNIX seconds
    /// @param reportEnd end of the report's epoch, UNIX seconds
    struct Context {
        uint256 epoch;
        uint256 windowEnd;
        uint256 reportEnd;
        Rates rates;
        Books books;
    }

    /// @inheritdoc IJobEscrow
    address public immutable burner;
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
    ) Jobs(attestations_, settleWindow_, protocolSharePpm_, tokens) Placements(licences_) {
        require(burner_ != address(0), JobEscrow_SettingViolated("burner is not zero"));
        burner = burner_;
        appealEpochs = appealEpochs_;
    }

    /// @inheritdoc IJobEscrow
    function settle(uint64 epoch, uint256 assignment, uint64 earned, uint64 accounted, bytes32[] calldata proof)
        external
    {
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
        bytes32[] memory hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint256 leaf = leaves[i];
            hashes[i] = LeafProof.hash(KIND_ASSIGNMENT, _idOf(job, leaf), uint64(leaf >> 64), uint64(leaf));
        }
        LeafProof.verifyRange(attestations.finalRoot(epoch), hashes, treeIndex, proof);

        Context memory c = _context(epoch, job);
        uint256[] memory booked = new uint256[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint256 leaf = leaves[i];
            booked[i] = _apply(c, _idOf(job, leaf), uint64(leaf >> 64), uint64(leaf));
        }
        _books[job] = c.books;
        emit AssignmentsSettled(job, epoch, booked);
    }

    /// @inheritdoc IJobEscrow
    function releaseHeld(uint256[] calldata assignments) external {
        bool abandoned = _abandoned();
        for (uint256 i = 0; i < assignments.length; ++i) {
            uint256 assignment = assignments[i];
            uint64 job = AssignmentIds.jobOf(assignment);
            Account memory a = _accounts[assignment];
            require(a.openedAt != 0, JobEscrow_UnknownAssignment(assignment));
            if (!a.holds) continue;
            Held memory h = _held[assignment];
            uint256 before = h.total();
            if (abandoned || _settledLongEnough(h.olderBucket.releaseEpoch(appealEpochs))) h.older = 0;
            if (abandoned || _settledLongEnough(h.youngerBucket.releaseEpoch(appealEpochs))) h.younger = 0;
            uint256 left = h.total();
            if (left == before) continue;

            Books memory books = _books[job];
            Rates memory rates = _rates(_jobs[job]);
            _takeOut(books, a, before, rates);
            _putBack(books, a, left, rates);
            _accounts[assignment].holds = left != 0;
            _held[assignment] = h;
            _books[job] = books;
            emit HeldReleased(assignment, (before - left).toUint40());
        }
    }

    /// @inheritdoc IJobEscrow
    function claim(uint256[] calldata assignments) external nonReentrant {
        for (uint256 i = 0; i < assignments.length; ++i) _claim(assignments[i]);
    }

    /// @inheritdoc IJobEscrow
    function sendToBurn(uint64 job) external nonReentrant {
        require(_jobs[job].owner != address(0), JobEscrow_UnknownJob(job));
        uint256 amount = _books[job].burnable;
        if (amount == 0) return;
        address token = _jobs[job].token;
        _books[job].burnable = 0;
        emit SentToBurn(job, token, amount);
        IERC20(token).safeTransfer(burner, amount);
    }

    /// @inheritdoc IJobEscrow
    function claimable(uint256 assignment) external view returns (uint256) {
        Account memory a = _accounts[assignment];
        Rates memory rates = _rates(_jobs[AssignmentIds.jobOf(assignment)]);
        return rates.net(a.earned) - rates.net(a.claimed);
    }

    function _settleOne(uint64 epoch, uint256 assignment, uint64 earned, uint64 accounted, bytes32[] calldata proof)
        private
    {
        bytes32 leaf = LeafProof.hash(KIND_ASSIGNMENT, assignment, earned, accounted);
        require(
            MerkleProof.processProofCalldata(proof, leaf) == attestations.finalRoot(epoch),
            JobEscrow_LeafNotInReport(epoch, leaf)
        );
        uint64 job = AssignmentIds.jobOf(assignment);
        Context memory c = _context(epoch, job);
        uint256[] memory booked = new uint256[](1);
        booked[0] = _apply(c, assignment, earned, accounted);
        _books[job] = c.books;
        emit AssignmentsSettled(job, epoch, booked);
    }

    /// @dev Applies a proved leaf to its assignment and to the books in `c`, which the caller stores.
    function _apply(Context memory c, uint256 assignment, uint256 earned, uint256 accounted)
        private
        returns (uint256)
    {
        Account memory a = _accounts[assignment];
        // A leaf of an assignment that doesn't exist is void.
        if (a.openedAt == 0) return 0;
        // Of a closed job only held seconds still move; what rounding left of the others was credited to the CSP.
        if (c.books.closed && !a.holds) return _packed(assignment, a);
        Held memory h;
        bool touched = a.holds;
        if (touched) h = _held[assignment];
        _takeOut(c.books, a, h.total(), c.rates);

        (uint256 withheld, uint256 freed) = a.applyLeaf(earned, accounted, _until(c, a), h.total());
        if (touched || withheld != 0) {
            // A raised `earned` first, then what its appeal span is over for, then what is new.
            h.free(freed);
            h.release(c.epoch, appealEpochs);
            if (withheld != 0) h.hold(c.epoch.bucket(appealEpochs), withheld);
            _held[assignment] = h;
            a.holds = h.total() != 0;
        }
        _putBack(c.books, a, h.total(), c.rates);
        _accounts[assignment] = a;
        return _packed(assignment, a) | h.total();
    }

    /// @dev A word of {AssignmentsSettled}, its held seconds left out.
    function _packed(uint256 assignment, Account memory a) private pure returns (uint256) {
        return
            (uint256(uint64(assignment)) << 160) |
            (uint256(a.earned) << 120) |
            (uint256(a.accounted) << 80) |
            (uint256(a.through) << 40);
    }

    function _claim(uint256 assignment) private {
        Account memory a = _accounts[assignment];
        require(a.openedAt != 0, JobEscrow_UnknownAssignment(assignment));
        if (a.earned == a.claimed) return;
        Job storage j = _jobs[AssignmentIds.jobOf(assignment)];
        Rates memory rates = _rates(j);
        uint256 amount = rates.net(a.earned) - rates.net(a.claimed);
        address payee = _parties[assignment].payee;
        _accounts[assignment].claimed = a.earned;
        emit Paid(assignment, payee, amount, a.earned);
        IERC20(j.token).safeTransfer(payee, amount);
    }

    /// @dev Takes an account's amounts out of its job's books, to put them back once its seconds have moved.
    function _takeOut(Books memory books, Account memory a, uint256 heldSeconds, Rates memory rates) private pure {
        Amounts memory sums = a.amounts(heldSeconds, rates);
        books.booked -= sums.booked.toUint96();
        books.held -= sums.held.toUint96();
        books.heldSeconds -= heldSeconds.toUint64();
        // What of these two was withdrawn meanwhile isn't in the books: they may pass below zero in between.
        unchecked {
            books.refundable -= uint96(sums.refundable);
            books.burnable -= uint96(sums.burnable);
        }
    }

    /// @dev Puts an account's amounts, which only grew, into its job's books.
    function _putBack(Books memory books, Account memory a, uint256 heldSeconds, Rates memory rates) private pure {
        Amounts memory sums = a.amounts(heldSeconds, rates);
        books.booked += sums.booked.toUint96();
        books.held += sums.held.toUint96();
        books.heldSeconds += heldSeconds.toUint64();
        unchecked {
            books.refundable += uint96(sums.refundable);
            books.burnable += uint96(sums.burnable);
        }
        _creditRounding(books);
    }

    function _context(uint64 epoch, uint64 job) private view returns (Context memory c) {
        Job storage j = _jobs[job];
        require(j.owner != address(0), JobEscrow_UnknownJob(job));
        uint256 windows = (uint256(epoch) + 1) / j.windowEpochs;
        c.epoch = epoch;
        c.windowEnd = GENESIS + windows * j.windowEpochs * EPOCH_LENGTH;
        c.reportEnd = GENESIS + (uint256(epoch) + 1) * EPOCH_LENGTH;
        c.rates = _rates(j);
        c.books = _books[job];
    }

    /// @dev The time up to which a report may count an assignment; nothing more once its job is closed.
    function _until(Context memory c, Account memory a) private pure returns (uint256) {
        if (c.books.closed) return a.through;
        uint256 stop = _stop(a, c.books.stop);
        return stop <= c.reportEnd ? stop : c.windowEnd;
    }

    /// @dev The assignment of a packed leaf of {settleRange}.
    function _idOf(uint64 job, uint256 leaf) private pure returns (uint256) {
        return AssignmentIds.pack(job, uint32(leaf >> 160), uint32(leaf >> 128));
    }
}
