// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice How an assignment's uptime becomes earned and withheld seconds, and where withheld money goes. Data, fixed
/// for a job when it is created. Oracles apply the first five fields; the contract itself needs the window and share.
/// @param evidence which evidence counts: 1 node liveness, 2 the agent's report of the workload's health, 3 the oracles'
/// own probes of the workload
/// @param targetPpm uptime, in millionths of the observed time, from which all accounted seconds are earned
/// @param floorPpm uptime up to which none are; linear in between, binary when equal to the target
/// @param windowEpochs epochs [k·W, (k+1)·W) over which uptime is scored; a window counts only once it is over
/// @param minObservedSeconds a window observed for less earns just its up-time
/// @param cspSharePpm the part of withheld money, in millionths, that returns to the CSP; the rest is burned
struct Policy {
    uint8 evidence;
    uint24 targetPpm;
    uint24 floorPpm;
    uint16 windowEpochs;
    uint32 minObservedSeconds;
    uint24 cspSharePpm;
}

/// @title Rules that a policy must meet.
library PolicyRules {
    uint24 internal constant PPM = 1_000_000;
    uint8 internal constant NODE_LIVENESS = 1;
    uint8 internal constant ORACLE_PROBE = 3;

    /// @notice A field of the policy is out of its bounds.
    /// @param rule what must hold, in the words of {Policy}
    error Policy_Violated(string rule);

    /// @notice Reverts unless the policy is one that oracles can apply.
    function check(Policy memory policy) internal pure {
        require(
            policy.evidence >= NODE_LIVENESS && policy.evidence <= ORACLE_PROBE,
            Policy_Violated("evidence is 1 (liveness), 2 (health) or 3 (probe)")
        );
        require(
            policy.floorPpm <= policy.targetPpm && policy.targetPpm != 0 && policy.targetPpm <= PPM,
            Policy_Violated("floorPpm <= targetPpm, 0 < targetPpm <= 1000000")
        );
        require(policy.windowEpochs != 0, Policy_Violated("windowEpochs >= 1"));
        require(policy.cspSharePpm <= PPM, Policy_Violated("cspSharePpm <= 1000000"));
    }

    /// @notice The hash that stands for the policy.
    function hash(Policy memory policy) internal pure returns (bytes32) {
        return keccak256(abi.encode(policy));
    }
}
