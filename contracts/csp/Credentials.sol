// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Credential, ICredentials} from "../interfaces/ICredentials.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Subjects} from "../libraries/Subjects.sol";

/// @title Credentials
/// @dev Expiries of both kinds share a word, apart from all else: that word is what creating a job reads. So a bar isn't asked for there:
/// the expiries of who is barred are kept elsewhere.
contract Credentials is ICredentials, AccessManaged, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant CREDENTIAL_TYPE = keccak256(
        "Credential(address subject,uint8 kind,bytes32 document,uint64 issuedAt,uint64 expiry)"
    );
    uint8 private constant KYC = 1;
    uint8 private constant KYB = 2;

    struct Verifier {
        uint8 kinds;
        bool distrusted;
    }

    struct Expiries {
        uint40 kyc;
        uint40 kyb;
    }

    struct Last {
        address verifier;
        uint40 issuedAt;
    }

    /// @inheritdoc ICredentials
    ITrustRegistry public immutable trust;

    /// @inheritdoc ICredentials
    mapping(address verifier => Verifier) public verifierOf;
    /// @inheritdoc ICredentials
    mapping(address subject => mapping(uint8 kind => Last)) public lastOf;
    /// @inheritdoc ICredentials
    mapping(address verifier => mapping(address subject => mapping(uint8 kind => uint40))) public revokedAt;
    /// @inheritdoc ICredentials
    mapping(address subject => bool) public barred;
    mapping(address subject => Expiries) private _expiries;
    mapping(address subject => Expiries) private _kept;

    /// @param authority the AccessManager that says who registers verifiers and who revokes for the network
    /// @param trust_ what stands against owners of accounts; not called here
    constructor(address authority, ITrustRegistry trust_) AccessManaged(authority) EIP712("Epochal Credentials", "1") {
        trust = trust_;
    }

    modifier oneKind(uint8 kind) {
        require(kind == KYC || kind == KYB, Credentials_UnknownKind(kind));
        _;
    }

    /// @inheritdoc ICredentials
    function setVerifier(address verifier, uint8 kinds) external restricted {
        require(kinds != 0 && kinds <= KYC | KYB, Credentials_UnknownKind(kinds));
        require(!verifierOf[verifier].distrusted, Credentials_Distrusted(verifier));
        verifierOf[verifier].kinds = kinds;
        emit VerifierSet(verifier, kinds);
    }

    /// @inheritdoc ICredentials
    function removeVerifier(address verifier, bool forCause) external restricted {
        require(!verifierOf[verifier].distrusted, Credentials_Distrusted(verifier));
        verifierOf[verifier] = Verifier({kinds: 0, distrusted: forCause});
        emit VerifierRemoved(verifier, forCause);
    }

    /// @inheritdoc ICredentials
    function present(Credential calldata credential, bytes32 r, bytes32 vs) external {
        _accept(credential, ECDSA.recover(_digest(credential), r, vs));
    }

    /// @inheritdoc ICredentials
    function presentFrom(Credential calldata credential, address verifier, bytes calldata signature) external {
        require(
            SignatureChecker.isValidERC1271SignatureNowCalldata(verifier, _digest(credential), signature),
            Credentials_WrongSignature(verifier)
        );
        _accept(credential, verifier);
    }

    /// @inheritdoc ICredentials
    function revoke(address subject, uint8 kind) external oneKind(kind) {
        bool standing = lastOf[subject][kind].verifier == msg.sender;
        require(standing || verifierOf[msg.sender].kinds & kind != 0, Credentials_NotVerifier(msg.sender, kind));
        revokedAt[msg.sender][subject][kind] = block.timestamp.toUint40();
        if (standing) _setExpiry(subject, kind, 0);
        emit CredentialRevoked(subject, kind, msg.sender);
    }

    /// @inheritdoc ICredentials
    function revokeAll(address subject, uint8 kind) external restricted oneKind(kind) {
        lastOf[subject][kind] = Last({verifier: address(0), issuedAt: block.timestamp.toUint40()});
        _setExpiry(subject, kind, 0);
        emit CredentialRevoked(subject, kind, address(0));
    }

    /// @inheritdoc ICredentials
    function voidFrom(address verifier, address[] calldata subjects, uint8 kind) external oneKind(kind) {
        require(verifierOf[verifier].distrusted, Credentials_NotDistrusted(verifier));
        for (uint256 i = 0; i < subjects.length; ++i) {
            address subject = subjects[i];
            Expiries memory e = _stored(subject);
            if (lastOf[subject][kind].verifier != verifier || (kind == KYC ? e.kyc : e.kyb) == 0) continue;
            _setExpiry(subject, kind, 0);
            emit CredentialVoided(subject, kind, verifier);
        }
    }

    /// @inheritdoc ICredentials
    function heed(address subject) external {
        bool bars = trust.statusOf(Subjects.owner(subject)) != Status.None;
        if (bars == barred[subject]) return;
        Expiries memory e = _stored(subject);
        barred[subject] = bars;
        (_expiries[subject], _kept[subject]) = bars ? (Expiries(0, 0), e) : (e, Expiries(0, 0));
        emit SubjectBarred(subject, bars);
    }

    /// @inheritdoc ICredentials
    function valid(address subject, uint8 kinds) external view returns (bool) {
        return block.timestamp < validUntil(subject, kinds);
    }

    /// @inheritdoc ICredentials
    function validUntil(address subject, uint8 kinds) public view returns (uint40) {
        Expiries storage e = _expiries[subject];
        (uint40 kyc, uint40 kyb) = (e.kyc, e.kyb);
        if (kinds & KYC == 0) kyc = 0;
        if (kinds & KYB == 0) kyb = 0;
        return kyc > kyb ? kyc : kyb;
    }

    /// @dev Takes a credential that the verifier did sign.
    function _accept(Credential calldata credential, address verifier) private oneKind(credential.kind) {
        (address subject, uint8 kind) = (credential.subject, credential.kind);
        (uint64 issuedAt, uint64 expiry) = (credential.issuedAt, credential.expiry);
        require(verifierOf[verifier].kinds & kind != 0, Credentials_NotVerifier(verifier, kind));
        require(issuedAt <= block.timestamp, Credentials_NotYetIssued(issuedAt));
        require(block.timestamp < expiry, Credentials_Expired(expiry));
        uint256 standing = Math.max(lastOf[subject][kind].issuedAt, revokedAt[verifier][subject][kind]);
        require(issuedAt > standing, Credentials_Outdated(issuedAt, uint64(standing)));
        lastOf[subject][kind] = Last({verifier: verifier, issuedAt: uint256(issuedAt).toUint40()});
        _setExpiry(subject, kind, uint256(expiry).toUint40());
        emit CredentialPresented(subject, kind, verifier, credential.document, issuedAt, expiry);
    }

    function _setExpiry(address subject, uint8 kind, uint40 expiry) private {
        Expiries storage e = _stored(subject);
        if (kind == KYC) e.kyc = expiry;
        else e.kyb = expiry;
    }

    /// @dev Where a subject's expiries stand, whether they count or not.
    function _stored(address subject) private view returns (Expiries storage) {
        return barred[subject] ? _kept[subject] : _expiries[subject];
    }

    function _digest(Credential calldata credential) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CREDENTIAL_TYPE, credential)));
    }
}
