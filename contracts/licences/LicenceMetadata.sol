// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Kind} from "../interfaces/INodeLicense.sol";
import {Status} from "../interfaces/ITrustRegistry.sol";

// JSON is full of double quotes.
// solhint-disable quotes

/// @title The metadata of a licence as JSON in a data URI: nothing to host, nothing that can change behind the chain's back.
/// @dev All that goes in is a number, an address or a word from here, so nothing needs escaping.
library LicenceMetadata {
    using Strings for *;

    /// @notice The URI of a licence's metadata.
    /// @param node the node it is linked to; zero when it isn't
    /// @param status what stands against the licence
    function uri(uint256 licence, Kind kind, address node, Status status) internal pure returns (string memory) {
        string memory attributes = string.concat(
            _attribute("Kind", _word(kind)),
            ",",
            _attribute("Status", _word(status)),
            ",",
            _attribute("Node", node == address(0) ? "none" : node.toChecksumHexString())
        );
        string memory json = string.concat(
            '{"name":"Epochal Node Licence #',
            licence.toString(),
            '","description":"Lets one node serve jobs on Epochal.","licence":',
            licence.toString(),
            ',"attributes":[',
            attributes,
            "]}"
        );
        return string.concat("data:application/json;base64,", Base64.encode(bytes(json)));
    }

    function _attribute(string memory name, string memory value) private pure returns (string memory) {
        return string.concat('{"trait_type":"', name, '","value":"', value, '"}');
    }

    function _word(Kind kind) private pure returns (string memory) {
        if (kind == Kind.Standard) return "ND";
        if (kind == Kind.Master) return "MND";
        return "GND";
    }

    function _word(Status status) private pure returns (string memory) {
        if (status == Status.None) return "none";
        if (status == Status.Frozen) return "frozen";
        if (status == Status.Suspended) return "suspended";
        return "blacklisted";
    }
}
