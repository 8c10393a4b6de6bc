// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {IOracleRegistry, OracleView} from "../interfaces/IOracleRegistry.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Membership} from "./Membership.sol";
import {Subjects} from "../libraries/Subjects.sol";

/// @title OracleRegistry
/// @dev Keys, operators and what governance and members may do; who was in which committee and for how long is in {Membership}.
contract OracleRegistry is IOracleRegistry, Membership, AccessManaged, EIP712 {
    bytes32 private constant CONSENT_TYPE = keccak256(
        "SignerConsent(address member,address signer,uint256 nonce,uint64 deadline)"
    );

    uint32 private constant COOLDOWN_EPOCHS = 4;
    uint32 private constant LEAVE_NOTICE_EPOCHS = 8;
    uint256 private constant NO_KEY = type(uint256).max;

    /// @inheritdoc IOracleRegistry
    ITrustRegistry public immutable trust;

    /// @dev `operator` counts from `operatorSince` on, before it `formerOperator`: most reads of operators are of one slot.
    /// @param operatorSince an epoch
    /// @param leavesFrom the epoch from which its wish to leave counts; zero: it has none
    /// @param nonce how many keys it has had
    /// @param dueAt from when its newest key is announced, UNIX seconds; zero: it still has its first
    struct Oracle {
        address operator;
        uint64 operatorSince;
        uint32 leavesFrom;
        address signer;
        uint40 dueAt;
        uint48 nonce;
        address formerOperator;
    }

    mapping(address member => Oracle) private _oracles;
    /// @inheritdoc IOracleRegistry
    mapping(address signer => address member) public memberOfSigner;

    /// @param authority the AccessManager that says who governs
    /// @param attestations_ deployed before, with `signers` as its first committee
    /// @param trust_ who is suspended or blacklisted
    /// @param members cold addresses of the first committee, in the order of their signers
    /// @param signers their keys
    /// @param operators who runs them
    constructor(
        address authority,
        IAttestations attestations_,
        ITrustRegistry trust_,
        address[] memory members,
        address[] memory signers,
        address[] memory operators
    ) AccessManaged(authority) Membership(attestations_) EIP712("Epochal OracleRegistry", "1") {
        trust = trust_;
        require(
            members.length == signers.length && members.length == operators.length,
            OracleRegistry_LengthsDiffer(members.length, signers.length, operators.length)
        );
        (address[] memory first, ) = attestations_.committee(1);
        require(keccak256(abi.encode(first)) == keccak256(abi.encode(signers)), OracleRegistry_FirstCommitteeDiffers());
        for (uint256 i = 0; i < members.length; ++i) {
            require(operators[i] != address(0), OracleRegistry_ZeroAddress());
            _requireUnknown(members[i]);
            _oracles[members[i]].operator = operators[i];
            _bind(members[i], signers[i]);
            emit OracleAdmitted(members[i], signers[i], operators[i]);
        }
        _remember(1, members);
    }

    /// @inheritdoc IOracleRegistry
    function scheduleCommittee(
        address[] calldata members,
        uint64 fromEpoch
    ) external restricted returns (uint32 version) {
        _requireEligible(members);
        (address[] memory ordered, address[] memory signers) = _inSignerOrder(members);
        version = _schedule(ordered, signers, fromEpoch);
    }

    /// @inheritdoc IOracleRegistry
    function replaceCommittee(address[] calldata members) external restricted returns (uint32 version) {
        for (uint256 i = 0; i < members.length; ++i) _known(members[i]);
        (address[] memory ordered, address[] memory signers) = _inSignerOrder(members);
        version = _replace(ordered, signers);
    }

    /// @inheritdoc IOracleRegistry
    function admit(
        address member,
        address signer,
        address operator,
        uint64 deadline,
        bytes32 r,
        bytes32 vs
    ) external restricted {
        require(operator != address(0), OracleRegistry_ZeroAddress());
        _requireUnknown(member);
        _oracles[member].operator = operator;
        _requireConsent(member, signer, deadline, r, vs);
        _bind(member, signer);
        emit OracleAdmitted(member, signer, operator);
    }

    /// @inheritdoc IOracleRegistry
    function rotateSigner(address signer, uint64 deadline, bytes32 r, bytes32 vs) external {
        Oracle storage oracle = _known(msg.sender);
        bool banned = trust.blacklistFinal(Subjects.oracle(msg.sender));
        require(!banned, OracleRegistry_Barred(msg.sender, Status.Blacklisted));
        oracle.dueAt = SafeCast.toUint40(Math.max(block.timestamp, _nextDueAt(oracle)));
        _requireConsent(msg.sender, signer, deadline, r, vs);
        _bind(msg.sender, signer);
        Coming memory coming = _coming();
        if (coming.changeable) _announceNewestKeys(coming);
    }

    /// @inheritdoc IOracleRegistry
    function announceSigners() external returns (uint32 version) {
        Coming memory coming = _coming();
        require(coming.changeable, OracleRegistry_TakeoverNear(coming.takeover));
        uint256 dueAt;
        (version, dueAt) = _announceNewestKeys(coming);
        require(dueAt != NO_KEY, OracleRegistry_NothingToAnnounce());
        require(version != 0, OracleRegistry_KeysWait(dueAt));
    }

    /// @inheritdoc IOracleRegistry
    function declareOperator(address operator) external {
        Oracle storage oracle = _known(msg.sender);
        require(operator != address(0), OracleRegistry_ZeroAddress());
        uint64 epoch = _epoch();
        if (oracle.operatorSince <= epoch) oracle.formerOperator = oracle.operator;
        oracle.operator = operator;
        oracle.operatorSince = epoch + 1;
        emit OperatorDeclared(msg.sender, operator, epoch + 1);
    }

    /// @inheritdoc IOracleRegistry
    function askToLeave(bool leaving) external {
        Oracle storage oracle = _known(msg.sender);
        uint32 fromEpoch = leaving ? oracle.leavesFrom : 0;
        if (leaving && fromEpoch == 0) fromEpoch = SafeCast.toUint32(_epoch() + LEAVE_NOTICE_EPOCHS);
        oracle.leavesFrom = fromEpoch;
        emit LeaveAsked(msg.sender, fromEpoch);
    }

    /// @inheritdoc IOracleRegistry
    function conflicts(address csp, address holder) external view returns (uint256 conflicted, uint256 bearable) {
        (uint32 version, , , ) = attestations.committeeInForce();
        address[] memory members = membersOf(version);
        uint64 epoch = _epoch();
        for (uint256 i = 0; i < members.length; ++i) {
            address member = members[i];
            address operator = _operatorAt(_oracles[member], epoch);
            if (operator == csp || operator == holder || member == csp || member == holder) ++conflicted;
        }
        bearable = (members.length - 1) / 3;
    }

    /// @inheritdoc IOracleRegistry
    function oracleOf(address member) external view returns (OracleView memory) {
        Oracle storage oracle = _oracles[member];
        return
            OracleView({
                signer: oracle.signer,
                operator: _operatorAt(oracle, _epoch()),
                nextOperator: oracle.operator,
                leavesFrom: oracle.leavesFrom,
                nonce: oracle.nonce,
                nextDueAt: _nextDueAt(oracle)
            });
    }

    /// @inheritdoc IOracleRegistry
    function signerOf(address member) external view returns (address) {
        return _oracles[member].signer;
    }

    /// @inheritdoc IOracleRegistry
    function operatorOf(address member) external view returns (address) {
        return _operatorAt(_oracles[member], _epoch());
    }

    /// @inheritdoc IOracleRegistry
    function rotationCooldownEpochs() external pure returns (uint32) {
        return COOLDOWN_EPOCHS;
    }

    /// @inheritdoc IOracleRegistry
    function leaveNoticeEpochs() external pure returns (uint32) {
        return LEAVE_NOTICE_EPOCHS;
    }

    /// @dev Announces the coming committee with all its members' newest keys once one of those that it lacks is due.
    /// @return version zero: not yet, or it has them all
    /// @return dueAt when the first of them is or was due, UNIX seconds; {NO_KEY} when it lacks none
    function _announceNewestKeys(Coming memory coming) private returns (uint32 version, uint256 dueAt) {
        address[] memory seated = membersOf(coming.version);
        dueAt = _earliestDue(seated, coming.version);
        if (block.timestamp < dueAt) return (0, dueAt);
        (address[] memory members, address[] memory signers) = _inSignerOrder(seated);
        version = _schedule(members, signers, coming.fromEpoch);
        emit SignersAnnounced(version, coming.fromEpoch);
    }

    /// @dev When the first of the members' newest keys that a committee lacks is due, UNIX seconds; {NO_KEY} when it lacks none.
    /// @param seated its members in the order of its signers
    function _earliestDue(address[] memory seated, uint32 version) private view returns (uint256 earliest) {
        (address[] memory present, ) = attestations.committee(version);
        earliest = NO_KEY;
        for (uint256 i = 0; i < seated.length; ++i) {
            Oracle storage oracle = _oracles[seated[i]];
            if (oracle.signer != present[i]) earliest = Math.min(earliest, oracle.dueAt);
        }
    }

    /// @dev Makes a key a member's own, for ever.
    function _bind(address member, address signer) private {
        require(signer != address(0), OracleRegistry_ZeroAddress());
        require(signer != member, OracleRegistry_AddressTaken(signer));
        _requireUnknown(signer);
        _oracles[member].signer = signer;
        ++_oracles[member].nonce;
        memberOfSigner[signer] = member;
        emit SignerBound(member, signer);
    }

    /// @dev A member is never a key, nor a key a member, so that neither can speak for the other.
    function _requireUnknown(address fresh) private view {
        require(fresh != address(0), OracleRegistry_ZeroAddress());
        bool taken = memberOfSigner[fresh] != address(0) || _oracles[fresh].signer != address(0);
        require(!taken, OracleRegistry_AddressTaken(fresh));
    }

    function _requireConsent(address member, address signer, uint64 deadline, bytes32 r, bytes32 vs) private view {
        require(block.timestamp <= deadline, OracleRegistry_ConsentExpired(deadline));
        bytes32 consent = keccak256(abi.encode(CONSENT_TYPE, member, signer, _oracles[member].nonce, deadline));
        address recovered = ECDSA.recover(_hashTypedDataV4(consent), r, vs);
        require(recovered == signer, OracleRegistry_WrongConsent(recovered, signer));
    }

    function _requireEligible(address[] calldata members) private view {
        for (uint256 i = 0; i < members.length; ++i) {
            uint32 leavesFrom = _known(members[i]).leavesFrom;
            require(leavesFrom == 0 || _epoch() < leavesFrom, OracleRegistry_Leaving(members[i], leavesFrom));
            Status status = trust.statusOf(Subjects.oracle(members[i]));
            require(status < Status.Suspended, OracleRegistry_Barred(members[i], status));
        }
    }

    function _known(address member) private view returns (Oracle storage oracle) {
        oracle = _oracles[member];
        require(oracle.signer != address(0), OracleRegistry_UnknownMember(member));
    }

    /// @dev Members with their newest keys, both in ascending order of the keys.
    function _inSignerOrder(
        address[] memory members
    ) private view returns (address[] memory ordered, address[] memory signers) {
        signers = new address[](members.length);
        for (uint256 i = 0; i < members.length; ++i) signers[i] = _oracles[members[i]].signer;
        signers = Arrays.sort(signers);
        ordered = new address[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            ordered[i] = memberOfSigner[signers[i]];
            require(i == 0 || ordered[i] != ordered[i - 1], OracleRegistry_DuplicateMember(ordered[i]));
        }
    }

    function _operatorAt(Oracle storage oracle, uint64 epoch) private view returns (address) {
        return oracle.operatorSince <= epoch ? oracle.operator : oracle.formerOperator;
    }

    /// @dev Keys due lie a cooldown apart; one that isn't due yet cedes its time to a newer one.
    function _nextDueAt(Oracle storage oracle) private view returns (uint256) {
        uint256 dueAt = oracle.dueAt;
        if (dueAt == 0 || dueAt > block.timestamp) return dueAt;
        return dueAt + uint256(COOLDOWN_EPOCHS) * EPOCH_LENGTH;
    }
}
