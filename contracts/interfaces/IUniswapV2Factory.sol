// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What we use of a Uniswap-V2-style factory.
interface IUniswapV2Factory {
    /// @notice The pair of two tokens, in either order; zero when there is none.
    function getPair(address tokenA, address tokenB) external view returns (address pair);
}
