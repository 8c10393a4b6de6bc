// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Actions} from "./handlers/Actions.sol";

/// @dev Long walks in a small world, with counts (-vv): of its actions that went through, and of refusals for one reason alone.
abstract contract Walks is Test {
    uint256 private constant WALKS = 16;
    uint256 private constant STEPS = 150;

    /// @dev A fresh world.
    function _world() internal virtual returns (Actions);

    /// @dev Takes the walks. Each name, parted by spaces, and each refusal must have come at least once.
    function _mustHappen(string memory names, bytes4[] memory refusals) internal {
        string[] memory all = vm.split(names, " ");
        uint256[] memory sums = new uint256[](all.length + refusals.length);
        for (uint256 walk = 0; walk < WALKS; ++walk) {
            vm.warp(1_800_000_000);
            Actions world = _world();
            _walk(world, walk);
            for (uint256 i = 0; i < all.length; ++i) sums[i] += world.done(all[i]);
            for (uint256 i = 0; i < refusals.length; ++i) sums[all.length + i] += world.refused(refusals[i]);
        }
        for (uint256 i = 0; i < sums.length; ++i) {
            string memory name = i < all.length ? all[i] : vm.toString(abi.encodePacked(refusals[i - all.length]));
            emit log_named_uint(name, sums[i]);
            assertTrue(sums[i] != 0, name);
        }
    }

    function _walk(Actions world, uint256 walk) private {
        bytes4[] memory actions = world.actions();
        uint256 random = uint256(keccak256(abi.encode(walk)));
        for (uint256 step = 0; step < STEPS; ++step) {
            random = uint256(keccak256(abi.encode(random)));
            // solhint-disable-next-line avoid-low-level-calls
            (bool ok, ) = address(world).call(
                abi.encodePacked(actions[(random >> 8) % actions.length], keccak256(abi.encode(random)))
            );
            assertTrue(ok, "a handler reverted");
            assertEq(world.fault(), "");
        }
    }
}
