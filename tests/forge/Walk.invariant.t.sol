// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// @dev Long walks of the handlers, with counts (-vv) of what really happened in them besides early returns.
contract HandlerWalks is Test {
    uint256 private constant WALKS = 24;
    uint256 private constant STEPS = 300;

    function test_handlers__long_walks__every_action_happens() external {
        string[] memory names = vm.split(
            "create createAsDelegate grow stop shrink close withdraw appoint meddle "
            "usurp offerAccount acceptAccount assign assignByOffer imposter impose closeAssignment link "
            "unlink move revokeOffers report veto forgedReport rotate schedule replace "
            "declare equivocate settle settleRange settleUnproved released claim claimTo burn "
            "judge1 judge2 judge3 judge4 judge5 imposeFreeze imposeSuspension imposeBlacklist "
            "liftFreeze liftSuspension liftBlacklist appealFreeze appealSuspension appealBlacklist "
            "granted rejected pause forbid request withdrawBond "
            "bond askForBond slash burnBonds reallocated replay reopen misbehave mark resume "
            "probePaths probeExit probeFloor probeCollusion",
            " "
        );
        uint256[] memory sums = new uint256[](names.length);
        for (uint256 walk = 0; walk < WALKS; ++walk) {
            vm.warp(1_800_000_000);
            EscrowHandler handler = new EscrowHandler(0);
            _walk(handler, handler.everything(), walk);
            for (uint256 i = 0; i < names.length; ++i) sums[i] += handler.done(names[i]);
        }
        for (uint256 i = 0; i < names.length; ++i) {
            emit log_named_uint(names[i], sums[i]);
            assertTrue(sums[i] != 0, names[i]);
        }
    }

    function test_handlers__oracles_are_paid__duties_happen() external {
        string[6] memory names = ["settleDuty", "dutyPaid", "sweep", "redirect", "toProtocol", "forgedReport"];
        uint256[] memory sums = new uint256[](names.length);
        for (uint256 walk = 0; walk < WALKS / 3; ++walk) {
            vm.warp(1_800_000_000);
            EscrowHandler handler = new EscrowHandler(1e16);
            _walk(handler, handler.oraclesOnly(), walk);
            for (uint256 i = 0; i < names.length; ++i) sums[i] += handler.done(names[i]);
        }
        for (uint256 i = 0; i < names.length; ++i) {
            emit log_named_uint(names[i], sums[i]);
            assertTrue(sums[i] != 0, names[i]);
        }
    }

    function _walk(EscrowHandler handler, bytes4[] memory actions, uint256 walk) private {
        uint256 random = uint256(keccak256(abi.encode(walk)));
        for (uint256 step = 0; step < STEPS; ++step) {
            random = uint256(keccak256(abi.encode(random)));
            // Each action has all the gas of a block. A pause would let a greedy token eat for ever.
            vm.resetGasMetering();
            _take(handler, actions[random % actions.length], random);
            assertEq(handler.fault(), "");
        }
    }

    /// @dev Calls with random arguments of the widths that the action has, the widest first: too wide ones are refused by the decoder,
    /// wordlessly.
    function _take(EscrowHandler handler, bytes4 action, uint256 random) private {
        uint16[4][7] memory shapes = [
            [uint16(256), 256, 256, 256],
            [uint16(256), 96, 256, 256],
            [uint16(64), 256, 256, 256],
            [uint16(64), 32, 256, 256],
            [uint16(64), 32, 1, 256],
            [uint16(64), 1, 256, 256],
            [uint16(1), 256, 256, 256]
        ];
        for (uint256 s = 0; s < shapes.length; ++s) {
            uint256[4] memory words;
            for (uint256 i = 0; i < 4; ++i) {
                words[i] = uint256(keccak256(abi.encode(random, i))) >> (256 - shapes[s][i]);
            }
            // solhint-disable-next-line avoid-low-level-calls
            (bool ok, bytes memory why) = address(handler).call(
                abi.encodePacked(action, words[0], words[1], words[2], words[3])
            );
            if (ok) return;
            assertEq(why.length, 0, "a handler reverted");
        }
        // The last of shapes: a second argument of one bit.
        // solhint-disable-next-line avoid-low-level-calls
        (bool good, bytes memory reason) = address(handler).call(abi.encodePacked(action, random, (random >> 8) % 2));
        assertTrue(good, string(abi.encodePacked("a handler reverted: ", reason)));
    }
}
