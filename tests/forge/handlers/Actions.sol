// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signing} from "../fakes/Licences.sol";
import {Draws} from "./Draws.sol";

/// @dev How an action is taken in a small world. What stands against it *now* is told first, by {_against}: where nothing does, it must go
/// through; where something does, it must be refused, for one of these reasons. All else is a fault, and the first is kept for the invariants.
abstract contract Actions is Signing, Draws {
    address internal constant STRANGER = address(0x57A6E);

    string public fault;
    mapping(string action => uint256) public done;
    /// @dev How often something was refused for a reason that alone stood against it.
    mapping(bytes4 why => uint256) public refused;
    bytes4[] private _reasons;
    bytes private _answer;

    /// @dev What a fuzzer may call; each takes one draw.
    function actions() external pure virtual returns (bytes4[] memory);

    /// @dev Tells a reason why the next action must be refused, if it stands.
    function _against(bool stands, bytes4 why) internal {
        if (stands) _reasons.push(why);
    }

    /// @dev Takes an action as somebody, and judges what came of it.
    function _take(string memory action, address who, address target, bytes memory data) internal returns (bool ok) {
        bytes memory answer;
        if (who != address(this)) vm.prank(who);
        // solhint-disable-next-line avoid-low-level-calls
        (ok, answer) = target.call(data);
        uint256 reasons = _reasons.length;
        bool listed = false;
        for (uint256 i = 0; i < reasons; ++i) listed = listed || _reasons[i] == bytes4(answer);
        delete _reasons;
        _answer = answer;
        if (ok) {
            ++done[action];
            _check(reasons == 0, string.concat(action, " went through"));
        } else {
            if (reasons == 1) ++refused[bytes4(answer)];
            _check(listed, string.concat(action, " reverted: ", vm.toString(answer)));
        }
    }

    /// @dev What the last action that was taken returned, if that is a number.
    function _told() internal view returns (uint256) {
        return abi.decode(_answer, (uint256));
    }

    /// @dev How many reasons stand against the next action.
    function _reasonCount() internal view returns (uint256) {
        return _reasons.length;
    }

    function _check(bool good, string memory what) internal {
        if (!good && bytes(fault).length == 0) fault = what;
    }

    function _now() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function _pass(uint256 secs) internal {
        vm.warp(_now() + secs);
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev `a - b`, but never below zero.
    function _beyond(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? 0 : a - b;
    }
}
