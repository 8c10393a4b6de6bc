// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a delegate of a CSP account may do, a bit each.
library Permissions {
    /// @notice Create jobs.
    uint8 internal constant CREATE = 1;
    /// @notice Extend and enlarge jobs.
    uint8 internal constant GROW = 2;
    /// @notice Stop and shrink jobs.
    uint8 internal constant LEAVE = 4;
    /// @notice Close assignments.
    uint8 internal constant PLACE = 8;
}
