// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IJobEscrow, JobTerms} from "../interfaces/IJobEscrow.sol";
import {Permissions} from "../libraries/Permissions.sol";
import {EscrowBase, EscrowParts} from "./EscrowBase.sol";

/// @dev Money coming in, and the CSP's ways out: jobs are created, extended, enlarged, shrunk, stopped and closed here. What a job may
/// still accrue is counted in slot-seconds, `funded`; what was paid for it at all, `deposited`.
abstract contract Jobs is EscrowBase, Multicall {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    constructor(
        EscrowParts memory parts,
        uint32 appealEpochs_,
        uint32 settleWindow_,
        uint24 protocolSharePpm_
    ) EscrowBase(parts, appealEpochs_, settleWindow_, protocolSharePpm_) {}

    /// @inheritdoc IJobEscrow
    function createJob(uint48 account, JobTerms calldata terms) external nonReentrant returns (uint64 job) {
        (address owner, bytes32 hash, uint256 funded, uint256 deposit) = admission.admitJob(account, terms);
        if (msg.sender != owner) accounts.spend(account, msg.sender, Permissions.CREATE, terms.token, deposit);
        job = ++_jobCount;
        _jobs[job] = Job({
            token: terms.token,
            price: terms.price,
            orchestrator: terms.orchestrator,
            account: account,
            cspSharePpm: terms.policy.cspSharePpm,
            penaltyPpm: terms.policy.penaltyPpm,
            terms: hash
        });
        _status[job] = Status({
            startsAt: terms.startsAt,
            stop: terms.endsAt,
            windowEpochs: terms.policy.windowEpochs,
            leaving: false,
            closed: false,
            penal: terms.policy.penaltyPpm != 0,
            funded: uint48(funded),
            deposited: uint48(funded),
            slots: terms.slots
        });
        emit JobCreated(job, account, hash, uint96(deposit), terms);
        _takeIn(owner, terms.token, deposit);
    }

    /// @inheritdoc IJobEscrow
    function growJob(uint64 job, uint32 slots, uint40 endsAt) external nonReentrant {
        Job storage j = _known(job);
        Status memory status = _running(job);
        require(
            slots >= status.slots && endsAt >= status.stop && (slots > status.slots || endsAt > status.stop),
            JobEscrow_NotMore(slots, endsAt, status.slots, status.stop)
        );
        uint256 secs = uint256(status.slots) * (endsAt - status.stop);
        uint40 from = 0;
        if (slots != status.slots) {
            from = _enlarge(job, status);
            require(from < endsAt, JobEscrow_SlotNotStarted(status.slots, from));
            secs += uint256(slots - status.slots) * (endsAt - from);
        }
        // Deposits are rounded up together, not each.
        uint256 deposit = admission.costOf(j.price, status.deposited + secs) - _cost(j.price, status.deposited);
        status.stop = endsAt;
        status.slots = slots;
        status.deposited += uint48(secs);
        status.funded += uint48(secs);
        _status[job] = status;
        emit JobGrown(job, slots, from, endsAt, uint96(deposit));
        address owner = accounts.spend(j.account, msg.sender, Permissions.GROW, j.token, deposit);
        admission.requireAdmitted(j.account, owner, j.token);
        _takeIn(owner, j.token, deposit);
    }

    /// @inheritdoc IJobEscrow
    function shrinkJob(uint64 job, uint32 slots) external {
        require(slots != 0, JobEscrow_UnknownSlot(0, 0));
        _giveUp(job, slots);
    }

    /// @inheritdoc IJobEscrow
    function stopJob(uint64 job) external {
        _giveUp(job, 0);
    }

    /// @inheritdoc IJobEscrow
    function closeJob(uint64 job) external {
        _known(job);
        Status memory status = _status[job];
        require(!status.closed, JobEscrow_JobClosed(job));
        require(block.timestamp >= status.stop && _closable(status.stop), JobEscrow_NotClosable(job));
        _status[job].closed = true;
        emit JobClosed(job);
    }

    /// @inheritdoc IJobEscrow
    function permit(
        address token,
        address owner,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        // Somebody may have shown the permit before, to make this call fail: what counts is the allowance, which the
        // transfer needs.
        try IERC20Permit(token).permit(owner, address(this), value, deadline, v, r, s) {} catch {
            emit PermitRefused(token, owner);
        }
    }

    /// @dev Closes what is open in a slot that is taken away.
    function _endSlot(uint64 job, uint32 slot) internal virtual;

    /// @dev Stops the accrual of the slots from `slots` on: of all, when none are left. Their future is the CSP's at once.
    function _giveUp(uint64 job, uint32 slots) private nonReentrant {
        accounts.authorise(_known(job).account, msg.sender, Permissions.LEAVE);
        Status memory status = _running(job);
        require(slots < status.slots, JobEscrow_UnknownSlot(slots, status.slots));
        Enlargement memory e = _enlargements[job];
        uint256 future = _future(status, e);
        if (slots == 0) {
            status.stop = Math.max(block.timestamp, status.startsAt).toUint40();
            status.leaving = true;
            status.funded -= uint48(future);
            emit JobStopped(job, status.stop);
        } else {
            for (uint32 slot = slots; slot < status.slots; ++slot) _endSlot(job, slot);
            if (slots < e.slotsBefore) _enlargements[job].slotsBefore = e.slotsBefore = slots;
            status.slots = slots;
            status.funded -= uint48(future - _future(status, e));
            emit JobShrunk(job, slots);
        }
        _status[job] = status;
    }

    /// @dev A job whose CSP hasn't left, and that hasn't ended.
    function _running(uint64 job) private view returns (Status memory status) {
        status = _status[job];
        require(!status.leaving && block.timestamp < status.stop, JobEscrow_AlreadyStopped(job, status.stop));
    }

    /// @dev Writes down from when on slots that are added now can be served.
    function _enlarge(uint64 job, Status memory status) private returns (uint40 from) {
        from =
            block.timestamp < GENESIS
                ? GENESIS
                : (uint256(GENESIS) + ((block.timestamp - GENESIS) / EPOCH_LENGTH + 1) * EPOCH_LENGTH).toUint40();
        if (from < status.startsAt) from = status.startsAt;
        Enlargement memory e = _enlargements[job];
        // Slots that were added earlier in this epoch start at the same time; slots removed since then count as added again.
        bool again = e.from == from && e.slotsBefore < status.slots;
        _enlargements[job] = Enlargement({from: from, slotsBefore: again ? e.slotsBefore : status.slots});
    }

    /// @dev Takes a deposit from the account's owner, whole.
    function _takeIn(address owner, address token, uint256 amount) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        // slither-disable-next-line arbitrary-send-erc20 -- `spend` told whose account it is, and that the caller may
        IERC20(token).safeTransferFrom(owner, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        // slither-disable-next-line incorrect-equality -- more than was asked for is as strange as less
        require(received == amount, JobEscrow_WrongAmountReceived(received, amount));
    }

    /// @dev Slot-seconds that a job would accrue at most from now on.
    function _future(Status memory status, Enlargement memory e) private view returns (uint256) {
        uint256 from = Math.max(block.timestamp, status.startsAt);
        uint256 rest = uint256(status.slots) * (status.stop - from);
        if (e.from > from && e.slotsBefore < status.slots) {
            rest -= uint256(status.slots - e.slotsBefore) * (e.from - from);
        }
        return rest;
    }

    /// @dev Nodes keep a settle window to prove seconds up to the stop. If the network has stalled, time before the stop
    /// stays attestable for its span, counted from the stall or the stop, whichever is later.
    function _closable(uint40 stop) private view returns (bool) {
        uint256 covering = stop <= GENESIS ? 0 : (uint256(stop) - GENESIS - 1) / EPOCH_LENGTH;
        if (_settledLongEnough(covering)) return true;
        return _quiet() && block.timestamp >= Math.max(_stalledAt(), stop) + ATTESTABLE_SPAN;
    }
}
