// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title Leaves of a report's tree, and proofs of consecutive ones.
/// @notice The tree is OpenZeppelin's `StandardMerkleTree` with `sortLeaves: false`: nodes 0 … 2n−2 in breadth order,
/// leaf i at node 2n−2−i, so that successive leaves have falling node indexes.
library LeafProof {
    /// @notice The range is empty, reaches beyond the tree, or its first and last node differ in depth.
    error LeafProof_MalformedRange(uint256 treeIndex, uint256 leaves);
    /// @notice The proof has more or fewer hashes than the range needs.
    error LeafProof_WrongLength(uint256 given);
    /// @notice The leaves and the proof hash to another root.
    error LeafProof_WrongRoot(bytes32 computed, bytes32 expected);

    /// @notice Hash of a leaf, hashed twice so that no inner node can pass for one.
    /// @param kind 1 assignment, 2 licence, 3 oracle
    /// @param earned cumulative earned seconds
    /// @param accounted cumulative accounted seconds
    function hash(uint8 kind, uint256 id, uint64 earned, uint64 accounted) internal pure returns (bytes32 leaf) {
        // keccak256(bytes.concat(keccak256(abi.encode(kind, id, earned, accounted)))), in memory that is free but not
        // taken: a range of a thousand leaves would pay for its growth.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, and(kind, 0xff))
            mstore(add(free, 0x20), id)
            mstore(add(free, 0x40), and(earned, 0xffffffffffffffff))
            mstore(add(free, 0x60), and(accounted, 0xffffffffffffffff))
            mstore(0x00, keccak256(free, 0x80))
            leaf := keccak256(0x00, 0x20)
        }
    }

    /// @notice Reverts unless `level` are the hashes of consecutive leaves under `root`. Overwrites `level`.
    /// @dev Every hash of the range enters the root: the range is not empty, both ends have one depth, each level pairs
    /// siblings by their index, and the reduction ends at exactly one node, index 0, with the proof used up.
    /// @param level leaf hashes in leaf order, that is, by falling node index
    /// @param treeIndex node index of the first leaf, the range's highest
    /// @param proof for each level from below: the sibling right of the range, then the one left of it, where needed
    function verifyRange(
        bytes32 root,
        bytes32[] memory level,
        uint256 treeIndex,
        bytes32[] calldata proof
    ) internal pure {
        uint256 count = level.length;
        require(
            treeIndex < 1 << 64 && count != 0 && count <= treeIndex + 1,
            LeafProof_MalformedRange(treeIndex, count)
        );
        uint256 high = treeIndex;
        uint256 low = treeIndex + 1 - count;
        require(_depth(high) == _depth(low), LeafProof_MalformedRange(treeIndex, count));

        uint256 used = 0;
        while (high != 0) {
            uint256 from = 0;
            uint256 to = 0;
            uint256 last = high - low;
            // A left child (odd index) at the high end: its right sibling is outside the range.
            if (high & 1 == 1) {
                require(used < proof.length, LeafProof_WrongLength(proof.length));
                level[to++] = Hashes.commutativeKeccak256(level[from++], proof[used++]);
            }
            // Pairs of siblings within the range: from is a right child (even), from + 1 its left sibling.
            unchecked {
                for (; from < last; from += 2) {
                    // Within the range: from + 1 <= last, the last place of this level.
                    _hashPair(level, to++, from);
                }
            }
            // A right child (even index) at the low end: its left sibling is outside the range.
            if (from == last) {
                require(used < proof.length, LeafProof_WrongLength(proof.length));
                level[to] = Hashes.commutativeKeccak256(level[from], proof[used++]);
            }
            high = (high - 1) >> 1;
            low = (low - 1) >> 1;
        }
        require(used == proof.length, LeafProof_WrongLength(proof.length));
        require(level[0] == root, LeafProof_WrongRoot(level[0], root));
    }

    /// @dev level[to] = Hashes.commutativeKeccak256(level[from], level[from + 1]) without checks of the array's bounds; the
    /// caller knows that from + 1 lies within it, and to never passes from.
    function _hashPair(bytes32[] memory level, uint256 to, uint256 from) private pure {
        assembly ("memory-safe") {
            let start := add(level, 0x20)
            let a := mload(add(start, shl(5, from)))
            let b := mload(add(start, shl(5, add(from, 1))))
            switch lt(a, b)
            case 1 {
                mstore(0x00, a)
                mstore(0x20, b)
            }
            default {
                mstore(0x00, b)
                mstore(0x20, a)
            }
            mstore(add(start, shl(5, to)), keccak256(0x00, 0x40))
        }
    }

    /// @dev Depth of a node in breadth order; the root's is 0.
    function _depth(uint256 index) private pure returns (uint256 depth) {
        for (uint256 rest = index + 1; rest > 1; rest >>= 1) ++depth;
    }
}
