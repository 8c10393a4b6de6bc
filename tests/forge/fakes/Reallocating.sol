// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reallocation, ReallocationBatch, ReallocationEntry} from "../../../contracts/interfaces/IReallocations.sol";
import {PlacingWorld} from "./Placing.sol";
import {Trees} from "../Trees.sol";

/// @dev A network whose committee signs requests; one assignment has been failing since the first epoch.
abstract contract ReallocatingWorld is PlacingWorld {
    bytes32 private constant BATCH = keccak256(
        "ReallocationBatch(uint64 committee,uint64 epoch,bytes32 root,uint64 expiry)"
    );
    uint256 internal constant QUORUM = 4; // of 5
    uint256 internal constant MEMBERS = 0x17; // signers 0, 1, 2 and 4

    uint256 internal failing;
    uint40 internal opened;

    function setUp() public virtual override {
        super.setUp();
        vm.warp(GENESIS + 200);
        opened = uint40(vm.getBlockTimestamp());
        failing = _assign(0, 1);
        vm.warp(GENESIS + 5 * EPOCH + 400);
    }

    function _outage(bytes32 id, uint256 assignment, uint40 into) internal view returns (Reallocation memory) {
        uint40 startsAt = GENESIS + uint40(_epoch()) * EPOCH;
        return Reallocation({id: id, assignment: assignment, reason: 2, asOf: startsAt + into});
    }

    function _epoch() internal view returns (uint64) {
        return uint64((vm.getBlockTimestamp() - GENESIS) / EPOCH);
    }

    function _batch(bytes32 root) internal view returns (ReallocationBatch memory) {
        return
            ReallocationBatch({
                committee: 1,
                epoch: _epoch(),
                root: root,
                expiry: uint64(vm.getBlockTimestamp() + 100)
            });
    }

    function _entry(Reallocation memory r, bytes32[] memory proof) internal view returns (ReallocationEntry memory) {
        return
            ReallocationEntry({request: r, token: TOKEN, price: PRICE, policy: policy, intent: INTENT, proof: proof});
    }

    function _tree(
        Reallocation[] memory rs
    ) internal view returns (ReallocationBatch memory batch, ReallocationEntry[] memory entries) {
        bytes32[] memory leaves = new bytes32[](rs.length);
        for (uint256 i = 0; i < rs.length; ++i) leaves[i] = reallocations.leafOf(rs[i]);
        bytes32[] memory nodes = Trees.build(leaves);
        batch = _batch(nodes[0]);
        entries = new ReallocationEntry[](rs.length);
        for (uint256 i = 0; i < rs.length; ++i) {
            (, bytes32[] memory proof) = Trees.prove(nodes, i, i);
            entries[i] = _entry(rs[i], proof);
        }
    }

    function _sign(
        ReallocationBatch memory batch,
        uint256 members,
        uint256[] memory keys
    ) internal view returns (bytes memory signatures) {
        bytes32 hash = keccak256(abi.encode(BATCH, batch));
        bytes32 digest = _digest("Epochal Reallocations", address(reallocations), hash);
        for (uint256 i = 0; i < keys.length; ++i) {
            if ((members >> i) & 1 == 0) continue;
            (bytes32 r, bytes32 vs) = vm.signCompact(keys[i], digest);
            signatures = abi.encodePacked(signatures, r, vs);
        }
    }

    /// @dev The signatures with the first one's s replaced by a value in the upper half of the order.
    function _twin(bytes memory signatures) internal pure returns (bytes memory twin) {
        twin = bytes.concat(signatures);
        for (uint256 i = 32; i < 64; ++i) twin[i] = 0xff;
    }

    function _request(Reallocation memory r) internal {
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        vm.prank(stranger);
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
    }

    function _refused(Reallocation memory r, bytes memory reverts) internal {
        ReallocationBatch memory batch = _batch(reallocations.leafOf(r));
        bytes memory signatures = _sign(batch, MEMBERS, oracleKeys);
        vm.expectRevert(reverts);
        reallocations.request(batch, MEMBERS, signatures, _entry(r, new bytes32[](0)));
    }
}
