// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The spans of a network, all in whole seconds, fixed when it is deployed.
/// @param genesis UNIX time at which epoch 0 starts
/// @param epochLength length of an epoch; epoch e is [genesis + e·epochLength, genesis + (e+1)·epochLength)
/// @param settleDelay what oracles wait after an epoch's end before they sign what they saw
/// @param agreementSpan the time the committee may take to agree on a report
/// @param activationDelay what a submitted report waits before it is final
/// @param reviewDelay what a report waits instead when a guardian has vetoed its epoch before
/// @param replacementSpan the longest that governance takes to replace a committee in an emergency
/// @param stallSpan without a final report for this long, the network counts as stalled
/// @param attestableSpan how long after a stall unattested time can still be attested
/// @param grace how long after a takeover the former committee may still sign
struct Timing {
    uint40 genesis;
    uint32 epochLength;
    uint32 settleDelay;
    uint32 agreementSpan;
    uint32 activationDelay;
    uint32 reviewDelay;
    uint32 replacementSpan;
    uint32 stallSpan;
    uint32 attestableSpan;
    uint32 grace;
}

/// @title The inequalities between the spans of a network, written down once.
library TimingRules {
    /// @notice A span breaks the named inequality.
    /// @param rule the inequality that must hold, in the words of {Timing}
    error Timing_Violated(string rule);

    /// @notice Reverts unless all inequalities hold. No span has an absolute minimum, so epochs of a few seconds work.
    function check(Timing memory t) internal pure {
        require(
            t.genesis != 0 && t.epochLength != 0 && t.activationDelay != 0,
            Timing_Violated("genesis, epochLength and activationDelay are not zero")
        );
        require(
            uint256(t.settleDelay) + t.agreementSpan + t.activationDelay < t.epochLength,
            Timing_Violated("settleDelay + agreementSpan + activationDelay < epochLength")
        );
        require(t.reviewDelay > t.replacementSpan, Timing_Violated("reviewDelay > replacementSpan"));
        require(
            t.stallSpan > uint256(t.epochLength) + t.settleDelay + t.agreementSpan + t.activationDelay + t.reviewDelay,
            Timing_Violated("stallSpan > epochLength + settleDelay + agreementSpan + activationDelay + reviewDelay")
        );
        require(
            t.attestableSpan > uint256(t.replacementSpan) + t.settleDelay + t.agreementSpan + t.reviewDelay,
            Timing_Violated("attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay")
        );
        require(t.grace < t.epochLength, Timing_Violated("grace < epochLength"));
    }
}
