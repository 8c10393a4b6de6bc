// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEquivocations, SignedObservation} from "../../../contracts/interfaces/IEquivocations.sol";
import {IOracleRegistry} from "../../../contracts/interfaces/IOracleRegistry.sol";
import {ITrustRegistry} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {World} from "./World.sol";

/// @dev Members of committees, and the governance that chooses them. Members 4 and 5 wait for their turn.
abstract contract CommitteeHandler is World {
    uint256 private _keysMade;

    constructor() {
        for (uint256 i = ORACLES; i < MEMBERS; ++i) {
            (address signer, bytes32 r, bytes32 vs) = _consent(members(i));
            registry.admit(members(i), signer, members(i), type(uint64).max, r, vs);
        }
    }

    function rotate(uint256 which) external act {
        address member = members(which % MEMBERS);
        (address signer, bytes32 r, bytes32 vs) = _consent(member);
        _call(
            "rotate",
            member,
            address(registry),
            abi.encodeCall(registry.rotateSigner, (signer, type(uint64).max, r, vs)),
            abi.encodePacked(IOracleRegistry.OracleRegistry_Barred.selector)
        );
        bytes memory data = abi.encodeCall(registry.rotateSigner, (signer, type(uint64).max, r, vs));
        _forbidden("stolenConsent", members(((which % MEMBERS) + 1) % MEMBERS), address(registry), data);
    }

    function schedule(uint256 seed) external act {
        uint64 epoch = uint64((_now() - genesis) / EPOCH);
        bytes memory data = abi.encodeCall(registry.scheduleCommittee, (_some(seed), epoch + 2 + uint64(seed % 2)));
        _call("schedule", address(this), address(registry), data, _ineligible());
        _forbidden("seizeCommittee", STRANGER, address(registry), data);
    }

    /// @dev The set in force is replaced at once, whatever stands against its members, and loses what it had pending.
    function replace(uint256 seed) external act {
        bytes memory data = abi.encodeCall(registry.replaceCommittee, (_some(seed)));
        if (!_call("replace", address(this), address(registry), data, "")) return;
        (, , uint40 finalAt) = attestations.pendingReport();
        _check(finalAt == 0, "a replaced set's report is still pending");
        candidate = 0;
        (, , uint32 predecessor, ) = attestations.committeeInForce();
        _check(predecessor == 0, "a replaced set has a grace");
    }

    function declare(uint256 seed) external act {
        address member = members(seed % MEMBERS);
        address[3] memory operators = [people((seed >> 8) % PEOPLE), licences.ownerOf(1 + (seed % NODES)), member];
        vm.prank(member);
        registry.declareOperator(operators[(seed >> 16) % 3]);
        vm.prank(member);
        registry.askToLeave((seed >> 24) % 8 == 0);
        ++done["declare"];
    }

    /// @dev A member signs two observations for one epoch, and somebody shows them.
    function equivocate(uint256 seed) external act {
        uint256 over = (_now() - genesis) / EPOCH;
        if (over == 0) return;
        (uint32 version, uint40 since, , ) = attestations.committeeInForce();
        uint64 epoch = uint64(over - 1);
        if (since > genesis + over * EPOCH) return;
        (address[] memory signers, ) = attestations.committee(version);
        address signer = signers[seed % signers.length];
        SignedObservation[2] memory two;
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 content = bytes32(1 + i);
            (bytes32 r, bytes32 vs) = vm.signCompact(keyOf[signer], equivocations.digestOf(epoch, version, content));
            two[i] = SignedObservation(content, r, vs);
        }
        bytes memory data = abi.encodeCall(equivocations.prove, (epoch, version, two[0], two[1]));
        // Proved once, a member stays suspended until its appeal.
        bytes memory expected = abi.encodePacked(
            IEquivocations.Equivocations_ProvedBefore.selector,
            ITrustRegistry.TrustRegistry_InForce.selector
        );
        _call("equivocate", STRANGER, address(equivocations), data, expected);
        data = abi.encodeCall(equivocations.prove, (epoch, version, two[0], two[0]));
        _forbidden("frame", STRANGER, address(equivocations), data);
    }

    function _ineligible() private pure returns (bytes memory) {
        return
            abi.encodePacked(
                IOracleRegistry.OracleRegistry_Barred.selector,
                IOracleRegistry.OracleRegistry_Leaving.selector
            );
    }

    /// @dev Four or five members.
    function _some(uint256 seed) private pure returns (address[] memory some) {
        some = new address[](_in(seed >> 8, 4, 5));
        for (uint256 i = 0; i < some.length; ++i) some[i] = members(((seed % MEMBERS) + i) % MEMBERS);
    }

    /// @dev A fresh key, and its consent to be a member's.
    function _consent(address member) private returns (address signer, bytes32 r, bytes32 vs) {
        uint256 key = 1 + (uint256(keccak256(abi.encode("key", ++_keysMade))) >> 8);
        signer = vm.addr(key);
        keyOf[signer] = key;
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("SignerConsent(address member,address signer,uint256 nonce,uint64 deadline)"),
                member,
                signer,
                uint256(registry.oracleOf(member).nonce),
                type(uint64).max
            )
        );
        (r, vs) = vm.signCompact(key, _typed("Epochal OracleRegistry", address(registry), hash));
    }
}
