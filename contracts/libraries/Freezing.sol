// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";

/// @title Whether a subject's money waits.
library Freezing {
    /// @notice Whether the subject is frozen now; a freeze holds money back whatever else stands against the subject.
    function isFrozen(ITrustRegistry trust, uint256 subject) internal view returns (bool) {
        (uint40 until, , ) = trust.standingOf(subject, Status.Frozen);
        return block.timestamp < until;
    }
}
