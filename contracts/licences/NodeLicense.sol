// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";

/// @title NodeLicense
contract NodeLicense is INodeLicense, ERC721, AccessManaged, EIP712 {
    bytes32 private constant CONSENT_TYPE = keccak256(
        "NodeConsent(uint256 licence,address holder,address node,uint256 nonce,uint64 deadline)"
    );

    /// @inheritdoc INodeLicense
    address public immutable escrow;

    /// @dev One slot: what `openAssignment` reads and writes.
    struct Link {
        address node;
        uint96 open;
    }

    uint96 private _minted;
    mapping(uint256 licence => Link) private _links;
    mapping(address node => uint256 licence) private _licenceOf;
    mapping(address node => uint256) private _nonces;

    /// @param authority the AccessManager that says who may mint
    /// @param escrow_ the JobEscrow, whose address the deployer knows beforehand
    constructor(
        address authority,
        address escrow_
    ) ERC721("Epochal Node Licence", "ENL") AccessManaged(authority) EIP712("Epochal NodeLicense", "1") {
        escrow = escrow_;
    }

    modifier onlyEscrow() {
        require(msg.sender == escrow, NodeLicense_NotEscrow(msg.sender));
        _;
    }

    /// @inheritdoc INodeLicense
    function mint(address to) external restricted returns (uint256 licence) {
        require(_minted != type(uint96).max, NodeLicense_Exhausted());
        licence = ++_minted;
        _safeMint(to, licence);
    }

    /// @inheritdoc INodeLicense
    function link(uint256 licence, address node, uint64 deadline, bytes32 r, bytes32 vs) external {
        address holder = _requireOwned(licence);
        require(msg.sender == holder, NodeLicense_NotHolder(licence, msg.sender));
        require(_links[licence].node == address(0), NodeLicense_AlreadyLinked(licence, _links[licence].node));
        require(_licenceOf[node] == 0, NodeLicense_NodeTaken(node, _licenceOf[node]));
        require(block.timestamp <= deadline, NodeLicense_ConsentExpired(deadline));
        bytes32 consent = keccak256(abi.encode(CONSENT_TYPE, licence, holder, node, _nonces[node]++, deadline));
        address recovered = ECDSA.recover(_hashTypedDataV4(consent), r, vs);
        require(recovered == node, NodeLicense_WrongConsent(recovered, node));
        _links[licence].node = node;
        _licenceOf[node] = licence;
        emit NodeLinked(licence, node, holder);
    }

    /// @inheritdoc INodeLicense
    function unlink(uint256 licence) external {
        Link memory linked = _links[licence];
        require(linked.node != address(0), NodeLicense_NotLinked(licence));
        require(
            msg.sender == linked.node || msg.sender == ownerOf(licence),
            NodeLicense_NotHolder(licence, msg.sender)
        );
        require(linked.open == 0, NodeLicense_AssignmentOpen(licence, linked.open));
        _links[licence].node = address(0);
        _licenceOf[linked.node] = 0;
        emit NodeUnlinked(licence, linked.node);
    }

    /// @inheritdoc INodeLicense
    function openAssignment(uint256 licence) external onlyEscrow returns (address holder, address node) {
        holder = _requireOwned(licence);
        node = _links[licence].node;
        require(node != address(0), NodeLicense_NotLinked(licence));
        ++_links[licence].open;
    }

    /// @inheritdoc INodeLicense
    function closeAssignment(uint256 licence) external onlyEscrow {
        --_links[licence].open;
    }

    /// @inheritdoc INodeLicense
    function nodeOf(uint256 licence) external view returns (address) {
        return _links[licence].node;
    }

    /// @inheritdoc INodeLicense
    function licenceOf(address node) external view returns (uint256) {
        return _licenceOf[node];
    }

    /// @inheritdoc INodeLicense
    function openAssignments(uint256 licence) external view returns (uint256) {
        return _links[licence].open;
    }

    /// @inheritdoc INodeLicense
    function consentNonce(address node) external view returns (uint256) {
        return _nonces[node];
    }

    /// @inheritdoc INodeLicense
    function totalMinted() external view returns (uint256) {
        return _minted;
    }

    /// @dev Licences move only when unlinked; unlinking needs that no assignment is open.
    function _update(address to, uint256 licence, address auth) internal override returns (address from) {
        address node = _links[licence].node;
        require(node == address(0), NodeLicense_AlreadyLinked(licence, node));
        return super._update(to, licence, auth);
    }
}
