// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {JobTerms} from "../interfaces/IJobEscrow.sol";
import {IJobRules} from "../interfaces/IJobRules.sol";
import {Money} from "../libraries/Money.sol";
import {Policy, PolicyRules} from "../libraries/Policy.sol";
import {Timing} from "../libraries/Timing.sol";

/// @dev What terms a job may have. Has no state; a part of {Admission}, since the escrow asks both at once.
abstract contract JobRules is IJobRules {
    using PolicyRules for Policy;

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;

    /// @param attestations whose epochs the network has
    constructor(IAttestations attestations) {
        Timing memory t = attestations.timing();
        GENESIS = t.genesis;
        EPOCH_LENGTH = t.epochLength;
    }

    /// @inheritdoc IJobRules
    function examine(JobTerms calldata terms) public view returns (bytes32 hash, uint256 funded, uint256 deposit) {
        require(terms.price != 0 && terms.slots != 0, JobRules_TermsViolated("price and slots are not zero"));
        require(
            terms.startsAt >= block.timestamp && terms.startsAt >= GENESIS,
            JobRules_TermsViolated("startsAt is not in the past, nor before the genesis")
        );
        require(terms.orchestrator != address(0), JobRules_TermsViolated("orchestrator is not zero"));
        terms.policy.check();
        require(terms.startsAt < terms.endsAt, JobRules_TermsViolated("startsAt < endsAt"));
        hash = termsHash(terms);
        funded = uint256(terms.slots) * (terms.endsAt - terms.startsAt);
        deposit = costOf(terms.price, funded);
    }

    /// @inheritdoc IJobRules
    function depositFor(JobTerms calldata terms) external view returns (uint256) {
        require(terms.startsAt < terms.endsAt, JobRules_TermsViolated("startsAt < endsAt"));
        return costOf(terms.price, uint256(terms.slots) * (terms.endsAt - terms.startsAt));
    }

    /// @inheritdoc IJobRules
    function costOf(uint256 price, uint256 secs) public view returns (uint256 amount) {
        require(secs < Money.MAX_SECONDS, JobRules_TermsViolated("all slots' seconds together < 2^44"));
        amount = Math.ceilDiv(price * secs, EPOCH_LENGTH);
        require(amount < 1 << 96, JobRules_TermsViolated("deposit < 2^96"));
    }

    /// @inheritdoc IJobRules
    function termsHash(JobTerms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(terms.token, terms.price, terms.policy.hash(), terms.intent));
    }
}
