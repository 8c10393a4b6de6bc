// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev A contract whose code is a STOP byte and then the data, so that reading many words costs one cold access.
contract SignerSetData {
    constructor(bytes memory data) {
        bytes memory code = abi.encodePacked(bytes1(0x00), data);
        assembly ("memory-safe") {
            return(add(code, 0x20), mload(code))
        }
    }
}

/// @title Ordered lists of signers kept as contract code (the SSTORE2 pattern), 20 bytes a signer.
library SignerSet {
    uint256 private constant BYTES = 20;

    /// @notice Writes the list; returns the address whose code holds it.
    function write(address[] memory signers) internal returns (address pointer) {
        bytes memory packed = new bytes(signers.length * BYTES);
        for (uint256 i = 0; i < signers.length; ++i) {
            bytes20 signer = bytes20(signers[i]);
            for (uint256 j = 0; j < BYTES; ++j) packed[i * BYTES + j] = signer[j];
        }
        pointer = address(new SignerSetData(packed));
    }

    /// @notice Reads the packed list; its first byte is the STOP byte.
    function read(address pointer) internal view returns (bytes memory list) {
        list = pointer.code;
    }

    /// @notice The number of signers in a list returned by {read}.
    function size(bytes memory list) internal pure returns (uint256) {
        return (list.length - 1) / BYTES;
    }

    /// @notice Signer `index` of a list returned by {read}. The caller has checked `index < size(list)`.
    function signerAt(bytes memory list, uint256 index) internal pure returns (address signer) {
        // Skips the length word and the STOP byte; the 20 bytes end at offset 32 + 1 + 20 * (index + 1).
        assembly ("memory-safe") {
            signer := shr(96, mload(add(list, add(33, mul(index, 20)))))
        }
    }
}
