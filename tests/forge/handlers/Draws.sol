// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What handlers make of the numbers that they are given.
abstract contract Draws {
    function _in(uint256 seed, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + (seed % (high - low + 1));
    }

    /// @dev One of `n` places: the first one from the draw's on that is wanted, where there is one; one draw in eight takes what comes.
    function _pick(
        uint256 draw,
        uint256 n,
        function(uint256) view returns (bool) wanted
    ) internal view returns (uint256) {
        uint256 first = (draw >> 3) % n;
        for (uint256 i = 0; i < n && draw % 8 != 0; ++i) if (wanted((first + i) % n)) return (first + i) % n;
        return first;
    }
}
