// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What we use of a Uniswap-V2-style pair.
interface IUniswapV2Pair {
    /// @notice The token with the lower address.
    function token0() external view returns (address);

    /// @notice Reserves in each token's smallest unit, and when they last changed (UNIX seconds modulo 2^32).
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);

    /// @notice The sum over time of reserve1 / reserve0 (112 fractional bits) × seconds, up to the last change; it wraps around.
    function price0CumulativeLast() external view returns (uint256);

    /// @notice The same of reserve0 / reserve1.
    function price1CumulativeLast() external view returns (uint256);
}
