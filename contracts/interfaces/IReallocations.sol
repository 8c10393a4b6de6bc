// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "./IAttestations.sol";
import {IEscrowPlacing} from "./IEscrowPlacing.sol";
import {IPlacements} from "./IPlacements.sol";
import {Policy} from "../libraries/Policy.sol";

/// @notice What the committee signs (EIP-712 type `ReallocationBatch(uint64 committee,uint64 epoch,bytes32 root,uint64 expiry)`).
/// @param committee version of the set that signs; only the one in force, without grace
/// @param epoch the current epoch
/// @param root of the tree of requests, see {Reallocation}
/// @param expiry UNIX seconds until which it may be carried out, inclusive
struct ReallocationBatch {
    uint64 committee;
    uint64 epoch;
    bytes32 root;
    uint64 expiry;
}

/// @notice One request to place another node: a leaf of OpenZeppelin's `StandardMerkleTree` over (bytes32, uint256, uint8,
/// uint40), hashed twice. A single request is a tree of one leaf: the leaf's hash is the root and its proof is empty.
/// @param id the request's own, not zero: carried out once, and the key by which orchestrators know a delivery from a repeat
/// @param assignment whose node failed
/// @param reason 1 missed epochs, 2 outage, each as in the job's policy; 3 the licence or its node is suspended or blacklisted; 4 declared
/// maintenance, where the policy has any; none where it gives no time to answer
/// @param asOf UNIX seconds as of which the assignment closes: after the start of the batch's epoch, not in the future, not before it opened
struct Reallocation {
    bytes32 id;
    uint256 assignment;
    uint8 reason;
    uint40 asOf;
}

/// @notice A request with what proves it. The four fields after it are what the job's terms hash stands for.
/// @param request the leaf
/// @param token in which the job pays
/// @param price of one slot for one epoch, in the token's smallest unit
/// @param policy the job's
/// @param intent hash of the job's deployment intent
/// @param proof the leaf's siblings from below
struct ReallocationEntry {
    Reallocation request;
    address token;
    uint96 price;
    Policy policy;
    bytes32 intent;
    bytes32[] proof;
}

/// @notice A slot's last request.
/// @param id as signed; zero when the slot never had one
/// @param assignment that was closed
/// @param asOf when it closed, unless its job had stopped before, UNIX seconds; later than was asked for if its node had closed it itself
/// @param deadline UNIX seconds until which the orchestrator may answer, inclusive; 2^40 − 1 once the CSP reopened the slot
/// @param cooldownEnds UNIX seconds from which the slot may be asked for again, and its failed licence serve it again
/// @param reason as signed
struct Request {
    bytes32 id;
    uint128 assignment;
    uint40 asOf;
    uint40 deadline;
    uint40 cooldownEnds;
    uint8 reason;
}

/// @notice Where a slot's last request stands.
/// None: there was none. Open: the orchestrator may answer. Answered: a later assignment opened in the slot. Forfeited: the
/// deadline has passed without an answer.
enum RequestState {
    None,
    Open,
    Answered,
    Forfeited
}

/// @title Reallocation: a quorum of the committee asks for another node in a slot.
/// @notice A request closes its assignment as of a time in the current epoch and asks the job's orchestrator for another node
/// until a deadline. The answer is {IPlacements.assign} to that slot. Without one the slot stays empty and its money is the
/// CSP's; only the CSP can open it again. Each of the failing and the new node is paid for its own seconds.
/// @dev Requests bring no money and take none: the worst that a dishonest committee gets is an assignment closed as
/// of a second after the current epoch's start, no sooner than its policy allows and no more often than its cooldown.
interface IReallocations {
    /// @notice An assignment was closed as of `asOf`, or by its node then; its job's orchestrator may name another node until `deadline`, inclusive.
    event ReallocationRequested(
        bytes32 indexed id,
        uint256 indexed assignment,
        uint64 indexed job,
        uint32 slot,
        uint8 reason,
        uint40 asOf,
        uint40 deadline
    );
    /// @notice A request among many couldn't be carried out now; it may be tried again until it expires.
    /// @param reason the error, ABI-encoded as it would have been reverted with; empty when gas ran out
    event ReallocationSkipped(bytes32 indexed id, bytes reason);
    /// @notice The CSP gave a forfeited slot back to its orchestrator.
    event SlotReopened(uint64 indexed job, uint32 indexed slot, bytes32 indexed id);

