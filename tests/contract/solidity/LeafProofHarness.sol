// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeafProof} from "../../../contracts/libraries/LeafProof.sol";

/// @title The library {LeafProof} by itself, to be asked about trees of any kind of leaf.
contract LeafProofHarness {
    struct Leaf {
        uint8 kind;
        uint256 id;
        uint64 earned;
        uint64 accounted;
    }

    /// @notice Reverts unless the leaves are consecutive ones under `root`.
    function verify(bytes32 root, Leaf[] calldata leaves, uint256 treeIndex, bytes32[] calldata proof) external pure {
        bytes32[] memory hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            hashes[i] = LeafProof.hash(leaves[i].kind, leaves[i].id, leaves[i].earned, leaves[i].accounted);
        }
        LeafProof.verifyRange(root, hashes, treeIndex, proof);
    }
}
