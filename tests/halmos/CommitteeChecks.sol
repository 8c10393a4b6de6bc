// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Committee} from "../../contracts/oracles/Committee.sol";

/// @dev The committee's own check of signatures, open to everybody.
contract OpenCommittee is Committee, EIP712 {
    constructor(
        address[] memory signers
    ) AccessManaged(address(1)) Committee(1, 100, 10, signers) EIP712("Epochal Attestations", "1") {}

    function requireQuorum(uint64 version, bytes32 digest, uint256 members, bytes calldata signatures) external {
        _requireQuorum(version, digest, members, signatures);
    }

    function digestOf(bytes32 structHash) external view returns (bytes32) {
        return _hashTypedDataV4(structHash);
    }

    function _onReplaced() internal override {}
}

/// @dev Symbolic checks of quorum and domain. Recovery of a signer counts as a function that nothing is known of but that
/// equal inputs give equal signers.
contract CommitteeChecks {
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    OpenCommittee private four;
    OpenCommittee private other;

    function setUp() public {
        four = new OpenCommittee(_signers(4));
        other = new OpenCommittee(_signers(4));
    }

    function check_quorum__two_of_four__are_never_enough(
        bytes32 digest,
        uint256 members,
        bytes32[4] calldata words
    ) external {
        _refused(digest, members, abi.encodePacked(words[0], words[1], words[2], words[3]));
    }

    function check_quorum__one_of_four__is_never_enough(
        bytes32 digest,
        uint256 members,
        bytes32[2] calldata words
    ) external {
        _refused(digest, members, abi.encodePacked(words[0], words[1]));
    }

    function check_quorum__no_signature__is_never_enough(bytes32 digest, uint256 members) external {
        _refused(digest, members, "");
    }

    function check_quorum__ragged_signatures__are_never_enough(
        bytes32 digest,
        uint256 members,
        bytes32[7] calldata words
    ) external {
        _refused(digest, members, abi.encodePacked(words));
    }

    /// @dev Accepted with three signatures: three different members of the set signed this digest.
    function check_quorum__three_of_four__are_three_members(
        bytes32 digest,
        uint256 members,
        bytes32[6] calldata words
    ) external {
        try four.requireQuorum(1, digest, members, abi.encodePacked(words)) {
            assert(members < 16);
            uint256 used = 0;
            for (uint256 i = 0; i < 4; ++i) {
                if ((members >> i) & 1 == 0) continue;
                assert(used < 3);
                assert(_signer(digest, words[2 * used], words[2 * used + 1]) == _signers(4)[i]);
                ++used;
            }
            assert(used == 3);
        } catch {}
    }

    /// @dev A witness must fail: three signatures can be a quorum.
    function check_witness__quorum__three_of_four_may_pass(
        bytes32 digest,
        uint256 members,
        bytes32[6] calldata words
    ) external {
        _refused(digest, members, abi.encodePacked(words));
    }

    /// @dev Only the set in force: before anything was scheduled that is the first.
    function check_quorum__another_version__is_refused(
        uint64 version,
        bytes32 digest,
        uint256 members,
        bytes32[6] calldata words
    ) external {
        if (version == 1) return;
        try four.requireQuorum(version, digest, members, abi.encodePacked(words)) {
            assert(false);
        } catch {}
    }

    /// @dev The same statement has another digest for every other contract.
    function check_domain__other_contract__other_digest(bytes32 a, bytes32 b) external view {
        assert(four.digestOf(a) != other.digestOf(b));
    }

    function check_domain__other_statement__other_digest(bytes32 a, bytes32 b) external view {
        assert((a == b) == (four.digestOf(a) == four.digestOf(b)));
    }

    function _refused(bytes32 digest, uint256 members, bytes memory signatures) private {
        try four.requireQuorum(1, digest, members, signatures) {
            assert(false);
        } catch {}
    }

    function _signer(bytes32 digest, bytes32 r, bytes32 vs) private pure returns (address) {
        bytes32 s = bytes32((uint256(vs) << 1) >> 1);
        assert(uint256(s) <= HALF_ORDER);
        return ecrecover(digest, uint8(uint256(vs) >> 255) + 27, r, s);
    }

    function _signers(uint256 size) private pure returns (address[] memory signers) {
        signers = new address[](size);
        for (uint256 i = 0; i < size; ++i) signers[i] = address(uint160(0x1111 * (i + 1)));
    }
}
