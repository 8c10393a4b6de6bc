// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {Trees} from "./Trees.sol";

contract LeafProofTest is Test {
    uint256 private constant MOST = 40;

    function verify(bytes32 root, bytes32[] memory leaves, uint256 treeIndex, bytes32[] calldata proof) external pure {
        LeafProof.verifyRange(root, leaves, treeIndex, proof);
    }

    function hashOf(uint8 kind, uint256 id, uint64 earned, uint64 accounted) external pure returns (bytes32) {
        return LeafProof.hash(kind, id, earned, accounted);
    }

    function testFuzz_hash__any_leaf__is_openzeppelins(
        uint8 kind,
        uint256 id,
        uint64 earned,
        uint64 accounted
    ) external view {
        bytes32 once = keccak256(abi.encode(kind, id, earned, accounted));
        assertEq(this.hashOf(kind, id, earned, accounted), keccak256(bytes.concat(once)));
    }

    function test_verifyRange__more_leaves_than_nodes__tells_both() external {
        bytes32[] memory none = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(LeafProof.LeafProof_MalformedRange.selector, 2, 4));
        this.verify(bytes32(0), new bytes32[](4), 2, none);
        vm.expectRevert(abi.encodeWithSelector(LeafProof.LeafProof_MalformedRange.selector, 3, 2));
        this.verify(bytes32(0), new bytes32[](2), 3, none);
    }

    function test_verifyRange__place_beyond_any_tree__is_malformed() external {
        bytes32[] memory none = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(LeafProof.LeafProof_MalformedRange.selector, 1 << 64, 1));
        this.verify(bytes32(0), new bytes32[](1), 1 << 64, none);
        vm.expectRevert(abi.encodeWithSelector(LeafProof.LeafProof_WrongLength.selector, 0));
        this.verify(bytes32(0), new bytes32[](1), (1 << 64) - 1, none);
    }

    function testFuzz_verifyRange__true_range__is_accepted(
        uint256 seed,
        uint256 size,
        uint256 a,
        uint256 b
    ) external view {
        (bytes32[] memory leaves, bytes32[] memory nodes) = _tree(seed, size);
        (uint256 first, uint256 last) = _range(leaves.length, a, b);
        (uint256 treeIndex, bytes32[] memory proof) = Trees.prove(nodes, first, last);
        this.verify(nodes[0], _slice(leaves, first, last), treeIndex, proof);
    }

    /// @dev Starts from a true proof and breaks it at up to four places: whatever is accepted is in the tree.
    function testFuzz_verifyRange__broken_range__proves_no_foreign_leaf(
        uint256 seed,
        uint256 size,
        uint256 a,
        uint256 b,
        uint256[4] calldata breaks
    ) external view {
        (bytes32[] memory leaves, bytes32[] memory nodes) = _tree(seed, size);
        (uint256 first, uint256 last) = _range(leaves.length, a, b);
        (uint256 treeIndex, bytes32[] memory proof) = Trees.prove(nodes, first, last);
        bytes32[] memory range = _slice(leaves, first, last);
        uint256 times = 1 + (seed % 4);
        for (uint256 i = 0; i < times; ++i)
            (treeIndex, range, proof) = _break(nodes, treeIndex, range, proof, breaks[i]);
        try this.verify(nodes[0], range, treeIndex, proof) {
            assertNotEq(range.length, 0, "an empty range was accepted");
            for (uint256 i = 0; i < range.length; ++i) {
                assertTrue(_contains(nodes, range[i]), "a leaf that is in no tree was accepted");
            }
        } catch {}
    }

    /// @dev A foreign leaf at each place of a true range, with each index and the proof that was right.
    function testFuzz_verifyRange__one_forged_leaf__is_refused(
        uint256 seed,
        uint256 size,
        uint256 a,
        uint256 b
    ) external {
        (bytes32[] memory leaves, bytes32[] memory nodes) = _tree(seed, size);
        (uint256 first, uint256 last) = _range(leaves.length, a, b);
        (uint256 treeIndex, bytes32[] memory proof) = Trees.prove(nodes, first, last);
        for (uint256 place = 0; place <= last - first; ++place) {
            bytes32[] memory range = _slice(leaves, first, last);
            range[place] = keccak256(abi.encode("forged", seed, place));
            vm.expectPartialRevert(LeafProof.LeafProof_WrongRoot.selector);
            this.verify(nodes[0], range, treeIndex, proof);
        }
    }

    function testFuzz_verifyRange__range_crosses_depths__is_refused(
        uint256 seed,
        uint256 size,
        uint256 a,
        uint256 b
    ) external {
        (bytes32[] memory leaves, bytes32[] memory nodes) = _tree(seed, size);
        uint256 first = a % leaves.length;
        uint256 last = first + (b % (leaves.length - first));
        vm.assume(!Trees.level(leaves.length, first, last));
        uint256 treeIndex = nodes.length - 1 - first;
        for (uint256 length = 0; length < 12; ++length) {
            bytes32[] memory proof = new bytes32[](length);
            for (uint256 i = 0; i < length; ++i)
                proof[i] = nodes[uint256(keccak256(abi.encode(seed, i))) % nodes.length];
            vm.expectPartialRevert(LeafProof.LeafProof_MalformedRange.selector);
            this.verify(nodes[0], _slice(leaves, first, last), treeIndex, proof);
        }
    }

    function testFuzz_verifyRange__any_index__never_panics(
        bytes32[] calldata range,
        uint256 treeIndex,
        bytes32[] calldata proof
    ) external view {
        try this.verify(bytes32(uint256(1)), range, treeIndex, proof) {
            assertTrue(false, "a root of 1 has no preimage");
        } catch (bytes memory reason) {
            assertTrue(
                bytes4(reason) == LeafProof.LeafProof_MalformedRange.selector ||
                    bytes4(reason) == LeafProof.LeafProof_WrongLength.selector ||
                    bytes4(reason) == LeafProof.LeafProof_WrongRoot.selector
            );
        }
    }

    function _break(
        bytes32[] memory nodes,
        uint256 treeIndex,
        bytes32[] memory range,
        bytes32[] memory proof,
        uint256 how
    ) private pure returns (uint256, bytes32[] memory, bytes32[] memory) {
        bytes32 foreign = keccak256(abi.encode("forged", how));
        bytes32 node = nodes[(how >> 8) % nodes.length];
        uint256 place = how >> 128;
        how %= 9;
        if (how == 0 && range.length != 0) range[place % range.length] = foreign;
        else if (how == 1 && range.length != 0) range[place % range.length] = node;
        else if (how == 2) treeIndex = place % (nodes.length + 3);
        else if (how == 3 && proof.length != 0) proof[place % proof.length] = place % 2 == 0 ? node : foreign;
        else if (how == 4) proof = _resized(proof, proof.length + 1, node);
        else if (how == 5 && proof.length != 0) proof = _resized(proof, proof.length - 1, node);
        else if (how == 6) range = _resized(range, range.length + 1, foreign);
        else if (how == 7) range = _resized(range, range.length + 1, node);
        else if (how == 8 && range.length != 0) range = _resized(range, range.length - 1, node);
        return (treeIndex, range, proof);
    }

    function _resized(
        bytes32[] memory list,
        uint256 length,
        bytes32 last
    ) private pure returns (bytes32[] memory other) {
        other = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) other[i] = i < list.length ? list[i] : last;
    }

    function _tree(uint256 seed, uint256 size) private pure returns (bytes32[] memory leaves, bytes32[] memory nodes) {
        leaves = new bytes32[](1 + (size % MOST));
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint64 value = uint64(uint256(keccak256(abi.encode(seed, i))));
            leaves[i] = LeafProof.hash(1, i, value, value);
        }
        nodes = Trees.build(leaves);
    }

    /// @dev A range of one depth.
    function _range(uint256 size, uint256 a, uint256 b) private pure returns (uint256 first, uint256 last) {
        first = a % size;
        last = first + (b % (size - first));
        while (!Trees.level(size, first, last)) --last;
    }

    function _slice(bytes32[] memory leaves, uint256 first, uint256 last) private pure returns (bytes32[] memory part) {
        part = new bytes32[](last - first + 1);
        for (uint256 i = 0; i < part.length; ++i) part[i] = leaves[first + i];
    }

    function _contains(bytes32[] memory nodes, bytes32 wanted) private pure returns (bool) {
        for (uint256 i = 0; i < nodes.length; ++i) if (nodes[i] == wanted) return true;
        return false;
    }
}
