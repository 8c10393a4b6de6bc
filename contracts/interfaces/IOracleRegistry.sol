// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Members of the committee: who they are, which key signs for each, who operates them.
interface IOracleRegistry {
    /// @notice How many members of the committee in force are operated, as declared before this epoch, by either address.
    /// @param csp the owner of the CSP's account
    /// @param holder the licence's holder
    /// @return conflicted how many
    /// @return bearable f, how many a committee bears
    function conflicts(
        address csp,
        address holder
    ) external view returns (uint256 conflicted, uint256 bearable);
}
