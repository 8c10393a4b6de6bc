// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {IJobEscrow, JobTerms, JobView} from "../interfaces/IJobEscrow.sol";
import {Money, Rates, Tally, TallyView} from "../libraries/Money.sol";
import {PolicyRules} from "../libraries/Policy.sol";
import {Timing} from "../libraries/Timing.sol";

/// @dev Jobs: created and funded, stopped, closed, refunded, burned. What is due follows from cumulative seconds; what
/// went out is remembered, and the difference can go out now.
abstract contract Jobs is IJobEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using PolicyRules for *;
    using Money for *;

    /// @dev What never changes in a job, arranged by who reads it: a payment the first slot, an assignment the rest.
    struct Job {
        address token;
        uint96 price;
        address owner;
        uint32 slots;
        uint24 cspSharePpm;
        address orchestrator;
        uint40 startsAt;
        uint40 endsAt;
        bytes32 terms;
    }

    /// @dev What a settlement reads, in one slot.
    struct Status {
        uint96 deposit;
        uint40 stop;
        uint16 windowEpochs;
        bool leaving;
        bool closed;
    }

    /// @dev What went out to others than payees.
    struct Outflow {
        uint96 refunded;
        uint96 burned;
    }

    /// @inheritdoc IJobEscrow
    IAttestations public immutable attestations;
    /// @inheritdoc IJobEscrow
    address public immutable burner;
    /// @inheritdoc IJobEscrow
    uint32 public immutable settleWindow;
    /// @inheritdoc IJobEscrow
    uint24 public immutable protocolSharePpm;
    uint40 internal immutable GENESIS;
    uint32 internal immutable EPOCH_LENGTH;
    uint32 private immutable STALL_SPAN;
    uint32 private immutable ATTESTABLE_SPAN;

    /// @inheritdoc IJobEscrow
    mapping(address token => bool) public tokenAllowed;
    /// @inheritdoc IJobEscrow
    uint64 public jobCount;
    mapping(uint64 job => Job) internal _jobs;
    mapping(uint64 job => Status) internal _status;
    mapping(uint64 job => Tally) internal _tallies;
    mapping(uint64 job => Outflow) private _outflows;

    constructor(
        IAttestations attestations_,
        address burner_,
        uint32 settleWindow_,
        uint24 protocolSharePpm_,
        address[] memory tokens
    ) {
        Timing memory t = attestations_.timing();
        require(burner_ != address(0), JobEscrow_SettingViolated("burner is not zero"));
        require(
            settleWindow_ != 0 && settleWindow_ < t.epochLength,
            JobEscrow_SettingViolated("0 < settleWindow < epochLength")
        );
        require(
            t.attestableSpan >
                uint256(t.replacementSpan) + t.settleDelay + t.agreementSpan + t.reviewDelay + settleWindow_,
            JobEscrow_SettingViolated(
                "attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay + settleWindow"
            )
        );
        require(protocolSharePpm_ <= Money.PPM, JobEscrow_SettingViolated("protocolSharePpm <= 1000000"));
        attestations = attestations_;
        burner = burner_;
        settleWindow = settleWindow_;
        protocolSharePpm = protocolSharePpm_;
        GENESIS = t.genesis;
        EPOCH_LENGTH = t.epochLength;
        STALL_SPAN = t.stallSpan;
        ATTESTABLE_SPAN = t.attestableSpan;
        for (uint256 i = 0; i < tokens.length; ++i) tokenAllowed[tokens[i]] = true;
    }

    /// @inheritdoc IJobEscrow
    function createJob(JobTerms calldata terms) external nonReentrant returns (uint64 job) {
        require(tokenAllowed[terms.token], JobEscrow_TokenNotAllowed(terms.token));
        require(terms.price != 0 && terms.slots != 0, JobEscrow_TermsViolated("price and slots are not zero"));
        require(
            terms.startsAt >= block.timestamp && terms.startsAt >= GENESIS,
            JobEscrow_TermsViolated("startsAt is not in the past, nor before the genesis")
        );
        require(terms.orchestrator != address(0), JobEscrow_TermsViolated("orchestrator is not zero"));
        PolicyRules.check(terms.policy);
        uint256 deposit = depositFor(terms);

        job = ++jobCount;
        bytes32 hash = termsHash(terms);
        _jobs[job] = Job({
            token: terms.token,
            price: terms.price,
            owner: msg.sender,
            slots: terms.slots,
            cspSharePpm: terms.policy.cspSharePpm,
            orchestrator: terms.orchestrator,
            startsAt: terms.startsAt,
            endsAt: terms.endsAt,
            terms: hash
        });
        _status[job] = Status({
            deposit: uint96(deposit),
            stop: terms.endsAt,
            windowEpochs: terms.policy.windowEpochs,
            leaving: false,
            closed: false
        });
        emit JobCreated(job, msg.sender, hash, uint96(deposit), terms);

        IERC20 token = IERC20(terms.token);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), deposit);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == deposit, JobEscrow_WrongAmountReceived(received, deposit));
    }

    /// @inheritdoc IJobEscrow
    function stopJob(uint64 job) external {
        Job storage j = _known(job);
        Status storage status = _status[job];
        require(msg.sender == j.owner, JobEscrow_NotAllowed(msg.sender));
        require(!status.leaving && block.timestamp < status.stop, JobEscrow_AlreadyStopped(job, status.stop));
        uint40 stop = Math.max(block.timestamp, j.startsAt).toUint40();
        status.stop = stop;
        status.leaving = true;
        emit JobStopped(job, stop);
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
    function withdrawRefund(uint64 job) external nonReentrant {
        _refund(job, _known(job));
    }

    /// @inheritdoc IJobEscrow
    function sendToBurn(uint64 job) external nonReentrant {
        Job storage j = _known(job);
        Outflow memory out = _outflows[job];
        uint256 due = _tallies[job].fields().burnDue(_rates(j));
        uint256 amount = due - out.burned;
        if (amount == 0) return;
        _outflows[job].burned = due.toUint96();
        emit SentToBurn(job, j.token, amount);
        IERC20(j.token).safeTransfer(burner, amount);
    }

    /// @inheritdoc IJobEscrow
    function jobOf(uint64 job) external view returns (JobView memory) {
        Job memory j = _known(job);
        Rates memory rates = _rates(_jobs[job]);
        TallyView memory t = _tallies[job].fields();
        Status memory status = _status[job];
        Outflow memory out = _outflows[job];
        return
            JobView({
                owner: j.owner,
                token: j.token,
                orchestrator: j.orchestrator,
                price: j.price,
                slots: j.slots,
                startsAt: j.startsAt,
                endsAt: j.endsAt,
                windowEpochs: status.windowEpochs,
                cspSharePpm: j.cspSharePpm,
                terms: j.terms,
                deposit: status.deposit,
                stop: status.stop,
                leaving: status.leaving,
                closed: status.closed,
                tally: t,
                paid: t.paid(rates),
                refunded: out.refunded,
                burned: out.burned,
                refundable: _refundDue(job, _jobs[job]) - out.refunded,
                burnable: t.burnDue(rates) - out.burned
            });
    }

    /// @inheritdoc IJobEscrow
    function depositFor(JobTerms calldata terms) public view returns (uint256 deposit) {
        require(terms.startsAt < terms.endsAt, JobEscrow_TermsViolated("startsAt < endsAt"));
        uint256 span = terms.endsAt - terms.startsAt;
        require(terms.slots * span < Money.MAX_SECONDS, JobEscrow_TermsViolated("slots * (endsAt - startsAt) < 2^44"));
        deposit = _cost(terms.price, terms.slots, span);
        require(deposit < 1 << 96, JobEscrow_TermsViolated("deposit < 2^96"));
    }

    /// @inheritdoc IJobEscrow
    function termsHash(JobTerms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(terms.token, terms.price, terms.policy.hash()));
    }

    /// @dev A job's record; reverts when there is none.
    function _known(uint64 job) internal view returns (Job storage j) {
        j = _jobs[job];
        require(j.owner != address(0), JobEscrow_UnknownJob(job));
    }

    function _rates(Job storage j) internal view returns (Rates memory) {
        return Rates({price: j.price, epochLength: EPOCH_LENGTH, protocolPpm: protocolSharePpm, cspPpm: j.cspSharePpm});
    }

    /// @dev Whether the network has been without a final report for the stall span and the attestable span after it.
    function _abandoned() internal view returns (bool) {
        return _quiet() && block.timestamp >= _stalledAt() + ATTESTABLE_SPAN;
    }

    /// @dev Whether a report of `epoch` or a later one has been final for a settle window.
    function _settledLongEnough(uint256 epoch) internal view returns (bool) {
        uint256 since = attestations.finalSince(epoch.toUint64());
        return since != 0 && block.timestamp >= since + settleWindow;
    }

    function _refund(uint64 job, Job storage j) private {
        uint256 due = _refundDue(job, j);
        uint256 amount = due - _outflows[job].refunded;
        if (amount == 0) return;
        _outflows[job].refunded = due.toUint96();
        emit Refunded(job, j.owner, amount);
        IERC20(j.token).safeTransfer(j.owner, amount);
    }

    /// @dev All that is the CSP's so far; never falls. The money for time after the stop is its at once. Closing adds what
    /// nobody proved. Once nothing is held or unclaimed, the remainder of all rounding is its too.
    function _refundDue(uint64 job, Job storage j) private view returns (uint256) {
        Status memory status = _status[job];
        TallyView memory t = _tallies[job].fields();
        Rates memory rates = _rates(j);
        if (!status.closed) {
            return status.deposit - _cost(j.price, j.slots, status.stop - j.startsAt) + t.refundDue(rates);
        }
        if (t.held == 0 && t.claimed == t.earned) return status.deposit - t.paid(rates) - t.burnDue(rates);
        return status.deposit - t.booked(rates) + t.refundDue(rates);
    }

    /// @dev Nodes keep a settle window to prove seconds up to the stop. If the network has stalled, time before the stop
    /// stays attestable for its span, counted from the stall or the stop, whichever is later.
    function _closable(uint40 stop) private view returns (bool) {
        uint256 covering = stop <= GENESIS ? 0 : (uint256(stop) - GENESIS - 1) / EPOCH_LENGTH;
        if (_settledLongEnough(covering)) return true;
        return _quiet() && block.timestamp >= Math.max(_stalledAt(), stop) + ATTESTABLE_SPAN;
    }

    /// @dev When the network counts as stalled, if it makes no progress until then; UNIX seconds.
    function _stalledAt() private view returns (uint256) {
        return uint256(attestations.lastProgress()) + STALL_SPAN;
    }

    /// @dev Whether no report is about to become final, and the last one has been final for a settle window.
    function _quiet() private view returns (bool) {
        (, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0) return false;
        (, , finalAt) = attestations.lastFinal();
        return block.timestamp >= uint256(finalAt) + settleWindow;
    }

    function _cost(uint256 price, uint256 slots, uint256 secs) private view returns (uint256) {
        return Math.ceilDiv(price * slots * secs, EPOCH_LENGTH);
    }
}
