// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMaintenance, MaintenanceWindow} from "../../contracts/interfaces/IMaintenance.sol";
import {INodeLicense} from "../../contracts/interfaces/INodeLicense.sol";
import {Maintenance} from "../../contracts/placing/Maintenance.sol";
import {PlacingWorld} from "./fakes/Placing.sol";

contract MaintenanceTest is PlacingWorld {
    uint40 private constant NOW = GENESIS + 1_000;

    Maintenance private maintenance;

    function setUp() public override {
        super.setUp();
        maintenance = new Maintenance(attestations, INodeLicense(address(licences)));
        vm.warp(NOW);
    }

    // declare

    function test_declare__by_holder_or_node__is_read_back_by_time() external {
        vm.expectEmit(address(maintenance));
        emit IMaintenance.MaintenanceDeclared(1, NOW + 50, NOW + 60, _node(1));
        vm.prank(_node(1));
        maintenance.declare(1, NOW + 50, NOW + 60);
        vm.startPrank(_holder(1));
        maintenance.declare(1, NOW, NOW + 10);
        maintenance.declare(1, NOW + 60, NOW + 61);
        maintenance.declare(1, NOW + 10, NOW + 50);
        _expect(1, 0, type(uint40).max, [NOW, NOW + 10, NOW + 10, NOW + 50, NOW + 50, NOW + 60, NOW + 60, NOW + 61]);
        assertEq(maintenance.windowCount(1), 4);
        assertEq(maintenance.windowCount(2), 0);
    }

    function test_declare__by_a_stranger__reverts() external {
        vm.prank(_holder(2));
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_NotHolderOrNode.selector, 1, _holder(2)));
        maintenance.declare(1, NOW, NOW + 10);
    }

    function test_declare__licence_without_a_node__not_by_nobody() external {
        licences.set(1, _holder(1), address(0));
        vm.prank(stranger);
        vm.expectPartialRevert(IMaintenance.Maintenance_NotHolderOrNode.selector);
        maintenance.declare(1, NOW, NOW + 10);
    }

    function test_declare__in_the_past_empty_or_too_long__reverts() external {
        uint40 longest = 30 * EPOCH;
        assertEq(maintenance.longest(), longest);
        vm.startPrank(_node(1));
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_InThePast.selector, NOW - 1, NOW));
        maintenance.declare(1, NOW - 1, NOW + 10);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_Empty.selector, NOW + 9, NOW + 8));
        maintenance.declare(1, NOW + 9, NOW + 8);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_Empty.selector, NOW + 9, NOW + 9));
        maintenance.declare(1, NOW + 9, NOW + 9);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_TooLong.selector, longest + 1, longest));
        maintenance.declare(1, NOW, NOW + longest + 1);
        maintenance.declare(1, NOW, NOW + longest);
    }

    function test_declare__overlapping__reverts() external {
        vm.startPrank(_node(1));
        maintenance.declare(1, NOW + 10, NOW + 20);
        uint40[2][4] memory spans = [[NOW + 10, NOW + 20], [NOW, NOW + 11], [NOW + 19, NOW + 30], [NOW + 5, NOW + 25]];
        for (uint256 i = 0; i < spans.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_Overlaps.selector, NOW + 10, NOW + 20));
            maintenance.declare(1, spans[i][0], spans[i][1]);
        }
    }

    function test_declare__too_many_not_over__reverts_until_one_is() external {
        vm.startPrank(_node(1));
        for (uint40 i = 0; i < 32; ++i) maintenance.declare(1, NOW + 2 * i, NOW + 2 * i + 1);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_TooMany.selector, 1, 32));
        maintenance.declare(1, NOW + 100, NOW + 101);
        vm.warp(NOW + 1);
        maintenance.declare(1, NOW + 100, NOW + 101);
    }

    // cancel

    function test_cancel__before_it_starts__is_gone() external {
        vm.startPrank(_node(1));
        maintenance.declare(1, NOW + 10, NOW + 20);
        maintenance.declare(1, NOW + 30, NOW + 40);
        vm.expectEmit(address(maintenance));
        emit IMaintenance.MaintenanceCancelled(1, NOW + 10, _node(1));
        maintenance.cancel(1, NOW + 10);
        assertEq(maintenance.windowCount(1), 1);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_UnknownWindow.selector, 1, NOW + 10));
        maintenance.cancel(1, NOW + 10);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_UnknownWindow.selector, 1, NOW + 40));
        maintenance.cancel(1, NOW + 40);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_UnknownWindow.selector, 1, NOW + 31));
        maintenance.cancel(1, NOW + 31);
    }

    function test_cancel__started__reverts() external {
        vm.startPrank(_node(1));
        maintenance.declare(1, NOW + 10, NOW + 20);
        vm.warp(NOW + 10);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_Started.selector, 1, NOW + 10));
        maintenance.cancel(1, NOW + 10);
        vm.warp(NOW + 20);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_UnknownWindow.selector, 1, NOW + 10));
        maintenance.cancel(1, NOW + 10);
    }

    function test_cancel_and_shorten__by_a_stranger__revert() external {
        vm.prank(_node(1));
        maintenance.declare(1, NOW + 10, NOW + 20);
        vm.startPrank(stranger);
        bytes memory reverts = abi.encodeWithSelector(IMaintenance.Maintenance_NotHolderOrNode.selector, 1, stranger);
        vm.expectRevert(reverts);
        maintenance.cancel(1, NOW + 10);
        vm.expectRevert(reverts);
        maintenance.shorten(1, NOW + 10, NOW + 11);
    }

    // shorten

    function test_shorten__not_in_the_past__ends_earlier() external {
        vm.startPrank(_node(1));
        maintenance.declare(1, NOW + 10, NOW + 20);
        vm.expectRevert(
            abi.encodeWithSelector(IMaintenance.Maintenance_NotShorter.selector, NOW + 10, NOW + 11, NOW + 20)
        );
        maintenance.shorten(1, NOW + 10, NOW + 10);
        vm.warp(NOW + 15);
        vm.expectRevert(
            abi.encodeWithSelector(IMaintenance.Maintenance_NotShorter.selector, NOW + 14, NOW + 15, NOW + 20)
        );
        maintenance.shorten(1, NOW + 10, NOW + 14);
        vm.expectRevert(
            abi.encodeWithSelector(IMaintenance.Maintenance_NotShorter.selector, NOW + 20, NOW + 15, NOW + 20)
        );
        maintenance.shorten(1, NOW + 10, NOW + 20);
        vm.expectEmit(address(maintenance));
        emit IMaintenance.MaintenanceShortened(1, NOW + 10, NOW + 15, _node(1));
        maintenance.shorten(1, NOW + 10, NOW + 15);
        (MaintenanceWindow[] memory page, ) = maintenance.windowsWithin(1, 0, type(uint40).max, 9);
        assertEq(page[0].to, NOW + 15);
        vm.expectRevert(abi.encodeWithSelector(IMaintenance.Maintenance_UnknownWindow.selector, 1, NOW + 10));
        maintenance.shorten(1, NOW + 10, NOW + 15);
    }

    // windowsWithin

    function test_windowsWithin__by_pages__each_once() external {
        vm.startPrank(_node(1));
        for (uint40 i = 0; i < 7; ++i) maintenance.declare(1, NOW + 10 * i, NOW + 10 * i + 10);
        uint40 from = NOW + 5;
        uint256 seen = 0;
        bool more = true;
        while (more) {
            MaintenanceWindow[] memory page;
            (page, more) = maintenance.windowsWithin(1, from, NOW + 60, 2);
            for (uint256 i = 0; i < page.length; ++i) assertEq(page[i].from, NOW + 10 * seen++);
            from = page[page.length - 1].to;
        }
        assertEq(seen, 6);
        MaintenanceWindow[] memory none;
        (none, more) = maintenance.windowsWithin(1, NOW + 70, NOW + 90, 2);
        assertEq(none.length, 0);
        assertFalse(more);
    }

    /// @dev After any history the list is in order and without overlaps, and no second that has passed ever changed.
    function test_history__of_any_calls__never_touches_the_past(uint256 seed) external {
        vm.startPrank(_node(1));
        bool[400] memory known;
        uint40 judged = NOW;
        for (uint256 step = 0; step < 40; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint40 time = uint40(vm.getBlockTimestamp());
            uint40 from = time + uint40(seed % 40) - (seed % 40 > 5 ? 5 : 0);
            uint40 to = from + uint40((seed >> 16) % 20);
            MaintenanceWindow[] memory all = _all();
            uint40 key = all.length == 0 ? from : all[(seed >> 32) % all.length].from;
            uint256 action = (seed >> 64) % 4;
            if (action < 2) try maintenance.declare(1, from, to) {} catch {}
            if (action == 2) try maintenance.cancel(1, key) {} catch {}
            if (action == 3) try maintenance.shorten(1, key, to) {} catch {}
            vm.warp(time + ((seed >> 96) % 6));

            all = _all();
            for (uint256 i = 0; i < all.length; ++i) {
                assertLt(all[i].from, all[i].to);
                if (i != 0) assertLe(all[i - 1].to, all[i].from);
            }
            for (; judged < vm.getBlockTimestamp(); ++judged) known[judged - NOW] = _within(all, judged);
        }
        // What was so when a second had passed stayed so.
        MaintenanceWindow[] memory last = _all();
        for (uint40 s = NOW; s < judged; ++s) assertEq(_within(last, s), known[s - NOW]);
    }

    function _all() private view returns (MaintenanceWindow[] memory all) {
        (all, ) = maintenance.windowsWithin(1, 0, type(uint40).max, 1_000);
    }

    function _within(MaintenanceWindow[] memory all, uint40 s) private pure returns (bool) {
        for (uint256 i = 0; i < all.length; ++i) if (all[i].from <= s && s < all[i].to) return true;
        return false;
    }

    function _expect(uint256 licence, uint40 from, uint40 to, uint40[8] memory edges) private view {
        (MaintenanceWindow[] memory page, bool more) = maintenance.windowsWithin(licence, from, to, 4);
        assertEq(page.length, 4);
        assertFalse(more);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(page[i].from, edges[2 * i]);
            assertEq(page[i].to, edges[2 * i + 1]);
        }
    }
}
