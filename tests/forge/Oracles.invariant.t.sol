// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {DutyView} from "../../contracts/interfaces/IOraclePay.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {OraclePay} from "../../contracts/rewards/OraclePay.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// @dev A network that pays its oracles, with committees that come and go. In words in README.md.
contract OracleInvariants is Test {
    uint256 private constant MEMBERS = 6;
    EscrowHandler private handler;
    OraclePay private pay;
    LocalToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new EscrowHandler(1e16);
        pay = handler.pay();
        token = handler.token();
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: handler.oraclesOnly()}));
    }

    function invariant_oracleActions() external view {
        assertEq(handler.fault(), "");
    }

    function invariant_oraclePay() external view {
        IOracleRegistry registry = handler.oracles();
        uint256 owed = 0;
        uint256 paid = 0;
        uint256 served = 0;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            address member = handler.members(i);
            DutyView memory d = pay.dutyOf(member);
            assertLe(d.earned, d.accounted, "more duty earned than accounted");
            assertLe(d.accounted, registry.membershipSeconds(member), "duty beyond membership");
            assertLe(d.through, vm.getBlockTimestamp(), "duty in the future");
            assertEq(d.paid + d.owed, (uint256(d.earned) * pay.payPerEpoch()) / 1_000, "paid + owed = earned");
            owed += d.owed;
            paid += d.paid;
            served += registry.membershipSeconds(member);
        }
        assertEq(served, registry.totalMembershipSeconds(), "all membership is somebody's");
        assertLe(owed, pay.reserve(), "the reserve is less than what is owed");
        uint256 sent = 0;
        for (uint64 job = 1; job <= handler.escrow().jobCount(); ++job) {
            if (handler.clean(job)) sent += handler.lens().jobOf(job).toProtocol;
        }
        assertEq(token.balanceOf(address(pay)) + paid + handler.swept(), sent, "the pot = what came - paid - swept");
    }
}
