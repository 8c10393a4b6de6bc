// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "./IAttestations.sol";
import {INodeLicense} from "./INodeLicense.sol";
import {TallyView} from "../libraries/Money.sol";
import {Policy} from "../libraries/Policy.sol";

/// @notice What a CSP pays for.
/// @param token the ERC-20 it pays in, on the escrow's list; amounts are in its smallest unit
/// @param price of one slot for one epoch
/// @param slots number of replicas
/// @param startsAt start of the funded window, UNIX seconds, not in the past
/// @param endsAt end of the funded window (exclusive), UNIX seconds
/// @param orchestrator who places nodes into the slots
/// @param policy how uptime becomes earned and withheld seconds
struct JobTerms {
    address token;
    uint96 price;
    uint32 slots;
    uint40 startsAt;
    uint40 endsAt;
    address orchestrator;
    Policy policy;
}

/// @notice A placement that an orchestrator asks for and a node accepted.
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

/// @notice A job as it stands. Amounts in the token's smallest unit, times in UNIX seconds.
/// @param deposit what funded the job
/// @param stop when accrual ends: `endsAt`, or when the CSP asked to leave
/// @param leaving whether the CSP asked to leave
/// @param closed whether the unproved rest is the CSP's
/// @param tally cumulative seconds of all assignments
/// @param paid what payees were paid
/// @param refunded what the CSP was refunded
/// @param burned what was sent to the burner
/// @param refundable what the CSP can withdraw now
/// @param burnable what anyone can send to the burner now
struct JobView {
    address owner;
    address token;
    address orchestrator;
    uint96 price;
    uint32 slots;
    uint40 startsAt;
    uint40 endsAt;
    uint16 windowEpochs;
    uint24 cspSharePpm;
    bytes32 terms;
    uint96 deposit;
    uint40 stop;
    bool leaving;
    bool closed;
    TallyView tally;
    uint256 paid;
    uint96 refunded;
    uint96 burned;
    uint256 refundable;
    uint256 burnable;
}

/// @notice An assignment as it stands. Times are UNIX seconds, seconds are cumulative.
/// @param stop when it stops accruing: `closedAt` or the job's stop, whichever is first
struct AssignmentView {
    uint256 id;
    uint256 licence;
    address node;
    address payee;
    uint40 openedAt;
    uint40 closedAt;
    uint40 stop;
    uint40 through;
    uint40 earned;
    uint40 accounted;
    uint40 claimed;
    uint40 held;
    bool jobClosed;
}

/// @title Escrow of jobs: funds them, places nodes, pays for attested seconds.
/// @notice The deposit is price × slots × funded seconds / epoch length, in full when the job is created. Of each
/// assignment's open time up to its stop, earned seconds go to the payee less the protocol's share, withheld ones are held
/// until their appeal span is over and then split between CSP and burn, unmeasured ones return to the CSP. Amounts follow
/// from cumulative seconds alone, so the path of settlements doesn't matter.
/// @dev Tokens are trusted to be plain ERC-20: what a transfer takes off one balance it adds to the other, no call-backs
/// that matter (guarded all the same), no rebasing. The list of tokens is fixed at deployment.
interface IJobEscrow {
    /// @notice A job was created and funded.
    event JobCreated(
        uint64 indexed job,
        address indexed owner,
        bytes32 indexed terms,
        uint96 deposit,
        JobTerms details
    );
    /// @notice The CSP asked to leave; accrual ends at `stop` (UNIX seconds), and the money for later time is the CSP's.
    event JobStopped(uint64 indexed job, uint40 stop);
    /// @notice The unproved rest of the deposit is the CSP's.
    event JobClosed(uint64 indexed job);
    /// @notice A node serves a slot from now on.
    event AssignmentOpened(uint256 indexed assignment, uint256 indexed licence, address indexed node, address payee);
    /// @notice The assignment stopped at `closedAt` (UNIX seconds).
    event AssignmentClosed(uint256 indexed assignment, uint40 closedAt);
    /// @notice So many consecutive leaves of the report of `epoch` were settled, from that of `assignment` on.
    event AssignmentsSettled(uint64 indexed job, uint64 indexed epoch, uint256 assignment, uint256 leaves);
    /// @notice Settling the report of `epoch` withheld seconds of an assignment.
    event SecondsWithheld(uint256 indexed assignment, uint64 indexed epoch, uint40 secs);
    /// @notice Withheld seconds whose appeal span is over got their destination.
    event HeldReleased(uint256 indexed assignment, uint40 secs);
    /// @notice Earned seconds up to `claimed` were paid out.
    event Paid(uint256 indexed assignment, address indexed payee, uint256 amount, uint40 claimed);
    /// @notice The CSP was refunded.
    event Refunded(uint64 indexed job, address indexed owner, uint256 amount);
    /// @notice The protocol's and the burn share were sent to the burner.
    event SentToBurn(uint64 indexed job, address indexed token, uint256 amount);

