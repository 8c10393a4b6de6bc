// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";

/// @title A token that does what tokens shouldn't: takes a fee, refuses receivers, calls back.
contract FickleToken is ERC20Burnable {
    uint256 public feePpm;
    mapping(address receiver => bool) public refused;
    address public target;
    bytes public callback;

    error FickleToken_Refused(address receiver);

    constructor() ERC20("Fickle", "FCK") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function takeFee(uint256 ppm) external {
        feePpm = ppm;
    }

    function refuse(address receiver) external {
        refused[receiver] = true;
    }

    /// @notice Calls `to` with `data` in the next transfer, and fails as that call fails.
    function callBack(address to, bytes calldata data) external {
        target = to;
        callback = data;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!refused[to], FickleToken_Refused(to));
        address to_ = target;
        if (to_ != address(0)) {
            target = address(0);
            (bool done, bytes memory answer) = to_.call(callback);
            if (!done) {
                assembly ("memory-safe") {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
        uint256 fee = from == address(0) || to == address(0) ? 0 : (value * feePpm) / 1_000_000;
        super._update(from, to, value - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}
