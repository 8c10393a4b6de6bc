// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TallyView} from "../libraries/Money.sol";
import {IJobEscrow} from "./IJobEscrow.sol";

/// @notice A job as it stands. Amounts in the token's smallest unit, times in UNIX seconds.
/// @param account the CSP's account
/// @param owner the account's owner now
/// @param slots how many it has now; the last ones may start with the next epoch
/// @param stop when accrual ends: the end of the funded window, or when the CSP left
/// @param funded slot-seconds that assignments can accrue at most, all together
/// @param deposit what was paid in
/// @param leaving whether the CSP left before the end
/// @param closed whether the unproved rest is the CSP's
/// @param tally cumulative seconds of all assignments
/// @param paid what payees were paid
/// @param refunded what the CSP was refunded
/// @param burned what was sent to the burner
/// @param toProtocol what was sent to the protocol
/// @param refundable what the CSP can withdraw now
/// @param burnable what anyone can send to the burner now
/// @param protocolDue what anyone can send to the protocol now
struct JobView {
    uint48 account;
    address owner;
    address token;
    address orchestrator;
    uint96 price;
    uint32 slots;
    uint40 startsAt;
    uint40 stop;
    uint16 windowEpochs;
    uint24 cspSharePpm;
    uint24 penaltyPpm;
    bytes32 terms;
    uint256 funded;
    uint256 deposit;
    bool leaving;
    bool closed;
    TallyView tally;
    uint256 paid;
    uint256 refunded;
    uint256 burned;
    uint256 toProtocol;
    uint256 refundable;
    uint256 burnable;
    uint256 protocolDue;
}

/// @notice An assignment as it stands. Times are UNIX seconds, seconds are cumulative.
/// @param stop when it stops accruing: `closedAt` or the job's stop, whichever is first
/// @param marked whether a claim asks first if the licence is frozen
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
    bool marked;
    bool jobClosed;
}

/// @title Reads of the escrow: jobs and assignments as they stand, singly and in pages.
interface IEscrowLens {
    /// @notice There is no such job.
    error EscrowLens_UnknownJob(uint64 job);
    /// @notice There is no such assignment.
    error EscrowLens_UnknownAssignment(uint256 assignment);

    /// @notice A job as it stands.
    function jobOf(uint64 job) external view returns (JobView memory);

    /// @notice Jobs from `first` on, at most `count`; fewer when there are no more.
    function jobsFrom(uint64 first, uint256 count) external view returns (JobView[] memory);

    /// @notice An assignment as it stands.
    function assignmentOf(uint256 assignment) external view returns (AssignmentView memory);

    /// @notice Many assignments as they stand.
    function assignmentsOf(uint256[] calldata assignments) external view returns (AssignmentView[] memory);

    /// @notice The last assignment of each of `count` slots of a job from `firstSlot` on; zero where a slot never had one.
    function latestIn(uint64 job, uint32 firstSlot, uint32 count) external view returns (uint256[] memory assignments);

    /// @notice What the payees of these assignments could claim now, in the smallest unit of each job's token.
    function claimable(uint256[] calldata assignments) external view returns (uint256[] memory amounts);

    /// @notice The escrow whose records are read.
    function escrow() external view returns (IJobEscrow);
}
