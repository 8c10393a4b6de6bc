// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title The network's own token: an ERC-20 with EIP-2612 permits that anyone may burn and one contract mints.
/// @notice 18 decimals, no fee, no callback, no list of the barred, no owner: a mint to an address other than zero doesn't fail
/// below the cap.
interface INetworkToken is IERC20 {
    /// @notice A setting of the deployment breaks the named rule.
    error NetworkToken_SettingViolated(string rule);
    /// @notice Only the minter mints.
    error NetworkToken_NotMinter(address caller);
    /// @notice With this, `minted` of the token would ever have been minted, more than `cap` (both in the smallest unit).
    error NetworkToken_CapExceeded(uint256 minted, uint256 cap);

    /// @notice Mints. The minter only.
    /// @param amount in the smallest unit
    function mint(address to, uint256 amount) external;

    /// @notice The most that is ever minted, in the smallest unit. What was burned isn't minted again.
    function cap() external view returns (uint256);

    /// @notice What was minted until now, burned or not, in the smallest unit; never falls.
    function minted() external view returns (uint256);

    /// @notice Who mints, for good.
    function minter() external view returns (address);
}
