// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {INetworkToken} from "../interfaces/INetworkToken.sol";

/// @title NetworkToken
/// @dev Not ERC20Capped: that one bounds the supply, so that burning would make room for minting again.
contract NetworkToken is INetworkToken, ERC20Burnable, ERC20Permit {
    /// @inheritdoc INetworkToken
    uint256 public immutable cap;
    /// @inheritdoc INetworkToken
    address public immutable minter;
    /// @inheritdoc INetworkToken
    uint256 public minted;

    /// @param cap_ the most that is ever minted, in the smallest unit
    /// @param minter_ who mints, a contract whose address the deployer knows beforehand
    constructor(
        string memory name_,
        string memory symbol_,
        uint256 cap_,
        address minter_
    ) ERC20(name_, symbol_) ERC20Permit(name_) {
        require(cap_ != 0 && minter_ != address(0), NetworkToken_SettingViolated("cap and minter are not zero"));
        cap = cap_;
        minter = minter_;
    }

    /// @inheritdoc INetworkToken
    function mint(address to, uint256 amount) external {
        require(msg.sender == minter, NetworkToken_NotMinter(msg.sender));
        uint256 total = minted + amount;
        require(total <= cap, NetworkToken_CapExceeded(total, cap));
        minted = total;
        _mint(to, amount);
    }
}
