// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICspAccounts} from "./ICspAccounts.sol";
import {IEscrowPlacing} from "./IEscrowPlacing.sol";
import {INodeLicense} from "./INodeLicense.sol";
import {IOracleRegistry} from "./IOracleRegistry.sol";
import {IReallocations} from "./IReallocations.sol";
import {ITrustRegistry, Status} from "./ITrustRegistry.sol";

/// @notice A placement that an orchestrator asks for and a node accepted (EIP-712 type `Acceptance(uint64 job,uint32 slot,
/// uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)`, with the generation that the assignment will have and
/// the hash of the job's terms, so that an acceptance serves once).
/// @param job the job
/// @param slot its slot, from 0
/// @param licence the licence whose node is to serve
/// @param expiry UNIX seconds until which the node's acceptance is valid, inclusive
struct Placement {
    uint64 job;
    uint32 slot;
    uint256 licence;
    uint64 expiry;
}

/// @notice What a node takes on from one orchestrator without being asked each time (EIP-712 type `StandingOffer`, fields as
/// here). It serves again and again until it expires or is revoked. It doesn't bind the intent: a node makes offers only to an
/// orchestrator whose workloads of that policy it can run, whichever they are.
/// @param licence the licence the node is linked to
/// @param orchestrator who may use the offer
/// @param token in which the job pays
/// @param minPrice least price of a slot for one epoch, in the token's smallest unit
/// @param policy hash of the only policy it takes, see {PolicyRules}
/// @param capacity most assignments of the licence open at once, the new one included, so that nobody is loaded until it fails
/// @param nonce the licence's {IPlacements.offerNonce} when it was made
/// @param expiry UNIX seconds until which it is valid, inclusive
struct StandingOffer {
    uint256 licence;
    address orchestrator;
    address token;
    uint96 minPrice;
    bytes32 policy;
    uint32 capacity;
    uint64 nonce;
    uint64 expiry;
}

/// @notice What a job's terms hash stands for, shown to prove single fields of it.
/// @param token in which the job pays
/// @param price of one slot for one epoch, in the token's smallest unit
/// @param policy hash of its policy
/// @param intent hash of its deployment intent
struct ShownTerms {
    address token;
    uint96 price;
    bytes32 policy;
    bytes32 intent;
}

/// @title Placements: who serves which slot. Opened with the node's acceptance, closed by those concerned.
/// @notice Several calls of one sender go through `multicall(bytes[])`, all of them or none.
/// @dev Jobs, slots and assignments live in the escrow, whose errors come through: {JobEscrow_JobNotRunning},
/// {JobEscrow_UnknownSlot}, {JobEscrow_SlotTaken}. Nothing here can be paused.
interface IPlacements {
    /// @notice The node of an assignment agreed to serve it.
    /// @param byOffer whether by its standing offer; else by an acceptance of this placement
    event AssignmentAccepted(uint256 indexed assignment, address indexed orchestrator, bool byOffer);
    /// @notice The orchestrator answered a reallocation request with a new assignment.
    event ReallocationAnswered(bytes32 indexed request, uint256 indexed assignment);
    /// @notice All standing offers of a licence made before are void; new ones carry `nonce`.
    event OffersRevoked(uint256 indexed licence, uint64 nonce);

