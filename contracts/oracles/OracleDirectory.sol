// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IOracleDirectory} from "../interfaces/IOracleDirectory.sol";

/// @title OracleDirectory
/// @dev Holds no money and no role: nothing but addresses of machines, each under its own oracle's key.
contract OracleDirectory is IOracleDirectory, EIP712 {
    bytes32 private constant ANNOUNCEMENT_TYPE = keccak256(
        "Announcement(address oracle,string endpoint,uint64 sequence)"
    );
    uint256 private constant MAX_ENDPOINT = 200;

    struct Entry {
        uint64 sequence;
        string endpoint;
    }

    mapping(address oracle => Entry) private _entries;

    constructor() EIP712("Epochal OracleDirectory", "1") {}

    /// @inheritdoc IOracleDirectory
    function announce(address oracle, string calldata endpoint, uint64 sequence, bytes32 r, bytes32 vs) external {
        uint256 length = bytes(endpoint).length;
        require(length > 0 && length <= MAX_ENDPOINT, OracleDirectory_EndpointLength(length));
        Entry storage entry = _entries[oracle];
        require(sequence > entry.sequence, OracleDirectory_StaleSequence(sequence, entry.sequence));
        bytes32 said = keccak256(abi.encode(ANNOUNCEMENT_TYPE, oracle, keccak256(bytes(endpoint)), sequence));
        address recovered = ECDSA.recover(_hashTypedDataV4(said), r, vs);
        require(recovered == oracle, OracleDirectory_WrongSigner(recovered, oracle));
        entry.sequence = sequence;
        entry.endpoint = endpoint;
        emit EndpointAnnounced(oracle, endpoint, sequence);
    }

    /// @inheritdoc IOracleDirectory
    function endpointOf(address oracle) external view returns (string memory endpoint, uint64 sequence) {
        Entry storage entry = _entries[oracle];
        return (entry.endpoint, entry.sequence);
    }
}
