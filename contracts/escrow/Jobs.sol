// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {IJobEscrow, JobTerms, JobView} from "../interfaces/IJobEscrow.sol";
import {Rates} from "../libraries/Accrual.sol";
import {PolicyRules} from "../libraries/Policy.sol";
import {Timing} from "../libraries/Timing.sol";

/// @dev Jobs: created and funded, stopped, closed, refunded.
abstract contract Jobs is IJobEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using PolicyRules for *;

    uint256 private constant PPM = 1_000_000;

    /// @dev What never changes in a job but its deposit, which leaving lowers.
    struct Job {
        address owner;
        uint96 price;
        address token;
        uint32 slots;
        uint16 windowEpochs;
        uint24 cspSharePpm;
        address orchestrator;
        uint40 startsAt;
        uint40 endsAt;
        uint96 deposit;
        bytes32 terms;
    }

    /// @dev What settling moves, in two slots.
    struct Books {
        uint96 booked;
        uint96 held;
        uint40 stop;
        bool leaving;
        bool closed;
        uint96 refundable;
        uint96 burnable;
        uint64 heldSeconds;
    }

    /// @inheritdoc IJobEscrow
    IAttestations public immutable attestations;
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
    mapping(uint64 job => Books) internal _books;

    constructor(IAttestations attestations_, uint32 settleWindow_, uint24 protocolSharePpm_, address[] memory tokens) {
        Timing memory t = attestations_.timing();
        require(settleWindow_ < t.epochLength, JobEscrow_SettingViolated("settleWindow < epochLength"));
        require(protocolSharePpm_ <= PPM, JobEscrow_SettingViolated("protocolSharePpm <= 1000000"));
        attestations = attestations_;
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
        require(terms.startsAt < terms.endsAt, JobEscrow_TermsViolated("startsAt < endsAt"));
        require(
            terms.startsAt >= block.timestamp && terms.startsAt >= GENESIS,
            JobEscrow_TermsViolated("startsAt is not in the past, nor before the genesis")
        );
        require(terms.orchestrator != address(0), JobEscrow_TermsViolated("orchestrator is not zero"));
        PolicyRules.check(terms.policy);

        job = ++jobCount;
        uint96 deposit = depositFor(terms).toUint96();
        _jobs[job] = Job({
            owner: msg.sender,
            price: terms.price,
            token: terms.token,
            slots: terms.slots,
            windowEpochs: terms.policy.windowEpochs,
            cspSharePpm: terms.policy.cspSharePpm,
            orchestrator: terms.orchestrator,
            startsAt: terms.startsAt,
            endsAt: terms.endsAt,
            deposit: deposit,
            terms: termsHash(terms)
        });
        _books[job].stop = terms.endsAt;
        emit JobCreated(job, msg.sender, termsHash(terms), deposit, terms);

        IERC20 token = IERC20(terms.token);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), deposit);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == deposit, JobEscrow_WrongAmountReceived(received, deposit));
    }

    /// @inheritdoc IJobEscrow
    function stopJob(uint64 job) external {
        Job storage j = _jobs[job];
        Books storage books = _books[job];
        require(j.owner != address(0), JobEscrow_UnknownJob(job));
        require(msg.sender == j.owner, JobEscrow_NotAllowed(msg.sender));
        require(!books.leaving && block.timestamp < books.stop, JobEscrow_AlreadyStopped(job, books.stop));

        uint40 stop = Math.max(block.timestamp, j.startsAt).toUint40();
        uint96 needed = _cost(j.price, j.slots, stop - j.startsAt).toUint96();
        uint96 refund = j.deposit - needed;
        j.deposit = needed;
        books.stop = stop;
        books.leaving = true;
        books.refundable += refund;
        emit JobStopped(job, stop, refund);
    }

    /// @inheritdoc IJobEscrow
    function closeJob(uint64 job) external nonReentrant {
        Books memory books = _books[job];
        Job storage j = _jobs[job];
        require(j.owner != address(0), JobEscrow_UnknownJob(job));
        require(!books.closed, JobEscrow_JobClosed(job));
        require(block.timestamp >= books.stop && _closable(books.stop), JobEscrow_NotClosable(job));

        uint96 rest = j.deposit - books.booked;
        books.closed = true;
        books.refundable += rest;
        _creditRounding(books);
        emit JobClosed(job, rest);
        _books[job] = books;
        _refund(job);
    }

    /// @inheritdoc IJobEscrow
    function withdrawRefund(uint64 job) external nonReentrant {
        require(_jobs[job].owner != address(0), JobEscrow_UnknownJob(job));
        _refund(job);
    }

    /// @inheritdoc IJobEscrow
    function jobOf(uint64 job) external view returns (JobView memory) {
        Job memory j = _jobs[job];
        Books memory books = _books[job];
        require(j.owner != address(0), JobEscrow_UnknownJob(job));
        return JobView({
            owner: j.owner,
            token: j.token,
            orchestrator: j.orchestrator,
            price: j.price,
            slots: j.slots,
            startsAt: j.startsAt,
            endsAt: j.endsAt,
            windowEpochs: j.windowEpochs,
            cspSharePpm: j.cspSharePpm,
            terms: j.terms,
            deposit: j.deposit,
            stop: books.stop,
            leaving: books.leaving,
            closed: books.closed,
            booked: books.booked,
            held: books.held,
            heldSeconds: books.heldSeconds,
            refundable: books.refundable,
            burnable: books.burnable
        });
    }

    /// @inheritdoc IJobEscrow
    function depositFor(JobTerms calldata terms) public view returns (uint256) {
        require(terms.startsAt < terms.endsAt, JobEscrow_TermsViolated("startsAt < endsAt"));
        return _cost(terms.price, terms.slots, terms.endsAt - terms.startsAt);
    }

    /// @inheritdoc IJobEscrow
    function termsHash(JobTerms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(terms.token, terms.price, terms.policy.hash()));
    }

    /// @dev Once a job is closed and nothing of it is held, what rounding left of the held money is the CSP's.
    function _creditRounding(Books memory books) internal pure {
        if (books.closed && books.heldSeconds == 0) {
            books.refundable += books.held;
            books.held = 0;
        }
    }

    /// @dev Whether the network has been without a final report for the stall span and the attestable span after it.
    function _abandoned() internal view returns (bool) {
        return block.timestamp >= uint256(attestations.lastProgress()) + STALL_SPAN + ATTESTABLE_SPAN;
    }

    /// @dev Whether a report of `epoch` or a later one has been final for a settle window.
    function _settledLongEnough(uint256 epoch) internal view returns (bool) {
        uint256 since = attestations.finalSince(epoch.toUint64());
        return since != 0 && block.timestamp >= since + settleWindow;
    }

    function _rates(Job storage j) internal view returns (Rates memory) {
        return Rates({
            price: j.price,
            epochLength: EPOCH_LENGTH,
            protocolPpm: protocolSharePpm,
            burnPpm: PPM - j.cspSharePpm
        });
    }

    function _refund(uint64 job) private {
        Job storage j = _jobs[job];
        uint256 amount = _books[job].refundable;
        if (amount == 0) return;
        _books[job].refundable = 0;
        emit Refunded(job, j.owner, amount);
        IERC20(j.token).safeTransfer(j.owner, amount);
    }

    /// @dev Nodes keep a settle window to prove seconds up to the stop. If the network has stalled, time before the stop
    /// stays attestable for its span, counted from the stall or the stop, whichever is later.
    function _closable(uint40 stop) private view returns (bool) {
        uint256 covering = stop <= GENESIS ? 0 : (uint256(stop) - GENESIS - 1) / EPOCH_LENGTH;
        if (_settledLongEnough(covering)) return true;
        uint256 stalledAt = uint256(attestations.lastProgress()) + STALL_SPAN;
        return block.timestamp >= Math.max(stalledAt, stop) + ATTESTABLE_SPAN;
    }

    function _cost(uint256 price, uint256 slots, uint256 secs) private view returns (uint256) {
        return Math.ceilDiv(price * slots * secs, EPOCH_LENGTH);
    }
}
