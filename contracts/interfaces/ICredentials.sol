// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrustRegistry} from "./ITrustRegistry.sol";

/// @notice A verifier's word on a subject (EIP-712 type `Credential`).
/// @param subject whom the verifier knows
/// @param kind 1 KYC (a person), 2 KYB (a business)
/// @param document salted hash of the verifier's file, never personal data
/// @param issuedAt when it was signed; UNIX seconds
/// @param expiry UNIX seconds from which it no longer counts
struct Credential {
    address subject;
    uint8 kind;
    bytes32 document;
    uint64 issuedAt;
    uint64 expiry;
}

/// @title Credentials: who was identified, by whom, until when.
/// @notice Registered verifiers sign credentials and anyone may bring them here. For each subject and kind the newest one
/// stands, whoever signed it. Nothing here says who somebody is.
///
/// - A revoked credential doesn't come back: after a verifier's revocation only what that verifier issues later counts, after
///   the network's revocation only what anybody issues later.
/// - When a verifier is removed, what it signed counts until it expires, but nothing more of it is taken. When it is removed
///   for cause, anyone may void what stands of it, by naming the subjects; so asking costs one word of storage. Such a
///   verifier can't be registered again.
/// - While something stands against a subject as an owner of accounts ({Subjects}), none of its credentials counts, not even one
///   issued meanwhile, from {heed} on. So no new account helps it: only another address of which a verifier signs anew.
interface ICredentials {
    /// @notice A verifier may sign credentials of these kinds (bits) from now on.
    event VerifierSet(address indexed verifier, uint8 kinds);
    /// @notice A verifier may sign no more credentials; for cause: what it signed can be voided.
    event VerifierRemoved(address indexed verifier, bool forCause);
    /// @notice A credential stands until `expiry` (UNIX seconds).
    event CredentialPresented(
        address indexed subject,
        uint8 indexed kind,
        address indexed verifier,
        bytes32 document,
        uint64 issuedAt,
        uint64 expiry
    );
    /// @notice A verifier, or the network (zero), counts credentials of the subject only if issued after now.
    event CredentialRevoked(address indexed subject, uint8 indexed kind, address indexed verifier);
    /// @notice A credential was voided, since its verifier was removed for cause.
    event CredentialVoided(address indexed subject, uint8 indexed kind, address indexed verifier);
    /// @notice The subject's credentials don't count while it is barred; they do again afterwards.
    event SubjectBarred(address indexed subject, bool barred);

    /// @notice Kinds are 1 (KYC) and 2 (KYB); where several are meant, their sum.
    error Credentials_UnknownKind(uint8 kind);
    /// @notice The address isn't a verifier of this kind.
    error Credentials_NotVerifier(address verifier, uint8 kind);
    /// @notice The verifier was removed for cause, for good.
    error Credentials_Distrusted(address verifier);
    /// @notice The address isn't a verifier that was removed for cause.
    error Credentials_NotDistrusted(address verifier);
    /// @notice The verifying contract didn't confirm the signature (ERC-1271).
    error Credentials_WrongSignature(address verifier);
    /// @notice The credential was issued in the future; UNIX seconds.
    error Credentials_NotYetIssued(uint64 issuedAt);
    /// @notice The credential has expired; UNIX seconds.
    error Credentials_Expired(uint64 expiry);
    /// @notice The credential must have been issued after `standing`, the last one's issue or a revocation; UNIX seconds.
    error Credentials_Outdated(uint64 issuedAt, uint64 standing);

    /// @notice Registers a verifier, or changes which kinds it may sign. Restricted.
    /// @param verifier a key, or a contract that speaks ERC-1271
    /// @param kinds bits, at least one
    function setVerifier(address verifier, uint8 kinds) external;

    /// @notice Removes a verifier, also one that was removed before, for cause now. Restricted.
    function removeVerifier(address verifier, bool forCause) external;

    /// @notice Presents a credential signed by a verifier's key. Anyone may call.
    /// @param r first half of the verifier's EIP-2098 signature
    /// @param vs second half of it
    function present(Credential calldata credential, bytes32 r, bytes32 vs) external;

    /// @notice Presents a credential signed by a verifier that is a contract. Anyone may call.
    /// @param signature what the contract takes as its signature (ERC-1271)
    function presentFrom(Credential calldata credential, address verifier, bytes calldata signature) external;

    /// @notice Revokes what the calling verifier issued to a subject until now, whether presented or not.
    function revoke(address subject, uint8 kind) external;

    /// @notice Revokes what anybody issued to a subject until now, whether presented or not. Restricted.
    function revokeAll(address subject, uint8 kind) external;

    /// @notice Voids credentials whose verifier was removed for cause; skips subjects with others. Anyone may call.
    function voidFrom(address verifier, address[] calldata subjects, uint8 kind) external;

    /// @notice Bars a subject while something stands against it as an owner, see {Subjects}, and unbars it when nothing does any
    /// more. Anyone may call; who imposes or lifts such a status does in the same batch.
    function heed(address subject) external;

    /// @notice Whether {heed} found something standing against the subject.
    function barred(address subject) external view returns (bool);

    /// @notice Until when (UNIX seconds, exclusive) the subject has a credential of one of the kinds; zero or past: it has none.
    /// @param kinds bits of those that count
    function validUntil(address subject, uint8 kinds) external view returns (uint40);

    /// @notice Whether the subject has a credential of one of the kinds now.
    function valid(address subject, uint8 kinds) external view returns (bool);

    /// @notice The subject's last credential of a kind: who signed it and when (UNIX seconds). After {revokeAll} no verifier, and
    /// the time of the revocation.
    function lastOf(address subject, uint8 kind) external view returns (address verifier, uint40 issuedAt);

    /// @notice When (UNIX seconds) a verifier last revoked what it issued to a subject; zero when it never did.
    function revokedAt(address verifier, address subject, uint8 kind) external view returns (uint40);

    /// @notice Which kinds (bits) a verifier may sign, and whether it was removed for cause.
    function verifierOf(address verifier) external view returns (uint8 kinds, bool distrusted);

    /// @notice What stands against owners of accounts.
    function trust() external view returns (ITrustRegistry);
}
