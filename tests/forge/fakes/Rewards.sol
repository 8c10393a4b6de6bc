// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Kind} from "../../../contracts/interfaces/INodeLicense.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Timing} from "../../../contracts/libraries/Timing.sol";

/// @dev What {LicenceRewards} asks of its neighbours, set by hand.
contract RewardNeighbours {
    mapping(uint64 epoch => bytes32) public finalRoot;
    mapping(uint256 licence => Kind) public kindOf;
    mapping(uint256 licence => address) public ownerOf;
    mapping(uint256 licence => uint256) public linkedSeconds;
    mapping(address holder => mapping(address => bool)) public isApprovedForAll;
    mapping(uint256 subject => Status) public statusOf;
    mapping(Kind => uint96) public supplies;

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;

    constructor(uint40 genesis, uint32 epochLength) {
        GENESIS = genesis;
        EPOCH_LENGTH = epochLength;
    }

    function setRoot(uint64 epoch, bytes32 root) external {
        finalRoot[epoch] = root;
    }

    function setLicence(uint256 licence, Kind kind, address holder) external {
        kindOf[licence] = kind;
        ownerOf[licence] = holder;
    }

    function setLinked(uint256 licence, uint256 secs) external {
        linkedSeconds[licence] = secs;
    }

    function setStatus(uint256 subject, Status status) external {
        statusOf[subject] = status;
    }

    function setSupply(Kind kind, uint96 supply) external {
        supplies[kind] = supply;
    }

    function approveAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
    }

    function supplyOf(Kind kind) external view returns (uint96, uint96) {
        return (supplies[kind], 0);
    }

    /// @dev Only whether a status is in force, and only the gravest one.
    function standingOf(uint256 subject, Status status) external view returns (uint40 until, uint40, uint8) {
        if (statusOf[subject] == status) until = type(uint40).max;
    }

    function timing() external view returns (Timing memory t) {
        t.genesis = GENESIS;
        t.epochLength = EPOCH_LENGTH;
    }
}
