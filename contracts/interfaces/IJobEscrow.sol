// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdmission} from "./IAdmission.sol";
import {IAttestations} from "./IAttestations.sol";
import {IBonds} from "./IBonds.sol";
import {ICspAccounts} from "./ICspAccounts.sol";
import {IJobRules} from "./IJobRules.sol";
import {INodeLicense} from "./INodeLicense.sol";
import {ITrustRegistry} from "./ITrustRegistry.sol";
import {Account} from "../libraries/Accrual.sol";
import {Policy} from "../libraries/Policy.sol";

/// @notice The contracts that the escrow is wired to for good.
/// @param attestations reports whose leaves are settled here
/// @param licences whose nodes serve here
/// @param placements the only one who opens and ends assignments
/// @param accounts of CSPs: who pays, who may ask for what
/// @param admission whose money may come in
/// @param trust who is frozen
/// @param bonds where withheld money costs the licence
/// @param burner who gets what is to be burned
/// @param protocolSink who gets the protocol's share of the earned
struct EscrowParts {
    IAttestations attestations;
    INodeLicense licences;
    address placements;
    ICspAccounts accounts;
    IAdmission admission;
    ITrustRegistry trust;
    IBonds bonds;
    address burner;
    address protocolSink;
}

/// @notice What a CSP pays for.
/// @param token the ERC-20 it pays in, on the network's list; amounts are in its smallest unit
/// @param price of one slot for one epoch
/// @param slots number of replicas
/// @param startsAt start of the funded window, UNIX seconds, not in the past
/// @param endsAt end of the funded window (exclusive), UNIX seconds
/// @param orchestrator who places nodes into the slots
/// @param intent hash of the deployment intent: what is to run
/// @param policy how uptime becomes earned and withheld seconds
struct JobTerms {
    address token;
    uint96 price;
    uint32 slots;
    uint40 startsAt;
    uint40 endsAt;
    address orchestrator;
    bytes32 intent;
    Policy policy;
}

/// @notice Why withheld seconds got their destination.
enum ReleaseReason {
    LaterReport,
    SpanOver,
    Abandoned
}

/// @title Escrow of jobs: takes deposits, counts the attested seconds of assignments, pays for them.
/// @notice The deposit is price × slots × funded seconds / epoch length, in full when a job is created, extended or enlarged. Of each
/// assignment's open time up to its stop, earned seconds go to the payee less the protocol's share, withheld ones are held
/// until their appeal span is over and then split between CSP and burn, unmeasured ones return to the CSP. Amounts follow
/// from cumulative seconds alone, so the path of settlements doesn't matter.
/// @dev Nobody governs this contract: what may come in is {IAdmission}'s business, and what is in leaves by these rules alone.
/// Tokens on the network's list are trusted to be plain ERC-20: what a transfer takes off one balance it adds to the other, one that
/// fails says so, no rebasing. What each kind of unruly token does is in docs/tokens.md. Calls can be made in batches, see OpenZeppelin's
/// Multicall.
interface IJobEscrow {
    /// @notice A job was created and funded.
    event JobCreated(uint64 indexed job, uint48 indexed account, bytes32 terms, uint96 deposit, JobTerms details);
    /// @notice The job was extended or enlarged; slots that were added can be served from `from` (UNIX seconds; zero: none were) on.
    event JobGrown(uint64 indexed job, uint32 slots, uint40 from, uint40 endsAt, uint96 deposit);
    /// @notice The job has fewer slots; what the others would have cost from now on is the CSP's.
    event JobShrunk(uint64 indexed job, uint32 slots);
    /// @notice The CSP left; accrual ends at `stop` (UNIX seconds), and the money for later time is the CSP's.
    event JobStopped(uint64 indexed job, uint40 stop);
    /// @notice The unproved rest of the deposit is the CSP's.
    event JobClosed(uint64 indexed job);
    /// @notice A permit (ERC-2612) wasn't taken; the allowance decides.
    event PermitRefused(address indexed token, address indexed owner);
    /// @notice A node serves a slot from now on.
    event AssignmentOpened(uint256 indexed assignment, uint256 indexed licence, address indexed node, address payee);
    /// @notice The assignment stopped at `closedAt` (UNIX seconds).
    event AssignmentClosed(uint256 indexed assignment, uint40 closedAt);
    /// @notice So many consecutive leaves of the report of `epoch` were settled, from that of `assignment` on.
    event AssignmentsSettled(uint64 indexed job, uint64 indexed epoch, uint256 assignment, uint256 leaves);
    /// @notice The job's policy withheld seconds of an assignment by the report of `epoch`. The report's root leads to its
    /// ReportSubmitted event, which names the evidence from which anyone recomputes why.
    event SecondsWithheld(uint256 indexed assignment, uint64 indexed epoch, bytes32 indexed root, uint40 secs);
    /// @notice Withheld seconds got their destination.
    event HeldReleased(uint256 indexed assignment, uint40 secs, ReleaseReason reason);
    /// @notice Earned seconds up to `claimed` were paid out.
    event Paid(uint256 indexed assignment, address indexed recipient, uint256 amount, uint40 claimed);
    /// @notice The token refused a payment; it stays due. The payee can have it sent elsewhere, see {claimTo}.
    event PaymentRefused(uint256 indexed assignment, address indexed recipient, uint256 amount);
    /// @notice The licence or node is frozen; its payment stays due until the freeze is over.
    event PaymentWaits(uint256 indexed assignment);
    /// @notice The account's owner was refunded.
    event Refunded(uint64 indexed job, address indexed owner, uint256 amount);
    /// @notice The burned part of withheld money was sent to the burner.
    event SentToBurn(uint64 indexed job, address indexed token, uint256 amount);
    /// @notice The protocol's share of earned money was sent to it.
    event SentToProtocol(uint64 indexed job, address indexed token, uint256 amount);

