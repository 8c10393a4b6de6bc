// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {AdmissionSettings, IAdmission} from "../interfaces/IAdmission.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {ICredentials} from "../interfaces/ICredentials.sol";
import {ICspAccounts} from "../interfaces/ICspAccounts.sol";
import {JobTerms} from "../interfaces/IJobEscrow.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {JobRules} from "./JobRules.sol";

/// @title Admission
/// @dev Every allowed token carries a copy of pause and settings in its own word, so that a deposit reads one word; the few
/// changes write all copies.
contract Admission is IAdmission, JobRules, AccessManaged {
    using EnumerableSet for EnumerableSet.AddressSet;
    using SafeCast for uint256;

    /// @dev One slot. `allowed` is set in tokens' copies only.
    struct Gate {
        bool allowed;
        bool deedRequired;
        uint8 credentialKinds;
        uint32 longestPause;
        uint40 pausedFrom;
        uint40 pausedUntil;
    }

    uint8 private constant ALL_KINDS = 3;
    uint256 private constant MOST_TOKENS = 32;
    uint32 private constant PAUSE_CAP = 90 days;

    /// @inheritdoc IAdmission
    ICspAccounts public immutable accounts;
    /// @inheritdoc IAdmission
    ICredentials public immutable credentials;
    /// @inheritdoc IAdmission
    ITrustRegistry public immutable trust;
    /// @inheritdoc IAdmission
    IERC721 public immutable licences;

    Gate private _gate;
    mapping(address token => Gate) private _gates;
    EnumerableSet.AddressSet private _tokens;

    /// @param authority the AccessManager that says who governs and who is the guardian
    /// @param attestations whose epochs the network has; deployed before
    /// @param accounts_ the CSPs' accounts
    /// @param credentials_ who was identified
    /// @param trust_ what stands against accounts
    /// @param licences_ the deeds
    /// @param settings_ whom the network admits
    /// @param tokens_ allowed from the beginning
    constructor(
        address authority,
        IAttestations attestations,
        ICspAccounts accounts_,
        ICredentials credentials_,
        ITrustRegistry trust_,
        IERC721 licences_,
        AdmissionSettings memory settings_,
        address[] memory tokens_
    ) JobRules(attestations) AccessManaged(authority) {
        require(address(accounts_) != address(0), Admission_SettingViolated("accounts is not zero"));
        require(address(credentials_) != address(0), Admission_SettingViolated("credentials is not zero"));
        require(address(trust_) != address(0), Admission_SettingViolated("trust is not zero"));
        require(address(licences_) != address(0), Admission_SettingViolated("licences is not zero"));
        accounts = accounts_;
        credentials = credentials_;
        trust = trust_;
        licences = licences_;
        _change(settings_);
        for (uint256 i = 0; i < tokens_.length; ++i) _allow(tokens_[i]);
    }

    /// @inheritdoc IAdmission
    function allowToken(address token) external restricted {
        _allow(token);
    }

    /// @inheritdoc IAdmission
    function forbidToken(address token) external restricted {
        require(_tokens.remove(token), Admission_TokenNotAllowed(token));
        delete _gates[token];
        emit TokenForbidden(token);
    }

    /// @inheritdoc IAdmission
    function changeSettings(AdmissionSettings calldata settings_) external restricted {
        _change(settings_);
    }

    /// @inheritdoc IAdmission
    function pause(uint40 until) external restricted {
        Gate memory gate = _gate;
        require(block.timestamp >= gate.pausedUntil, Admission_Paused(gate.pausedUntil));
        uint256 rested = 2 * uint256(gate.pausedUntil) - gate.pausedFrom;
        require(block.timestamp >= rested, Admission_Resting(rested));
        uint256 latest = block.timestamp + gate.longestPause;
        require(until > block.timestamp && until <= latest, Admission_PauseSpan(until, latest));
        gate.pausedFrom = block.timestamp.toUint40();
        gate.pausedUntil = until;
        _publish(gate);
        emit DepositsPaused(until);
    }

    /// @inheritdoc IAdmission
    function resume() external restricted {
        Gate memory gate = _gate;
        require(block.timestamp < gate.pausedUntil, Admission_NotPaused());
        gate.pausedUntil = block.timestamp.toUint40();
        _publish(gate);
        emit DepositsResumed();
    }

    /// @inheritdoc IAdmission
    function admitJob(
        uint48 account,
        JobTerms calldata terms
    ) external view returns (address owner, bytes32 hash, uint256 funded, uint256 deposit) {
        owner = accounts.ownerOf(account);
        _requireAdmitted(account, owner, terms.token);
        (hash, funded, deposit) = examine(terms);
    }

    /// @inheritdoc IAdmission
    function requireAdmitted(uint48 account, address owner, address token) external view {
        _requireAdmitted(account, owner, token);
    }

    /// @inheritdoc IAdmission
    function requireAccountAdmitted(uint48 account, address token) external view {
        _requireAdmitted(account, accounts.ownerOf(account), token);
    }

    /// @inheritdoc IAdmission
    function tokenAllowed(address token) external view returns (bool) {
        return _gates[token].allowed;
    }

    /// @inheritdoc IAdmission
    function tokens() external view returns (address[] memory) {
        return _tokens.values();
    }

    /// @inheritdoc IAdmission
    function settings() external view returns (AdmissionSettings memory) {
        Gate memory gate = _gate;
        return
            AdmissionSettings({
                credentialKinds: gate.credentialKinds,
                deedRequired: gate.deedRequired,
                longestPause: gate.longestPause
            });
    }

    /// @inheritdoc IAdmission
    function lastPause() external view returns (uint40 from, uint40 until) {
        return (_gate.pausedFrom, _gate.pausedUntil);
    }

    function _allow(address token) private {
        require(token.code.length != 0, Admission_NoCode(token));
        require(_tokens.add(token), Admission_AllowedBefore(token));
        require(_tokens.length() <= MOST_TOKENS, Admission_TooManyTokens(MOST_TOKENS));
        Gate memory gate = _gate;
        gate.allowed = true;
        _gates[token] = gate;
        emit TokenAllowed(token);
    }

    function _change(AdmissionSettings memory settings_) private {
        require(
            settings_.credentialKinds <= ALL_KINDS,
            Admission_SettingViolated("credentialKinds is a sum of 1 (KYC) and 2 (KYB), or 0")
        );
        require(settings_.longestPause <= PAUSE_CAP, Admission_SettingViolated("longestPause <= 90 days"));
        Gate memory gate = _gate;
        gate.credentialKinds = settings_.credentialKinds;
        gate.deedRequired = settings_.deedRequired;
        gate.longestPause = settings_.longestPause;
        _publish(gate);
        emit SettingsChanged(settings_);
    }

    /// @dev Writes the gate and all tokens' copies of it.
    function _publish(Gate memory gate) private {
        _gate = gate;
        gate.allowed = true;
        uint256 count = _tokens.length();
        for (uint256 i = 0; i < count; ++i) _gates[_tokens.at(i)] = gate;
    }

    /// @dev What is cheap to ask comes first.
    function _requireAdmitted(uint48 account, address owner, address token) private view {
        Gate storage gate = _gates[token];
        (uint8 kinds, bool deedRequired) = (gate.credentialKinds, gate.deedRequired);
        require(gate.allowed, Admission_TokenNotAllowed(token));
        require(block.timestamp >= gate.pausedUntil, Admission_Paused(gate.pausedUntil));
        Status status = trust.statusOf(Subjects.csp(account));
        require(status == Status.None, Admission_AccountRestricted(account, status));
        if (kinds != 0) {
            uint40 until = credentials.validUntil(owner, kinds);
            require(block.timestamp < until, Admission_NoCredential(owner, kinds, until));
        }
        if (deedRequired) require(licences.balanceOf(owner) != 0, Admission_NoDeed(owner));
    }
}
