// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICspAccounts} from "../interfaces/ICspAccounts.sol";
import {IEscrowPlacing} from "../interfaces/IEscrowPlacing.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";
import {IOracleRegistry} from "../interfaces/IOracleRegistry.sol";
import {IPlacements, Placement, ShownTerms, StandingOffer} from "../interfaces/IPlacements.sol";
import {IReallocations, Request, RequestState} from "../interfaces/IReallocations.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Permissions} from "../libraries/Permissions.sol";
import {Subjects} from "../libraries/Subjects.sol";

/// @title Placements
/// @dev Holds no money and no assignments, only the nonces of offers and who was given up. Every contract that it calls is one of the deployment's
/// own, and `multicall` delegates to itself: the sender stays the sender, and no function takes value.
contract Placements is IPlacements, EIP712, Multicall {
    using SafeCast for uint256;

    bytes32 private constant ACCEPTANCE_TYPE = keccak256(
        "Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)"
    );
    bytes32 private constant OFFER_TYPE = keccak256(
        "StandingOffer(uint256 licence,address orchestrator,address token,uint96 minPrice,bytes32 policy,uint32 capacity,"
        "uint64 nonce,uint64 expiry)"
    );

    /// @inheritdoc IPlacements
    IEscrowPlacing public immutable escrow;
    /// @inheritdoc IPlacements
    INodeLicense public immutable licences;
    /// @inheritdoc IPlacements
    ITrustRegistry public immutable trust;
    /// @inheritdoc IPlacements
    IOracleRegistry public immutable registry;
    /// @inheritdoc IPlacements
    ICspAccounts public immutable accounts;
    /// @inheritdoc IPlacements
    IReallocations public immutable reallocations;

    /// @inheritdoc IPlacements
    mapping(uint256 licence => uint64) public offerNonce;
    /// @inheritdoc IPlacements
    mapping(uint256 assignment => bool) public givenUp;

    /// @dev The deployer knows the addresses of all six beforehand; none is called here.
    constructor(
        IEscrowPlacing escrow_,
        INodeLicense licences_,
        ITrustRegistry trust_,
        IOracleRegistry registry_,
        ICspAccounts accounts_,
        IReallocations reallocations_
    ) EIP712("Epochal Placements", "1") {
        escrow = escrow_;
        licences = licences_;
        trust = trust_;
        registry = registry_;
        accounts = accounts_;
        reallocations = reallocations_;
    }

    /// @inheritdoc IPlacements
    function assign(Placement calldata placement, bytes32 r, bytes32 vs) external returns (uint256 assignment) {
        require(block.timestamp <= placement.expiry, Placements_AcceptanceExpired(placement.expiry));
        address node;
        bytes32 terms;
        (assignment, node, terms) = _open(placement.job, placement.slot, placement.licence);
        bytes32 acceptance = keccak256(
            abi.encode(
                ACCEPTANCE_TYPE,
                placement.job,
                placement.slot,
                uint32(assignment), // its generation
                placement.licence,
                terms,
                placement.expiry
            )
        );
        address recovered = ECDSA.recover(_hashTypedDataV4(acceptance), r, vs);
        require(recovered == node, Placements_WrongAcceptance(recovered, node));
        emit AssignmentAccepted(assignment, msg.sender, false);
    }

    /// @inheritdoc IPlacements
    function assignByOffer(
        uint64 job,
        uint32 slot,
        StandingOffer calldata offer,
        ShownTerms calldata shown,
        bytes32 r,
        bytes32 vs
    ) external returns (uint256 assignment) {
        _requireTaken(offer, shown);
        address node;
        bytes32 terms;
        (assignment, node, terms) = _open(job, slot, offer.licence);
        bytes32 shownHash = keccak256(abi.encode(shown));
        require(shownHash == terms, Placements_WrongTerms(shownHash, terms));
        uint256 open = licences.openAssignments(offer.licence);
        require(open <= offer.capacity, Placements_OfferCapacityReached(open, offer.capacity));
        address recovered = ECDSA.recover(_hashTypedDataV4(keccak256(abi.encode(OFFER_TYPE, offer))), r, vs);
        require(recovered == node, Placements_WrongOffer(recovered, node));
        emit AssignmentAccepted(assignment, msg.sender, true);
    }

    /// @inheritdoc IPlacements
    function revokeOffers(uint256 licence) external {
        require(
            msg.sender == licences.nodeOf(licence) || msg.sender == licences.ownerOf(licence),
            Placements_NotHolderOrNode(licence, msg.sender)
        );
        uint64 nonce = ++offerNonce[licence];
        emit OffersRevoked(licence, nonce);
    }

    /// @inheritdoc IPlacements
    function closeAssignment(uint256 assignment) external {
        uint64 job = AssignmentIds.jobOf(assignment);
        (address orchestrator, uint48 account, ) = escrow.placementOf(job);
        (address payee, uint256 licence, address node) = escrow.partiesOf(assignment);
        if (msg.sender != orchestrator) {
            if (msg.sender == payee || msg.sender == node) givenUp[assignment] = true;
            else if (block.timestamp < escrow.stopOf(job)) {
                try accounts.authorise(account, msg.sender, Permissions.PLACE) {} catch {
                    if (!_outcast(licence, node, account)) accounts.authorise(account, msg.sender, Permissions.PLACE);
                    givenUp[assignment] = true;
                }
            }
        }
        escrow.endAssignment(assignment, block.timestamp.toUint40());
    }

    /// @inheritdoc IPlacements
    function closeAsOf(uint256 assignment, uint40 asOf) external {
        require(msg.sender == address(reallocations), Placements_NotReallocations(msg.sender));
        escrow.endAssignment(assignment, asOf);
    }

    /// @dev Opens what both ways of accepting share; the caller checks the node's signature.
    function _open(
        uint64 job,
        uint32 slot,
        uint256 licence
    ) private returns (uint256 assignment, address node, bytes32 terms) {
        address orchestrator;
        uint48 account;
        (orchestrator, account, terms) = escrow.placementOf(job);
        require(msg.sender == orchestrator, Placements_NotOrchestrator(msg.sender, orchestrator));
        bytes32 answered = _requireNotForfeited(job, slot, licence);

        address holder;
        (assignment, holder, node) = escrow.openAssignment(job, slot, licence);
        _requireUnbarred(Subjects.licence(licence));
        _requireUnbarred(Subjects.node(node));
        _requireUnbarred(Subjects.csp(account));
        (uint256 conflicted, uint256 bearable) = registry.conflicts(accounts.ownerOf(account), holder);
        require(conflicted <= bearable, Placements_TooManyConflicts(conflicted, bearable));
        if (answered != 0) emit ReallocationAnswered(answered, assignment);
    }

    /// @dev Returns the id of the open request that an assignment now would answer; zero when there is none.
    function _requireNotForfeited(uint64 job, uint32 slot, uint256 licence) private view returns (bytes32 answered) {
        (Request memory last, RequestState state) = reallocations.requestOf(job, slot);
        require(state != RequestState.Forfeited, Placements_SlotForfeited(job, slot, last.deadline));
        if (block.timestamp < last.cooldownEnds) {
            (, uint256 failed, ) = escrow.partiesOf(last.assignment);
            require(licence != failed, Placements_LicenceCoolingDown(licence, last.cooldownEnds));
        }
        if (state == RequestState.Open) answered = last.id;
    }

    /// @dev All that an offer says of who uses it, when, and for which terms.
    function _requireTaken(StandingOffer calldata offer, ShownTerms calldata shown) private view {
        require(block.timestamp <= offer.expiry, Placements_OfferExpired(offer.expiry));
        uint64 nonce = offerNonce[offer.licence];
        require(offer.nonce == nonce, Placements_OfferRevoked(offer.nonce, nonce));
        require(offer.orchestrator == msg.sender, Placements_OfferToAnother(offer.orchestrator, msg.sender));
        require(offer.token == shown.token, Placements_OfferOtherToken(shown.token, offer.token));
        require(offer.minPrice <= shown.price, Placements_OfferPriceUnmet(shown.price, offer.minPrice));
        require(offer.policy == shown.policy, Placements_OfferOtherPolicy(shown.policy, offer.policy));
    }

    function _requireUnbarred(uint256 subject) private view {
        Status status = trust.statusOf(subject);
        require(status == Status.None, Placements_SubjectBarred(subject, status));
    }

    /// @dev Whether anyone may close: one of the three is suspended or blacklisted.
    function _outcast(uint256 licence, address node, uint48 account) private view returns (bool) {
        return
            trust.statusOf(Subjects.licence(licence)) >= Status.Suspended ||
            trust.statusOf(Subjects.node(node)) >= Status.Suspended ||
            trust.statusOf(Subjects.csp(account)) >= Status.Suspended;
    }
}
