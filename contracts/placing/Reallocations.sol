// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {ICommittee} from "../interfaces/ICommittee.sol";
import {IEscrowPlacing} from "../interfaces/IEscrowPlacing.sol";
import {IPlacements} from "../interfaces/IPlacements.sol";
import {
    IReallocations,
    Reallocation,
    ReallocationBatch,
    ReallocationEntry,
    Request,
    RequestState
} from "../interfaces/IReallocations.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Account} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Permissions} from "../libraries/Permissions.sol";
import {Policy, PolicyRules} from "../libraries/Policy.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {Timing} from "../libraries/Timing.sol";

/// @title Reallocations
/// @dev Signatures are checked in each transaction and nothing of a batch is stored, so that a committee's replacement leaves
/// nothing behind to be withdrawn.
contract Reallocations is IReallocations, EIP712 {
    using SafeCast for uint256;
    using PolicyRules for Policy;

    bytes32 private constant BATCH_TYPE = keccak256(
        "ReallocationBatch(uint64 committee,uint64 epoch,bytes32 root,uint64 expiry)"
    );
    uint8 private constant MISSED_EPOCHS = 1;
    uint8 private constant OUTAGE = 2;
    uint8 private constant OUTCAST = 3;
    uint8 private constant MAINTENANCE = 4;
    /// @dev The deadline of a slot that the CSP reopened.
    uint40 private constant NEVER = type(uint40).max;

    /// @inheritdoc IReallocations
    IAttestations public immutable attestations;
    /// @inheritdoc IReallocations
    IPlacements public immutable placements;
    /// @inheritdoc IReallocations
    IEscrowPlacing public immutable escrow;
    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;

    /// @inheritdoc IReallocations
    mapping(bytes32 id => bool) public carriedOut;
    mapping(uint64 job => mapping(uint32 slot => Request)) private _last;

    /// @param attestations_ deployed before; the other two are not called here
    constructor(
        IAttestations attestations_,
        IPlacements placements_,
        IEscrowPlacing escrow_
    ) EIP712("Epochal Reallocations", "1") {
        attestations = attestations_;
        placements = placements_;
        escrow = escrow_;
        Timing memory t = attestations_.timing();
        GENESIS = t.genesis;
        EPOCH_LENGTH = t.epochLength;
    }

    /// @inheritdoc IReallocations
    function request(
        ReallocationBatch calldata batch,
        uint256 members,
        bytes calldata signatures,
        ReallocationEntry calldata entry
    ) external {
        _requireSigned(batch, members, signatures);
        _carryOut(batch, entry);
    }

    /// @inheritdoc IReallocations
    function requestMany(
        ReallocationBatch calldata batch,
        uint256 members,
        bytes calldata signatures,
        ReallocationEntry[] calldata entries
    ) external {
        _requireSigned(batch, members, signatures);
        for (uint256 i = 0; i < entries.length; ++i) {
            try this.carryOut(batch, entries[i]) {
                continue;
            } catch (bytes memory reason) {
                emit ReallocationSkipped(entries[i].request.id, reason);
            }
        }
    }

    /// @inheritdoc IReallocations
    function carryOut(ReallocationBatch calldata batch, ReallocationEntry calldata entry) external {
        require(msg.sender == address(this), Reallocations_NotSelf(msg.sender));
        _carryOut(batch, entry);
    }

    /// @inheritdoc IReallocations
    function reopenSlot(uint64 job, uint32 slot) external {
        (, uint48 account, ) = escrow.placementOf(job);
        escrow.accounts().authorise(account, msg.sender, Permissions.PLACE);
        (Request memory last, RequestState state) = requestOf(job, slot);
        require(state == RequestState.Forfeited, Reallocations_NotForfeited(job, slot));
        _last[job][slot].deadline = NEVER;
        emit SlotReopened(job, slot, last.id);
    }

    /// @inheritdoc IReallocations
    function requestOf(uint64 job, uint32 slot) public view returns (Request memory last, RequestState state) {
        last = _last[job][slot];
        if (last.id == 0) return (last, RequestState.None);
        // A later generation can only have been opened by the orchestrator: that was the answer.
        if (escrow.generations(job, slot) != uint32(last.assignment)) return (last, RequestState.Answered);
        state = block.timestamp <= last.deadline ? RequestState.Open : RequestState.Forfeited;
    }

    /// @inheritdoc IReallocations
    function leafOf(Reallocation calldata leaf) public pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(leaf))));
    }

    /// @dev Closes the assignment, if its node hasn't, and asks for another node; reverts with what stands against it.
    function _carryOut(ReallocationBatch calldata batch, ReallocationEntry calldata entry) private {
        Reallocation calldata r = entry.request;
        bytes32 leaf = leafOf(r);
        require(MerkleProof.verifyCalldata(entry.proof, batch.root, leaf), Reallocations_NotInBatch(leaf, batch.root));
        require(r.id != 0, Reallocations_ZeroId());
        require(!carriedOut[r.id], Reallocations_Replayed(r.id));

        // An existing assignment's id fits 128 bits: nothing is cut off below.
        uint64 job = AssignmentIds.jobOf(r.assignment);
        uint32 slot = uint32(r.assignment >> 32);
        (uint40 openedAt, uint40 closedAt) = _requireReplaceable(r, job, slot);
        _requireInBounds(r.asOf, openedAt, batch.epoch);
        _requireTerms(job, entry);
        _requireGrounds(r, openedAt, closedAt, entry.policy);
        uint40 until = _last[job][slot].cooldownEnds;
        require(block.timestamp >= until, Reallocations_CoolingDown(job, slot, until));

        carriedOut[r.id] = true;
        uint40 asOf = closedAt == 0 ? r.asOf : closedAt;
        uint40 deadline = (block.timestamp + entry.policy.answerSeconds).toUint40();
        _last[job][slot] = Request({
            id: r.id,
            assignment: r.assignment.toUint128(),
            asOf: asOf,
            deadline: deadline,
            cooldownEnds: (block.timestamp + entry.policy.cooldownSeconds).toUint40(),
            reason: r.reason
        });
        emit ReallocationRequested(r.id, r.assignment, job, slot, r.reason, asOf, deadline);
        if (closedAt == 0) placements.closeAsOf(r.assignment, asOf);
    }

    /// @dev Reverts unless the batch is for now and a quorum of the committee in force signed it.
    function _requireSigned(ReallocationBatch calldata batch, uint256 members, bytes calldata signatures) private view {
        require(block.timestamp <= batch.expiry, Reallocations_Expired(batch.expiry));
        uint256 startsAt = _startOf(batch.epoch);
        uint256 endsAt = startsAt + EPOCH_LENGTH;
        require(
            block.timestamp >= startsAt && block.timestamp < endsAt,
            Reallocations_EpochNotCurrent(batch.epoch, startsAt, endsAt)
        );
        // A predecessor has no grace here: a request lives within one epoch, and the new set can sign it anew.
        (uint32 inForce, , , ) = attestations.committeeInForce();
        require(batch.committee == inForce, ICommittee.Committee_NotInForce(batch.committee, inForce));

        (address[] memory signers, uint256 quorum) = attestations.committee(inForce);
        uint256 given = signatures.length / 64;
        require(given >= quorum, ICommittee.Committee_QuorumNotReached(given, quorum));
        require(members >> signers.length == 0, ICommittee.Committee_UnknownMember(members, signers.length));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(BATCH_TYPE, batch)));
        uint256 used = 0;
        for (uint256 i = 0; i < signers.length; ++i) {
            if ((members >> i) & 1 == 0) continue;
            require(used < given, ICommittee.Committee_MalformedSignatures(signatures.length, used + 1));
            bytes calldata signature = signatures[used * 64:(used + 1) * 64];
            address recovered = ECDSA.recover(digest, bytes32(signature[:32]), bytes32(signature[32:]));
            require(recovered == signers[i], Reallocations_WrongSigner(recovered, signers[i]));
            ++used;
        }
        require(used * 64 == signatures.length, ICommittee.Committee_MalformedSignatures(signatures.length, used));
    }

    /// @dev Reverts unless the job runs, and the assignment is open or was only given up by its node: after the time asked for, by no
    /// request, and nobody else has had the slot since. Returns when it opened and closed.
    function _requireReplaceable(
        Reallocation calldata r,
        uint64 job,
        uint32 slot
    ) private view returns (uint40 openedAt, uint40 closedAt) {
        Account a = escrow.accountOf(r.assignment);
        (openedAt, closedAt) = (uint40(a.openedAt()), uint40(a.closedAt()));
        require(openedAt != 0, Reallocations_UnknownAssignment(r.assignment));
        require(
            closedAt == 0 ||
                (r.asOf <= closedAt &&
                    placements.givenUp(r.assignment) &&
                    _last[job][slot].assignment != r.assignment &&
                    escrow.generations(job, slot) == uint32(r.assignment)),
            Reallocations_AlreadyClosed(r.assignment, closedAt)
        );
        uint40 stop = escrow.stopOf(job);
        require(block.timestamp < stop, Reallocations_JobStopped(job, stop));
    }

    /// @dev A closed past can't be rewritten: what final reports may have settled lies before the current epoch. Nor is its first
    /// second free: a report of the epoch before may know the assignment as open, and tells no seconds of an open window.
    function _requireInBounds(uint40 asOf, uint40 openedAt, uint64 epoch) private view {
        uint256 startsAt = _startOf(epoch);
        require(asOf > startsAt, Reallocations_AsOfBeforeEpoch(asOf, startsAt));
        require(asOf <= block.timestamp, Reallocations_AsOfInFuture(asOf, block.timestamp));
        require(asOf >= openedAt, Reallocations_AsOfBeforeOpening(asOf, openedAt));
    }

    /// @dev Reverts unless the token, price, policy and intent shown are the job's.
    function _requireTerms(uint64 job, ReallocationEntry calldata entry) private view {
        (, , bytes32 terms) = escrow.placementOf(job);
        bytes32 shown = keccak256(abi.encode(entry.token, entry.price, entry.policy.hash(), entry.intent));
        require(shown == terms, Reallocations_WrongTerms(shown, terms));
    }

    /// @dev Reverts unless the policy knows the reason and the assignment is old enough for it to be true.
    function _requireGrounds(
        Reallocation calldata r,
        uint40 openedAt,
        uint40 closedAt,
        Policy calldata policy
    ) private view {
        require(policy.answerSeconds != 0, Reallocations_ReasonNotInPolicy(r.reason));
        if (r.reason == OUTCAST) return _requireOutcast(r.assignment);
        // Declared maintenance has begun, or is about to: the oracles see when, and the policy says whether there is any.
        if (r.reason == MAINTENANCE && policy.maintenanceSeconds != 0) return;
        uint256 failing = 0;
        if (r.reason == MISSED_EPOCHS) failing = uint256(policy.missedEpochs) * EPOCH_LENGTH;
        if (r.reason == OUTAGE) failing = policy.outageSeconds;
        require(failing != 0, Reallocations_ReasonNotInPolicy(r.reason));
        uint256 earliest = openedAt + failing;
        uint256 until = closedAt == 0 ? block.timestamp : closedAt;
        require(until >= earliest, Reallocations_TooSoon(r.assignment, earliest));
    }

    /// @dev Reverts unless the licence or its node is suspended or blacklisted.
    function _requireOutcast(uint256 assignment) private view {
        (, uint256 licence, address node) = escrow.partiesOf(assignment);
        ITrustRegistry trust = placements.trust();
        require(
            trust.statusOf(Subjects.licence(licence)) >= Status.Suspended ||
                trust.statusOf(Subjects.node(node)) >= Status.Suspended,
            Reallocations_NotOutcast(licence, node)
        );
    }

    function _startOf(uint64 epoch) private view returns (uint256) {
        return GENESIS + uint256(epoch) * EPOCH_LENGTH;
    }
}
