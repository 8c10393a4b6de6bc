// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The committee of oracles: versioned sets of signers that take over at epoch boundaries.
/// @notice A set of n signers bears f = (n − 1) / 3 faulty ones; its quorum is the smallest k > 2n/3. Only the set in
/// force may sign, and for a short grace after a takeover also its predecessor; keys of older sets are worthless.
interface ICommittee {
    /// @notice A set was announced; it takes over when epoch `fromEpoch` starts.
    event CommitteeScheduled(uint32 indexed version, uint64 indexed fromEpoch, address[] signers);
    /// @notice The set in force was replaced for cause, at once and without grace; an announced set was dropped.
    event CommitteeReplaced(uint32 indexed version, uint32 indexed replaced, address[] signers);

    /// @notice Fewer than 4 signers bear no fault; more than 255 don't fit the signers' bit mask.
    error Committee_SizeOutOfRange(uint256 signers);
    /// @notice Signers must be distinct, not zero, and in ascending order.
    error Committee_SignersUnordered(uint256 index, address signer);
    /// @notice A set takes over with at least one whole epoch of notice.
    error Committee_TakeoverTooSoon(uint64 fromEpoch, uint64 earliest);
    /// @notice There is no set of that version.
    error Committee_UnknownVersion(uint32 version);
    /// @notice The set may not sign now; `inForce` may.
    error Committee_NotInForce(uint64 version, uint32 inForce);
    /// @notice Fewer signatures than the quorum.
    error Committee_QuorumNotReached(uint256 given, uint256 quorum);
    /// @notice The signatures are not a whole number of 64 bytes, or not as many as the members named.
    error Committee_MalformedSignatures(uint256 bytesGiven, uint256 membersNamed);
    /// @notice The bit mask names a member that the set doesn't have.
    error Committee_UnknownMember(uint256 members, uint256 size);
    /// @notice The signature's s is in the upper half of the curve's order (EIP-2).
    error Committee_MalleableSignature(uint256 index);
    /// @notice The signer isn't in the set (zero: the signature recovers to nobody).
    error Committee_ForeignSigner(address signer);
    /// @notice The member has signed at an earlier place already.
    error Committee_DuplicateSignature(address signer);
    /// @notice A member's signature stands where `expected`'s belongs.
    error Committee_SignaturesUnordered(address signer, address expected);

    /// @notice Announces the next set; an announced one that hasn't taken over is replaced by it. Governance only.
    /// @param signers at least 4, in ascending order
    /// @param fromEpoch the first epoch in which the set is in force; at least one whole epoch ahead
    function scheduleCommittee(address[] calldata signers, uint64 fromEpoch) external returns (uint32 version);

    /// @notice Replaces the set in force for cause: at once, without grace; a report that isn't final yet drops.
    /// Governance only.
    function replaceCommittee(address[] calldata signers) external returns (uint32 version);

    /// @notice The set in force now, since when (UNIX seconds), and the predecessor that may sign until `graceEnds`
    /// (zero: none).
    function committeeInForce()
        external
        view
        returns (uint32 version, uint40 since, uint32 predecessor, uint40 graceEnds);

    /// @notice The announced set and when it takes over (UNIX seconds); zeros when there is none.
    function committeeAnnounced() external view returns (uint32 version, uint40 since);

    /// @notice Signers of a set in their order, and its quorum.
    function committee(uint32 version) external view returns (address[] memory signers, uint256 quorum);
}