    /// @notice The batch's expiry (UNIX seconds) has passed.
    error Reallocations_Expired(uint64 expiry);
    /// @notice The batch's epoch isn't the current one.
    error Reallocations_EpochNotCurrent(uint64 epoch, uint256 startsAt, uint256 endsAt);
    /// @notice A signature isn't that of the member at its place: a stranger's, a repeated or misplaced one, or over other words.
    error Reallocations_WrongSigner(address recovered, address member);
    /// @notice Only this contract calls it.
    error Reallocations_NotSelf(address caller);
    /// @notice The request isn't in the batch's tree.
    error Reallocations_NotInBatch(bytes32 leaf, bytes32 root);
    /// @notice Zero is no request's id.
    error Reallocations_ZeroId();
    /// @notice A request of that id was carried out before.
    error Reallocations_Replayed(bytes32 id);
    /// @notice There is no such assignment.
    error Reallocations_UnknownAssignment(uint256 assignment);
    /// @notice The assignment was closed before (UNIX seconds), and not by its node after the time asked for with its slot empty since.
    error Reallocations_AlreadyClosed(uint256 assignment, uint40 closedAt);
    /// @notice The job has stopped (UNIX seconds); it needs no other node.
    error Reallocations_JobStopped(uint64 job, uint40 stop);
    /// @notice The as-of time doesn't lie after the current epoch's start.
    error Reallocations_AsOfBeforeEpoch(uint40 asOf, uint256 startsAt);
    /// @notice The as-of time lies in the future.
    error Reallocations_AsOfInFuture(uint40 asOf, uint256 time);
    /// @notice The as-of time lies before the assignment opened.
    error Reallocations_AsOfBeforeOpening(uint40 asOf, uint40 openedAt);
    /// @notice The terms shown aren't the job's.
    error Reallocations_WrongTerms(bytes32 shown, bytes32 terms);
    /// @notice The job's policy asks for no other node on that ground, or on none, since it gives no time to answer.
    error Reallocations_ReasonNotInPolicy(uint8 reason);
    /// @notice Neither the licence nor its node is suspended or blacklisted.
    error Reallocations_NotOutcast(uint256 licence, address node);
    /// @notice The assignment isn't open for as long as the policy's ground takes; it is at `earliest` (UNIX seconds).
    error Reallocations_TooSoon(uint256 assignment, uint256 earliest);
    /// @notice The slot may be asked for again from `until` (UNIX seconds) on.
    error Reallocations_CoolingDown(uint64 job, uint32 slot, uint40 until);
    /// @notice The slot has no request whose deadline passed without an answer.
    error Reallocations_NotForfeited(uint64 job, uint32 slot);

    /// @notice Carries out one request of a signed batch; reverts when it can't. Anyone may.
    /// A failing node can't run from it by closing its assignment first: as long as the slot is empty, what the payee or the node closed
    /// at or after `asOf` stays closed as it is, and the slot is asked for, its deadline and cooldown start, as if it had been open.
    /// @dev Also reverts with {ICommittee}'s errors: `Committee_NotInForce`, `Committee_QuorumNotReached`,
    /// `Committee_UnknownMember`, `Committee_MalformedSignatures`; and with OpenZeppelin's of a malformed signature.
    /// @param members bit i: the signature of signer i is among `signatures`
    /// @param signatures EIP-2098 signatures over the batch's EIP-712 digest, 64 bytes each, in signer order
    function request(
        ReallocationBatch calldata batch,
        uint256 members,
        bytes calldata signatures,
        ReallocationEntry calldata entry
    ) external;

    /// @notice Carries out any requests of a signed batch, skipping those that can't be. A batch may be spread over several
    /// transactions. Anyone may.
    function requestMany(
        ReallocationBatch calldata batch,
        uint256 members,
        bytes calldata signatures,
        ReallocationEntry[] calldata entries
    ) external;

    /// @notice Carries out one request whose batch has been checked. This contract only, so that {requestMany} can skip.
    function carryOut(ReallocationBatch calldata batch, ReallocationEntry calldata entry) external;

    /// @notice Lets the orchestrator place into a forfeited slot again, without a deadline. The CSP account's owner, or a
    /// delegate who may place. The failed licence still waits for the cooldown's end.
    function reopenSlot(uint64 job, uint32 slot) external;

    /// @notice A slot's last request and where it stands.
    function requestOf(uint64 job, uint32 slot) external view returns (Request memory last, RequestState state);

    /// @notice Whether a request of that id was carried out.
    function carriedOut(bytes32 id) external view returns (bool);

    /// @notice The hash of a request as a leaf.
    function leafOf(Reallocation calldata reallocation) external pure returns (bytes32 leaf);

    /// @notice Whose committee signs.
    function attestations() external view returns (IAttestations);

    /// @notice Where assignments are opened and closed.
    function placements() external view returns (IPlacements);

    /// @notice Where jobs and assignments live.
    function escrow() external view returns (IEscrowPlacing);
}
