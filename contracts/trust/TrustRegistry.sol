// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Appeal, ITrustRegistry, Status, TrustSettings} from "../interfaces/ITrustRegistry.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {Standing, StandingLibrary} from "./Standing.sol";

/// @title TrustRegistry
/// @dev Reasons and evidence stand in events only; what others read is one word a subject.
contract TrustRegistry is ITrustRegistry, AccessManaged {
    using SafeCast for uint256;

    /// @inheritdoc ITrustRegistry
    uint32 public constant EQUIVOCATION = 1;
    uint40 private constant NEVER = StandingLibrary.NEVER;
    uint256 private constant YEAR = 365 days;

    uint32 private immutable FREEZE_SPAN;
    uint32 private immutable YEARLY_FREEZE;
    uint32 private immutable APPEAL_SPAN;
    uint32 private immutable DECISION_SPAN;

    /// @dev How much of its allowance freezes had used up at a time, in seconds.
    struct Used {
        uint40 since;
        uint40 span;
    }

    mapping(uint256 subject => Standing) private _standings;
    mapping(uint256 subject => Used) private _used;

    /// @param authority the AccessManager that says who imposes, lifts and decides
    /// @param t the caps; reverts with {TrustRegistry_SettingViolated} when a rule doesn't hold
    constructor(address authority, TrustSettings memory t) AccessManaged(authority) {
        require(
            t.freezeSpan != 0 && uint256(t.freezeSpan) * 2 <= t.yearlyFreeze && t.yearlyFreeze <= YEAR,
            TrustRegistry_SettingViolated("0 < 2 * freezeSpan <= yearlyFreeze <= 365 days")
        );
        require(
            t.appealSpan != 0 && t.decisionSpan != 0,
            TrustRegistry_SettingViolated("appealSpan and decisionSpan are not zero")
        );
        FREEZE_SPAN = t.freezeSpan;
        YEARLY_FREEZE = t.yearlyFreeze;
        APPEAL_SPAN = t.appealSpan;
        DECISION_SPAN = t.decisionSpan;
    }

    /// @inheritdoc ITrustRegistry
    function freeze(uint256 subject, uint40 until, uint32 reason, bytes32 evidence) external restricted {
        uint256 latest = block.timestamp + FREEZE_SPAN;
        require(until > block.timestamp && until <= latest, TrustRegistry_FreezeSpan(until, latest));
        _requireNotInForce(subject, Status.Frozen);
        _imposeFor(subject, Status.Frozen, until, NEVER, reason, evidence);
        uint256 span = until - block.timestamp;
        uint256 left = freezeLeft(subject);
        require(span <= left, TrustRegistry_FreezeCap(span, left));
        _used[subject] = Used({since: block.timestamp.toUint40(), span: (_allowance() - left + span).toUint40()});
    }

    /// @inheritdoc ITrustRegistry
    function suspend(uint256 subject, uint32 reason, bytes32 evidence) external restricted {
        _requireNotInForce(subject, Status.Suspended);
        _imposeFor(subject, Status.Suspended, NEVER, NEVER, reason, evidence);
    }

    /// @inheritdoc ITrustRegistry
    function suspendFor(uint256 subject, bytes32 evidence) external restricted {
        require(!_proven(_standings[subject]), TrustRegistry_InForce(subject, Status.Suspended, NEVER));
        _impose(subject, Status.Suspended, NEVER, _after(APPEAL_SPAN), EQUIVOCATION, evidence);
    }

    /// @inheritdoc ITrustRegistry
    function blacklist(uint256 subject, uint32 reason, bytes32 evidence) external restricted {
        _requireNotInForce(subject, Status.Blacklisted);
        _imposeFor(subject, Status.Blacklisted, NEVER, _after(APPEAL_SPAN), reason, evidence);
    }

    /// @inheritdoc ITrustRegistry
    function liftFreeze(uint256 subject) external restricted {
        Standing s = _open(subject, Status.Frozen);
        _lift(subject, Status.Frozen, s, _lapse(s, Status.Frozen));
    }

    /// @inheritdoc ITrustRegistry
    function liftSuspension(uint256 subject) external restricted {
        Standing s = _open(subject, Status.Suspended);
        require(!_proven(s), TrustRegistry_Proven(subject));
        _lift(subject, Status.Suspended, s, _lapse(s, Status.Suspended));
    }

    /// @inheritdoc ITrustRegistry
    function liftBlacklist(uint256 subject) external restricted {
        Standing s = _open(subject, Status.Blacklisted);
        _lift(subject, Status.Blacklisted, s, _lapse(s, Status.Blacklisted));
    }

    /// @inheritdoc ITrustRegistry
    function appeal(uint256 subject, Status status, bytes32 statement) external {
        Standing s = _open(subject, status);
        Appeal stage = s.appealOf(status);
        require(stage != Appeal.Rejected, TrustRegistry_AppealedBefore(subject, status));
        if (stage == Appeal.None) {
            (uint40 until, uint40 finalFrom) = (s.untilOf(status), s.finalFrom(status));
            // But for a freeze, the span for the decision begins when that for appeals is over: a first appeal, which may
            // be a stranger's and empty, shortens neither.
            if (status == Status.Suspended && _proven(s)) {
                finalFrom = (uint256(finalFrom) + DECISION_SPAN).toUint40();
            } else if (status == Status.Blacklisted) {
                (until, finalFrom) = ((uint256(finalFrom) + DECISION_SPAN).toUint40(), NEVER);
            } else if (status == Status.Suspended) {
                until = _after(uint256(APPEAL_SPAN) + DECISION_SPAN);
            }
            s = s.put(status, until, finalFrom, Appeal.Open);
            _standings[subject] = s;
            emit AppealOpened(subject, status, _decideBy(s, status));
        }
        emit AppealStated(subject, status, msg.sender, statement);
    }

    /// @inheritdoc ITrustRegistry
    function decideAppeal(
        uint256 subject,
        Status status,
        uint40 decideBy,
        bool granted,
        bytes32 statement
    ) external restricted {
        Standing s = _open(subject, status);
        require(s.appealOf(status) == Appeal.Open, TrustRegistry_NoAppeal(subject, status));
        uint40 due = _decideBy(s, status);
        require(decideBy == due, TrustRegistry_AnotherAppeal(subject, status, due));
        emit AppealDecided(subject, status, msg.sender, granted, statement);
        if (granted) {
            _lift(subject, status, s, 0);
            return;
        }
        if (status != Status.Frozen) {
            uint40 heardFrom = due - DECISION_SPAN;
            require(block.timestamp >= heardFrom, TrustRegistry_AppealsOpen(subject, status, heardFrom));
        }
        bool ends = status == Status.Blacklisted || (status == Status.Suspended && _proven(s));
        _standings[subject] = s.put(
            status,
            status == Status.Frozen ? s.untilOf(status) : NEVER,
            ends ? block.timestamp.toUint40() : NEVER,
            Appeal.Rejected
        );
    }

    /// @inheritdoc ITrustRegistry
    function statusOf(uint256 subject) external view returns (Status) {
        return _standings[subject].gravest(block.timestamp);
    }

    /// @inheritdoc ITrustRegistry
    function blacklistFinal(uint256 subject) external view returns (bool) {
        return _standings[subject].isFinal(Status.Blacklisted, block.timestamp);
    }

    /// @inheritdoc ITrustRegistry
    function slashable(uint256 subject) external view returns (bool) {
        Standing s = _standings[subject];
        return s.isFinal(Status.Blacklisted, block.timestamp) || s.isFinal(Status.Suspended, block.timestamp);
    }

    /// @inheritdoc ITrustRegistry
    function standingOf(
        uint256 subject,
        Status status
    ) external view returns (uint40 until, uint40 finalFrom, Appeal appealed) {
        if (status == Status.None) return (0, 0, Appeal.None);
        Standing s = _standings[subject];
        return (s.untilOf(status), s.finalFrom(status), s.appealOf(status));
    }

    /// @inheritdoc ITrustRegistry
    function settings() external view returns (TrustSettings memory) {
        return
            TrustSettings({
                freezeSpan: FREEZE_SPAN,
                yearlyFreeze: YEARLY_FREEZE,
                appealSpan: APPEAL_SPAN,
                decisionSpan: DECISION_SPAN
            });
    }

    /// @inheritdoc ITrustRegistry
    function freezeLeft(uint256 subject) public view returns (uint256) {
        Used memory used = _used[subject];
        uint256 returned = ((block.timestamp - used.since) * _allowance()) / YEAR;
        return _allowance() - Math.saturatingSub(used.span, returned);
    }

    /// @dev Imposes a status for a reason of the network's own list.
    function _imposeFor(
        uint256 subject,
        Status status,
        uint40 until,
        uint40 finalFrom,
        uint32 reason,
        bytes32 evidence
    ) private {
        require(reason != EQUIVOCATION, TrustRegistry_ReservedReason(reason));
        _impose(subject, status, until, finalFrom, reason, evidence);
    }

    function _impose(
        uint256 subject,
        Status status,
        uint40 until,
        uint40 finalFrom,
        uint32 reason,
        bytes32 evidence
    ) private {
        uint8 kind = Subjects.kindOf(subject);
        require(kind >= Subjects.LICENCE && kind <= Subjects.OWNER, TrustRegistry_UnknownKind(kind));
        require(evidence != 0, TrustRegistry_NoEvidence());
        _standings[subject] = _standings[subject].put(status, until, finalFrom, Appeal.None);
        emit StatusImposed(subject, status, msg.sender, until, finalFrom, reason, evidence);
    }

    /// @param rests before when it can't be imposed anew (UNIX seconds), kept in place of when it becomes final
    function _lift(uint256 subject, Status status, Standing s, uint40 rests) private {
        _standings[subject] = s.put(status, 0, rests, Appeal.None);
        emit StatusLifted(subject, status, msg.sender);
    }

    /// @dev By when an open appeal must be decided.
    function _decideBy(Standing s, Status status) private pure returns (uint40) {
        return status == Status.Suspended && _proven(s) ? s.finalFrom(status) : s.untilOf(status);
    }

    /// @dev When a status under appeal would have lapsed: its authority can't wipe the appeal by imposing it anew sooner.
    function _lapse(Standing s, Status status) private pure returns (uint40) {
        return s.appealOf(status) == Appeal.Open ? s.untilOf(status) : 0;
    }

    /// @dev The standing of a subject whose status is in force and can still be lifted.
    function _open(uint256 subject, Status status) private view returns (Standing s) {
        s = _standings[subject];
        require(s.inForce(status, block.timestamp), TrustRegistry_NotInForce(subject, status));
        require(!s.isFinal(status, block.timestamp), TrustRegistry_Final(subject, status));
    }

    function _requireNotInForce(uint256 subject, Status status) private view {
        Standing s = _standings[subject];
        require(!s.inForce(status, block.timestamp), TrustRegistry_InForce(subject, status, s.untilOf(status)));
        bool rests = s.untilOf(status) == 0 && block.timestamp < s.finalFrom(status);
        require(!rests, TrustRegistry_InForce(subject, status, s.finalFrom(status)));
    }

    /// @dev Seconds of freeze that a subject has at once; as much returns in a year.
    function _allowance() private view returns (uint256) {
        return YEARLY_FREEZE / 2;
    }

    function _after(uint256 span) private view returns (uint40) {
        return (block.timestamp + span).toUint40();
    }

    /// @dev Only a suspension for equivocation ever becomes final.
    function _proven(Standing s) private pure returns (bool) {
        return s.finalFrom(Status.Suspended) != NEVER && s.untilOf(Status.Suspended) != 0;
    }
}
