// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {Account, Accounts} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Jobs} from "./Jobs.sol";

/// @dev Assignments as the money sees them: one at a time in a slot, within the funded time. Who may open and close them, and with
/// whose consent, is the business of {IPlacements}.
abstract contract Assignments is Jobs {
    using SafeCast for uint256;

    modifier onlyPlacements() {
        require(msg.sender == placements, JobEscrow_NotAllowed(msg.sender));
        _;
    }

    /// @inheritdoc IJobEscrow
    function openAssignment(
        uint64 job,
        uint32 slot,
        uint256 licence
    ) external nonReentrant onlyPlacements returns (uint256 assignment, address holder, address node) {
        _known(job);
        Status memory status = _status[job];
        require(
            block.timestamp >= status.startsAt && block.timestamp < status.stop,
            JobEscrow_JobNotRunning(job, status.startsAt, status.stop)
        );
        require(slot < status.slots, JobEscrow_UnknownSlot(slot, status.slots));
        Enlargement memory e = _enlargements[job];
        require(slot < e.slotsBefore || block.timestamp >= e.from, JobEscrow_SlotNotStarted(slot, e.from));

        uint32 generation = _generations[job][slot];
        if (generation != 0) {
            uint256 former = AssignmentIds.pack(job, slot, generation);
            require(_records[former].account.closedAt() != 0, JobEscrow_SlotTaken(former));
        }
        _generations[job][slot] = ++generation;
        assignment = AssignmentIds.pack(job, slot, generation);
        _records[assignment].account = Accounts.open(block.timestamp.toUint40());
        (holder, node) = licences.openAssignment(licence);
        _parties[assignment] = Parties({payee: holder, licence: licence.toUint96(), node: node});
        emit AssignmentOpened(assignment, licence, node, holder);
    }

    /// @inheritdoc IJobEscrow
    function endAssignment(uint256 assignment, uint40 time) external nonReentrant onlyPlacements {
        Account a = _account(assignment);
        require(a.closedAt() == 0, JobEscrow_AlreadyClosed(assignment));
        uint40 stop = _status[AssignmentIds.jobOf(assignment)].stop;
        if (time > stop) time = stop;
        // What is settled is settled: an assignment never closes before it opened, or before what was counted.
        require(
            time >= a.through() && time <= block.timestamp,
            JobEscrow_TimeOutOfBounds(time, a.through(), block.timestamp)
        );
        _end(assignment, a, time);
    }

    /// @inheritdoc IJobEscrow
    function accountOf(uint256 assignment) external view returns (Account) {
        return _records[assignment].account;
    }

    /// @inheritdoc IJobEscrow
    function partiesOf(uint256 assignment) external view returns (address payee, uint256 licence, address node) {
        Parties memory parties = _parties[assignment];
        return (parties.payee, parties.licence, parties.node);
    }

    /// @inheritdoc IJobEscrow
    function placementOf(uint64 job) external view returns (address orchestrator, uint48 account, bytes32 terms) {
        Job storage j = _known(job);
        return (j.orchestrator, j.account, j.terms);
    }

    /// @inheritdoc IJobEscrow
    function stopOf(uint64 job) external view returns (uint40) {
        return _status[job].stop;
    }

    /// @dev An assignment's account; reverts when there is none.
    function _account(uint256 assignment) internal view returns (Account a) {
        a = _records[assignment].account;
        require(a.openedAt() != 0, JobEscrow_UnknownAssignment(assignment));
    }

    function _endSlot(uint64 job, uint32 slot) internal override {
        uint32 generation = _generations[job][slot];
        if (generation == 0) return;
        uint256 assignment = AssignmentIds.pack(job, slot, generation);
        Account a = _records[assignment].account;
        if (a.closedAt() == 0) _end(assignment, a, uint40(block.timestamp));
    }

    function _end(uint256 assignment, Account a, uint40 time) private {
        _records[assignment].account = a.close(time);
        emit AssignmentClosed(assignment, time);
        licences.closeAssignment(_parties[assignment].licence);
    }
}
