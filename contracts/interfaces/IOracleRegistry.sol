// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "./IAttestations.sol";
import {ITrustRegistry, Status} from "./ITrustRegistry.sol";

/// @notice An oracle as it stands.
/// @param signer its newest key; which key a committee knows it by, see {IOracleRegistry-membersOf}
/// @param operator who runs it, as declared when this epoch started
/// @param nextOperator who will, from the next epoch on; `operator` when nothing else was declared
/// @param leavesFrom the epoch from which its wish to leave counts: no committee set from then on has it, unless it replaces another for
/// cause; zero: it has no such wish
/// @param nonce of the consent of its next key
/// @param nextDueAt from when a key that it gives now is announced, UNIX seconds; past: at once
struct OracleView {
    address signer;
    address operator;
    address nextOperator;
    uint32 leavesFrom;
    uint64 nonce;
    uint256 nextDueAt;
}

/// @title Members of the committee: who they are, which key signs for each, who operates them, and how long each served.
/// @notice A member is a cold address, its signer a hot key, and whoever submits is anybody. Governance chooses members; each
/// member changes its own key without a vote. A key belongs to one member for ever, so that what it signed
/// can always be laid at that member's door.
/// @dev This contract alone may call `scheduleCommittee` and `replaceCommittee` of {IAttestations}: a committee that was set in
/// another way has no members here.
interface IOracleRegistry {
    /// @notice An oracle may be made a member of committees.
    event OracleAdmitted(address indexed member, address indexed signer, address indexed operator);
    /// @notice The key signs for the member, in the committees that are set from now on.
    event SignerBound(address indexed member, address indexed signer);
    /// @notice The member's operator from the start of `fromEpoch` on.
    event OperatorDeclared(address indexed member, address indexed operator, uint64 fromEpoch);
    /// @notice The member asked to leave, which counts from `fromEpoch` on, or thought better of it (zero). Governance schedules a
    /// committee without it.
    event LeaveAsked(address indexed member, uint32 fromEpoch);
    /// @notice Who makes up a committee, in the order of its signers.
    event MembersSet(uint32 indexed version, address[] members);
    /// @notice The committee to come was announced anew, for the same epoch and of the same members, with their newest keys.
    event SignersAnnounced(uint32 indexed version, uint64 indexed fromEpoch);

    /// @notice There are not as many signers and operators as members.
    error OracleRegistry_LengthsDiffer(uint256 members, uint256 signers, uint256 operators);
    /// @notice The first committee of {IAttestations} isn't made up of the signers given.
    error OracleRegistry_FirstCommitteeDiffers();
    /// @notice Members, signers and operators are not zero.
    error OracleRegistry_ZeroAddress();
    /// @notice The address is a member, or a member's key, or was one.
    error OracleRegistry_AddressTaken(address taken);
    /// @notice The address is no admitted oracle.
    error OracleRegistry_UnknownMember(address member);
    /// @notice A committee has each member once.
    error OracleRegistry_DuplicateMember(address member);
    /// @notice The member is suspended or blacklisted; where it gives a new key: blacklisted for good.
    error OracleRegistry_Barred(address member, Status status);
    /// @notice The member asked to leave, and its notice ran out when epoch `fromEpoch` began.
    error OracleRegistry_Leaving(address member, uint32 fromEpoch);
    /// @notice The key's consent ran out at `deadline` (UNIX seconds).
    error OracleRegistry_ConsentExpired(uint64 deadline);
    /// @notice The consent wasn't signed by the key for this member, nonce, deadline, contract and chain.
    error OracleRegistry_WrongConsent(address recovered, address signer);
    /// @notice The keys that the committee to come lacks were given in their members' cooldowns; the first is due at `dueAt`
    /// (UNIX seconds).
    error OracleRegistry_KeysWait(uint256 dueAt);
    /// @notice The committee to come knows all its members by their newest keys.
    error OracleRegistry_NothingToAnnounce();
    /// @notice The announced committee takes over too soon to be changed; try again once it has, at `takeover` (UNIX seconds).
    error OracleRegistry_TakeoverNear(uint40 takeover);
    /// @notice No committee of that version was set here.
    error OracleRegistry_UnknownVersion(uint32 version);
    /// @notice The committee has no member of that index.
    error OracleRegistry_UnknownIndex(uint256 index, uint256 size);

    /// @notice Announces the next committee, of its members' newest keys; an announced one that hasn't taken over is replaced by
    /// it, and with that a change of keys that was announced: it then takes over at `fromEpoch`, too. Governance only.
    /// @param members at least 4 in any order; none suspended, blacklisted, or leaving since {leaveNoticeEpochs}
    /// @param fromEpoch the first epoch in which it is in force; at least one whole epoch ahead
    function scheduleCommittee(address[] calldata members, uint64 fromEpoch) external returns (uint32 version);

