// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {INodeLicense, Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {IPlacements, Placement} from "../../contracts/interfaces/IPlacements.sol";

/// @title Licenses, links and places many nodes in one transaction, so that a network of any size is there in a minute.
/// @dev It holds all licences, is the job's orchestrator, and needs the role that mints.
contract Crowd is IERC721Receiver {
    /// @param r, vs the node's signatures: consent to its licence, acceptance of its placement
    struct Seat {
        address node;
        bytes32 consentR;
        bytes32 consentVs;
        bytes32 acceptanceR;
        bytes32 acceptanceVs;
    }

    INodeLicense private immutable LICENCES;
    IPlacements private immutable PLACEMENTS;

    constructor(INodeLicense licences, IPlacements placements) {
        LICENCES = licences;
        PLACEMENTS = placements;
    }

    /// @notice Seats nodes in consecutive slots of a job, each under a licence of its own.
    /// @param expiry UNIX seconds to which the signatures are good
    function seat(uint64 job, uint32 slot, uint64 expiry, Seat[] calldata seats) external {
        for (uint256 i = 0; i < seats.length; ++i) {
            Seat calldata s = seats[i];
            uint256 licence = LICENCES.mint(address(this), Kind.Standard);
            LICENCES.link(licence, s.node, expiry, s.consentR, s.consentVs);
            PLACEMENTS.assign(Placement(job, slot, licence, expiry), s.acceptanceR, s.acceptanceVs);
            ++slot;
        }
    }

    /// @inheritdoc IERC721Receiver
    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return IERC721Receiver.onERC721Received.selector;
    }
}