    /// @notice A setting of the deployment breaks the named rule.
    error JobEscrow_SettingViolated(string rule);
    /// @notice The token isn't on the escrow's list.
    error JobEscrow_TokenNotAllowed(address token);
    /// @notice The terms break the named rule.
    error JobEscrow_TermsViolated(string rule);
    /// @notice The token delivered another amount than the deposit (a fee on transfer, say).
    error JobEscrow_WrongAmountReceived(uint256 received, uint256 deposit);
    /// @notice There is no such job.
    error JobEscrow_UnknownJob(uint64 job);
    /// @notice There is no such assignment.
    error JobEscrow_UnknownAssignment(uint256 assignment);
    /// @notice The caller isn't who may do this.
    error JobEscrow_NotAllowed(address caller);
    /// @notice The job is not running: before `startsAt`, or from its stop on.
    error JobEscrow_JobNotRunning(uint64 job, uint40 startsAt, uint40 stop);
    /// @notice The job has no such slot.
    error JobEscrow_UnknownSlot(uint32 slot, uint32 slots);
    /// @notice The slot's assignment is still open.
    error JobEscrow_SlotTaken(uint256 assignment);
    /// @notice The acceptance's expiry (UNIX seconds) has passed.
    error JobEscrow_AcceptanceExpired(uint64 expiry);
    /// @notice The acceptance wasn't signed by the licence's node for this job, slot, generation, terms, contract and chain.
    error JobEscrow_WrongAcceptance(address recovered, address node);
    /// @notice The assignment was closed before.
    error JobEscrow_AlreadyClosed(uint256 assignment);
    /// @notice The job has stopped already.
    error JobEscrow_AlreadyStopped(uint64 job, uint40 stop);
    /// @notice The job can't be closed yet: nodes may still prove their seconds.
    error JobEscrow_NotClosable(uint64 job);
    /// @notice The job was closed before.
    error JobEscrow_JobClosed(uint64 job);
    /// @notice The leaf isn't in the report's tree.
    error JobEscrow_LeafNotInReport(uint64 epoch, bytes32 leaf);

    /// @notice Creates and funds a job; the caller becomes its owner. The deposit, rounded up, is taken from the caller.
    /// @dev The caller has approved the escrow for {depositFor} of the terms.
    function createJob(JobTerms calldata terms) external returns (uint64 job);

    /// @notice First step of leaving: stops accrual at once and credits the money for later time. Owner only. A job that
    /// reaches its `endsAt` needs none.
    function stopJob(uint64 job) external;

    /// @notice Second step: the unproved rest becomes the CSP's, for {withdrawRefund} to pay. One settle window after the first final report that reaches
    /// the stop; or, when the network has stalled, after the further span in which time stays attestable. Anyone may call.
    function closeJob(uint64 job) external;

    /// @notice Pays the owner what is refundable now. Anyone may call.
    function withdrawRefund(uint64 job) external;

    /// @notice Opens an assignment now; the licence's present holder is its payee. Orchestrator only, with the acceptance
    /// of the licence's node (EIP-712 type `Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32
    /// terms,uint64 expiry)`).
    /// @param r first half of the node's EIP-2098 signature
    /// @param vs second half of it
    function assign(Placement calldata placement, bytes32 r, bytes32 vs) external returns (uint256 assignment);

    /// @notice Closes an assignment now. The orchestrator, the job's owner, the payee, or the node may; once it has
    /// stopped anyone may.
    function closeAssignment(uint256 assignment) external;

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

    /// @notice {settle} and pay the payee what is earned and not yet claimed.
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
    /// final for a settle window, or the network has stalled. Needs no leaf; anyone may call. What isn't due stays held.
    function releaseHeld(uint256[] calldata assignments) external;

    /// @notice Pays out what is earned and not yet claimed, each to its payee. Anyone may call.
    function claim(uint256[] calldata assignments) external;

    /// @notice Sends the job's protocol and burn shares to the burner. Anyone may call.
    function sendToBurn(uint64 job) external;

    /// @notice A job as it stands.
    function jobOf(uint64 job) external view returns (JobView memory);

    /// @notice An assignment as it stands.
    function assignmentOf(uint256 assignment) external view returns (AssignmentView memory);

    /// @notice Many assignments as they stand.
    function assignmentsOf(uint256[] calldata assignments) external view returns (AssignmentView[] memory);

    /// @notice What the payee could claim now.
    function claimable(uint256 assignment) external view returns (uint256 amount);

    /// @notice How many assignments the slot has had; the last one's generation.
    function generations(uint64 job, uint32 slot) external view returns (uint32);

    /// @notice How many jobs there are; ids count from 1.
    function jobCount() external view returns (uint64);

    /// @notice What funds such a job, in the token's smallest unit, rounded up.
    function depositFor(JobTerms calldata terms) external view returns (uint256);

    /// @notice The hash that a node accepts: token, price and policy.
    function termsHash(JobTerms calldata terms) external pure returns (bytes32);

    /// @notice Reports whose leaves are settled here.
    function attestations() external view returns (IAttestations);

    /// @notice Licences whose nodes serve here.
    function licences() external view returns (INodeLicense);

    /// @notice Who gets what is to be burned.
    function burner() external view returns (address);

    /// @notice Epochs in which an appeal can turn withheld seconds into earned ones.
    function appealEpochs() external view returns (uint32);

    /// @notice Seconds that a report must have been final before money leaves by it without a leaf.
    function settleWindow() external view returns (uint32);

    /// @notice The protocol's share of the earned, in millionths.
    function protocolSharePpm() external view returns (uint24);

    /// @notice Whether jobs may pay in the token.
    function tokenAllowed(address token) external view returns (bool);
}
