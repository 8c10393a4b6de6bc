// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {BondView} from "../../contracts/interfaces/IBonds.sol";
import {AssignmentView, JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {Lens} from "../../contracts/lens/Lens.sol";
import {AssignmentIds} from "../../contracts/libraries/AssignmentIds.sol";
import {TallyView} from "../../contracts/libraries/Money.sol";
import {JobEscrow} from "../../contracts/escrow/JobEscrow.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// @dev What holds after every action of anyone, in words in README.md.
contract EscrowInvariants is Test {
    uint256 private constant PURSE = 1e24;
    EscrowHandler private handler;
    JobEscrow private escrow;
    Lens private lens;
    LocalToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new EscrowHandler(0);
        escrow = handler.escrow();
        lens = handler.lens();
        token = handler.token();
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: handler.everything()}));
    }

    function invariant_actions() external view {
        assertEq(handler.fault(), "");
    }

    function invariant_money() external view {
        uint256 inside = 0;
        (uint256 deposited, uint256 refunded, uint256 paid, uint256 burned, uint256 protocol) = (0, 0, 0, 0, 0);
        uint256[9] memory kept;
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            uint256 left = j.deposit - j.paid - j.refunded - j.burned - j.toProtocol;
            uint256 owed = j.refundable + j.burnable + j.protocolDue + _worth(j, j.tally.held) + _claimable(job);
            if (!j.closed) owed += _worth(j, j.funded - _settled(j));
            assertGe(left, owed, "a job owes more than it has");
            if (!handler.clean(job)) {
                for (uint256 i = 0; i < 9; ++i) if (address(handler.hostile(i)) == j.token) kept[i] += left;
                continue;
            }
            inside += left;
            deposited += j.deposit;
            refunded += j.refunded;
            paid += j.paid;
            burned += j.burned;
            protocol += j.toProtocol;
            assertEq(j.paid, _paidByFloors(job, j.price), "paid = the floors of what was claimed");
        }
        assertEq(token.balanceOf(address(escrow)), inside, "deposits = paid + refunded + burned + remaining");
        // A token that changes balances by itself is out of anybody's hands; the others keep at least what is owed in them.
        for (uint256 i = 0; i < 7; ++i) {
            assertGe(
                handler.hostile(i).balanceOf(address(escrow)),
                kept[i],
                "a hostile token's jobs took from each other"
            );
        }
        assertEq(handler.paidOut(), paid, "payees have what was paid");
        uint256 purses = 0;
        for (uint256 i = 0; i < 4; ++i) purses += token.balanceOf(handler.people(i));
        assertEq(purses + deposited, 4 * PURSE + refunded, "owners have what they didn't deposit");
        assertEq(
            token.balanceOf(address(handler.burner())),
            burned + protocol + handler.bondsBurned(),
            "burned is what was sent there"
        );
    }

    function invariant_seconds() external view {
        TallyView[7] memory sums;
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

    function invariant_bonds() external view {
        uint256 inside = handler.bonds().burnable(address(token));
        for (uint256 i = 0; i < 11; ++i) {
            BondView memory b = handler.bonds().bondOf(handler.bonded(i), address(token));
            assertLe(b.reserved, b.balance, "more reserved than there is");
            inside += b.balance;
            if (i >= 5) continue;
            uint256 reserved = 0;
            for (uint256 k = 0; k < handler.count(); ++k) {
                AssignmentView memory a = lens.assignmentOf(handler.assignments(k));
                if (a.licence != i + 1) continue;
                (, uint256 own) = handler.bonds().penaltyOf(a.licence, address(token), a.id);
                reserved += own;
                JobView memory j = lens.jobOf(AssignmentIds.jobOf(a.id));
                uint256 most = (_worth(j, a.accounted - a.earned) * j.penaltyPpm) / 1_000_000;
                assertLe(own, most, "more reserved than the policy takes");
            }
            assertEq(b.liable, reserved, "a bond is liable for all that its assignments may lose");
            if (reserved > b.balance) reserved = b.balance;
            assertEq(b.reserved, reserved, "a bond's reserve isn't the sum of its assignments', or all of it");
        }
        assertEq(token.balanceOf(address(handler.bonds())), inside, "bonds = balances + what waits to be burned");
    }

    /// @dev Whatever happened, in the end everything goes to somebody, and nothing more.
    function afterInvariant() external {
        handler.finish();
        uint256 paid = 0;
        for (uint256 i = 0; i < handler.count(); ++i) {
            AssignmentView memory a = lens.assignmentOf(handler.assignments(i));
            JobView memory j = lens.jobOf(AssignmentIds.jobOf(a.id));
            assertEq(a.held, 0, "held for ever");
            if (j.token != address(token)) continue;
            assertEq(a.claimed, a.earned, "earned and not paid");
            paid += (_worth(j, a.earned) * 950_000) / 1_000_000;
        }
        uint256 purses = 0;
        for (uint256 i = 0; i < 4; ++i) purses += token.balanceOf(handler.people(i));
        uint256 burned = token.balanceOf(address(handler.burner())) - handler.bondsBurned();
        assertEq(token.balanceOf(address(escrow)), 0, "money left behind");
        assertEq(paid + purses + burned, 4 * PURSE, "deposits = paid + refunded + burned");
        assertEq(handler.fault(), "");
    }

    function _worth(JobView memory j, uint256 secs) private pure returns (uint256) {
        return (j.price * secs) / 1_000;
    }

    function _settled(JobView memory j) private pure returns (uint256) {
        return uint256(j.tally.earned) + j.tally.unmeasured + j.tally.released + j.tally.held;
    }

    /// @dev The other way to work out what payees of a job were paid.
    function _paidByFloors(uint64 job, uint256 price) private view returns (uint256 sum) {
        for (uint256 i = 0; i < handler.count(); ++i) {
            uint256 id = handler.assignments(i);
            if (AssignmentIds.jobOf(id) != job) continue;
            sum += (((price * lens.assignmentOf(id).claimed) / 1_000) * 950_000) / 1_000_000;
        }
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