    /// @notice A setting of the deployment breaks the named rule.
    error JobEscrow_SettingViolated(string rule);
    /// @notice A job grows to more slots, a later end, or both, than it has now.
    error JobEscrow_NotMore(uint32 slots, uint40 endsAt, uint32 slotsNow, uint40 endsAtNow);
    /// @notice The token delivered another amount than the deposit (a fee on transfer, say).
    error JobEscrow_WrongAmountReceived(uint256 received, uint256 deposit);
    /// @notice There is no such job.
    error JobEscrow_UnknownJob(uint64 job);
    /// @notice There is no such assignment.
    error JobEscrow_UnknownAssignment(uint256 assignment);
    /// @notice The caller isn't who may do this, or the recipient named is nobody: zero, or this contract.
    error JobEscrow_NotAllowed(address caller);
    /// @notice The job is not running: before `startsAt`, or from its stop on.
    error JobEscrow_JobNotRunning(uint64 job, uint40 startsAt, uint40 stop);
    /// @notice The job has no such slot.
    error JobEscrow_UnknownSlot(uint32 slot, uint32 slots);
    /// @notice The slot was added in this epoch and starts at `from` (UNIX seconds).
    error JobEscrow_SlotNotStarted(uint32 slot, uint40 from);
    /// @notice The slot's assignment is still open.
    error JobEscrow_SlotTaken(uint256 assignment);
    /// @notice The assignment was closed before.
    error JobEscrow_AlreadyClosed(uint256 assignment);
    /// @notice An assignment can't end at `time`: that is before what was settled of it, or in the future.
    error JobEscrow_TimeOutOfBounds(uint256 time, uint256 earliest, uint256 latest);
    /// @notice The job has stopped already.
    error JobEscrow_AlreadyStopped(uint64 job, uint40 stop);
    /// @notice The job can't be closed yet: nodes may still prove their seconds.
    error JobEscrow_NotClosable(uint64 job);
    /// @notice The job was closed before.
    error JobEscrow_JobClosed(uint64 job);
    /// @notice The leaf isn't in the report's tree.
    error JobEscrow_LeafNotInReport(uint64 epoch, bytes32 leaf);
    /// @notice The subject is frozen: its money waits until the freeze is over, or the network stalls.
    error JobEscrow_MoneyFrozen(uint256 subject);
    /// @notice The token refused to pay this recipient; name another.
    error JobEscrow_PaymentRefused(uint256 assignment, address recipient, uint256 amount);

    /// @notice Creates and funds a job of a CSP's account. The deposit, rounded up, is taken from the account's owner.
    /// @dev The caller is the owner or a delegate with {Permissions.CREATE}; the owner has approved the escrow for {IJobRules.depositFor} of the
    /// terms, or {permit} does so in the same batch.
    function createJob(uint48 account, JobTerms calldata terms) external returns (uint64 job);

    /// @notice Extends a job, enlarges it, or both, before it has ended. Added slots start with the next epoch. The owner or a delegate
    /// with {Permissions.GROW}; the owner pays.
    /// @param slots how many it is to have, not fewer than now
    /// @param endsAt the end of the funded window, UNIX seconds, not earlier than now
    function growJob(uint64 job, uint32 slots, uint40 endsAt) external;

    /// @notice Takes the last slots away: their assignments close now, and what they would have cost from now on is the CSP's. What they
    /// did until now is settled as ever. The owner or a delegate with {Permissions.LEAVE}.
    /// @param slots how many it is to have, at least one; see {stopJob} for none
    function shrinkJob(uint64 job, uint32 slots) external;

    /// @notice First step of leaving: stops accrual at once and credits the money for later time. The owner or a delegate with
    /// {Permissions.LEAVE}. A job that reaches the end of its funded window needs none; one that hasn't started is cancelled by it.
    function stopJob(uint64 job) external;

    /// @notice Second step: the unproved rest becomes the CSP's, for {withdrawRefund} to pay. One settle window after the first final
    /// report that reaches the stop; or, when the network has stalled, after the further span in which time stays attestable. Anyone may.
    function closeJob(uint64 job) external;

    /// @notice Pays the account's owner what is refundable now. Anyone may. Waits while the account is frozen, unless the network has stalled.
    function withdrawRefund(uint64 job) external;

