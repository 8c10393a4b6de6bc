// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {DutyView, IOraclePay} from "../../contracts/interfaces/IOraclePay.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {OraclePay} from "../../contracts/rewards/OraclePay.sol";
import {OracleWorld} from "./fakes/OracleWorld.sol";
import {Trees} from "./Trees.sol";

/// @dev Refuses transfers to one address.
contract BlockingToken is LocalToken {
    error Blocked(address who);

    address public blocked;

    function block_(address who) external {
        blocked = who;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(to != blocked, Blocked(to));
        super._update(from, to, amount);
    }
}

contract OraclePayTest is OracleWorld {
    uint96 private constant PRICE = 700_001;
    address private constant BURNER = address(0xDEAD);

    BlockingToken private token;
    OraclePay private pay;
    uint64[5] private earned;
    uint64[5] private accounted;

    function setUp() external {
        vm.warp(GENESIS);
        _found();
        token = new BlockingToken();
        pay = new OraclePay(attestations, registry, ITrustRegistry(address(trust)), BURNER, token, PRICE);
    }

    function test_constructor__no_burner__is_refused() external {
        vm.expectPartialRevert(IOraclePay.OraclePay_SettingViolated.selector);
        new OraclePay(attestations, registry, ITrustRegistry(address(trust)), address(0), token, PRICE);
        vm.expectPartialRevert(IOraclePay.OraclePay_SettingViolated.selector);
        new OraclePay(attestations, registry, ITrustRegistry(address(trust)), BURNER, IERC20(address(0)), PRICE);
    }

    function test_settle__leaf_in_no_report__is_refused() external {
        _tell(0, 900, 1000);
        _publish(0);
        bytes32[] memory proof = _proof(0);
        vm.expectPartialRevert(IOraclePay.OraclePay_LeafNotInReport.selector);
        pay.settle(0, _member(0), 901, 1000, proof);
        vm.expectPartialRevert(IOraclePay.OraclePay_LeafNotInReport.selector);
        pay.settle(0, _member(1), 900, 1000, proof);
    }

    function test_settle__daily_or_at_once__pays_the_same() external {
        token.mint(address(pay), 1e12);
        for (uint64 epoch = 0; epoch < 7; ++epoch) {
            _tell(0, (epoch + 1) * 333, (epoch + 1) * 1000);
            _tell(1, (epoch + 1) * 333, (epoch + 1) * 1000);
            _publish(epoch);
            _settle(epoch, 0);
            _claim(0);
        }
        _settle(6, 1);
        _claim(1);
        assertEq(token.balanceOf(_member(0)), (uint256(PRICE) * 7 * 333) / 1000);
        assertEq(token.balanceOf(_member(1)), token.balanceOf(_member(0)));
    }

    function test_settle__older_leaf__changes_nothing() external {
        _tell(0, 500, 1000);
        bytes32[] memory old = _proof(0);
        _publish(0);
        _tell(0, 1400, 2000);
        _publish(1);
        _settle(1, 0);
        pay.settle(0, _member(0), 500, 1000, old);
        DutyView memory duty = pay.dutyOf(_member(0));
        assertEq(duty.earned, 1400);
        assertEq(duty.accounted, 2000);
        assertEq(duty.through, GENESIS + 2 * LENGTH);
    }

    function test_settle__beyond_the_bounds__is_cut_and_void_for_good() external {
        _tell(0, 5000, 9000);
        _tell(4, 1000, 1000); // never a member
        _tell(1, type(uint64).max, type(uint64).max);
        _publish(1);
        _settle(1, 0);
        _settle(1, 1);
        _settle(1, 4);
        assertEq(pay.dutyOf(_member(0)).accounted, 2000);
        assertEq(pay.dutyOf(_member(0)).earned, 2000);
        assertEq(pay.dutyOf(_member(1)).earned, 2000);
        assertEq(pay.dutyOf(_member(4)).earned, 0);
        _settle(1, 0);
        assertEq(pay.dutyOf(_member(0)).earned, 2000, "the same leaf twice");
        // Oracles go on from the booked values.
        _tell(0, 2100, 3000);
        _publish(2);
        _settle(2, 0);
        assertEq(pay.dutyOf(_member(0)).earned, 2100);
        assertEq(pay.dutyOf(_member(0)).accounted, 3000);
    }

    function test_settle__appeal__raises_within_what_was_accounted() external {
        _tell(0, 400, 1000);
        _publish(0);
        _settle(0, 0);
        _tell(0, 1900, 2000); // 1000 of the new epoch, 500 by an appeal
        _publish(1);
        _settle(1, 0);
        assertEq(pay.dutyOf(_member(0)).earned, 1900);
        _tell(0, 3500, 3000);
        _publish(2);
        _settle(2, 0);
        assertEq(pay.dutyOf(_member(0)).earned, 3000);
    }

    function test_settle__left_the_committee__earns_no_more_than_its_time_there() external {
        registry.scheduleCommittee(_members(0, 1, 2, 4), 2);
        _tell(3, 9000, 9000);
        _tell(4, 9000, 9000);
        _publish(4);
        _settle(4, 3);
        _settle(4, 4);
        assertEq(pay.dutyOf(_member(3)).earned, 2 * LENGTH);
        // In force from epoch 2 to now; the report's delay has passed beyond the epoch's end.
        assertLe(pay.dutyOf(_member(4)).earned, 3 * LENGTH + ACTIVATION);
    }

    /// @dev What it can't earn any more isn't kept in the pot again because somebody settles its old leaf once more.
    function test_settle__same_leaf_long_after_it_left__keeps_nothing_back_anew() external {
        _toEpoch(9);
        registry.replaceCommittee(_members(1, 2, 3, 4));
        _tell(0, 0, 9000);
        _publish(9);
        _settle(9, 0);
        skip(8 * LENGTH);
        uint256 reserve = pay.reserve();
        _settle(9, 0);
        assertEq(pay.reserve(), reserve);
    }

    function test_claim__poor_pot__owes_the_rest() external {
        _tell(0, 1000, 1000);
        _tell(1, 1000, 1000);
        _publish(0);
        _settle(0, 0);
        _settle(0, 1);
        token.mint(address(pay), uint256(PRICE) + 1);
        address[] memory both = new address[](2);
        (both[0], both[1]) = (_member(0), _member(1));
        pay.claim(both);
        assertEq(token.balanceOf(_member(0)), PRICE);
        assertEq(token.balanceOf(_member(1)), 1);
        assertEq(pay.dutyOf(_member(1)).owed, PRICE - 1);
        token.mint(address(pay), PRICE);
        pay.claim(both);
        assertEq(token.balanceOf(_member(0)), PRICE, "not twice");
        assertEq(token.balanceOf(_member(1)), PRICE);
        assertEq(token.balanceOf(address(pay)), 1);
    }

    function test_claim__statuses_and_a_blocked_recipient__stop_nobody_else() external {
        token.mint(address(pay), 1e12);
        for (uint256 i = 0; i < 4; ++i) _tell(i, 1000, 1000);
        _publish(0);
        for (uint256 i = 0; i < 4; ++i) _settle(0, i);
        token.block_(address(0xBAD));
        vm.expectEmit(address(pay));
        emit IOraclePay.RecipientSet(_member(0), address(0xBAD));
        vm.prank(_member(0));
        pay.setRecipient(address(0xBAD));
        trust.set(Subjects.oracle(_member(1)), Status.Frozen);
        trust.set(Subjects.oracle(_member(2)), Status.Suspended);
        trust.set(Subjects.oracle(_member(3)), Status.Blacklisted);
        address[] memory members = _members(0, 1, 2, 3);
        vm.expectEmit(address(pay));
        emit IOraclePay.PaymentRefused(_member(0), address(0xBAD), PRICE);
        pay.claim(members);
        assertEq(pay.dutyOf(_member(0)).owed, PRICE);
        assertEq(pay.dutyOf(_member(0)).recipient, address(0xBAD));
        assertEq(pay.dutyOf(_member(1)).recipient, _member(1), "a member that names none");
        assertEq(token.balanceOf(_member(1)), 0);
        assertEq(token.balanceOf(_member(2)), PRICE);
        assertEq(token.balanceOf(_member(3)), PRICE);

        vm.prank(_member(0));
        pay.setRecipient(address(0xD00D));
        trust.set(Subjects.oracle(_member(1)), Status.None);
        vm.expectEmit(address(pay));
        emit IOraclePay.OraclePaid(_member(0), address(0xD00D), PRICE);
        pay.claim(members);
        assertEq(token.balanceOf(address(0xD00D)), PRICE);
        assertEq(token.balanceOf(_member(1)), PRICE);
    }

    function test_claim__refused_after_an_earlier_payment__owes_what_the_refused_one_was() external {
        token.mint(address(pay), 1e12);
        uint256 before = 0;
        for (uint64 epoch = 0; epoch < 4; ++epoch) {
            _tell(0, 1000 * (epoch + 1), 1000 * (epoch + 1));
            _publish(epoch);
            _settle(epoch, 0);
            // Paid twice, refused, and paid with what was refused.
            if (epoch == 2) token.block_(_member(0));
            if (epoch == 3) token.block_(address(0xBAD));
            uint256 kept = pay.reserve();
            pay.claim(_members(0, 1, 2, 3));
            uint256 paid = epoch == 2 ? 2 * PRICE : PRICE * (epoch + 1);
            assertEq(token.balanceOf(_member(0)), paid);
            assertEq(pay.dutyOf(_member(0)).owed, PRICE * (epoch + 1) - paid);
            assertEq(kept - pay.reserve(), paid - before, "what was paid is no longer kept");
            before = paid;
        }
    }

    function test_deliver__by_anyone_but_the_contract__is_refused() external {
        token.mint(address(pay), 1e12);
        vm.expectRevert(abi.encodeWithSelector(IOraclePay.OraclePay_NotAllowed.selector, _member(0)));
        vm.prank(_member(0));
        pay.deliver(_member(0), 1);
    }

    function test_sweep__nobody_settled__keeps_what_could_be_earned() external {
        token.mint(address(pay), 1e12);
        for (uint256 i = 0; i < 4; ++i) _tell(i, 10_000, 10_000);
        _publish(9);
        pay.sweep(address(token));
        for (uint256 i = 0; i < 4; ++i) {
            _settle(9, i);
            _claim(i);
            assertEq(token.balanceOf(_member(i)), 10 * uint256(PRICE));
        }
        // What is left is for the time since the report's epoch, and one epoch more.
        assertEq(pay.reserve(), token.balanceOf(address(pay)));
        assertApproxEqAbs(pay.reserve(), (4 * uint256(PRICE) * (LENGTH + ACTIVATION)) / LENGTH, 4);
    }

    function test_sweep__seconds_not_earned__need_no_money() external {
        token.mint(address(pay), 1e12);
        for (uint256 i = 0; i < 4; ++i) _tell(i, 6_000, 10_000);
        _publish(9);
        for (uint256 i = 0; i < 4; ++i) _settle(9, i);
        assertApproxEqAbs(pay.reserve(), (4 * uint256(PRICE) * (6_000 + LENGTH + ACTIVATION)) / LENGTH, 4);
        // An appeal raises them again, and the reserve with them.
        for (uint256 i = 0; i < 4; ++i) _tell(i, 11_000, 11_000);
        _publish(10);
        for (uint256 i = 0; i < 4; ++i) _settle(10, i);
        assertApproxEqAbs(pay.reserve(), (4 * uint256(PRICE) * (11_000 + LENGTH + ACTIVATION)) / LENGTH, 4);
    }

    function test_sweep__another_token__goes_to_the_burner_in_full() external {
        LocalToken other = new LocalToken();
        other.mint(address(pay), 123);
        assertEq(pay.sweep(address(other)), 123);
        assertEq(other.balanceOf(BURNER), 123);
        token.mint(address(pay), 5);
        assertEq(pay.sweep(address(token)), 0);
    }

    /// @dev Random leaves, settlements, claims and committees: bounds hold, nobody is paid more than he earned, and a sweep leaves enough.
    function testFuzz_pay__random_history__keeps_its_bounds(uint256 seed) external {
        for (uint64 epoch = 0; epoch < 6; ++epoch) {
            for (uint256 i = 0; i < 5; ++i) {
                seed = uint256(keccak256(abi.encode(seed)));
                uint64 more = uint64(seed % 1500);
                accounted[i] += more;
                earned[i] += uint64((seed >> 32) % (more + 100));
            }
            if (seed % 3 == 0)
                registry.replaceCommittee(_members(seed % 5, (seed + 1) % 5, (seed + 2) % 5, (seed + 3) % 5));
            _publish(epoch);
            token.mint(address(pay), (seed >> 64) % (6 * PRICE));
            uint256 owed = 0;
            for (uint256 i = 0; i < 5; ++i) {
                if ((seed >> (128 + i)) & 1 == 1) _settle(epoch, i);
                if ((seed >> (144 + i)) & 1 == 1) _claim(i);
                DutyView memory duty = pay.dutyOf(_member(i));
                assertLe(duty.earned, duty.accounted);
                assertLe(duty.accounted, registry.membershipSeconds(_member(i)));
                assertEq(duty.paid, token.balanceOf(_member(i)));
                assertEq(duty.paid + duty.owed, (uint256(PRICE) * duty.earned) / LENGTH);
            }
            for (uint256 i = 0; i < 5; ++i) owed += pay.dutyOf(_member(i)).owed;
            assertGe(pay.reserve(), owed);
            uint256 before = token.balanceOf(address(pay));
            if ((seed >> 160) & 1 == 1 && pay.sweep(address(token)) != 0) {
                assertGe(token.balanceOf(address(pay)), owed);
                assertLt(token.balanceOf(address(pay)), before);
            }
        }
    }

    function _tell(uint256 i, uint64 earned_, uint64 accounted_) private {
        (earned[i], accounted[i]) = (earned_, accounted_);
    }

    function _publish(uint64 epoch) private {
        _report(epoch, Trees.build(_leaves())[0]);
    }

    function _settle(uint64 epoch, uint256 i) private {
        pay.settle(epoch, _member(i), earned[i], accounted[i], _proof(i));
    }

    function _claim(uint256 i) private {
        address[] memory one = new address[](1);
        one[0] = _member(i);
        pay.claim(one);
    }

    function _proof(uint256 i) private view returns (bytes32[] memory proof) {
        (, proof) = Trees.prove(Trees.build(_leaves()), i, i);
    }

    function _leaves() private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            leaves[i] = LeafProof.hash(3, uint160(_member(i)), earned[i], accounted[i]);
        }
    }
}
