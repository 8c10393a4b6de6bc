// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// @title Node licences: ERC-721 deeds that let a node serve.
/// @notice A licence is linked to at most one node and a node to at most one licence. A linked licence, or one with an
/// open assignment, doesn't move: its seconds can't be sold while they are being served.
interface INodeLicense is IERC721 {
    /// @notice The licence's holder linked it to a node that consented.
    event NodeLinked(uint256 indexed licence, address indexed node, address indexed holder);
    /// @notice The licence serves no node any more.
    event NodeUnlinked(uint256 indexed licence, address indexed node);

    /// @notice The caller doesn't hold the licence.
    error NodeLicense_NotHolder(uint256 licence, address caller);
    /// @notice The licence is linked; unlink it first.
    error NodeLicense_AlreadyLinked(uint256 licence, address node);
    /// @notice The node serves another licence.
    error NodeLicense_NodeTaken(address node, uint256 licence);
    /// @notice The licence isn't linked to a node.
    error NodeLicense_NotLinked(uint256 licence);
    /// @notice The consent's deadline (UNIX seconds) has passed.
    error NodeLicense_ConsentExpired(uint64 deadline);
    /// @notice The consent wasn't signed by the node for this licence, holder, nonce, contract and chain.
    error NodeLicense_WrongConsent(address recovered, address node);
    /// @notice The licence has open assignments; close them first.
    error NodeLicense_AssignmentOpen(uint256 licence, uint256 open);
    /// @notice Only the escrow opens and closes assignments.
    error NodeLicense_NotEscrow(address caller);
    /// @notice Licence ids fit 96 bits; there are no more.
    error NodeLicense_Exhausted();

    /// @notice Mints the next licence; ids count from 1. Licensor only.
    function mint(address to) external returns (uint256 licence);

    /// @notice Links the caller's licence to a node, with the node key's consent (EIP-712 type `NodeConsent(uint256
    /// licence,address holder,address node,uint256 nonce,uint64 deadline)`).
    /// @param deadline UNIX seconds until which the consent is valid, inclusive
    /// @param r first half of the node's EIP-2098 signature
    /// @param vs second half of it
    function link(uint256 licence, address node, uint64 deadline, bytes32 r, bytes32 vs) external;

    /// @notice Unlinks a licence without an open assignment. The holder or the node may.
    function unlink(uint256 licence) external;

    /// @notice The escrow opens an assignment of the licence.
    /// @return holder who holds it now, the assignment's payee
    /// @return node the node it is linked to
    function openAssignment(uint256 licence) external returns (address holder, address node);

    /// @notice The escrow closes an assignment of the licence.
    function closeAssignment(uint256 licence) external;

    /// @notice The node a licence is linked to; zero when it isn't.
    function nodeOf(uint256 licence) external view returns (address node);

    /// @notice The licence a node serves; zero when it serves none.
    function licenceOf(address node) external view returns (uint256 licence);

    /// @notice How many of the licence's assignments are open.
    function openAssignments(uint256 licence) external view returns (uint256);

    /// @notice The nonce of the node's next consent; each consent is used once.
    function consentNonce(address node) external view returns (uint256);

    /// @notice The escrow that opens and closes assignments.
    function escrow() external view returns (address);

    /// @notice How many licences were minted.
    function totalMinted() external view returns (uint256);
}
