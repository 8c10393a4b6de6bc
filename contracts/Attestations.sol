// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Committee} from "./Committee.sol";
import {EpochReport, IAttestations} from "./interfaces/IAttestations.sol";
import {Timing, TimingRules} from "./libraries/Timing.sol";

/// @title Attestations
/// @dev Three root slots are used in turn (pending, last final, final before it), so that a steady epoch writes two
/// slots that were written before. A pending report whose delay has passed is final without anyone writing it down;
/// the next submission does. Its parent, order and committee can't have changed since it was submitted: only one
/// report is pending at a time, and replacing a committee for cause drops it there and then.
contract Attestations is IAttestations, Committee, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant REPORT_TYPE =
        keccak256(
            "EpochReport(uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence)"
        );

    /// @dev The three reports that are kept. `finalAt` of zero: there is none. The root of the pending report is in
    /// `_roots[place]`, that of the last final one in the place before, and so on round the ring.
    struct Reports {
        uint40 pendingEpoch;
        uint40 pendingFinalAt;
        uint40 lastEpoch;
        uint40 lastFinalAt;
        uint40 previousEpoch;
        uint40 previousFinalAt;
        uint8 place;
    }

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;
    uint32 private immutable SETTLE_DELAY;
    uint32 private immutable AGREEMENT_SPAN;
    uint32 private immutable ACTIVATION_DELAY;
    uint32 private immutable REVIEW_DELAY;
    uint32 private immutable REPLACEMENT_SPAN;
    uint32 private immutable STALL_SPAN;
    uint32 private immutable ATTESTABLE_SPAN;
    uint32 private immutable GRACE;

    bytes32[3] private _roots;
    Reports private _reports;
    /// @dev Reports of epochs below this one were vetoed before, themselves or in favour of a lower epoch.
    uint40 private _reviewedBelow;

    /// @param authority the AccessManager that says who governs and who is the guardian
    /// @param t the network's spans; reverts with {Timing_Violated} when an inequality doesn't hold
    /// @param signers the first committee, in force from the genesis
    constructor(address authority, Timing memory t, address[] memory signers)
        AccessManaged(authority)
        Committee(t.genesis, t.epochLength, t.grace, signers)
        EIP712("Epochal Attestations", "1")
    {
        TimingRules.check(t);
        GENESIS = t.genesis;
        EPOCH_LENGTH = t.epochLength;
        SETTLE_DELAY = t.settleDelay;
        AGREEMENT_SPAN = t.agreementSpan;
        ACTIVATION_DELAY = t.activationDelay;
        REVIEW_DELAY = t.reviewDelay;
        REPLACEMENT_SPAN = t.replacementSpan;
        STALL_SPAN = t.stallSpan;
        ATTESTABLE_SPAN = t.attestableSpan;
        GRACE = t.grace;
    }

    /// @inheritdoc IAttestations
    function submit(EpochReport calldata report, uint256 members, bytes calldata signatures) external {
        require(report.root != 0, Attestations_ZeroRoot());
        uint256 endsAt = GENESIS + (uint256(report.epoch) + 1) * EPOCH_LENGTH;
        require(block.timestamp >= endsAt, Attestations_EpochNotOver(report.epoch, endsAt));

        Reports memory reports = _reportsNow();
        require(
            reports.pendingFinalAt == 0,
            Attestations_ReportPending(reports.pendingEpoch, reports.pendingFinalAt)
        );
        bytes32 lastRoot;
        if (reports.lastFinalAt != 0) {
            require(report.epoch > reports.lastEpoch, Attestations_EpochOutOfOrder(report.epoch, reports.lastEpoch));
            lastRoot = _roots[_before(reports.place)];
        }
        require(report.parent == lastRoot, Attestations_WrongParent(report.parent, lastRoot));
        _requireQuorum(report.committee, _digest(report), members, signatures);

        uint256 delay = report.epoch < _reviewedBelow ? REVIEW_DELAY : ACTIVATION_DELAY;
        reports.pendingEpoch = uint256(report.epoch).toUint40();
        reports.pendingFinalAt = (block.timestamp + delay).toUint40();
        _roots[reports.place] = report.root;
        _reports = reports;
        emit ReportSubmitted(
            report.epoch,
            report.root,
            report.committee,
            report.parent,
            report.anchor,
            report.evidence,
            members,
            reports.pendingFinalAt
        );
    }

    /// @inheritdoc IAttestations
    function veto() external restricted {
        Reports memory reports = _reportsNow();
        uint40 epoch = reports.pendingEpoch;
        require(reports.pendingFinalAt != 0, Attestations_NothingPending());
        require(epoch >= _reviewedBelow, Attestations_VetoedBefore(epoch));
        _reviewedBelow = epoch + 1;
        _clearPending(reports);
        emit ReportVetoed(epoch, _roots[reports.place]);
    }

    /// @inheritdoc IAttestations
    function pendingReport() external view returns (uint64 epoch, bytes32 root, uint40 finalAt) {
        Reports memory reports = _reportsNow();
        if (reports.pendingFinalAt == 0) return (0, 0, 0);
        return (reports.pendingEpoch, _roots[reports.place], reports.pendingFinalAt);
    }

    /// @inheritdoc IAttestations
    function lastFinal() external view returns (uint64 epoch, bytes32 root, uint40 finalAt) {
        Reports memory reports = _reportsNow();
        if (reports.lastFinalAt == 0) return (0, 0, 0);
        return (reports.lastEpoch, _roots[_before(reports.place)], reports.lastFinalAt);
    }

    /// @inheritdoc IAttestations
    function previousFinal() external view returns (uint64 epoch, bytes32 root, uint40 finalAt) {
        Reports memory reports = _reportsNow();
        if (reports.previousFinalAt == 0) return (0, 0, 0);
        return (reports.previousEpoch, _roots[_before(_before(reports.place))], reports.previousFinalAt);
    }

    /// @inheritdoc IAttestations
    function finalRoot(uint64 epoch) external view returns (bytes32) {
        Reports memory reports = _reportsNow();
        if (reports.lastFinalAt != 0 && epoch == reports.lastEpoch) return _roots[_before(reports.place)];
        require(reports.previousFinalAt != 0 && epoch == reports.previousEpoch, Attestations_NotFinal(epoch));
        return _roots[_before(_before(reports.place))];
    }

    /// @inheritdoc IAttestations
    function finalSince(uint64 epoch) external view returns (uint40) {
        Reports memory reports = _reportsNow();
        if (reports.previousFinalAt != 0 && epoch <= reports.previousEpoch) return reports.previousFinalAt;
        return epoch <= reports.lastEpoch ? reports.lastFinalAt : 0;
    }

    /// @inheritdoc IAttestations
    function lastProgress() external view returns (uint40) {
        uint40 finalAt = _reportsNow().lastFinalAt;
        return finalAt == 0 ? GENESIS : finalAt;
    }

    /// @inheritdoc IAttestations
    function timing() external view returns (Timing memory) {
        return Timing({
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
        Reports memory reports = _reportsNow();
        if (reports.pendingFinalAt == 0) return;
        uint40 epoch = reports.pendingEpoch;
        _clearPending(reports);
        emit ReportDropped(epoch, _roots[reports.place]);
    }

    function _clearPending(Reports memory reports) private {
        reports.pendingEpoch = 0;
        reports.pendingFinalAt = 0;
        _reports = reports;
    }

    /// @dev The reports with a finality that is due, which nobody needs to write down.
    function _reportsNow() private view returns (Reports memory reports) {
        reports = _reports;
        if (reports.pendingFinalAt != 0 && block.timestamp >= reports.pendingFinalAt) {
            reports.previousEpoch = reports.lastEpoch;
            reports.previousFinalAt = reports.lastFinalAt;
            reports.lastEpoch = reports.pendingEpoch;
            reports.lastFinalAt = reports.pendingFinalAt;
            reports.pendingEpoch = 0;
            reports.pendingFinalAt = 0;
            reports.place = (reports.place + 1) % 3;
        }
    }

    function _before(uint8 place) private pure returns (uint8) {
        return (place + 2) % 3;
    }

    function _digest(EpochReport calldata report) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPE, report)));
    }
}
