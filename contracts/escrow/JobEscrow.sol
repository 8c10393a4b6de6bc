// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {ITrustRegistry} from "../interfaces/ITrustRegistry.sol";
import {Account} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Freezing} from "../libraries/Freezing.sol";
import {Money, Rates, Tally, TallyView} from "../libraries/Money.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {EscrowParts} from "./EscrowBase.sol";
import {Jobs} from "./Jobs.sol";
import {Settlement} from "./Settlement.sol";

/// @title JobEscrow
/// @dev Jobs are in {Jobs}, assignments in {Assignments}, their seconds in {Settlement}; here money goes out. What is due
/// follows from cumulative seconds; what went out is remembered, and the difference can go out now.
contract JobEscrow is Settlement {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using Money for *;
    using Freezing for ITrustRegistry;

    constructor(
        EscrowParts memory parts,
        uint32 appealEpochs_,
        uint32 settleWindow_,
        uint24 protocolSharePpm_
    ) Jobs(parts, appealEpochs_, settleWindow_, protocolSharePpm_) {}

    /// @inheritdoc IJobEscrow
    // slither-disable-next-line reentrancy-no-eth -- {Bonds} is immutable, and calls nobody when it is told of a penalty
    function settleAndClaim(
        uint64 epoch,
        uint256 assignment,
        uint64 earned,
        uint64 accounted,
        bytes32[] calldata proof
    ) external nonReentrant {
        _settleOne(epoch, assignment, earned, accounted, proof);
        _pay(assignment, address(0));
    }

    /// @inheritdoc IJobEscrow
    function claim(uint256[] calldata assignments) external nonReentrant {
        for (uint256 i = 0; i < assignments.length; ++i) _pay(assignments[i], address(0));
    }

    /// @inheritdoc IJobEscrow
    function claimTo(uint256[] calldata assignments, address recipient) external nonReentrant {
        // Here it would be nobody's: no job's, and no payee's.
        require(recipient != address(0) && recipient != address(this), JobEscrow_NotAllowed(recipient));
        for (uint256 i = 0; i < assignments.length; ++i) {
            require(msg.sender == _parties[assignments[i]].payee, JobEscrow_NotAllowed(msg.sender));
            _pay(assignments[i], recipient);
        }
    }

    /// @inheritdoc IJobEscrow
    function mark(uint256[] calldata assignments) external {
        for (uint256 i = 0; i < assignments.length; ++i) {
            Account a = _account(assignments[i]);
            _records[assignments[i]].account = a.mark(_waits(assignments[i]));
        }
    }

    /// @inheritdoc IJobEscrow
    function withdrawRefund(uint64 job) external nonReentrant {
        Job storage j = _known(job);
        uint256 due = _refundDue(job, j);
        uint256 refunded = _outflows[job].refunded;
        // What a job that grows again needs may take a unit of rounding back that was refunded before.
        if (due <= refunded) return;
        uint256 amount = due - refunded;
        uint48 account = j.account;
        require(!trust.isFrozen(Subjects.csp(account)) || _stalled(), JobEscrow_MoneyFrozen(Subjects.csp(account)));
        _outflows[job].refunded = due.toUint128();
        address owner = accounts.ownerOf(account);
        emit Refunded(job, owner, amount);
        _send(j, owner, amount);
    }

    /// @inheritdoc IJobEscrow
    function sendToBurn(uint64 job) external nonReentrant {
        Job storage j = _known(job);
        Outflow storage out = _outflows[job];
        uint256 due = _tallies[job].fields().burnDue(_rates(j));
        uint256 amount = due - out.burned;
        out.burned = due.toUint128();
        emit SentToBurn(job, j.token, amount);
        _send(j, burner, amount);
    }

    /// @inheritdoc IJobEscrow
    function sendToProtocol(uint64 job) external nonReentrant {
        Job storage j = _known(job);
        Outflow storage out = _outflows[job];
        uint256 due = _tallies[job].fields().protocolDue(_rates(j));
        uint256 amount = due - out.protocol;
        out.protocol = due.toUint128();
        emit SentToProtocol(job, j.token, amount);
        _send(j, protocolSink, amount);
    }

    /// @inheritdoc IJobEscrow
    function deliver(address token, address to, uint256 amount) external {
        require(msg.sender == address(this), JobEscrow_NotAllowed(msg.sender));
        // Seconds may come to less than a unit, and some tokens refuse to move nothing.
        if (amount != 0) IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IJobEscrow
    function words(bytes32[] calldata slots) external view returns (bytes32[] memory values) {
        values = new bytes32[](slots.length);
        for (uint256 i = 0; i < slots.length; ++i) {
            bytes32 slot = slots[i];
            bytes32 value;
            assembly ("memory-safe") {
                value := sload(slot)
            }
            values[i] = value;
        }
    }

    /// @dev Pays what is earned and not yet claimed. A payment that doesn't go through leaves all as it was, and stops nobody
    /// else's, unless it was asked for by name.
    /// @param recipient zero: the payee, and a payment that fails is only told by an event
    // slither-disable-next-line reentrancy-no-eth -- a call that fails has changed nothing, here neither
    function _pay(uint256 assignment, address recipient) private {
        Account a = _account(assignment);
        uint256 secs;
        unchecked {
            // No more was claimed than earned.
            secs = a.earned() - a.claimed();
        }
        if (secs == 0) return;
        if (a.marked() && _waits(assignment) && !_stalled()) {
            require(recipient == address(0), JobEscrow_MoneyFrozen(Subjects.licence(_parties[assignment].licence)));
            emit PaymentWaits(assignment);
            return;
        }
        uint64 job = AssignmentIds.jobOf(assignment);
        Job storage j = _jobs[job];
        (address token, uint256 price) = (j.token, j.price);
        Rates memory rates = Rates(price, EPOCH_LENGTH, protocolSharePpm, 0);
        uint256 amount;
        unchecked {
            amount = rates.net(a.earned()) - rates.net(a.claimed());
        }
        address to = recipient == address(0) ? _parties[assignment].payee : recipient;
        Tally before = _tallies[job];
        _records[assignment].account = a.claim();
        _tallies[job] = before.claim(rates, secs, amount);
        // A call of its own, so that a token that fails leaves nothing behind, whatever it did meanwhile.
        try this.deliver(token, to, amount) {
            emit Paid(assignment, to, amount, uint40(a.earned()));
        } catch {
            require(recipient == address(0), JobEscrow_PaymentRefused(assignment, to, amount));
            _records[assignment].account = a;
            _tallies[job] = before;
            emit PaymentRefused(assignment, to, amount);
        }
    }

    function _send(Job storage j, address to, uint256 amount) private {
        if (amount != 0) IERC20(j.token).safeTransfer(to, amount);
    }

    /// @dev Whether an assignment's licence or node is frozen.
    function _waits(uint256 assignment) private view returns (bool) {
        Parties memory parties = _parties[assignment];
        return trust.isFrozen(Subjects.licence(parties.licence)) || trust.isFrozen(Subjects.node(parties.node));
    }

    /// @dev All that is the CSP's so far; never falls by more than a unit of rounding. The money for time that the job gave up is its at once. Closing adds what
    /// nobody proved. Once nothing is held or unclaimed, the remainder of all rounding is its too.
    function _refundDue(uint64 job, Job storage j) private view returns (uint256) {
        Status memory status = _status[job];
        TallyView memory t = _tallies[job].fields();
        Rates memory rates = _rates(j);
        uint256 deposit = _cost(j.price, status.deposited);
        if (!status.closed) return deposit - _cost(j.price, status.funded) + t.refundDue(rates);
        if (t.held == 0 && t.claimed == t.earned) {
            return deposit - t.paid(rates) - t.burnDue(rates) - t.protocolDue(rates);
        }
        return deposit - t.booked(rates) + t.refundDue(rates);
    }
}
