// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DutyView} from "../../../contracts/interfaces/IOraclePay.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {Trees} from "../Trees.sol";
import {World} from "./World.sol";

/// @dev Oracles are paid for their duty, by leaves of kind 3, out of the protocol's share.
abstract contract PayHandler is World {
    address private constant RECIPIENT_OF_PAY = address(0x9A4);

    function settleDuty(uint256 which, uint256 seed) external act {
        uint256 place = seed % 4 == 0 ? previous : newest;
        if (place == 0 || reports[place - 1].ids.length == reports[place - 1].count) return;
        Published storage p = reports[place - 1];
        uint256 i = p.count + (which % (p.ids.length - p.count));
        address member = address(uint160(p.ids[i]));
        (, bytes32[] memory proof) = Trees.prove(p.nodes, i, i);
        DutyView memory before = oraclePay.dutyOf(member);
        bytes memory data = abi.encodeCall(oraclePay.settle, (p.epoch, member, p.earned[i], p.accounted[i], proof));
        _call("settleDuty", STRANGER, address(oraclePay), data, NONE);
        DutyView memory later = oraclePay.dutyOf(member);
        _check(
            later.earned >= before.earned && later.accounted >= before.accounted && later.through >= before.through,
            "a duty fell"
        );
        data = abi.encodeCall(oraclePay.settle, (p.epoch, member, p.earned[i] / 2 + 7, p.accounted[i], proof));
        if (p.earned[i] != p.earned[i] / 2 + 7) _forbidden("settleFalseDuty", STRANGER, address(oraclePay), data);
    }

    function claimDuty(uint256 which, bool all) external act {
        address[] memory who = new address[](all ? MEMBERS : 1);
        for (uint256 i = 0; i < who.length; ++i) who[i] = members(((which % MEMBERS) + i) % MEMBERS);
        uint256 pot = token.balanceOf(address(oraclePay));
        uint256 due = 0;
        for (uint256 i = 0; i < who.length; ++i) {
            if (!_frozen(Subjects.oracle(who[i]))) due += oraclePay.dutyOf(who[i]).owed;
        }
        _call("claimDuty", STRANGER, address(oraclePay), abi.encodeCall(oraclePay.claim, (who)), NONE);
        uint256 paid = pot - token.balanceOf(address(oraclePay));
        _check(paid == (due < pot ? due : pot), "duty was paid too much or too little");
        if (paid != 0) ++done["dutyPaid"];
    }

    function redirect(uint256 which, bool back) external act {
        address member = members(which % MEMBERS);
        address to = back ? address(0) : RECIPIENT_OF_PAY;
        _call("redirect", member, address(oraclePay), abi.encodeCall(oraclePay.setRecipient, (to)), NONE);
    }

    /// @dev Only what members can't earn any more leaves the pot.
    function sweep(bool other) external act {
        address which = other ? address(hostile[0]) : address(token);
        uint256 pot = token.balanceOf(address(oraclePay));
        uint256 needed = oraclePay.reserve();
        bytes memory data = abi.encodeCall(oraclePay.sweep, (which));
        if (!_call("sweep", STRANGER, address(oraclePay), data, other ? ANY : NONE)) return;
        uint256 left = token.balanceOf(address(oraclePay));
        _check(left == (other || pot < needed ? pot : needed), "swept what is needed, or left what isn't");
        swept += pot - left;
    }
}
