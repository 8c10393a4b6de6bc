// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./ICommittee.sol";
import {Timing} from "../libraries/Timing.sol";

/// @notice The committee's agreed statement for one epoch (EIP-712 type `EpochReport`).
/// @param epoch the epoch it closes; it carries all that was measured since its parent
/// @param committee version of the set that signs
/// @param root root of the tree of cumulative leaves, see {LeafProof}
/// @param parent root of the last final report; zero for the first
/// @param anchor hash of the first finalized block at or after the epoch's end, in whose state subjects were read
/// @param evidence keccak-256 of the bundle from which anyone recomputes the report
struct EpochReport {
    uint64 epoch;
    uint64 committee;
    bytes32 root;
    bytes32 parent;
    bytes32 anchor;
    bytes32 evidence;
}

/// @title Reports of the committee: submitted with a quorum of signatures, final after a delay.
/// @notice Epochs strictly rise and may skip. One report may be pending; the last two final ones are kept, and proofs
/// against either settle. A report names seconds, never amounts, so it can only lower what clock and price allow.
interface IAttestations is ICommittee {
    /// @notice A report was accepted; it becomes final at `finalAt` (UNIX seconds) unless it is vetoed or dropped.
    /// @param members bit i: signer i of the committee signed
    event ReportSubmitted(
        uint64 indexed epoch,
        bytes32 indexed root,
        uint64 committee,
        bytes32 anchor,
        bytes32 evidence,
        uint256 members,
        uint40 finalAt
    );
    /// @notice The guardian vetoed the pending report.
    event ReportVetoed(uint64 indexed epoch, bytes32 indexed root);
    /// @notice The pending report dropped, since its committee was replaced for cause.
    event ReportDropped(uint64 indexed epoch, bytes32 indexed root);

    /// @notice The root is zero.
    error Attestations_ZeroRoot();
    /// @notice The epoch isn't over before `endsAt` (UNIX seconds).
    error Attestations_EpochNotOver(uint64 epoch, uint256 endsAt);
    /// @notice The epoch isn't after that of the last final report.
    error Attestations_EpochOutOfOrder(uint64 epoch, uint64 lastFinal);
    /// @notice The parent isn't the root of the last final report.
    error Attestations_WrongParent(bytes32 parent, bytes32 lastFinal);
    /// @notice Another report is pending until `finalAt` (UNIX seconds).
    error Attestations_ReportPending(uint64 epoch, uint40 finalAt);
    /// @notice No report is pending.
    error Attestations_NothingPending();
    /// @notice Another report is pending than the one that was meant.
    error Attestations_AnotherPending(uint64 epoch, bytes32 root);
    /// @notice A report of that epoch, or of a later one, was vetoed before.
    error Attestations_VetoedBefore(uint64 epoch);
    /// @notice The epoch's report isn't one of the last two final ones.
    error Attestations_NotFinal(uint64 epoch);

    /// @notice Submits a report with a quorum of the committee's signatures. Anyone may.
    /// @param members bit i: the signature of signer i is among `signatures`
    /// @param signatures EIP-2098 signatures over the report's EIP-712 digest, 64 bytes each, in signer order
    function submit(EpochReport calldata report, uint256 members, bytes calldata signatures) external;

    /// @notice Vetoes the pending report, once for each reported epoch; that clears the pending place and consumes
    /// nothing. A later report of the epoch waits the review delay and can't be vetoed. Guardian only.
    /// @param epoch and `root` of the report that is meant, so that a veto that comes late hits no other
    function veto(uint64 epoch, bytes32 root) external;

    /// @notice The pending report: its epoch, root and when it becomes final (UNIX seconds); zeros when there is none.
    function pendingReport() external view returns (uint64 epoch, bytes32 root, uint40 finalAt);

    /// @notice The last final report: its epoch, root and since when it is final (UNIX seconds); zeros when none is.
    function lastFinal() external view returns (uint64 epoch, bytes32 root, uint40 finalAt);

    /// @notice The final report before {lastFinal}; zeros when there is none.
    function previousFinal() external view returns (uint64 epoch, bytes32 root, uint40 finalAt);

    /// @notice The root of a final report; reverts with {Attestations_NotFinal} unless it is one of the last two.
    function finalRoot(uint64 epoch) external view returns (bytes32 root);

    /// @notice Since when (UNIX seconds) a report of `epoch` or a later one is known to be final; zero when none is.
    /// @dev Only the last two final reports are kept, so the answer may be later than the truth, never earlier.
    function finalSince(uint64 epoch) external view returns (uint40);

    /// @notice When the network last made progress (UNIX seconds): the last report's finality, or one epoch after its own
    /// epoch's end if that is earlier, so that old epochs reported late don't hold up those who leave; the genesis before any.
    function lastProgress() external view returns (uint40);

    /// @notice The network's spans.
    function timing() external view returns (Timing memory);
}
