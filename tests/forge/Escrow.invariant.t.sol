// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {AssignmentView, JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {Lens} from "../../contracts/lens/Lens.sol";
import {AssignmentIds} from "../../contracts/libraries/AssignmentIds.sol";
import {TallyView} from "../../contracts/libraries/Money.sol";
import {JobEscrow} from "../../contracts/escrow/JobEscrow.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// @dev What holds after every action of anyone, in words in README.md.
contract EscrowInvariants is Test {
    EscrowHandler private handler;
    JobEscrow private escrow;
    Lens private lens;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new EscrowHandler();
        escrow = handler.escrow();
        lens = handler.lens();
        bytes4[] memory actions = new bytes4[](19);
        actions[0] = EscrowHandler.pass.selector;
        actions[1] = EscrowHandler.create.selector;
        actions[2] = EscrowHandler.stop.selector;
        actions[3] = EscrowHandler.close.selector;
        actions[4] = EscrowHandler.assign.selector;
        actions[5] = EscrowHandler.assign.selector;
        actions[6] = EscrowHandler.assign.selector;
        actions[7] = EscrowHandler.closeAssignment.selector;
        actions[8] = EscrowHandler.move.selector;
        actions[9] = EscrowHandler.report.selector;
        actions[10] = EscrowHandler.report.selector;
        actions[11] = EscrowHandler.settle.selector;
        actions[12] = EscrowHandler.settleRange.selector;
        actions[13] = EscrowHandler.settleRange.selector;
        actions[14] = EscrowHandler.release.selector;
        actions[15] = EscrowHandler.claim.selector;
        actions[16] = EscrowHandler.withdrawAndBurn.selector;
        actions[17] = EscrowHandler.grow.selector;
        actions[18] = EscrowHandler.shrink.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: actions}));
    }

    function invariant_money() external view {
        uint256 inside = 0;
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            uint256 left = j.deposit - j.paid - j.refunded - j.burned - j.toProtocol;
            uint256 owed = j.refundable + j.burnable + j.protocolDue + _worth(j, j.tally.held) + _claimable(job);
            if (!j.closed) owed += _worth(j, j.funded - _settled(j));
            assertGe(left, owed, "a job owes more than it has");
            inside += left;
        }
        assertEq(handler.token().balanceOf(address(escrow)), inside, "deposits = paid + refunded + burned + remaining");
    }

    function invariant_seconds() external view {
        TallyView[5] memory sums;
        for (uint256 i = 0; i < handler.count(); ++i) {
            AssignmentView memory a = lens.assignmentOf(handler.assignments(i));
            uint64 job = AssignmentIds.jobOf(a.id);
            JobView memory j = lens.jobOf(job);
            assertLe(a.claimed, a.earned, "more claimed than earned");
            assertLe(uint256(a.earned) + a.held, a.accounted, "earned and held exceed accounted");
            assertLe(a.accounted, a.through - a.openedAt, "more accounted than settled time");
            assertLe(a.through, a.stop > a.openedAt ? a.stop : a.openedAt, "settled beyond its stop");
            assertGe(a.openedAt, j.startsAt, "opened before the funded window");
            assertLe(a.stop, j.stop, "open beyond the funded window");
            assertLe(a.through, vm.getBlockTimestamp(), "settled the future");
            sums[job].earned += a.earned;
            sums[job].unmeasured += a.through - a.openedAt - a.accounted;
            sums[job].released += a.accounted - a.earned - a.held;
            sums[job].held += a.held;
            sums[job].claimed += a.claimed;
        }
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            sums[job].rounding = j.tally.rounding;
            assertEq(abi.encode(j.tally), abi.encode(sums[job]), "a job's tally isn't the sum of its assignments");
            assertLe(_settled(j), j.funded, "more seconds than its slots have");
        }
    }

    function invariant_slots() external view {
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            for (uint32 slot = 0; slot < handler.MOST_SLOTS(); ++slot) {
                // Slots that were taken away too.
                uint256 free = j.startsAt;
                uint32 last = escrow.generations(job, slot);
                for (uint32 generation = 1; generation <= last; ++generation) {
                    AssignmentView memory a = lens.assignmentOf(AssignmentIds.pack(job, slot, generation));
                    assertGe(a.openedAt, free, "two assignments in a slot at once");
                    assertTrue(generation == last || a.closedAt != 0, "two open assignments in a slot");
                    free = a.stop;
                }
            }
        }
    }

    function invariant_licences() external view {
        uint256[6] memory open;
        for (uint256 i = 0; i < handler.count(); ++i) {
            AssignmentView memory a = lens.assignmentOf(handler.assignments(i));
            if (a.closedAt == 0) {
                ++open[a.licence];
                assertEq(handler.licences().nodeOf(a.licence), a.node, "a serving licence was unlinked");
                assertEq(handler.licences().ownerOf(a.licence), a.payee, "a serving licence was moved");
            }
        }
        for (uint256 licence = 1; licence < 6; ++licence) {
            assertEq(handler.licences().openAssignments(licence), open[licence], "open assignments miscounted");
        }
    }

    function invariant_transitions() external view {
        assertFalse(handler.provedLeafReverted(), "a proved leaf reverted");
        assertFalse(handler.epochWentBack(), "an epoch not after the last one became final");
        assertFalse(handler.counterFell(), "a counter fell");
        assertFalse(handler.stoppedJobKeptFutureMoney(), "money for later time wasn't free at once");
        assertFalse(handler.closedTooSoon(), "a job closed before nodes could prove their seconds");
    }

    /// @dev Whatever happened, in the end everything goes to somebody, and nothing more.
    function afterInvariant() external {
        handler.finish();
        uint256 paid = 0;
        for (uint256 i = 0; i < handler.count(); ++i) {
            AssignmentView memory a = lens.assignmentOf(handler.assignments(i));
            assertEq(a.claimed, a.earned, "earned and not paid");
            assertEq(a.held, 0, "held for ever");
            JobView memory j = lens.jobOf(AssignmentIds.jobOf(a.id));
            paid += (_worth(j, a.earned) * 950_000) / 1_000_000;
        }
        uint256 refunded = 0;
        for (uint256 i = 0; i < 2; ++i) refunded += handler.token().balanceOf(handler.csps(i));
        uint256 burned = handler.token().balanceOf(address(handler.burner()));
        assertEq(handler.token().balanceOf(address(escrow)), 0, "money left behind");
        assertEq(paid + refunded + burned, 2e24, "deposits = paid + refunded + burned");
        assertFalse(handler.counterFell(), "a counter fell");
    }

    function _worth(JobView memory j, uint256 secs) private pure returns (uint256) {
        return (j.price * secs) / 1_000;
    }

    function _settled(JobView memory j) private pure returns (uint256) {
        return uint256(j.tally.earned) + j.tally.unmeasured + j.tally.released + j.tally.held;
    }

    function _claimable(uint64 job) private view returns (uint256 sum) {
        for (uint256 i = 0; i < handler.count(); ++i) {
            uint256 id = handler.assignments(i);
            if (AssignmentIds.jobOf(id) == job) {
                uint256[] memory one = new uint256[](1);
                one[0] = id;
                sum += lens.claimable(one)[0];
            }
        }
    }
}
