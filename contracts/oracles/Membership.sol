// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "../interfaces/IAttestations.sol";
import {IOracleRegistry} from "../interfaces/IOracleRegistry.sol";
import {SignerSet} from "../libraries/SignerSet.sol";
import {Timing} from "../libraries/Timing.sol";

/// @dev Who made up which committee, when each was in force, and how long each member served. Committees take over without
/// anyone's doing, so a takeover is written down when the next committee is set; at most one lies between, since only one can be
/// announced. Until then the views add it.
abstract contract Membership is IOracleRegistry {
    uint40 private constant NEVER = type(uint40).max;

    /// @inheritdoc IOracleRegistry
    IAttestations public immutable attestations;

    uint40 internal immutable GENESIS;
    uint32 internal immutable EPOCH_LENGTH;

    /// @dev Times are UNIX seconds, zero when not written down.
    /// @param members where the list is, see {SignerSet}
    struct Term {
        address members;
        uint40 since;
        uint40 until;
    }

    /// @dev The committee whose keys can still be changed: the announced one, or with none a copy of the one in force.
    /// @param version whose members it has
    /// @param fromEpoch when it takes over
    /// @param takeover the same in UNIX seconds
    /// @param changeable whether there is still notice enough to set it anew
    struct Coming {
        uint32 version;
        uint64 fromEpoch;
        uint40 takeover;
        bool changeable;
    }

    mapping(uint32 version => Term) private _terms;
    /// @dev Seconds served in all committees before `_booked`, the last one known to be in force.
    mapping(address member => uint256) private _served;
    uint32 private _booked;
    uint256 private _servedByAll;

    constructor(IAttestations attestations_) {
        Timing memory t = attestations_.timing();
        attestations = attestations_;
        GENESIS = t.genesis;
        EPOCH_LENGTH = t.epochLength;
        _terms[1].since = t.genesis;
        _booked = 1;
    }

    /// @inheritdoc IOracleRegistry
    function termOf(uint32 version) external view returns (uint40 since, uint40 until) {
        (uint32 current, uint40 start, , ) = attestations.committeeInForce();
        if (version == current) return (start, NEVER);
        Term memory term = _terms[version];
        if (term.since == 0) return (0, 0);
        return (term.since, version == _booked ? start : term.until);
    }

    /// @inheritdoc IOracleRegistry
    function membershipSeconds(address member) external view returns (uint256 served) {
        (uint32 current, uint40 start, , ) = attestations.committeeInForce();
        served = _served[member];
        uint32 booked = _booked;
        if (booked != current && _sits(member, booked)) served += _span(_terms[booked].since, start);
        if (_sits(member, current)) served += _span(start, block.timestamp);
    }

    /// @inheritdoc IOracleRegistry
    function totalMembershipSeconds() external view returns (uint256 served) {
        (uint32 current, uint40 start, , ) = attestations.committeeInForce();
        served = _servedByAll;
        uint32 booked = _booked;
        if (booked != current) served += _size(booked) * _span(_terms[booked].since, start);
        served += _size(current) * _span(start, block.timestamp);
    }

    /// @inheritdoc IOracleRegistry
    function memberCount() external view returns (uint256) {
        (uint32 current, , , ) = attestations.committeeInForce();
        return _size(current);
    }

    /// @inheritdoc IOracleRegistry
    function memberOf(uint32 version, uint256 index) external view returns (address) {
        bytes memory list = _list(version);
        uint256 size = SignerSet.size(list);
        require(index < size, OracleRegistry_UnknownIndex(index, size));
        return SignerSet.signerAt(list, index);
    }

    /// @inheritdoc IOracleRegistry
    function membersOf(uint32 version) public view returns (address[] memory members) {
        bytes memory list = _list(version);
        members = new address[](SignerSet.size(list));
        for (uint256 i = 0; i < members.length; ++i) members[i] = SignerSet.signerAt(list, i);
    }

    /// @dev Announces a committee of members with these keys, both in the order of the keys.
    // slither-disable-next-line reentrancy-no-eth -- {Attestations} is immutable, books first and calls nobody
    function _schedule(
        address[] memory members,
        address[] memory signers,
        uint64 fromEpoch
    ) internal returns (uint32 version) {
        _book();
        version = attestations.scheduleCommittee(signers, fromEpoch);
        _remember(version, members);
    }

    /// @dev Puts a committee in force at once; what the replaced one served is written down up to now.
    // slither-disable-next-line reentrancy-no-eth -- {Attestations} is immutable, books first and calls nobody
    function _replace(address[] memory members, address[] memory signers) internal returns (uint32 version) {
        _book();
        version = attestations.replaceCommittee(signers);
        _remember(version, members);
        _book();
    }

    function _remember(uint32 version, address[] memory members) internal {
        _terms[version].members = SignerSet.write(members);
        emit MembersSet(version, members);
    }

    /// @dev An announced committee that takes over at the end of this epoch can't be set anew for the same time any more.
    function _coming() internal view returns (Coming memory coming) {
        uint64 earliest = block.timestamp < GENESIS ? 1 : _epoch() + 2;
        (coming.version, coming.takeover) = attestations.committeeAnnounced();
        if (coming.version == 0) {
            (coming.version, , , ) = attestations.committeeInForce();
            coming.fromEpoch = earliest;
            coming.changeable = true;
        } else {
            coming.fromEpoch = uint64((coming.takeover - GENESIS) / EPOCH_LENGTH);
            coming.changeable = coming.fromEpoch >= earliest;
        }
    }

    /// @dev The epoch that runs; 0 before the genesis.
    function _epoch() internal view returns (uint64) {
        return block.timestamp < GENESIS ? 0 : uint64((block.timestamp - GENESIS) / EPOCH_LENGTH);
    }

    /// @dev Writes down a takeover since the last call, with what the members before it served.
    function _book() private {
        (uint32 current, uint40 start, , ) = attestations.committeeInForce();
        uint32 booked = _booked;
        if (current == booked) return;
        Term storage term = _terms[booked];
        uint256 span = _span(term.since, start);
        if (term.members != address(0) && span != 0) {
            address[] memory members = membersOf(booked);
            for (uint256 i = 0; i < members.length; ++i) _served[members[i]] += span;
            _servedByAll += members.length * span;
        }
        term.until = start;
        _terms[current].since = start;
        _booked = current;
    }

    function _list(uint32 version) private view returns (bytes memory) {
        address members = _terms[version].members;
        require(members != address(0), OracleRegistry_UnknownVersion(version));
        return SignerSet.read(members);
    }

    function _size(uint32 version) private view returns (uint256) {
        if (_terms[version].members == address(0)) return 0;
        return SignerSet.size(_list(version));
    }

    function _sits(address member, uint32 version) private view returns (bool) {
        if (_terms[version].members == address(0)) return false;
        bytes memory list = _list(version);
        uint256 size = SignerSet.size(list);
        for (uint256 i = 0; i < size; ++i) {
            if (SignerSet.signerAt(list, i) == member) return true;
        }
        return false;
    }

    /// @dev The first committee counts from the genesis, which may lie ahead.
    function _span(uint256 from, uint256 to) private view returns (uint256) {
        if (from < GENESIS) from = GENESIS;
        return to > from ? to - from : 0;
    }
}
