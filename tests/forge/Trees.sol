// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @dev Trees of reports and proofs of ranges, built the slow way, to check {LeafProof} against.
library Trees {
    /// @dev Nodes 0 … 2n−2 in breadth order over the hashes of n leaves; leaf i is node 2n−2−i.
    function build(bytes32[] memory leaves) internal pure returns (bytes32[] memory nodes) {
        uint256 n = leaves.length;
        nodes = new bytes32[](2 * n - 1);
        for (uint256 i = 0; i < n; ++i) nodes[2 * n - 2 - i] = leaves[i];
        for (uint256 i = n - 1; i > 0; --i) {
            nodes[i - 1] = Hashes.commutativeKeccak256(nodes[2 * i - 1], nodes[2 * i]);
        }
    }

    /// @dev Whether leaves `first` to `last` lie at one depth.
    function level(uint256 leaves, uint256 first, uint256 last) internal pure returns (bool) {
        return depth(2 * leaves - 2 - first) == depth(2 * leaves - 2 - last);
    }

    function depth(uint256 index) internal pure returns (uint256 d) {
        while (index != 0) {
            index = (index - 1) / 2;
            ++d;
        }
    }

    /// @dev Node index and proof of leaves `first` to `last`, which lie at one depth.
    function prove(
        bytes32[] memory nodes,
        uint256 first,
        uint256 last
    ) internal pure returns (uint256 treeIndex, bytes32[] memory proof) {
        treeIndex = nodes.length - 1 - first;
        uint256 high = treeIndex;
        uint256 low = nodes.length - 1 - last;
        bytes32[] memory all = new bytes32[](2 * depth(high));
        uint256 used = 0;
        while (high != 0) {
            if (high % 2 == 1) all[used++] = nodes[high + 1];
            if (low % 2 == 0) all[used++] = nodes[low - 1];
            high = (high - 1) / 2;
            low = (low - 1) / 2;
        }
        proof = new bytes32[](used);
        for (uint256 i = 0; i < used; ++i) proof[i] = all[i];
    }
}
