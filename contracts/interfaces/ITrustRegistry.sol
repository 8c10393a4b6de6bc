// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What stands against a subject, in order of gravity.
enum Status {
    None,
    Frozen,
    Suspended,
    Blacklisted
}

/// @notice What became of a status's one appeal.
enum Appeal {
    None,
    Open,
    Rejected
}

/// @notice The caps of trust, all in seconds, fixed when it is deployed.
/// @param freezeSpan the longest freeze
/// @param yearlyFreeze for how long a subject may be frozen in any 365 days, all freezes together; half of it at once
/// @param appealSpan how long after it was imposed a blacklist, or a suspension for equivocation, can be appealed; and how long after
/// it was opened an appeal of another suspension takes statements
/// @param decisionSpan how long an appeal may wait for its decision
struct TrustSettings {
    uint32 freezeSpan;
    uint32 yearlyFreeze;
    uint32 appealSpan;
    uint32 decisionSpan;
}

/// @title Trust: who is frozen, suspended or blacklisted, why, and until when.
/// @notice Subjects are licences, nodes, CSP accounts, their owners and oracles, see {Subjects}. Contracts ask {statusOf} and apply one table of
/// what each status does; money already earned and final is never taken by a status.
///
/// The three statuses stand beside each other, each imposed and lifted by a role of its own, with a reason and evidence.
/// - A **freeze** expires by itself. A subject's allowance of frozen time is half the yearly cap; what a freeze takes from it
///   returns evenly, half the cap in 365 days. So no 365 days, wherever they begin, hold more than the cap. Lifting a freeze
///   gives its allowance nothing back.
/// - A **suspension** holds until it is lifted. One for equivocation rests on a proof that anyone can check, so its
///   authority can't lift it, only an appeal can; once that has run out it is final and the bond may be slashed.
/// - A **blacklist** is final once its appeal has run out, and may then cost the bond. Before, it does what a suspension does.
///
/// Each status can be appealed once, while it is in force and not final. Whoever can speak for a subject is often not known on
/// chain (a node's key may be lost, a CSP may be a company), so anyone may open the appeal, and statements can be added until
/// the decision. That can't be turned against the subject: no appeal but a freeze's is rejected before the span for
/// appeals is over, whoever opened it. A decision that doesn't come in time favours the subject: the suspension or blacklist lapses.
/// Only a proven equivocation stands then. What its authority lifts under appeal can't be imposed anew before that appeal
/// would have lapsed, so that no appeal is wiped away; what a judge lifted can be: whether it is for another reason is for people to see.
interface ITrustRegistry {
    /// @notice A status was imposed.
    /// @param until when it expires (UNIX seconds); 2^40 − 1: not by itself
    /// @param finalFrom when it becomes final unless appealed (UNIX seconds); 2^40 − 1: it doesn't
    /// @param reason code of the network's own list; {EQUIVOCATION} is reserved
    /// @param evidence hash of what the reason rests on
    event StatusImposed(
        uint256 indexed subject,
        Status indexed status,
        address indexed by,
        uint40 until,
        uint40 finalFrom,
        uint32 reason,
        bytes32 evidence
    );
    /// @notice A status was lifted, by its authority or because its appeal was granted.
    event StatusLifted(uint256 indexed subject, Status indexed status, address indexed by);
    /// @notice A status was appealed.
    /// @param decideBy UNIX seconds before which the decision must come; for a freeze, when it expires
    event AppealOpened(uint256 indexed subject, Status indexed status, uint40 decideBy);
    /// @notice Somebody added a statement to an appeal; the opener's is the first.
    event AppealStated(uint256 indexed subject, Status indexed status, address indexed by, bytes32 statement);
    /// @notice An appeal was decided.
    event AppealDecided(uint256 indexed subject, Status indexed status, address by, bool granted, bytes32 statement);

