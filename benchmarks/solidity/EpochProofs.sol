// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";

/// @title Baseline: a root for each epoch, and a proof for each epoch that is claimed.
/// @dev The cheapest form of it: all epochs in one transaction with one transfer, claimed epochs as bits of few words.
contract EpochProofs {
    using SafeERC20 for IERC20;

    /// @notice An epoch was claimed before.
    error EpochProofs_Claimed(uint256 epoch);
    /// @notice A leaf isn't in its epoch's tree.
    error EpochProofs_LeafNotInTree(uint256 epoch);

    IERC20 private immutable TOKEN;
    uint256 private immutable EPOCH_LENGTH;
    uint256 private immutable PRICE;
    mapping(uint256 epoch => bytes32) private _roots;
    mapping(uint256 id => mapping(uint256 word => uint256)) private _claimed;

    constructor(IERC20 token, uint256 epochLength, uint256 price) {
        TOKEN = token;
        EPOCH_LENGTH = epochLength;
        PRICE = price;
    }

    /// @notice Sets the roots of successive epochs.
    function setRoots(uint256 first, bytes32[] calldata roots) external {
        for (uint256 i = 0; i < roots.length; ++i) _roots[first + i] = roots[i];
    }

    /// @notice Pays successive epochs.
    /// @param upSeconds of each epoch, which are its leaf's
    /// @param proofs of the epochs, each `depth` hashes, one after the other
    function claim(
        uint256 id,
        address payee,
        uint256 first,
        uint64[] calldata upSeconds,
        uint256 depth,
        bytes32[] calldata proofs
    ) external {
        uint256 total = 0;
        uint256 index = first >> 8;
        uint256 word = _claimed[id][index];
        for (uint256 i = 0; i < upSeconds.length; ++i) {
            uint256 epoch = first + i;
            if (epoch >> 8 != index) {
                _claimed[id][index] = word;
                index = epoch >> 8;
                word = _claimed[id][index];
            }
            uint256 bit = 1 << (epoch & 0xff);
            require(word & bit == 0, EpochProofs_Claimed(epoch));
            word |= bit;
            bytes32 leaf = LeafProof.hash(1, id, upSeconds[i], upSeconds[i]);
            bytes32 root = MerkleProof.processProofCalldata(proofs[i * depth:(i + 1) * depth], leaf);
            require(root == _roots[epoch], EpochProofs_LeafNotInTree(epoch));
            total += (PRICE * upSeconds[i]) / EPOCH_LENGTH;
        }
        _claimed[id][index] = word;
        TOKEN.safeTransfer(payee, total);
    }
}
