// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Timing} from "../../../contracts/libraries/Timing.sol";

/// @dev What {Bonds} asks its neighbours, told by the test: licences, oracles' registry, trust and attestations at once.
contract BondNeighbours {
    mapping(uint256 licence => address) private _holders;
    mapping(uint256 licence => address) public nodeOf;
    mapping(uint256 licence => uint256) public linkedSeconds;
    mapping(address member => uint256) public membershipSeconds;
    mapping(uint256 subject => Status) public statusOf;
    mapping(uint256 subject => bool) public slashable;

    error BondNeighbours_NoSuchLicence(uint256 licence);

    function give(uint256 licence, address to) external {
        _holders[licence] = to;
    }

    function link(uint256 licence, address node) external {
        nodeOf[licence] = node;
    }

    function serve(uint256 licence, uint256 secs) external {
        linkedSeconds[licence] += secs;
    }

    function sit(address member, uint256 secs) external {
        membershipSeconds[member] += secs;
    }

    function set(uint256 subject, Status status, bool final_) external {
        statusOf[subject] = status;
        slashable[subject] = final_;
    }

    function ownerOf(uint256 licence) external view returns (address holder) {
        holder = _holders[licence];
        require(holder != address(0), BondNeighbours_NoSuchLicence(licence));
    }

    function timing() external pure returns (Timing memory t) {
        t.epochLength = 100;
        t.stallSpan = 300;
        t.attestableSpan = 200;
        t.reviewDelay = 50;
    }
}
