// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What stands against a subject, in order of gravity.
enum Status {
    None,
    Frozen,
    Suspended,
    Blacklisted
}

/// @title Trust: who is frozen, suspended or blacklisted, why, and until when.
/// @notice Subjects are licences, nodes, CSP accounts and oracles, see {Subjects}. Contracts ask {statusOf} and apply one table of
/// what each status does; money already earned and final is never taken by a status.
interface ITrustRegistry {
    /// @notice The gravest status in force now.
    function statusOf(uint256 subject) external view returns (Status);
}