    /// @notice Shows a token an owner's permit (ERC-2612) for the escrow; in a batch with what needs it. One that is refused does
    /// no harm, since it is the allowance that counts. Anyone may.
    function permit(
        address token,
        address owner,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Opens an assignment now; the licence's present holder is its payee. Placements only.
    /// @return assignment its id
    /// @return holder the payee
    /// @return node the node that the licence is linked to
    function openAssignment(
        uint64 job,
        uint32 slot,
        uint256 licence
    ) external returns (uint256 assignment, address holder, address node);

    /// @notice Closes an assignment as of a time not in the future, at the latest when its job stopped. Placements only.
    /// @param time UNIX seconds
    function endAssignment(uint256 assignment, uint40 time) external;

    /// @notice Settles one leaf of a final report. Anyone may. Seconds beyond a bound are void; an older leaf does nothing.
    /// @param earned cumulative earned seconds of the leaf
    /// @param accounted cumulative accounted seconds of the leaf
    function settle(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) external;

    /// @notice {settle} and {claim}.
    function settleAndClaim(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) external;

    /// @notice Settles consecutive leaves of one job, see {LeafProof.verifyRange}.
    /// @param treeIndex node index of the first leaf
    /// @param leaves for each leaf, from bit 191 down: slot (32 bits), generation (32), earned (64), accounted (64)
    function settleRange(
        uint64 epoch,
        uint64 job,
        uint256 treeIndex,
        uint256[] calldata leaves,
        bytes32[] calldata proof
    ) external;

    /// @notice Gives withheld seconds their destination once their appeal span is over: a report of a later epoch has been
    /// final for a settle window, or the network has stalled and the further span is over in which time stays attestable. Needs no leaf; anyone may call. What isn't due stays held.
    function releaseHeld(uint256[] calldata assignments) external;

    /// @notice Pays out what is earned and not yet claimed, each to its payee. Anyone may call. A payment that the token refuses, or
    /// that is frozen, stays due and is told by an event; the others go through.
    function claim(uint256[] calldata assignments) external;

    /// @notice Pays out what is earned and not yet claimed to a recipient that the payee, who calls, names. All or nothing.
    function claimTo(uint256[] calldata assignments, address recipient) external;

    /// @notice Marks assignments whose licence or node is frozen, so that their payments wait, and clears the mark of others. Anyone may.
    function mark(uint256[] calldata assignments) external;

    /// @notice Sends the burned part of the job's withheld money to the burner. Anyone may call.
    function sendToBurn(uint64 job) external;

    /// @notice Sends the protocol's share of the job's earned money to it. Anyone may call.
    function sendToProtocol(uint64 job) external;

    /// @notice Pays out of the escrow. The escrow itself only: a payment is a call of its own, which undoes itself when it fails.
    function deliver(address token, address to, uint256 amount) external;

    /// @notice Words of storage as they are, for {IEscrowLens}, which knows how to read them.
    function words(bytes32[] calldata slots) external view returns (bytes32[] memory values);

    /// @notice An assignment's account word; zero when there is none.
    function accountOf(uint256 assignment) external view returns (Account);

    /// @notice Who is paid and who serves; zeros when there is no such assignment.
    function partiesOf(uint256 assignment) external view returns (address payee, uint256 licence, address node);

    /// @notice Who places nodes into a job's slots, whose account pays, and what a node accepts.
    function placementOf(uint64 job) external view returns (address orchestrator, uint48 account, bytes32 terms);

    /// @notice When a job stops accruing, UNIX seconds; zero when there is none.
    function stopOf(uint64 job) external view returns (uint40);

    /// @notice How many assignments the slot has had; the last one's generation.
    function generations(uint64 job, uint32 slot) external view returns (uint32);

    /// @notice How many jobs there are; ids count from 1.
    function jobCount() external view returns (uint64);

    /// @notice Reports whose leaves are settled here.
    function attestations() external view returns (IAttestations);

    /// @notice Licences whose nodes serve here.
    function licences() external view returns (INodeLicense);

    /// @notice Who opens and ends assignments.
    function placements() external view returns (address);

    /// @notice What terms a job may have, and what they cost.
    function rules() external view returns (IJobRules);

    /// @notice CSPs' accounts.
    function accounts() external view returns (ICspAccounts);

    /// @notice Who decides whose money may come in.
    function admission() external view returns (IAdmission);

    /// @notice Who tells who is frozen.
    function trust() external view returns (ITrustRegistry);

    /// @notice Who keeps licences' bonds.
    function bonds() external view returns (IBonds);

    /// @notice Who gets what is to be burned.
    function burner() external view returns (address);

    /// @notice Who gets the protocol's share.
    function protocolSink() external view returns (address);

    /// @notice Epochs in which an appeal can turn withheld seconds into earned ones; zero: there are no appeals. They outlast the review
    /// of a vetoed report, which holds up all others.
    function appealEpochs() external view returns (uint32);

    /// @notice Seconds that a report must have been final before money leaves by it without a leaf.
    function settleWindow() external view returns (uint32);

    /// @notice The protocol's share of the earned, in millionths.
    function protocolSharePpm() external view returns (uint24);
}
