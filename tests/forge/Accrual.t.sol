// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Account as Booked, Accounts, Accrual, Held} from "../../contracts/libraries/Accrual.sol";

contract AccrualTest is Test {
    using Accrual for *;

    uint256 private constant LENGTH = 86_400;
    uint40 private constant OPENED = 1_800_000_000;
    uint256 private constant EPOCHS = 12;

    function testFuzz_applyLeaf__any_leaf__stays_in_its_bounds(
        uint40 through,
        uint40 earned,
        uint40 accounted,
        uint40 held,
        uint64 leafEarned,
        uint64 leafAccounted,
        uint40 until
    ) external pure {
        Booked before = _account(through, earned, accounted, held);
        (Booked a, uint256 newEarned, uint256 newAccounted, uint256 room) = Accrual.applyLeaf(
            before,
            leafEarned,
            leafAccounted,
            until,
            held
        );
        assertEq(a.through(), until > before.through() ? until : before.through(), "through");
        assertEq(a.through() - before.through(), room, "room");
        assertEq(a.earned() - before.earned(), newEarned, "earned");
        assertEq(a.accounted() - before.accounted(), newAccounted, "accounted");
        assertLe(newAccounted, room, "more accounted than open");
        assertLe(newEarned, newAccounted + held, "more earned than accounted and held");
        assertLe(a.earned() + held + newAccounted - newEarned, a.accounted(), "earned and held exceed accounted");
        assertLe(a.accounted(), a.through() - a.openedAt(), "accounted exceeds open time");
        assertTrue(a.openedAt() == before.openedAt() && a.closedAt() == before.closedAt(), "another field moved");
        assertTrue(a.claimed() == before.claimed() && a.holds() == before.holds(), "another field moved");
    }

    function testFuzz_applyLeaf__same_or_older_leaf__changes_nothing(
        uint40 through,
        uint40 earned,
        uint40 accounted,
        uint40 held,
        uint40 lessEarned,
        uint40 lessAccounted,
        uint40 until
    ) external pure {
        Booked before = _account(through, earned, accounted, held);
        (Booked a, uint256 newEarned, uint256 newAccounted, uint256 room) = Accrual.applyLeaf(
            before,
            bound(lessEarned, 0, before.earned()),
            bound(lessAccounted, 0, before.accounted()),
            bound(until, 0, before.through()),
            held
        );
        assertEq(Booked.unwrap(a), Booked.unwrap(before));
        assertEq(newEarned + newAccounted + room, 0);
    }

    /// @dev Six fields and a flag in a word: each keeps to itself.
    function testFuzz_account__fields__keep_to_themselves(uint40[6] memory v, bool some) external pure {
        Booked a = Accounts.open(v[0]);
        assertEq(a.through(), v[0]);
        a = _booked(a.hold(some), v[2], v[3], v[4]).close(v[1]).claim();
        assertEq(a.openedAt(), v[0], "openedAt");
        assertEq(a.closedAt(), v[1], "closedAt");
        assertEq(a.through(), v[2], "through");
        assertEq(a.accounted(), v[3], "accounted");
        assertEq(a.earned(), v[4], "earned");
        assertEq(a.claimed(), v[4], "claimed");
        assertEq(a.holds(), some, "holds");
        a = _booked(a, v[2], v[3], v[5]).hold(!some);
        assertTrue(a.claimed() == v[4] && a.earned() == v[5] && a.holds() == !some && a.openedAt() == v[0]);
        uint256 jobStop = uint256(v[5]) + 1;
        assertEq(a.stop(jobStop), v[1] != 0 && v[1] < jobStop ? v[1] : jobStop, "stop");
    }

    struct Path {
        Booked account;
        Held held;
    }

    /// @dev Rising leaves within their bounds, settled in two subsets of epochs that both end with the last.
    function testFuzz_settle__two_paths__come_to_the_same(uint256 seed, uint256 one, uint256 two) external pure {
        uint256 appeal = seed % 5;
        Path memory a;
        Path memory b;
        a.account = b.account = Accounts.open(OPENED);
        uint256 earned = 0;
        uint256 accounted = 0;
        for (uint256 epoch = 0; epoch < EPOCHS; ++epoch) {
            uint256 more = _draw(seed, epoch, "accounted") % (LENGTH + 1);
            accounted += more;
            earned += _draw(seed, epoch, "kind") % 3 == 0 ? more : _draw(seed, epoch, "earned") % (more + 1);
            bool last = epoch == EPOCHS - 1;
            if (last || (one >> epoch) & 1 == 1) _settle(a, earned, accounted, epoch, appeal);
            if (last || (two >> epoch) & 1 == 1) _settle(b, earned, accounted, epoch, appeal);
        }
        assertEq(Booked.unwrap(a.account.hold(false)), Booked.unwrap(b.account.hold(false)), "seconds");
        assertEq(a.account.earned(), earned, "earned");
        assertEq(a.account.accounted(), accounted, "accounted");
    }

    /// @dev The escrow releases what a report ends before it holds what is new: then two buckets are enough.
    function testFuzz_held__released_by_epoch__needs_two_buckets(uint256 seed, uint256 appeal) external pure {
        appeal %= 40;
        bool appeals = seed % 4 == 0;
        Held memory h;
        uint256 epoch = _draw(seed, 0, "start") % 100;
        uint256[] memory marks = new uint256[](40);
        uint256[] memory amounts_ = new uint256[](40);
        for (uint256 i = 0; i < 40; ++i) {
            epoch += _draw(seed, i, "step") % (appeal + 2);
            uint256 before = h.total();
            h.free(appeals ? _draw(seed, i, "secs") % (before + 1) : 0);
            uint256 freed = before - h.total();
            h.release(epoch, appeal);
            uint256 kept = h.total();
            assertLe(kept + freed, before, "released more than held");
            uint40 mark = epoch.bucket(appeal);
            bool third = h.younger != 0 && h.youngerBucket != mark && h.older != 0;
            assertFalse(third, "a third bucket begins while the first holds");
            uint256 withheld = 1 + (_draw(seed, i, "withheld") % LENGTH);
            h.hold(mark, withheld);
            assertEq(h.total(), kept + withheld, "seconds appeared or vanished");
            (marks[i], amounts_[i]) = (epoch, withheld);
            uint256 young = 0;
            for (uint256 j = 0; j <= i; ++j) if (epoch <= marks[j] + appeal) young += amounts_[j];
            assertTrue(appeals || h.total() >= young, "released inside its appeal span");
        }
    }

    /// @dev Of both buckets: held to the last epoch of the appeal span, released by the report of the next.
    function test_release__first_epoch_after_the_span__releases_each_bucket() external pure {
        Held memory h = Held({olderBucket: 2, older: 10, youngerBucket: 3, younger: 7});
        h.release(3 * 5 + 4, 5);
        assertEq(h.total(), 17, "before the older's");
        h.release(3 * 5 + 5, 5);
        assertEq(h.total(), 7, "the older's");
        h.release(4 * 5 + 4, 5);
        assertEq(h.total(), 7, "before the younger's");
        h.release(4 * 5 + 5, 5);
        assertEq(h.total(), 0, "the younger's");
    }

    function testFuzz_releaseEpoch__of_any_epoch__is_after_its_appeal_span(uint40 epoch, uint32 appeal) external pure {
        uint256 release = uint256(epoch).bucket(appeal).releaseEpoch(appeal);
        assertGt(release, uint256(epoch) + appeal, "too early");
        assertLe(release, uint256(epoch) + 2 * uint256(appeal) + 1, "too late");
    }

    function _settle(Path memory p, uint256 earned, uint256 accounted, uint256 epoch, uint256 appeal) private pure {
        uint256 until = OPENED + (epoch + 1) * LENGTH;
        uint256 newEarned;
        uint256 newAccounted;
        (p.account, newEarned, newAccounted, ) = p.account.applyLeaf(earned, accounted, until, p.held.total());
        if (newEarned > newAccounted) p.held.free(newEarned - newAccounted);
        p.held.release(epoch, appeal);
        if (newAccounted > newEarned) p.held.hold(epoch.bucket(appeal), newAccounted - newEarned);
    }

    function _account(uint40 through, uint40 earned, uint40 accounted, uint40 held) private pure returns (Booked) {
        uint256 until = bound(through, OPENED, type(uint40).max);
        uint256 booked = bound(accounted, 0, until - OPENED);
        vm.assume(held <= booked);
        return _booked(Accounts.open(OPENED), until, booked, bound(earned, 0, booked - held));
    }

    function _booked(Booked a, uint256 through, uint256 accounted, uint256 earned) private pure returns (Booked) {
        uint256 rest = Booked.unwrap(a) & ~(uint256(type(uint120).max) << 80);
        return Booked.wrap(rest | (through << 80) | (accounted << 120) | (earned << 160));
    }

    function _draw(uint256 seed, uint256 i, string memory what) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i, what)));
    }
}