    /// @notice Replaces the committee in force for cause: at once, without grace; a report that isn't final yet drops.
    /// Restricted. With the present members it replaces keys that were lost or stolen: each sits with its newest key, whether that
    /// was announced or not.
    /// @dev Statuses and wishes to leave don't count: the caller has judged. Else whoever stole keys could hold the replacement up by
    /// having their owners suspended for what he signs with them, and a member by asking to leave, until a vetoed report's review is over. A
    /// member can only choose the key of a seat that it was given; what it does meanwhile changes nothing of who sits.
    /// @param members admitted, at least 4 in any order, each once
    function replaceCommittee(address[] calldata members) external returns (uint32 version);

    /// @notice Admits an oracle; that alone makes it a member of no committee. Governance only, with the key's consent (EIP-712 type
    /// `SignerConsent(address member,address signer,uint256 nonce,uint64 deadline)`).
    /// @param member its cold address, which never was a key
    /// @param signer its first key, which never was anyone's
    /// @param operator who runs it
    /// @param deadline UNIX seconds until which the consent is valid, inclusive
    /// @param r first half of the key's EIP-2098 signature
    /// @param vs second half of it
    function admit(address member, address signer, address operator, uint64 deadline, bytes32 r, bytes32 vs) external;

    /// @notice Gives the caller, an oracle, a new key, at any time. If the committee to come
    /// has the caller (the announced one; without any, the one in force), that is announced anew with the new key: for the same
    /// epoch as before, or without an announcement for the earliest that may be. Who is a member never changes by this, nor when
    /// an announced committee takes over: one that does at the end of this epoch stays as it is, and {announceSigners} can be called
    /// once it has.
    ///
    /// A member's keys make for an announcement once in {rotationCooldownEpochs}. One that is given in between is bound, not
    /// announced: it counts at once in {replaceCommittee}, in {scheduleCommittee}, and when another member's key is announced; else {announceSigners}
    /// can be called once it is due.
    /// @dev There can be only one announced committee, so a member that the announced one doesn't have keeps its old key in the
    /// one in force. A suspended member may change its key, since the suspension may be the work of whoever stole the present one, and since a new
    /// key gives it no seat; one that is blacklisted for good may not.
    function rotateSigner(address signer, uint64 deadline, bytes32 r, bytes32 vs) external;

    /// @notice Announces the committee to come with its members' newest keys, as {rotateSigner} does, when one that it lacks is due. Anyone
    /// may call.
    function announceSigners() external returns (uint32 version);

    /// @notice Declares who operates the caller, a member, from the start of the next epoch on. Replaces what was declared in this epoch.
    function declareOperator(address operator) external;

    /// @notice The caller, a member, asks to leave, or no longer does. From {leaveNoticeEpochs} on after it first asked, governance can't make
    /// it a member of new committees, unless to replace one for cause; it serves on in those it is in.
    /// @dev Were it to count at once, any one member could make a committee that names it fail whenever governance's delay for it is over.
    /// So the notice must be longer than that delay.
    function askToLeave(bool leaving) external;

    /// @notice How many members of the committee in force are, or are operated, as declared when this epoch started, by either address.
    /// @param csp the owner of the CSP's account
    /// @param holder the licence's holder
    /// @return conflicted how many
    /// @return bearable f, how many a committee bears
    function conflicts(address csp, address holder) external view returns (uint256 conflicted, uint256 bearable);

    /// @notice An oracle as it stands; all zeros when it isn't admitted.
    function oracleOf(address member) external view returns (OracleView memory);

    /// @notice A member's newest key; zero when it isn't admitted.
    function signerOf(address member) external view returns (address);

    /// @notice Who operates a member, as declared when this epoch started.
    function operatorOf(address member) external view returns (address);

    /// @notice Whose key it is or was; zero: nobody's.
    function memberOfSigner(address signer) external view returns (address);

    /// @notice Member `index` of a committee, in the order of its signers.
    function memberOf(uint32 version, uint256 index) external view returns (address);

    /// @notice Members of a committee, in the order of its signers.
    function membersOf(uint32 version) external view returns (address[] memory);

    /// @notice When a committee was in force, [since, until) in UNIX seconds; 0, 0 for one that never was, and an `until` of
    /// 2^40 − 1 for the one that is.
    function termOf(uint32 version) external view returns (uint40 since, uint40 until);

    /// @notice Seconds up to now in which the member was in the committee in force; never falls.
    function membershipSeconds(address member) external view returns (uint256);

    /// @notice {membershipSeconds} of all members together.
    function totalMembershipSeconds() external view returns (uint256);

    /// @notice How many members the committee in force has.
    function memberCount() external view returns (uint256);

    /// @notice Epochs between two announcements for the sake of one member's keys.
    function rotationCooldownEpochs() external view returns (uint32);

    /// @notice Epochs from the one in which a member asks to leave to the first in which that counts.
    function leaveNoticeEpochs() external view returns (uint32);

    /// @notice Whose committees these are.
    function attestations() external view returns (IAttestations);

    /// @notice Who is suspended or blacklisted.
    function trust() external view returns (ITrustRegistry);
}
