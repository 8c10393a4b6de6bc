// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICommittee} from "../interfaces/ICommittee.sol";
import {SignerSet} from "../libraries/SignerSet.sol";

/// @dev Which sets of signers exist, which may sign now, and whether a bundle of signatures is a quorum of one.
abstract contract Committee is ICommittee, AccessManaged {
    using SafeCast for uint256;

    /// @dev Half of the order of secp256k1: a signature's s above it is the malleable twin (EIP-2).
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 private constant MIN_SIGNERS = 4;
    uint256 private constant MAX_SIGNERS = 255;
    uint40 private constant NEVER = type(uint40).max;

    uint40 internal immutable GENESIS;
    uint32 internal immutable EPOCH_LENGTH;
    uint32 internal immutable GRACE;

    /// @dev All that a report needs in the usual case, in one slot: the set in force, its signers, and until when nothing
    /// announced takes over.
    struct Force {
        address signers;
        uint32 version;
        uint40 until;
    }

    /// @dev Who was in force before, since when the present set is, and who comes next (zero: nobody).
    struct Turn {
        uint32 previous;
        uint40 since;
        uint32 next;
    }

    mapping(uint32 version => address signers) private _sets;
    uint32 private _versions;
    Force private _force;
    Turn private _turn;

    constructor(uint40 genesis, uint32 epochLength, uint32 grace, address[] memory signers) {
        GENESIS = genesis;
        EPOCH_LENGTH = epochLength;
        GRACE = grace;
        _install(_add(signers), Turn({previous: 0, since: genesis, next: 0}), NEVER);
        emit CommitteeScheduled(1, 0, signers);
    }

    /// @inheritdoc ICommittee
    function scheduleCommittee(
        address[] calldata signers,
        uint64 fromEpoch
    ) external restricted returns (uint32 version) {
        uint64 earliest = block.timestamp < GENESIS ? 1 : uint64((block.timestamp - GENESIS) / EPOCH_LENGTH) + 2;
        require(fromEpoch >= earliest, Committee_TakeoverTooSoon(fromEpoch, earliest));
        (uint32 current, Turn memory turn, ) = _now();
        version = _add(signers);
        turn.next = version;
        _install(current, turn, (uint256(GENESIS) + uint256(fromEpoch) * EPOCH_LENGTH).toUint40());
        emit CommitteeScheduled(version, fromEpoch, signers);
    }

    /// @inheritdoc ICommittee
    function replaceCommittee(address[] calldata signers) external restricted returns (uint32 version) {
        (uint32 replaced, , ) = _now();
        version = _add(signers);
        _install(version, Turn({previous: 0, since: block.timestamp.toUint40(), next: 0}), NEVER);
        _onReplaced();
        emit CommitteeReplaced(version, replaced, signers);
    }

    /// @inheritdoc ICommittee
    function committeeInForce()
        external
        view
        returns (uint32 version, uint40 since, uint32 predecessor, uint40 graceEnds)
    {
        Turn memory turn;
        (version, turn, ) = _now();
        since = turn.since;
        if (_inGrace(turn)) (predecessor, graceEnds) = (turn.previous, turn.since + GRACE);
    }

    /// @inheritdoc ICommittee
    function committeeAnnounced() external view returns (uint32 version, uint40 since) {
        (, Turn memory turn, uint40 until) = _now();
        if (turn.next != 0) (version, since) = (turn.next, until);
    }

    /// @inheritdoc ICommittee
    function committee(uint32 version) external view returns (address[] memory signers, uint256 quorum) {
        address stored = _sets[version];
        require(stored != address(0), Committee_UnknownVersion(version));
        bytes memory list = SignerSet.read(stored);
        signers = new address[](SignerSet.size(list));
        for (uint256 i = 0; i < signers.length; ++i) signers[i] = SignerSet.signerAt(list, i);
        quorum = _quorum(signers.length);
    }

    /// @dev Called when the set in force has been replaced for cause.
    function _onReplaced() internal virtual;

    /// @dev Reverts unless the set may sign now and `signatures` are a quorum of it over `digest`.
    /// @param members bit i stands for signer i of the set
    /// @param signatures EIP-2098 signatures, 64 bytes each, in signer order
    function _requireQuorum(uint64 version, bytes32 digest, uint256 members, bytes calldata signatures) internal {
        bytes memory list = SignerSet.read(_signersInForce(version));
        uint256 size = SignerSet.size(list);
        uint256 given = signatures.length >> 6;
        require(signatures.length & 63 == 0, Committee_MalformedSignatures(signatures.length, given));
        require(given >= _quorum(size), Committee_QuorumNotReached(given, _quorum(size)));
        require(members >> size == 0, Committee_UnknownMember(members, size));

        uint256 offset = 0;
        uint256 rest = members;
        unchecked {
            for (uint256 i = 0; rest != 0; ++i) {
                if (rest & 1 == 1) {
                    // A member too many reads beyond the signatures, which is told here or below.
                    address signer = _recover(digest, signatures, offset);
                    if (signer != SignerSet.signerAt(list, i)) _explain(digest, signatures, offset, signer, list, i);
                    offset += 64;
                }
                rest >>= 1;
            }
        }
        require(offset == signatures.length, Committee_MalformedSignatures(signatures.length, offset / 64));
    }

    /// @dev Where the signers of a set are stored; reverts when that set may not sign now. The first report after a takeover
    /// writes it down, so that later ones find all they need in one slot.
    function _signersInForce(uint64 version) private returns (address) {
        Force memory force = _force;
        if (version == force.version && block.timestamp < force.until) return force.signers;
        (uint32 current, Turn memory turn, uint40 until) = _now();
        if (block.timestamp >= force.until) _install(current, turn, until);
        bool mayToo = version != 0 && version == turn.previous && _inGrace(turn);
        require(version == current || mayToo, Committee_NotInForce(version, current));
        return _sets[uint32(version)];
    }

    /// @dev The set in force, its turn, and when the next one takes over (UNIX seconds), with a takeover that is due and
    /// that nobody has written down yet.
    function _now() private view returns (uint32 current, Turn memory turn, uint40 until) {
        (current, turn, until) = (_force.version, _turn, _force.until);
        if (block.timestamp >= until) {
            turn = Turn({previous: current, since: until, next: 0});
            (current, until) = (_turn.next, NEVER);
        }
    }

    function _inGrace(Turn memory turn) private view returns (bool) {
        return turn.previous != 0 && block.timestamp < uint256(turn.since) + GRACE;
    }

    function _install(uint32 current, Turn memory turn, uint40 until) private {
        _force = Force({signers: _sets[current], version: current, until: until});
        _turn = turn;
    }

    /// @dev The smallest number above two thirds.
    function _quorum(uint256 size) private pure returns (uint256) {
        unchecked {
            return (2 * size) / 3 + 1;
        }
    }

    /// @dev The signer of the EIP-2098 signature at `offset`; zero when it recovers to nobody.
    function _recover(bytes32 digest, bytes calldata signatures, uint256 offset) private view returns (address signer) {
        uint256 s;
        assembly ("memory-safe") {
            // ecrecover(digest, v, r, s), from memory that is free but not taken: once for each of many signatures.
            let free := mload(0x40)
            let place := add(signatures.offset, offset)
            let vs := calldataload(add(place, 0x20))
            s := shr(1, shl(1, vs))
            mstore(free, digest)
            mstore(add(free, 0x20), add(shr(255, vs), 27))
            mstore(add(free, 0x40), calldataload(place))
            mstore(add(free, 0x60), s)
            mstore(0x00, 0)
            pop(staticcall(gas(), 1, free, 0x80, 0x00, 0x20))
            signer := mload(0x00)
        }
        require(s <= HALF_ORDER, Committee_MalleableSignature(offset >> 6));
    }

    /// @dev Reverts with what is wrong with a signature that isn't the expected member's. Gas doesn't matter here.
    function _explain(
        bytes32 digest,
        bytes calldata signatures,
        uint256 offset,
        address signer,
        bytes memory list,
        uint256 expected
    ) private view {
        require(offset < signatures.length, Committee_MalformedSignatures(signatures.length, offset / 64 + 1));
        for (uint256 o = 0; o < offset; o += 64) {
            require(_recover(digest, signatures, o) != signer, Committee_DuplicateSignature(signer));
        }
        for (uint256 i = 0; signer != address(0) && i < SignerSet.size(list); ++i) {
            require(
                SignerSet.signerAt(list, i) != signer,
                Committee_SignaturesUnordered(signer, SignerSet.signerAt(list, expected))
            );
        }
        revert Committee_ForeignSigner(signer);
    }

    function _add(address[] memory signers) private returns (uint32 version) {
        uint256 size = signers.length;
        require(size >= MIN_SIGNERS && size <= MAX_SIGNERS, Committee_SizeOutOfRange(size));
        address last = address(0);
        for (uint256 i = 0; i < size; ++i) {
            require(signers[i] > last, Committee_SignersUnordered(i, signers[i]));
            last = signers[i];
        }
        version = ++_versions;
        _sets[version] = SignerSet.write(signers);
    }
}
