// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Subjects of trust and of bonds: a kind (8 bits) and an id (248 bits), in that order.
library Subjects {
    uint8 internal constant LICENCE = 1;
    uint8 internal constant NODE = 2;
    uint8 internal constant CSP = 3;
    uint8 internal constant ORACLE = 4;
    uint8 internal constant OWNER = 5;

    /// @notice A licence, by its ERC-721 token id, which fits 96 bits.
    function licence(uint256 id) internal pure returns (uint256) {
        return _of(LICENCE, id);
    }

    /// @notice A node, by the address whose key signs heartbeats.
    function node(address key) internal pure returns (uint256) {
        return _of(NODE, uint160(key));
    }

    /// @notice A cloud service provider, by its account.
    function csp(uint48 account) internal pure returns (uint256) {
        return _of(CSP, account);
    }

    /// @notice An oracle, by its member address.
    function oracle(address member) internal pure returns (uint256) {
        return _of(ORACLE, uint160(member));
    }

    /// @notice Whoever owns accounts of cloud service providers, by the address, whatever accounts there are or will be.
    function owner(address wallet) internal pure returns (uint256) {
        return _of(OWNER, uint160(wallet));
    }

    /// @notice The kind of a subject.
    function kindOf(uint256 subject) internal pure returns (uint8) {
        return uint8(subject >> 248);
    }

    /// @notice The id of a subject within its kind.
    function idOf(uint256 subject) internal pure returns (uint256) {
        return subject & ((1 << 248) - 1);
    }

    function _of(uint8 kind, uint256 id) private pure returns (uint256) {
        return (uint256(kind) << 248) | id;
    }
}
