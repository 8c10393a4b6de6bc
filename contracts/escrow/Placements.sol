// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {AssignmentView, IJobEscrow, Placement} from "../interfaces/IJobEscrow.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";
import {Account, Accounts, Held} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Jobs} from "./Jobs.sol";

/// @dev Assignments: opened with the node's acceptance, closed, looked up. At most one is open in a slot.
abstract contract Placements is Jobs, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant ACCEPTANCE_TYPE = keccak256(
        "Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)"
    );

    /// @dev Who serves and who is paid, fixed when the assignment opens.
    struct Parties {
        address payee;
        uint96 licence;
        address node;
    }

    /// @dev An account that can be pointed to: its place is worked out once for reading and writing.
    struct Record {
        Account account;
    }

    /// @inheritdoc IJobEscrow
    INodeLicense public immutable licences;

    /// @inheritdoc IJobEscrow
    mapping(uint64 job => mapping(uint32 slot => uint32)) public generations;
    mapping(uint256 assignment => Record) internal _records;
    mapping(uint256 assignment => Parties) internal _parties;
    mapping(uint256 assignment => Held) internal _held;

    constructor(INodeLicense licences_) EIP712("Epochal JobEscrow", "1") {
        licences = licences_;
    }

    /// @inheritdoc IJobEscrow
    function assign(Placement calldata p, bytes32 r, bytes32 vs) external nonReentrant returns (uint256 assignment) {
        Job storage j = _known(p.job);
        require(msg.sender == j.orchestrator, JobEscrow_NotAllowed(msg.sender));
        uint40 stop = _status[p.job].stop;
        require(
            block.timestamp >= j.startsAt && block.timestamp < stop,
            JobEscrow_JobNotRunning(p.job, j.startsAt, stop)
        );
        require(p.slot < j.slots, JobEscrow_UnknownSlot(p.slot, j.slots));
        require(block.timestamp <= p.expiry, JobEscrow_AcceptanceExpired(p.expiry));

        uint32 generation = generations[p.job][p.slot];
        if (generation != 0) {
            uint256 former = AssignmentIds.pack(p.job, p.slot, generation);
            require(_records[former].account.closedAt() != 0, JobEscrow_SlotTaken(former));
        }
        generations[p.job][p.slot] = ++generation;
        assignment = AssignmentIds.pack(p.job, p.slot, generation);

        (address holder, address node) = licences.openAssignment(p.licence);
        bytes32 acceptance = keccak256(
            abi.encode(ACCEPTANCE_TYPE, p.job, p.slot, generation, p.licence, j.terms, p.expiry)
        );
        address recovered = ECDSA.recover(_hashTypedDataV4(acceptance), r, vs);
        require(recovered == node, JobEscrow_WrongAcceptance(recovered, node));

        _records[assignment].account = Accounts.open(block.timestamp.toUint40());
        _parties[assignment] = Parties({payee: holder, licence: p.licence.toUint96(), node: node});
        emit AssignmentOpened(assignment, p.licence, node, holder);
    }

    /// @inheritdoc IJobEscrow
    function closeAssignment(uint256 assignment) external nonReentrant {
        Account a = _records[assignment].account;
        Parties memory parties = _parties[assignment];
        uint64 job = AssignmentIds.jobOf(assignment);
        require(a.openedAt() != 0, JobEscrow_UnknownAssignment(assignment));
        require(a.closedAt() == 0, JobEscrow_AlreadyClosed(assignment));

        uint40 closedAt = _status[job].stop;
        if (block.timestamp < closedAt) {
            require(
                msg.sender == _jobs[job].orchestrator ||
                    msg.sender == _jobs[job].owner ||
                    msg.sender == parties.payee ||
                    msg.sender == parties.node,
                JobEscrow_NotAllowed(msg.sender)
            );
            closedAt = block.timestamp.toUint40();
        }
        _records[assignment].account = a.close(closedAt);
        emit AssignmentClosed(assignment, closedAt);
        licences.closeAssignment(parties.licence);
    }

    /// @inheritdoc IJobEscrow
    function assignmentsOf(uint256[] calldata assignments) external view returns (AssignmentView[] memory views) {
        views = new AssignmentView[](assignments.length);
        for (uint256 i = 0; i < assignments.length; ++i) views[i] = assignmentOf(assignments[i]);
    }

    /// @inheritdoc IJobEscrow
    function assignmentOf(uint256 assignment) public view returns (AssignmentView memory) {
        Account a = _records[assignment].account;
        Parties memory parties = _parties[assignment];
        Held memory h = _held[assignment];
        Status memory status = _status[AssignmentIds.jobOf(assignment)];
        require(a.openedAt() != 0, JobEscrow_UnknownAssignment(assignment));
        return
            AssignmentView({
                id: assignment,
                licence: parties.licence,
                node: parties.node,
                payee: parties.payee,
                openedAt: uint40(a.openedAt()),
                closedAt: uint40(a.closedAt()),
                stop: uint40(a.stop(status.stop)),
                through: uint40(a.through()),
                earned: uint40(a.earned()),
                accounted: uint40(a.accounted()),
                claimed: uint40(a.claimed()),
                held: h.older + h.younger,
                jobClosed: status.closed
            });
    }
}
