// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HostileToken} from "../../contract/solidity/HostileTokens.sol";

/// @dev Takes from the sender more than it moves, from the time it is told to.
contract SurchargeToken is HostileToken {
    uint256 public surcharge;

    function charge(uint256 amount) external {
        surcharge = amount;
    }

    function _misbehave(address from, address, uint256) internal override {
        if (surcharge != 0) _burn(from, surcharge);
    }
}

/// @dev Refuses to move nothing, as some tokens do.
contract PickyToken is HostileToken {
    error PickyToken_Nothing();

    function _misbehave(address, address, uint256 value) internal pure override {
        require(value != 0, PickyToken_Nothing());
    }
}

/// @dev Answers false, whether it moved or not, and calls somebody before it does.
contract LyingToken is HostileToken {
    bool public lying;
    bool public moving;
    address private _target;
    bytes private _callback;

    error LyingToken_CallFailed();

    function lie(bool lying_, bool moving_, address target, bytes calldata callback) external {
        (lying, moving, _target, _callback) = (lying_, moving_, target, callback);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (!lying) return super.transfer(to, value);
        if (moving) super.transfer(to, value);
        if (_target != address(0)) {
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, ) = _target.call(_callback);
            require(done, LyingToken_CallFailed());
        }
        return false;
    }

    function _misbehave(address, address, uint256) internal override {}
}
