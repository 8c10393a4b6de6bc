// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice How an assignment's uptime becomes earned and withheld seconds, where withheld money goes, and what asks for another
/// node. Data, hashed into a job when it is created and never changed for it. Contracts need the window, the two shares, and, shown
/// to {IReallocations}, the two spans; the rest is applied by oracles.
/// @param evidence which evidence counts: 1 node liveness, 2 the agent's report of the workload's health, 3 the oracles'
/// own probes of the workload
/// @param targetPpm uptime, in millionths of the observed time, from which all accounted seconds are earned
/// @param floorPpm uptime up to which none are; linear in between, binary when equal to the target
/// @param windowEpochs epochs [k·W, (k+1)·W) over which uptime is scored; a window counts only once it is over
/// @param minObservedSeconds a window observed for less earns just its up-time
/// @param cspSharePpm the part of withheld money, in millionths, that returns to the CSP; the rest is burned
/// @param penaltyPpm what is taken from the licence's bond for withheld money, in millionths of that money, and burned
/// @param missedEpochs whole epochs without any up-time after which another node is asked for; 0: never
/// @param outageSeconds length of an outage within an epoch after which another node is asked for; 0: never
/// @param answerSeconds how long the orchestrator has to name another node; 0: it is never asked to
/// @param cooldownSeconds between two requests for one slot
/// @param maintenanceSeconds of maintenance declared beforehand that count as unmeasured, at most, in one window
struct Policy {
    uint8 evidence;
    uint24 targetPpm;
    uint24 floorPpm;
    uint16 windowEpochs;
    uint32 minObservedSeconds;
    uint24 cspSharePpm;
    uint24 penaltyPpm;
    uint16 missedEpochs;
    uint32 outageSeconds;
    uint32 answerSeconds;
    uint32 cooldownSeconds;
    uint32 maintenanceSeconds;
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
    function check(Policy calldata policy) internal pure {
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
        require(policy.penaltyPpm <= PPM, Policy_Violated("penaltyPpm <= 1000000"));
        require(
            policy.answerSeconds != 0 || (policy.missedEpochs == 0 && policy.outageSeconds == 0),
            Policy_Violated("answerSeconds >= 1 where missedEpochs or outageSeconds ask for another node")
        );
    }

    /// @notice The hash that stands for the policy.
    function hash(Policy calldata policy) internal pure returns (bytes32) {
        return keccak256(abi.encode(policy));
    }
}
