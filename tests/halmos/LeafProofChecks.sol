// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @dev Symbolic checks of range proofs: every tree of up to four leaves, every index, any claimed leaves and any proof of up
/// to two hashes. Keccak-256 counts as a function without collisions.
contract LeafProofChecks {
    uint256 private constant MOST = 4;

    function verify(bytes32 root, bytes32[] memory level, uint256 treeIndex, bytes32[] calldata proof) external pure {
        LeafProof.verifyRange(root, level, treeIndex, proof);
    }

    function check_verifyRange__tree_of_1__accepts_its_nodes_only(
        bytes32[1] calldata ids,
        bytes32[4] calldata claimed,
        bytes32[2] calldata proof,
        uint8 treeIndex,
        uint8 count,
        uint8 hashes
    ) external view {
        _accepted(_tree1(ids), claimed, proof, treeIndex, count, hashes);
    }

    function check_verifyRange__tree_of_2__accepts_its_nodes_only(
        bytes32[2] calldata ids,
        bytes32[4] calldata claimed,
        bytes32[2] calldata proof,
        uint8 treeIndex,
        uint8 count,
        uint8 hashes
    ) external view {
        _accepted(_tree2(ids), claimed, proof, treeIndex, count, hashes);
    }

    function check_verifyRange__tree_of_3__accepts_its_nodes_only__range_of_1(
        bytes32[3] calldata ids,
        bytes32[4] calldata claimed,
        bytes32[2] calldata proof,
        uint8 treeIndex,
        uint8 hashes
    ) external view {
        _accepted(_tree3(ids), claimed, proof, treeIndex, 1, hashes);
    }

    function check_verifyRange__tree_of_3__accepts_its_nodes_only__range_of_2(
        bytes32[3] calldata ids,
        bytes32[4] calldata claimed,
        bytes32[2] calldata proof,
        uint8 treeIndex,
        uint8 hashes
    ) external view {
        _accepted(_tree3(ids), claimed, proof, treeIndex, 2, hashes);
    }

    function check_verifyRange__tree_of_3__accepts_its_nodes_only__range_of_3(
        bytes32[3] calldata ids,
        bytes32[4] calldata claimed,
        bytes32[2] calldata proof,
        uint8 treeIndex,
        uint8 hashes
    ) external view {
        _accepted(_tree3(ids), claimed, proof, treeIndex, 3, hashes);
    }

    function check_verifyRange__true_ranges__whole_tree_is_accepted(bytes32[4] calldata ids) external view {
        bytes32[] memory nodes = _tree4(ids);
        bytes32[] memory all = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) all[i] = nodes[6 - i];
        this.verify(nodes[0], all, 6, new bytes32[](0));
    }

    function check_verifyRange__true_ranges__two_siblings_are_accepted(bytes32[4] calldata ids) external view {
        bytes32[] memory nodes = _tree4(ids);
        bytes32[] memory some = new bytes32[](2);
        bytes32[] memory proof = new bytes32[](1);
        (some[0], some[1], proof[0]) = (nodes[6], nodes[5], nodes[1]);
        this.verify(nodes[0], some, 6, proof);
    }

    function check_verifyRange__true_ranges__two_cousins_are_accepted(bytes32[4] calldata ids) external view {
        bytes32[] memory nodes = _tree4(ids);
        bytes32[] memory some = new bytes32[](2);
        bytes32[] memory proof = new bytes32[](2);
        (some[0], some[1], proof[0], proof[1]) = (nodes[5], nodes[4], nodes[6], nodes[3]);
        this.verify(nodes[0], some, 5, proof);
    }

    function check_verifyRange__true_ranges__one_leaf_is_accepted(bytes32[4] calldata ids) external view {
        bytes32[] memory nodes = _tree4(ids);
        bytes32[] memory one = new bytes32[](1);
        bytes32[] memory proof = new bytes32[](2);
        (one[0], proof[0], proof[1]) = (nodes[3], nodes[4], nodes[2]);
        this.verify(nodes[0], one, 3, proof);
    }

    /// @dev No leaf can pass for an inner node: their preimages differ in length at the second hash.
    function check_hash__leaves_of_different_words__differ(
        uint8[2] calldata kinds,
        uint256[2] calldata ids,
        uint64[2] calldata earned,
        uint64[2] calldata accounted
    ) external pure {
        bool same = kinds[0] == kinds[1] && ids[0] == ids[1] && earned[0] == earned[1] && accounted[0] == accounted[1];
        bytes32 a = LeafProof.hash(kinds[0], ids[0], earned[0], accounted[0]);
        bytes32 b = LeafProof.hash(kinds[1], ids[1], earned[1], accounted[1]);
        assert(same == (a == b));
        assert(a == keccak256(bytes.concat(keccak256(abi.encode(kinds[0], ids[0], earned[0], accounted[0])))));
    }

    /// @dev Any index in the tree, up to as many leaves as it has, and up to two hashes.
    function _accepted(
        bytes32[] memory nodes,
        bytes32[4] calldata claimed,
        bytes32[2] calldata given,
        uint256 treeIndex,
        uint256 count,
        uint256 hashes
    ) private view {
        if (treeIndex >= nodes.length || count == 0 || count > (nodes.length + 1) / 2 || hashes > 2) return;
        bytes32[] memory level = new bytes32[](_concrete(count));
        bytes32[] memory proof = new bytes32[](_concrete(hashes));
        for (uint256 i = 0; i < level.length; ++i) level[i] = claimed[i];
        for (uint256 i = 0; i < proof.length; ++i) proof[i] = given[i];
        try this.verify(nodes[0], level, _concrete(treeIndex), proof) {
            // A range is overwritten while it is checked, here not: it was copied by the call.
            for (uint256 i = 0; i < level.length; ++i) assert(_contains(nodes, level[i]));
        } catch {}
    }

    /// @dev One path for each value, so that lengths and indexes are plain numbers.
    function _concrete(uint256 value) private pure returns (uint256) {
        for (uint256 i = 0; i < 8; ++i) if (value == i) return i;
        return 8;
    }

    /// @dev Without branches, of which every one would double the paths.
    function _contains(bytes32[] memory nodes, bytes32 wanted) private pure returns (bool found) {
        for (uint256 i = 0; i < nodes.length; ++i) {
            bytes32 node = nodes[i];
            assembly ("memory-safe") {
                found := or(found, eq(node, wanted))
            }
        }
    }

    function _leaf(bytes32 id) private pure returns (bytes32) {
        return LeafProof.hash(1, uint256(id), 1, 1);
    }

    function _tree1(bytes32[1] calldata ids) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](1);
        nodes[0] = _leaf(ids[0]);
    }

    function _tree2(bytes32[2] calldata ids) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](3);
        (nodes[2], nodes[1]) = (_leaf(ids[0]), _leaf(ids[1]));
        nodes[0] = Hashes.commutativeKeccak256(nodes[1], nodes[2]);
    }

    function _tree3(bytes32[3] calldata ids) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](5);
        (nodes[4], nodes[3], nodes[2]) = (_leaf(ids[0]), _leaf(ids[1]), _leaf(ids[2]));
        nodes[1] = Hashes.commutativeKeccak256(nodes[3], nodes[4]);
        nodes[0] = Hashes.commutativeKeccak256(nodes[1], nodes[2]);
    }

    function _tree4(bytes32[4] calldata ids) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](7);
        for (uint256 i = 0; i < MOST; ++i) nodes[6 - i] = _leaf(ids[i]);
        nodes[2] = Hashes.commutativeKeccak256(nodes[5], nodes[6]);
        nodes[1] = Hashes.commutativeKeccak256(nodes[3], nodes[4]);
        nodes[0] = Hashes.commutativeKeccak256(nodes[1], nodes[2]);
    }
}