    /// @notice A setting breaks the named rule.
    error TrustRegistry_SettingViolated(string rule);
    /// @notice There are no subjects of this kind.
    error TrustRegistry_UnknownKind(uint8 kind);
    /// @notice A status without evidence can't be appealed in earnest.
    error TrustRegistry_NoEvidence();
    /// @notice The reason is reserved for what {suspendFor} says.
    error TrustRegistry_ReservedReason(uint32 reason);
    /// @notice The status is in force until `until` (UNIX seconds).
    error TrustRegistry_InForce(uint256 subject, Status status, uint40 until);
    /// @notice The status isn't in force.
    error TrustRegistry_NotInForce(uint256 subject, Status status);
    /// @notice A freeze must end after now and not after `latest` (UNIX seconds).
    error TrustRegistry_FreezeSpan(uint40 until, uint256 latest);
    /// @notice The subject may be frozen for `left` seconds now, not for `asked`.
    error TrustRegistry_FreezeCap(uint256 asked, uint256 left);
    /// @notice The status can't be lifted or appealed any more.
    error TrustRegistry_Final(uint256 subject, Status status);
    /// @notice The suspension rests on a proof; only an appeal lifts it.
    error TrustRegistry_Proven(uint256 subject);
    /// @notice The status's appeal was rejected; there is no second one.
    error TrustRegistry_AppealedBefore(uint256 subject, Status status);
    /// @notice The status isn't under appeal.
    error TrustRegistry_NoAppeal(uint256 subject, Status status);
    /// @notice The open appeal is another one: it must be decided by `decideBy` (UNIX seconds).
    error TrustRegistry_AnotherAppeal(uint256 subject, Status status, uint40 decideBy);
    /// @notice Until `heardFrom` (UNIX seconds) anyone may still speak against the status: reject after that. Granting is possible before.
    error TrustRegistry_AppealsOpen(uint256 subject, Status status, uint40 heardFrom);

    /// @notice Freezes a subject. Restricted.
    /// @param until when the freeze expires; UNIX seconds
    /// @param reason code of the network's own list
    /// @param evidence hash of what the reason rests on; not zero
    function freeze(uint256 subject, uint40 until, uint32 reason, bytes32 evidence) external;

    /// @notice Suspends a subject until that is lifted. Restricted.
    function suspend(uint256 subject, uint32 reason, bytes32 evidence) external;

    /// @notice Suspends a subject for a proven equivocation, also in place of another suspension. Restricted; meant for the
    /// contract that checks the proof.
    /// @dev Reverts with {TrustRegistry_InForce} while such a suspension stands, so that a second proof isn't used up for nothing.
    function suspendFor(uint256 subject, bytes32 evidence) external;

    /// @notice Blacklists a subject. Restricted.
    function blacklist(uint256 subject, uint32 reason, bytes32 evidence) external;

    /// @notice Lifts a freeze. Restricted; meant for whoever may freeze.
    function liftFreeze(uint256 subject) external;

    /// @notice Lifts a suspension that isn't for equivocation. Restricted; meant for whoever may suspend.
    function liftSuspension(uint256 subject) external;

    /// @notice Lifts a blacklist that isn't final. Restricted; meant for whoever may blacklist.
    function liftBlacklist(uint256 subject) external;

    /// @notice Appeals a status, or adds a statement to its open appeal. Anyone may call.
    /// @param statement hash of what is said against the status
    function appeal(uint256 subject, Status status, bytes32 statement) external;

    /// @notice Decides an open appeal: the status is lifted, or it stands and can't be appealed again. Restricted; meant for
    /// nobody who imposes statuses.
    /// @dev Rejecting waits for the end of the span for appeals, see {TrustRegistry_AppealsOpen}; freezes, which soon expire, have none.
    /// @param decideBy of the appeal that is meant, as {AppealOpened} told it: a decision that comes late doesn't land on a later case
    /// @param granted whether the status is lifted
    /// @param statement hash of the decision's reasons
    function decideAppeal(uint256 subject, Status status, uint40 decideBy, bool granted, bytes32 statement) external;

    /// @notice The gravest status in force now.
    function statusOf(uint256 subject) external view returns (Status);

    /// @notice Whether the subject is blacklisted and no appeal can change that.
    function blacklistFinal(uint256 subject) external view returns (bool);

    /// @notice Whether the subject's bond may be slashed: a final blacklist, or a final suspension for equivocation.
    function slashable(uint256 subject) external view returns (bool);

    /// @notice One status of a subject, whether in force or not.
    /// @return until when it expires; UNIX seconds, zero when it isn't imposed, 2^40 − 1: not by itself
    /// @return finalFrom when it is final (UNIX seconds), unless an appeal changes that; 2^40 − 1: never. With an `until` of zero: before
    /// when it can't be imposed anew, since it was lifted under appeal
    /// @return appealed what became of its appeal
    function standingOf(
        uint256 subject,
        Status status
    ) external view returns (uint40 until, uint40 finalFrom, Appeal appealed);

    /// @notice For how many seconds the subject may be frozen now, if it isn't.
    function freezeLeft(uint256 subject) external view returns (uint256);

    /// @notice The caps, in seconds.
    function settings() external view returns (TrustSettings memory);

    /// @notice The reason of suspensions by {suspendFor}.
    // solhint-disable-next-line func-name-mixedcase
    function EQUIVOCATION() external view returns (uint32);
}
