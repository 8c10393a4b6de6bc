// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICommittee} from "./interfaces/ICommittee.sol";
import {SignerSet} from "./libraries/SignerSet.sol";

/// @dev Which sets of signers exist, which may sign now, and whether a bundle of signatures is a quorum of one.
abstract contract Committee is ICommittee, AccessManaged {
    using SafeCast for uint256;

    /// @dev Half of the order of secp256k1: a signature's s above it is the malleable twin (EIP-2).
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 private constant MIN_SIGNERS = 4;
    uint256 private constant MAX_SIGNERS = 255;

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;
    uint32 private immutable GRACE;

    struct Set {
        address signers;
        uint16 quorum;
    }

    struct Roster {
        uint32 current;
        uint40 since;
        uint32 previous;
        uint32 next;
        uint40 nextSince;
    }

    mapping(uint32 version => Set) private _sets;
    uint32 private _versions;
    Roster private _roster;

    constructor(uint40 genesis, uint32 epochLength, uint32 grace, address[] memory signers) {
        GENESIS = genesis;
        EPOCH_LENGTH = epochLength;
        GRACE = grace;
        _roster = Roster({current: _add(signers), since: genesis, previous: 0, next: 0, nextSince: 0});
        emit CommitteeScheduled(_roster.current, 0, signers);
    }

    /// @inheritdoc ICommittee
    function scheduleCommittee(address[] calldata signers, uint64 fromEpoch)
        external
        restricted
        returns (uint32 version)
    {
        uint64 earliest = block.timestamp < GENESIS ? 1 : uint64((block.timestamp - GENESIS) / EPOCH_LENGTH) + 2;
        require(fromEpoch >= earliest, Committee_TakeoverTooSoon(fromEpoch, earliest));
        Roster memory roster = _rosterNow();
        version = _add(signers);
        roster.next = version;
        roster.nextSince = (GENESIS + uint256(fromEpoch) * EPOCH_LENGTH).toUint40();
        _roster = roster;
        emit CommitteeScheduled(version, fromEpoch, signers);
    }

    /// @inheritdoc ICommittee
    function replaceCommittee(address[] calldata signers) external restricted returns (uint32 version) {
        uint32 replaced = _rosterNow().current;
        version = _add(signers);
        _roster = Roster({
            current: version,
            since: block.timestamp.toUint40(),
            previous: 0,
            next: 0,
            nextSince: 0
        });
        _onReplaced();
        emit CommitteeReplaced(version, replaced, signers);
    }

    /// @inheritdoc ICommittee
    function committeeInForce()
        external
        view
        returns (uint32 version, uint40 since, uint32 predecessor, uint40 graceEnds)
    {
        Roster memory roster = _rosterNow();
        uint256 ends = uint256(roster.since) + GRACE;
        if (roster.previous != 0 && block.timestamp < ends) return (roster.current, roster.since, roster.previous, uint40(ends));
        return (roster.current, roster.since, 0, 0);
    }

    /// @inheritdoc ICommittee
    function committeeAnnounced() external view returns (uint32 version, uint40 since) {
        Roster memory roster = _rosterNow();
        return (roster.next, roster.nextSince);
    }

    /// @inheritdoc ICommittee
    function committee(uint32 version) external view returns (address[] memory signers, uint256 quorum) {
        Set memory set = _sets[version];
        require(set.signers != address(0), Committee_UnknownVersion(version));
        bytes memory list = SignerSet.read(set.signers);
        signers = new address[](SignerSet.size(list));
        for (uint256 i = 0; i < signers.length; ++i) signers[i] = SignerSet.at(list, i);
        quorum = set.quorum;
    }

    /// @dev Called when the set in force has been replaced for cause.
    function _onReplaced() internal virtual;

    /// @dev Reverts unless the set may sign now and `signatures` are a quorum of it over `digest`.
    /// @param members bit i stands for signer i of the set
    /// @param signatures EIP-2098 signatures, 64 bytes each, in signer order
    function _requireQuorum(uint64 version, bytes32 digest, uint256 members, bytes calldata signatures) internal view {
        Set memory set = _sets[_requireInForce(version)];
        uint256 given = signatures.length >> 6;
        require(given >= set.quorum, Committee_QuorumNotReached(given, set.quorum));
        bytes memory list = SignerSet.read(set.signers);
        uint256 size = SignerSet.size(list);
        require(members >> size == 0, Committee_UnknownMember(members, size));

        uint256 offset = 0;
        for (uint256 i = 0; i < size; ++i) {
            if ((members >> i) & 1 == 0) continue;
            require(offset + 64 <= signatures.length, Committee_MalformedSignatures(signatures.length, offset / 64 + 1));
            address signer = _recover(digest, signatures, offset);
            if (signer != SignerSet.at(list, i)) _explain(digest, signatures, offset, signer, list, i);
            unchecked {
                offset += 64;
            }
        }
        require(offset == signatures.length, Committee_MalformedSignatures(signatures.length, offset / 64));
    }

    /// @dev The version as it is stored, or a revert when that set may not sign now.
    function _requireInForce(uint64 version) private view returns (uint32) {
        Roster memory roster = _rosterNow();
        if (version == roster.current) return roster.current;
        bool inGrace = version != 0 && version == roster.previous && block.timestamp < uint256(roster.since) + GRACE;
        require(inGrace, Committee_NotInForce(version, roster.current));
        return roster.previous;
    }

    /// @dev The roster with a takeover that is due, which nobody needs to write down.
    function _rosterNow() private view returns (Roster memory roster) {
        roster = _roster;
        if (roster.next != 0 && block.timestamp >= roster.nextSince) {
            roster.previous = roster.current;
            roster.current = roster.next;
            roster.since = roster.nextSince;
            roster.next = 0;
            roster.nextSince = 0;
        }
    }

    function _recover(bytes32 digest, bytes calldata signatures, uint256 offset) private pure returns (address) {
        bytes32 r = bytes32(signatures[offset:]);
        uint256 vs = uint256(bytes32(signatures[offset + 32:]));
        uint256 s = vs & (type(uint256).max >> 1);
        require(s <= HALF_ORDER, Committee_MalleableSignature(offset >> 6));
        return ecrecover(digest, uint8((vs >> 255) + 27), r, bytes32(s));
    }

    /// @dev Reverts with what is wrong with a signature that isn't the expected member's. Gas doesn't matter here.
    function _explain(
        bytes32 digest,
        bytes calldata signatures,
        uint256 offset,
        address signer,
        bytes memory list,
        uint256 expected
    ) private pure {
        for (uint256 o = 0; o < offset; o += 64) {
            require(_recover(digest, signatures, o) != signer, Committee_DuplicateSignature(signer));
        }
        for (uint256 i = 0; signer != address(0) && i < SignerSet.size(list); ++i) {
            require(
                SignerSet.at(list, i) != signer,
                Committee_SignaturesUnordered(signer, SignerSet.at(list, expected))
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
        _sets[version] = Set({signers: SignerSet.write(signers), quorum: uint16((2 * size) / 3 + 1)});
    }
}
