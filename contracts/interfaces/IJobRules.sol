// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JobTerms} from "./IJobEscrow.sol";

/// @title What terms a job may have, and what they cost.
interface IJobRules {
    /// @notice The terms break the named rule.
    error JobRules_TermsViolated(string rule);

    /// @notice Reverts unless a job may be created with these terms now.
    /// @return hash what a node accepts
    /// @return funded slot-seconds
    /// @return deposit in the token's smallest unit, rounded up
    function examine(JobTerms calldata terms) external view returns (bytes32 hash, uint256 funded, uint256 deposit);

    /// @notice What funds such a job, in the token's smallest unit, rounded up.
    function depositFor(JobTerms calldata terms) external view returns (uint256);

    /// @notice What so many slot-seconds cost at a price for one slot and epoch, rounded up. Reverts beyond what a job may have.
    function costOf(uint256 price, uint256 secs) external view returns (uint256);

    /// @notice The hash that a node accepts: of token, price, policy's hash and intent.
    function termsHash(JobTerms calldata terms) external pure returns (bytes32);
}
