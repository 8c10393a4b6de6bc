// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IBurner} from "../interfaces/IBurner.sol";

/// @title Burner
/// @dev Holds nothing but what is to be burned, and knows nothing else to do with it.
contract Burner is IBurner {
    /// @inheritdoc IBurner
    function burn(address token) external returns (uint256 amount) {
        amount = ERC20Burnable(token).balanceOf(address(this));
        emit Burned(token, amount);
        ERC20Burnable(token).burn(amount);
    }
}
