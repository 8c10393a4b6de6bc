// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Street} from "./Street.sol";
import {IEquivocations, SignedObservation} from "../../contracts/interfaces/IEquivocations.sol";
import {Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";

/// @dev What a thief of signing keys can do, who has no member's cold key, and what the honest can do about it.
contract StolenKeysTest is Street {
    function setUp() external {
        vm.warp(1_700_000_000);
        _found(0, 0);
    }

    /// @dev A quorum of keys is stolen. The lie is vetoed, and comes again in the same block; with it a proof against each member whose key
    /// the thief has, so that all of them are suspended, and one member asks to leave.
    function test_quorum_of_keys_stolen__members_suspended_by_the_thief__replacement_comes_before_the_lie() external {
        address[] memory members = registry.membersOf(1);
        _mintLinked(1);
        uint256 assignment = _assign(_create(_open(address(0xC1)), 1, 20_000), 0, 1);
        _at(3_010);
        _say(assignment, 3_000, 3_000);
        _submit(2);
        _veto();
        _say(assignment, 3_000, 3_000);
        _submit(2);
        (, , uint40 finalAt) = attestations.pendingReport();
        for (uint256 i = 1; i < ORACLES; ++i) {
            _prove(i, 2);
            assertEq(uint8(trust.statusOf(Subjects.oracle(members[i]))), uint8(Status.Suspended));
        }
        vm.prank(members[0]);
        registry.askToLeave(true);

        for (uint256 i = 1; i < ORACLES; ++i) _bind(members[i], 4711 + i, 1);
        vm.warp(_now() + _timing().replacementSpan);
        assertLt(_now(), finalAt, "the longest replacement is in time");
        uint32 version = registry.replaceCommittee(members);

        (uint32 inForce, , , uint40 graceEnds) = attestations.committeeInForce();
        assertEq(inForce, version);
        assertEq(graceEnds, 0);
        (address[] memory signers, ) = attestations.committee(version);
        for (uint256 i = 0; i < ORACLES; ++i) {
            address member = registry.memberOf(version, i);
            assertEq(registry.memberOfSigner(signers[i]), member);
            if (member != members[0]) assertTrue(signers[i] != vm.addr(oracleKeys[_placeOf(member, members)]));
        }
        vm.warp(finalAt);
        (, , uint40 lastFinal) = attestations.lastFinal();
        assertEq(lastFinal, 0, "the lie never became final");
    }

    /// @dev Keys that were changed less than a cooldown ago are stolen.
    function test_quorum_of_fresh_keys_stolen__replacement__has_newer_ones() external {
        address[] memory members = registry.membersOf(1);
        for (uint256 i = 0; i < ORACLES; ++i) _bind(members[i], 4711 + i, 1);
        _at(3_010);
        for (uint256 i = 0; i < ORACLES; ++i) _bind(members[i], 4811 + i, 2);
        (address[] memory signers, ) = attestations.committee(registry.replaceCommittee(members));
        for (uint256 i = 0; i < ORACLES; ++i) {
            for (uint256 stolen = 0; stolen < ORACLES; ++stolen) assertTrue(signers[i] != vm.addr(4711 + stolen));
        }
    }

    /// @dev The thief proves epoch after epoch, and every appeal against him is granted.
    function test_one_key_stolen__member_changes_it__proofs_end() external {
        address member = registry.membersOf(1)[1];
        _at(1_000);
        _prove(1, 0);
        _bind(member, 4711, 1);
        (uint32 version, uint40 takeover) = attestations.committeeAnnounced();
        assertEq(takeover, genesis + 3_000);
        _clear(member);
        for (uint64 epoch = 1; epoch < 3; ++epoch) {
            _at(1_000 * (uint256(epoch) + 1));
            if (_now() == takeover) break;
            _prove(1, epoch);
            _clear(member);
        }
        (uint32 inForce, , , ) = attestations.committeeInForce();
        assertEq(inForce, version);
        _at(5_001);
        SignedObservation[2] memory two = _observed(1, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEquivocations.Equivocations_CommitteeRetired.selector,
                uint32(1),
                uint256(takeover) + 2_000
            )
        );
        equivocations.prove(1, 1, two[0], two[1]);
        assertEq(uint8(trust.statusOf(Subjects.oracle(member))), uint8(Status.None));
    }

    /// @dev What a member of ill will may do between the order of a replacement and its execution changes only its own key.
    function test_member_of_ill_will__replacement_ordered__goes_through() external {
        address[] memory members = registry.membersOf(1);
        _at(1_010);
        _prove(3, 0);
        vm.startPrank(members[3]);
        registry.askToLeave(true);
        registry.declareOperator(address(0xBAD));
        vm.stopPrank();
        _bind(members[3], 4711, 1);
        _bind(members[3], 4712, 2);
        uint32 version = registry.replaceCommittee(members);
        (address[] memory signers, ) = attestations.committee(version);
        uint256 own = 0;
        for (uint256 i = 0; i < ORACLES; ++i) if (registry.memberOfSigner(signers[i]) == members[3]) ++own;
        assertEq(own, 1);
        assertEq(registry.signerOf(members[3]), vm.addr(4712));
    }

    function _prove(uint256 index, uint64 epoch) private {
        SignedObservation[2] memory two = _observed(index, epoch);
        equivocations.prove(epoch, 1, two[0], two[1]);
    }

    function _observed(uint256 index, uint64 epoch) private view returns (SignedObservation[2] memory two) {
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 content = bytes32(1 + i);
            (bytes32 r, bytes32 vs) = vm.signCompact(oracleKeys[index], equivocations.digestOf(epoch, 1, content));
            two[i] = SignedObservation(content, r, vs);
        }
    }

    function _clear(address member) private {
        trust.appeal(Subjects.oracle(member), Status.Suspended, bytes32(uint256(1)));
        (, uint40 decideBy, ) = trust.standingOf(Subjects.oracle(member), Status.Suspended);
        trust.decideAppeal(Subjects.oracle(member), Status.Suspended, decideBy, true, bytes32(uint256(1)));
    }

    function _bind(address member, uint256 key, uint256 nonce) private {
        bytes32 consent = keccak256(
            abi.encode(
                keccak256("SignerConsent(address member,address signer,uint256 nonce,uint64 deadline)"),
                member,
                vm.addr(key),
                nonce,
                type(uint64).max
            )
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(key, _typed("Epochal OracleRegistry", address(registry), consent));
        vm.prank(member);
        registry.rotateSigner(vm.addr(key), type(uint64).max, r, vs);
    }

    function _placeOf(address member, address[] memory members) private pure returns (uint256 place) {
        while (members[place] != member) ++place;
    }

    function _veto() private {
        (uint64 epoch, bytes32 root, ) = attestations.pendingReport();
        attestations.veto(epoch, root);
    }
}
