// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where the protocol's and the burn share pile up until anyone burns them, off the settlement path.
/// @dev A token without a `burn` of its own stays here for good: a network with such job tokens takes an {ISwapBurner}.
interface IBurner {
    /// @notice Tokens were burned.
    event Burned(address indexed token, uint256 amount);

    /// @notice None of the token is here.
    error Burner_NothingToBurn(address token);
    /// @notice The token's `burn` took less or more than all that was here.
    error Burner_NotBurned(address token, uint256 left);

    /// @notice Burns all of a token that is here, through the token's own `burn` (ERC20Burnable). Anyone may call.
    /// @return amount in the token's smallest unit
    function burn(address token) external returns (uint256 amount);
}
