// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";

/// @title A token of 6 decimals for local networks only: anyone mints.
contract LocalToken is ERC20Burnable {
    constructor() ERC20("Local Dollar", "LUSD") {}

    /// @notice Mints to anyone.
    /// @param amount in the smallest unit, a millionth
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
