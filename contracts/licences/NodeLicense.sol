// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {INodeLicense, Kind, LicenceSettings} from "../interfaces/INodeLicense.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {LicenceMetadata} from "./LicenceMetadata.sol";

/// @title NodeLicense
contract NodeLicense is INodeLicense, ERC721, AccessManaged, EIP712 {
    bytes32 private constant CONSENT_TYPE = keccak256(
        "NodeConsent(uint256 licence,address holder,address node,uint256 nonce,uint64 deadline)"
    );
    bytes4 private constant ERC4906 = 0x49064906;
    uint32 private constant LONGEST_COOLDOWN = 30 days;

    /// @dev One slot: what `openAssignment` reads and writes.
    struct Link {
        address node;
        uint96 open;
    }

    /// @dev One slot: what a licence is and for how long it was linked.
    /// @param linkedAt when it was last linked, UNIX seconds; stays when it is unlinked
    /// @param linkedBefore seconds of all links that are over
    struct Record {
        Kind kind;
        uint40 linkedAt;
        uint64 linkedBefore;
    }

    struct Supply {
        uint96 limit;
        uint96 minted;
    }

    /// @inheritdoc INodeLicense
    address public immutable escrow;
    /// @inheritdoc INodeLicense
    ITrustRegistry public immutable trust;
    /// @inheritdoc INodeLicense
    uint32 public immutable relinkCooldown;

    /// @inheritdoc INodeLicense
    uint256 public totalMinted;
    mapping(Kind kind => Supply) private _supplies;
    mapping(uint256 licence => Link) private _links;
    mapping(uint256 licence => Record) private _records;
    mapping(address node => uint256 licence) private _licenceOf;
    mapping(address node => uint256) private _nonces;

    /// @param authority the AccessManager that says who may mint
    /// @param escrow_ the JobEscrow, whose address the deployer knows beforehand
    /// @param trust_ the TrustRegistry
    constructor(
        address authority,
        address escrow_,
        ITrustRegistry trust_,
        LicenceSettings memory settings
    ) ERC721("Epochal Node Licence", "ENL") AccessManaged(authority) EIP712("Epochal NodeLicense", "1") {
        require(
            escrow_ != address(0) && address(trust_) != address(0),
            NodeLicense_SettingViolated("escrow and trust are not zero")
        );
        require(settings.relinkCooldown <= LONGEST_COOLDOWN, NodeLicense_SettingViolated("relinkCooldown <= 30 days"));
        uint256 total = 0;
        for (uint8 i = 0; i < settings.supply.length; ++i) {
            total += settings.supply[i];
            _supplies[Kind(i + 1)].limit = settings.supply[i];
        }
        require(total <= type(uint96).max, NodeLicense_SettingViolated("supply of all kinds < 2^96"));
        escrow = escrow_;
        trust = trust_;
        relinkCooldown = settings.relinkCooldown;
    }

    modifier onlyEscrow() {
        require(msg.sender == escrow, NodeLicense_NotEscrow(msg.sender));
        _;
    }

    /// @inheritdoc INodeLicense
    function mint(address to, Kind kind) external restricted returns (uint256 licence) {
        Supply storage supply = _supplies[kind];
        require(supply.minted < supply.limit, NodeLicense_Exhausted(kind, supply.limit));
        ++supply.minted;
        licence = ++totalMinted;
        _records[licence].kind = kind;
        emit LicenceMinted(licence, kind, to);
        _safeMint(to, licence);
    }

    /// @inheritdoc INodeLicense
    function link(uint256 licence, address node, uint64 deadline, bytes32 r, bytes32 vs) external {
        address holder = _requireOwned(licence);
        require(msg.sender == holder, NodeLicense_NotHolder(licence, msg.sender));
        _requireUnlinked(licence);
        require(_licenceOf[node] == 0, NodeLicense_NodeTaken(node, _licenceOf[node]));
        uint256 from = relinkableAt(licence);
        require(block.timestamp >= from, NodeLicense_CoolingDown(licence, from));
        _requireClear(Subjects.licence(licence));
        _requireClear(Subjects.node(node));
        require(block.timestamp <= deadline, NodeLicense_ConsentExpired(deadline));
        bytes32 consent = keccak256(abi.encode(CONSENT_TYPE, licence, holder, node, _nonces[node]++, deadline));
        address recovered = ECDSA.recover(_hashTypedDataV4(consent), r, vs);
        require(recovered == node, NodeLicense_WrongConsent(recovered, node));

        _links[licence].node = node;
        _records[licence].linkedAt = uint40(block.timestamp);
        _licenceOf[node] = licence;
        emit NodeLinked(licence, node, holder);
        emit MetadataUpdate(licence);
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

        _records[licence].linkedBefore = uint64(linkedSeconds(licence));
        _links[licence].node = address(0);
        _licenceOf[linked.node] = 0;
        emit NodeUnlinked(licence, linked.node);
        emit MetadataUpdate(licence);
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
    function refreshMetadata(uint256 licence) external {
        _requireOwned(licence);
        emit MetadataUpdate(licence);
    }

    /// @inheritdoc INodeLicense
    function kindOf(uint256 licence) external view returns (Kind) {
        return _records[licence].kind;
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
    function supplyOf(Kind kind) external view returns (uint96 limit, uint96 minted) {
        Supply memory supply = _supplies[kind];
        return (supply.limit, supply.minted);
    }

    /// @inheritdoc INodeLicense
    function linkedSeconds(uint256 licence) public view returns (uint256) {
        Record memory record = _records[licence];
        if (_links[licence].node == address(0)) return record.linkedBefore;
        return record.linkedBefore + (block.timestamp - record.linkedAt);
    }

    /// @inheritdoc INodeLicense
    function relinkableAt(uint256 licence) public view returns (uint256) {
        uint256 linkedAt = _records[licence].linkedAt;
        return linkedAt == 0 ? 0 : linkedAt + relinkCooldown;
    }

    /// @notice What those who show licences read: JSON in a data URI, see {LicenceMetadata}.
    function tokenURI(uint256 licence) public view override returns (string memory) {
        _requireOwned(licence);
        return
            LicenceMetadata.uri(
                licence,
                _records[licence].kind,
                _links[licence].node,
                trust.statusOf(Subjects.licence(licence))
            );
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) public view override(ERC721, IERC165) returns (bool) {
        return id == ERC4906 || super.supportsInterface(id);
    }

    /// @dev Licences move only when unlinked, which none with an open assignment is, and when nothing stands against them.
    /// ERC-721's own reasons to refuse come first. Minting asks nothing: else a status of the next id would end all minting.
    function _update(address to, uint256 licence, address auth) internal override returns (address from) {
        from = super._update(to, licence, auth);
        if (from != address(0)) {
            _requireUnlinked(licence);
            _requireClear(Subjects.licence(licence));
        }
    }

    function _requireUnlinked(uint256 licence) private view {
        address node = _links[licence].node;
        require(node == address(0), NodeLicense_AlreadyLinked(licence, node));
    }

    function _requireClear(uint256 subject) private view {
        Status status = trust.statusOf(subject);
        require(status == Status.None, NodeLicense_Barred(subject, status));
    }
}
