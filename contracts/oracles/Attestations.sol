// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Committee} from "./Committee.sol";
import {EpochReport, IAttestations} from "../interfaces/IAttestations.sol";
import {Reports} from "../libraries/Reports.sol";
import {Timing, TimingRules} from "../libraries/Timing.sol";

/// @title Attestations
/// @dev Three root slots are used in turn (pending, last final, final before it), so that a steady epoch writes two
/// slots that were written before. A pending report whose delay has passed is final without anyone writing it down;
/// the next submission does. Its parent, order and committee can't have changed since it was submitted: only one
/// report is pending at a time, and replacing a committee for cause drops it there and then.
contract Attestations is IAttestations, Committee, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant REPORT_TYPE = keccak256(
        "EpochReport(uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence)"
    );

    uint32 private immutable SETTLE_DELAY;
    uint32 private immutable AGREEMENT_SPAN;
    uint32 private immutable ACTIVATION_DELAY;
    uint32 private immutable REVIEW_DELAY;
    uint32 private immutable REPLACEMENT_SPAN;
    uint32 private immutable STALL_SPAN;
    uint32 private immutable ATTESTABLE_SPAN;

    bytes32[3] private _roots;
    Reports private _reports;

    /// @param authority the AccessManager that says who governs and who is the guardian
    /// @param t the network's spans; reverts with {Timing_Violated} when an inequality doesn't hold
    /// @param signers the first committee, in force from the genesis
    constructor(
        address authority,
        Timing memory t,
        address[] memory signers
    )
        AccessManaged(authority)
        Committee(t.genesis, t.epochLength, t.grace, signers)
        EIP712("Epochal Attestations", "1")
    {
        TimingRules.check(t);
        SETTLE_DELAY = t.settleDelay;
        AGREEMENT_SPAN = t.agreementSpan;
        ACTIVATION_DELAY = t.activationDelay;
        REVIEW_DELAY = t.reviewDelay;
        REPLACEMENT_SPAN = t.replacementSpan;
        STALL_SPAN = t.stallSpan;
        ATTESTABLE_SPAN = t.attestableSpan;
    }

    /// @inheritdoc IAttestations
    function submit(EpochReport calldata report, uint256 members, bytes calldata signatures) external {
        require(report.root != 0, Attestations_ZeroRoot());
        uint256 endsAt = GENESIS + (uint256(report.epoch) + 1) * EPOCH_LENGTH;
        require(block.timestamp >= endsAt, Attestations_EpochNotOver(report.epoch, endsAt));

        Reports reports = _reports.asOf(block.timestamp);
        (uint32 pendingEpoch, uint40 finalAt) = reports.pending();
        require(finalAt == 0, Attestations_ReportPending(pendingEpoch, finalAt));
        bytes32 lastRoot;
        {
            (uint32 lastEpoch, uint40 lastFinalAt) = reports.last();
            if (lastFinalAt != 0) {
                require(report.epoch > lastEpoch, Attestations_EpochOutOfOrder(report.epoch, lastEpoch));
                lastRoot = _roots[reports.place(1)];
            }
        }
        require(report.parent == lastRoot, Attestations_WrongParent(report.parent, lastRoot));
        _requireQuorum(report.committee, _digest(report), members, signatures);

        uint256 delay = report.epoch < reports.reviewedBelow() ? REVIEW_DELAY : ACTIVATION_DELAY;
        finalAt = (block.timestamp + delay).toUint40();
        _roots[reports.place(0)] = report.root;
        _reports = reports.submit(uint256(report.epoch).toUint32(), finalAt);
        emit ReportSubmitted(
            report.epoch,
            report.root,
            report.committee,
            report.anchor,
            report.evidence,
            members,
            finalAt
        );
    }

    /// @inheritdoc IAttestations
    function veto(uint64 meantEpoch, bytes32 meantRoot) external restricted {
        Reports reports = _reports.asOf(block.timestamp);
        (uint32 epoch, uint40 finalAt) = reports.pending();
        require(finalAt != 0, Attestations_NothingPending());
        bytes32 root = _roots[reports.place(0)];
        require(epoch == meantEpoch && root == meantRoot, Attestations_AnotherPending(epoch, root));
        require(epoch >= reports.reviewedBelow(), Attestations_VetoedBefore(epoch));
        _reports = reports.drop().review(epoch + 1);
        emit ReportVetoed(epoch, root);
    }

    /// @inheritdoc IAttestations
    function pendingReport() external view returns (uint64 epoch, bytes32 root, uint40 finalAt) {
        Reports reports = _reports.asOf(block.timestamp);
        (epoch, finalAt) = reports.pending();
        if (finalAt != 0) root = _roots[reports.place(0)];
    }

    /// @inheritdoc IAttestations
    function lastFinal() external view returns (uint64 epoch, bytes32 root, uint40 finalAt) {
        Reports reports = _reports.asOf(block.timestamp);
        (epoch, finalAt) = reports.last();
        if (finalAt != 0) root = _roots[reports.place(1)];
    }

    /// @inheritdoc IAttestations
    function previousFinal() external view returns (uint64 epoch, bytes32 root, uint40 finalAt) {
        Reports reports = _reports.asOf(block.timestamp);
        (epoch, finalAt) = reports.previous();
        if (finalAt != 0) root = _roots[reports.place(2)];
    }

    /// @inheritdoc IAttestations
    function finalRoot(uint64 epoch) external view returns (bytes32) {
        Reports reports = _reports.asOf(block.timestamp);
        (uint32 known, uint40 finalAt) = reports.last();
        if (finalAt != 0 && epoch == known) return _roots[reports.place(1)];
        (known, finalAt) = reports.previous();
        require(finalAt != 0 && epoch == known, Attestations_NotFinal(epoch));
        return _roots[reports.place(2)];
    }

    /// @inheritdoc IAttestations
    function finalSince(uint64 epoch) external view returns (uint40) {
        Reports reports = _reports.asOf(block.timestamp);
        (uint32 known, uint40 finalAt) = reports.previous();
        if (finalAt != 0 && epoch <= known) return finalAt;
        (known, finalAt) = reports.last();
        return epoch <= known ? finalAt : 0;
    }

    /// @inheritdoc IAttestations
    function lastProgress() external view returns (uint40) {
        (uint32 epoch, uint40 finalAt) = _reports.asOf(block.timestamp).last();
        if (finalAt == 0) return GENESIS;
        uint256 counts = GENESIS + (uint256(epoch) + 2) * EPOCH_LENGTH;
        return counts < finalAt ? counts.toUint40() : finalAt;
    }

    /// @inheritdoc IAttestations
    function timing() external view returns (Timing memory) {
        return
            Timing({
                genesis: GENESIS,
                epochLength: EPOCH_LENGTH,
                settleDelay: SETTLE_DELAY,
                agreementSpan: AGREEMENT_SPAN,
                activationDelay: ACTIVATION_DELAY,
                reviewDelay: REVIEW_DELAY,
                replacementSpan: REPLACEMENT_SPAN,
                stallSpan: STALL_SPAN,
                attestableSpan: ATTESTABLE_SPAN,
                grace: GRACE
            });
    }

    /// @dev A set replaced for cause loses its pending report, unless the activation delay has passed already.
    function _onReplaced() internal override {
        Reports reports = _reports.asOf(block.timestamp);
        (uint32 epoch, uint40 finalAt) = reports.pending();
        if (finalAt == 0) return;
        _reports = reports.drop();
        emit ReportDropped(epoch, _roots[reports.place(0)]);
    }

    function _digest(EpochReport calldata report) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPE, report)));
    }
}
