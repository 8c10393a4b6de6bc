// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAdmission} from "../interfaces/IAdmission.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {IBonds} from "../interfaces/IBonds.sol";
import {ICspAccounts} from "../interfaces/ICspAccounts.sol";
import {EscrowParts, IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {IJobRules} from "../interfaces/IJobRules.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";
import {ITrustRegistry} from "../interfaces/ITrustRegistry.sol";
import {Money, Rates} from "../libraries/Money.sol";
import {Timing} from "../libraries/Timing.sol";
import {EscrowStorage} from "./EscrowStorage.sol";

/// @dev What all parts of the escrow share: whom it was built for, and how late it is.
abstract contract EscrowBase is IJobEscrow, EscrowStorage, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @inheritdoc IJobEscrow
    IAttestations public immutable attestations;
    /// @inheritdoc IJobEscrow
    INodeLicense public immutable licences;
    /// @inheritdoc IJobEscrow
    address public immutable placements;
    /// @inheritdoc IJobEscrow
    ICspAccounts public immutable accounts;
    /// @inheritdoc IJobEscrow
    IAdmission public immutable admission;
    /// @inheritdoc IJobEscrow
    ITrustRegistry public immutable trust;
    /// @inheritdoc IJobEscrow
    IBonds public immutable bonds;
    /// @inheritdoc IJobEscrow
    address public immutable burner;
    /// @inheritdoc IJobEscrow
    address public immutable protocolSink;
    /// @inheritdoc IJobEscrow
    uint32 public immutable appealEpochs;
    /// @inheritdoc IJobEscrow
    uint32 public immutable settleWindow;
    /// @inheritdoc IJobEscrow
    uint24 public immutable protocolSharePpm;
    uint40 internal immutable GENESIS;
    uint32 internal immutable EPOCH_LENGTH;
    uint32 internal immutable STALL_SPAN;
    uint32 internal immutable ATTESTABLE_SPAN;

    constructor(EscrowParts memory p, uint32 appealEpochs_, uint32 settleWindow_, uint24 protocolSharePpm_) {
        Timing memory t = p.attestations.timing();
        require(
            p.burner != address(0) && p.protocolSink != address(0),
            JobEscrow_SettingViolated("burner and protocolSink are not zero")
        );
        require(
            settleWindow_ != 0 && settleWindow_ < t.epochLength,
            JobEscrow_SettingViolated("0 < settleWindow < epochLength")
        );
        require(
            t.attestableSpan >
                uint256(t.replacementSpan) + t.settleDelay + t.agreementSpan + t.reviewDelay + settleWindow_,
            JobEscrow_SettingViolated(
                "attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay + settleWindow"
            )
        );
        uint256 appealSpan = uint256(appealEpochs_) * t.epochLength;
        require(
            appealEpochs_ == 0 ||
                appealSpan > uint256(t.reviewDelay) + t.settleDelay + t.agreementSpan + t.activationDelay,
            JobEscrow_SettingViolated(
                "appealEpochs * epochLength > reviewDelay + settleDelay + agreementSpan + activationDelay, or 0"
            )
        );
        require(appealSpan <= 365 days, JobEscrow_SettingViolated("appealEpochs * epochLength <= 365 days"));
        require(protocolSharePpm_ <= Money.PPM, JobEscrow_SettingViolated("protocolSharePpm <= 1000000"));
        attestations = p.attestations;
        licences = p.licences;
        placements = p.placements;
        accounts = p.accounts;
        admission = p.admission;
        trust = p.trust;
        bonds = p.bonds;
        burner = p.burner;
        protocolSink = p.protocolSink;
        appealEpochs = appealEpochs_;
        settleWindow = settleWindow_;
        protocolSharePpm = protocolSharePpm_;
        GENESIS = t.genesis;
        EPOCH_LENGTH = t.epochLength;
        STALL_SPAN = t.stallSpan;
        ATTESTABLE_SPAN = t.attestableSpan;
    }

    /// @inheritdoc IJobEscrow
    function rules() external view returns (IJobRules) {
        return admission;
    }

    /// @inheritdoc IJobEscrow
    function jobCount() external view returns (uint64) {
        return _jobCount;
    }

    /// @inheritdoc IJobEscrow
    function generations(uint64 job, uint32 slot) external view returns (uint32) {
        return _generations[job][slot];
    }

    /// @dev A job's record; reverts when there is none.
    function _known(uint64 job) internal view returns (Job storage j) {
        j = _jobs[job];
        require(j.price != 0, JobEscrow_UnknownJob(job));
    }

    function _rates(Job storage j) internal view returns (Rates memory) {
        return Rates({price: j.price, epochLength: EPOCH_LENGTH, protocolPpm: protocolSharePpm, cspPpm: j.cspSharePpm});
    }

    /// @dev What so many slot-seconds cost, rounded up.
    function _cost(uint256 price, uint256 secs) internal view returns (uint256) {
        return Math.ceilDiv(price * secs, EPOCH_LENGTH);
    }

    /// @dev Whether the network has been without a final report for the stall span and the attestable span after it.
    function _abandoned() internal view returns (bool) {
        return _quiet() && block.timestamp >= _stalledAt() + ATTESTABLE_SPAN;
    }

    /// @dev Whether the network has been without a final report for the stall span.
    function _stalled() internal view returns (bool) {
        return _quiet() && block.timestamp >= _stalledAt();
    }

    /// @dev Whether a report of `epoch` or a later one has been final for a settle window.
    function _settledLongEnough(uint256 epoch) internal view returns (bool) {
        uint256 since = attestations.finalSince(epoch.toUint64());
        return since != 0 && block.timestamp >= since + settleWindow;
    }

    /// @dev When the network counts as stalled, if it makes no progress until then; UNIX seconds.
    function _stalledAt() internal view returns (uint256) {
        return uint256(attestations.lastProgress()) + STALL_SPAN;
    }

    /// @dev Whether no report is about to become final, and the last one has been final for a settle window.
    function _quiet() internal view returns (bool) {
        (, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0) return false;
        (, , finalAt) = attestations.lastFinal();
        return block.timestamp >= uint256(finalAt) + settleWindow;
    }
}
