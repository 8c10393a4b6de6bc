// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What we use of a Uniswap-V2-style router.
interface IUniswapV2Router {
    /// @notice Where its pairs come from.
    function factory() external view returns (address);

    /// @notice Swaps an exact amount of path[0], taken from the caller, along the path.
    /// @param amountOutMin the least of the last token that the recipient accepts, in its smallest unit
    /// @param deadline UNIX seconds, inclusive
    /// @return amounts of each token of the path
    function swapExactTokensForTokens(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external returns (uint256[] memory amounts);
}
