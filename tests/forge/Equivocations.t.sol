// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {IEquivocations, SignedObservation} from "../../contracts/interfaces/IEquivocations.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Equivocations} from "../../contracts/oracles/Equivocations.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {OracleWorld} from "./fakes/OracleWorld.sol";

contract EquivocationsTest is OracleWorld {
    uint64 private constant EPOCH = 5;

    Equivocations private equivocations;

    function setUp() external {
        vm.warp(GENESIS);
        _found();
        equivocations = new Equivocations(
            attestations,
            IOracleRegistry(address(registry)),
            ITrustRegistry(address(trust)),
            3
        );
        _toEpoch(EPOCH + 1);
    }

    function test_constructor__too_few_epochs__is_refused() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEquivocations.Equivocations_SettingViolated.selector, "validEpochs > 1")
        );
        new Equivocations(attestations, registry, ITrustRegistry(address(trust)), 1);
        assertEq(new Equivocations(attestations, registry, ITrustRegistry(address(trust)), 2).validEpochs(), 2);
    }

    /// @dev Epoch, committee, content and digest as in tests/vectors/protocol.json.
    function test_digestOf__observation_of_the_vectors__is_what_oracles_sign() external {
        address where = 0x772F2018D1e1c2dB0927bb180E405cADe0c8cdC8;
        vm.mockCall(where, abi.encodeCall(IAttestations.timing, ()), abi.encode(_timing()));
        vm.chainId(31337);
        Equivocations other = new Equivocations(IAttestations(where), registry, ITrustRegistry(address(trust)), 3);
        assertEq(
            other.digestOf(17, 3, 0x986b77ca7537006d7839e3944ea3941bdad6d944aff2d9313327fc372a614526),
            0xf804c52c9f33233ef9074d502ea5642fb133f0023d2e5923a9239c6ae743b3b3
        );
    }

    function test_prove__two_contents__suspends_the_member_once() external {
        SignedObservation memory first = _observe(2, EPOCH, 1, "a");
        SignedObservation memory second = _observe(2, EPOCH, 1, "b");
        bytes32 evidence = keccak256(abi.encode(EPOCH, uint32(1), first, second));
        address signer = _signer(2);
        vm.expectEmit(address(equivocations));
        emit IEquivocations.EquivocationProved(_member(2), EPOCH, 1, signer, first, second, evidence);
        vm.prank(address(0xE0));
        assertEq(equivocations.prove(EPOCH, 1, first, second), _member(2));
        assertEq(uint8(trust.statusOf(Subjects.oracle(_member(2)))), uint8(Status.Suspended));
        assertEq(trust.lastEvidence(), evidence);

        // Neither the same again, nor a third observation, nor in the other order.
        bytes memory refusal = abi.encodeWithSelector(
            IEquivocations.Equivocations_ProvedBefore.selector,
            _member(2),
            EPOCH
        );
        vm.expectRevert(refusal);
        equivocations.prove(EPOCH, 1, second, first);
        SignedObservation memory third = _observe(2, EPOCH, 1, "c");
        vm.expectRevert(refusal);
        equivocations.prove(EPOCH, 1, first, third);
    }

    function test_prove__what_is_no_equivocation__is_refused() external {
        SignedObservation memory first = _observe(2, EPOCH, 1, "a");
        vm.expectRevert(abi.encodeWithSelector(IEquivocations.Equivocations_SameContent.selector, first.contentHash));
        equivocations.prove(EPOCH, 1, first, first);

        SignedObservation memory second = _observe(3, EPOCH, 1, "b");
        vm.expectRevert(
            abi.encodeWithSelector(IEquivocations.Equivocations_SignersDiffer.selector, _signer(2), _signer(3))
        );
        equivocations.prove(EPOCH, 1, first, second);

        // Of another epoch: the digest differs, so it recovers to anybody.
        second = _observe(2, EPOCH - 1, 1, "b");
        vm.expectPartialRevert(IEquivocations.Equivocations_SignersDiffer.selector);
        equivocations.prove(EPOCH, 1, first, second);

        // Admitted, but not in that committee.
        (first, second) = (_observe(4, EPOCH, 1, "a"), _observe(4, EPOCH, 1, "b"));
        address signer = _signer(4);
        vm.expectRevert(abi.encodeWithSelector(IEquivocations.Equivocations_ForeignSigner.selector, signer, uint32(1)));
        equivocations.prove(EPOCH, 1, first, second);
    }

    function test_prove__malleable_signature__is_refused() external {
        SignedObservation memory first = _observe(2, EPOCH, 1, "a");
        SignedObservation memory second = _observe(2, EPOCH, 1, "b");
        // The highest s that fits beside the parity: above half of the curve's order.
        uint256 v = uint256(second.vs) >> 255;
        second.vs = bytes32((v << 255) | ((1 << 255) - 1));
        vm.expectPartialRevert(ECDSA.ECDSAInvalidSignatureS.selector);
        equivocations.prove(EPOCH, 1, first, second);
    }

    function test_prove__too_early_or_too_late__is_refused() external {
        SignedObservation memory first = _observe(2, EPOCH, 1, "a");
        SignedObservation memory second = _observe(2, EPOCH, 1, "b");
        uint256 endsAt = GENESIS + (uint256(EPOCH) + 1) * LENGTH;
        vm.warp(endsAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IEquivocations.Equivocations_EpochNotOver.selector, EPOCH, endsAt));
        equivocations.prove(EPOCH, 1, first, second);
        _toEpoch(EPOCH + 4);
        vm.expectRevert(
            abi.encodeWithSelector(IEquivocations.Equivocations_TooLate.selector, EPOCH, uint256(EPOCH) + 1)
        );
        equivocations.prove(EPOCH, 1, first, second);
        vm.warp(block.timestamp - 1);
        equivocations.prove(EPOCH, 1, first, second);
    }

    function test_prove__first_epoch_of_a_network__suspends() external {
        _toEpoch(1);
        equivocations.prove(0, 1, _observe(2, 0, 1, "a"), _observe(2, 0, 1, "b"));
        assertEq(uint8(trust.statusOf(Subjects.oracle(_member(2)))), uint8(Status.Suspended));
    }

    function test_prove__retired_key__frames_nobody_for_later_epochs() external {
        _rotate(2, 102, 1); // in epoch 6, takes over with epoch 8
        _toEpoch(9);
        uint40 takeover = GENESIS + 8 * LENGTH;
        // The report of epoch 7 is anchored after the takeover, and names version 2.
        for (uint64 epoch = 7; epoch <= 8; ++epoch) {
            (SignedObservation memory a, SignedObservation memory b) = (
                _observe(2, epoch, 1, "a"),
                _observe(2, epoch, 1, "b")
            );
            vm.expectRevert(
                abi.encodeWithSelector(
                    IEquivocations.Equivocations_NotInForce.selector,
                    uint32(1),
                    uint40(GENESIS),
                    takeover
                )
            );
            equivocations.prove(epoch, 1, a, b);
            (a, b) = (_observe(2, epoch, 2, "a"), _observe(2, epoch, 2, "b"));
            vm.expectRevert(
                abi.encodeWithSelector(IEquivocations.Equivocations_ForeignSigner.selector, _signer(2), uint32(2))
            );
            equivocations.prove(epoch, 2, a, b);
        }
        // What the old key signed in its time is still its member's.
        SignedObservation memory first = _observe(2, 6, 1, "a");
        SignedObservation memory second = _observe(2, 6, 1, "b");
        assertEq(equivocations.prove(6, 1, first, second), _member(2));
        // And so is what the new one signs.
        (first, second) = (_observe(102, 7, 2, "a"), _observe(102, 7, 2, "b"));
        assertEq(equivocations.prove(7, 2, first, second), _member(2));
    }

    function test_prove__two_epochs_after_the_committees_term__is_too_late() external {
        Equivocations longer = new Equivocations(attestations, registry, ITrustRegistry(address(trust)), 30);
        SignedObservation memory first = _observe(2, EPOCH, 1, "a");
        SignedObservation memory second = _observe(2, EPOCH, 1, "b");
        vm.warp(GENESIS + 6 * LENGTH + 300);
        registry.replaceCommittee(_members(0, 1, 2, 3));
        uint256 latest = block.timestamp + 2 * LENGTH;
        vm.warp(latest + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEquivocations.Equivocations_CommitteeRetired.selector, uint32(1), latest)
        );
        longer.prove(EPOCH, 1, first, second);
        vm.warp(latest);
        assertEq(longer.prove(EPOCH, 1, first, second), _member(2));
    }

    function test_prove__long_ago_by_the_committee_in_force__counts() external {
        Equivocations longer = new Equivocations(attestations, registry, ITrustRegistry(address(trust)), 30);
        _toEpoch(EPOCH + 30);
        SignedObservation memory first = _observe(2, EPOCH, 1, "a");
        assertEq(longer.prove(EPOCH, 1, first, _observe(2, EPOCH, 1, "b")), _member(2));
    }

    function test_prove__committee_never_in_force__is_refused() external {
        uint32 version = registry.scheduleCommittee(_members(0, 1, 2, 4), 20);
        SignedObservation memory first = _observe(2, EPOCH, version, "a");
        SignedObservation memory second = _observe(2, EPOCH, version, "b");
        vm.expectRevert(
            abi.encodeWithSelector(IEquivocations.Equivocations_NotInForce.selector, version, uint40(0), uint40(0))
        );
        equivocations.prove(EPOCH, version, first, second);
    }

    function _observe(
        uint256 key,
        uint64 epoch,
        uint32 committee,
        string memory content
    ) private returns (SignedObservation memory observation) {
        observation.contentHash = keccak256(bytes(content));
        bytes32 said = keccak256(
            abi.encode(
                keccak256("Observation(uint64 epoch,uint64 committee,bytes32 contentHash)"),
                epoch,
                committee,
                observation.contentHash
            )
        );
        bytes32 digest = _typed("Epochal Attestations", address(attestations), said);
        (observation.r, observation.vs) = _sign(_signer(key), digest);
    }
}
