// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IBurner} from "../interfaces/IBurner.sol";

/// @title Burner
/// @dev Holds nothing but what is to be burned, and knows nothing else to do with it.
contract Burner is IBurner {
    /// @inheritdoc IBurner
    function burn(address token) external virtual returns (uint256 amount) {
        return _burnAll(token);
    }

    function _burnAll(address token) internal returns (uint256 amount) {
        amount = ERC20Burnable(token).balanceOf(address(this));
        require(amount != 0, Burner_NothingToBurn(token));
        emit Burned(token, amount);
        ERC20Burnable(token).burn(amount);
        uint256 left = ERC20Burnable(token).balanceOf(address(this));
        // slither-disable-next-line incorrect-equality -- nobody can send some in between
        require(left == 0, Burner_NotBurned(token, left));
    }
}