    /// @notice Only the job's orchestrator assigns.
    error Placements_NotOrchestrator(address caller, address orchestrator);
    /// @notice Only the licence's holder and its node revoke its offers.
    error Placements_NotHolderOrNode(uint256 licence, address caller);
    /// @notice Only reallocation closes an assignment as of another time than now.
    error Placements_NotReallocations(address caller);
    /// @notice The acceptance's expiry (UNIX seconds) has passed.
    error Placements_AcceptanceExpired(uint64 expiry);
    /// @notice The acceptance wasn't signed by the licence's node for this job, slot, generation, terms, contract and chain.
    error Placements_WrongAcceptance(address recovered, address node);
    /// @notice The offer's expiry (UNIX seconds) has passed.
    error Placements_OfferExpired(uint64 expiry);
    /// @notice The offer was made under another nonce than the licence's.
    error Placements_OfferRevoked(uint64 nonce, uint64 current);
    /// @notice The offer was made to another orchestrator.
    error Placements_OfferToAnother(address orchestrator, address caller);
    /// @notice The job pays in another token than the offer names.
    error Placements_OfferOtherToken(address token, address offered);
    /// @notice The job pays less than the offer's least price.
    error Placements_OfferPriceUnmet(uint96 price, uint96 minPrice);
    /// @notice The job's policy isn't the one the offer takes.
    error Placements_OfferOtherPolicy(bytes32 policy, bytes32 offered);
    /// @notice The licence would have more open assignments than the offer's capacity.
    error Placements_OfferCapacityReached(uint256 open, uint32 capacity);
    /// @notice The offer wasn't signed by the licence's node for this contract and chain.
    error Placements_WrongOffer(address recovered, address node);
    /// @notice The terms shown aren't the job's.
    error Placements_WrongTerms(bytes32 shown, bytes32 terms);
    /// @notice Nothing is assigned while a status stands against the licence, the node or the CSP, see {Subjects}.
    error Placements_SubjectBarred(uint256 subject, Status status);
    /// @notice More oracles are operated by the CSP or the licence's holder than the committee bears.
    error Placements_TooManyConflicts(uint256 conflicted, uint256 bearable);
    /// @notice The slot's reallocation request wasn't answered until its deadline (UNIX seconds); the CSP may reopen the slot,
    /// see {IReallocations.reopenSlot}.
    error Placements_SlotForfeited(uint64 job, uint32 slot, uint40 deadline);
    /// @notice The licence failed in this slot; it may serve it again from `until` (UNIX seconds) on.
    error Placements_LicenceCoolingDown(uint256 licence, uint40 until);

    /// @notice Opens an assignment from now on with the node's acceptance of it. The job's orchestrator only.
    /// @dev Refused while any status stands against licence, node or CSP account; when more members of the committee in force
    /// are operated by the CSP's owner or the licence's holder than it bears; and while the slot is forfeited. Where the slot has
    /// an open reallocation request, the new assignment is the answer to it.
    /// @param r first half of the node's EIP-2098 signature
    /// @param vs second half of it
    function assign(Placement calldata placement, bytes32 r, bytes32 vs) external returns (uint256 assignment);

    /// @notice {assign} by the node's standing offer. The job's orchestrator only.
    /// @param terms what the job's terms hash stands for: the offer is checked against it
    /// @param r first half of the node's EIP-2098 signature of the offer
    /// @param vs second half of it
    function assignByOffer(
        uint64 job,
        uint32 slot,
        StandingOffer calldata offer,
        ShownTerms calldata terms,
        bytes32 r,
        bytes32 vs
    ) external returns (uint256 assignment);

    /// @notice Voids all standing offers of a licence. Its holder or its node may; what they accepted stays.
    function revokeOffers(uint256 licence) external;

    /// @notice Closes an open assignment now, or as of its job's stop if that is earlier. The orchestrator, the payee and the
    /// node may, and the CSP account's owner and delegates who may place. Anyone may once the job has stopped, or while the
    /// licence, the node or the CSP is suspended or blacklisted.
    /// @dev Reverts with the accounts' error for a caller who is none of them.
    function closeAssignment(uint256 assignment) external;

    /// @notice Whether the payee or the node closed the assignment itself, or a stranger did: it can still be asked to be replaced for what was before,
    /// see {IReallocations.request}.
    function givenUp(uint256 assignment) external view returns (bool);

    /// @notice Closes an assignment as of a time in the current epoch. Reallocations only, which checks that time.
    /// @param asOf UNIX seconds
    function closeAsOf(uint256 assignment, uint40 asOf) external;

    /// @notice The nonce that a licence's standing offers carry to be valid.
    function offerNonce(uint256 licence) external view returns (uint64);

    /// @notice Where jobs and assignments live.
    function escrow() external view returns (IEscrowPlacing);

    /// @notice Where licences live.
    function licences() external view returns (INodeLicense);

    /// @notice Where statuses stand.
    function trust() external view returns (ITrustRegistry);

    /// @notice Where operators of oracles are declared.
    function registry() external view returns (IOracleRegistry);

    /// @notice The accounts of cloud service providers.
    function accounts() external view returns (ICspAccounts);

    /// @notice Where the committee asks for other nodes.
    function reallocations() external view returns (IReallocations);
}
