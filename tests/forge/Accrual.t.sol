// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Account as Booked, Accrual, Amounts, Held, Rates} from "../../contracts/libraries/Accrual.sol";

contract AccrualTest is Test {
    using Accrual for *;

    uint256 private constant LENGTH = 86_400;
    uint256 private constant PPM = 1_000_000;
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
        Booked memory a = _account(through, earned, accounted, held);
        uint256 holds = held;
        Booked memory before = _copy(a);
        (uint256 withheld, uint256 freed) = a.applyLeaf(leafEarned, leafAccounted, until, holds);
        assertGe(a.earned, before.earned, "earned fell");
        assertGe(a.accounted, before.accounted, "accounted fell");
        assertEq(a.through, until > before.through ? until : before.through, "through");
        uint256 room = a.through - before.through;
        assertLe(uint256(a.accounted) - before.accounted, room, "more accounted than open");
        assertLe(uint256(a.earned) - before.earned, uint256(a.accounted) - before.accounted + holds, "earned too much");
        assertLe(freed, holds, "freed more than held");
        assertTrue(withheld == 0 || freed == 0, "withheld and freed at once");
        assertEq(
            uint256(a.accounted) - before.accounted + holds,
            uint256(a.earned) - before.earned + holds + withheld - freed,
            "seconds appeared or vanished"
        );
        assertLe(uint256(a.earned) + holds + withheld - freed, a.accounted, "earned and held exceed accounted");
        assertLe(uint256(a.accounted), uint256(a.through) - a.openedAt, "accounted exceeds open time");
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
        Booked memory a = _account(through, earned, accounted, held);
        Booked memory before = _copy(a);
        until = uint40(bound(until, 0, a.through));
        (uint256 withheld, uint256 freed) = a.applyLeaf(
            bound(lessEarned, 0, a.earned),
            bound(lessAccounted, 0, a.accounted),
            until,
            held
        );
        assertEq(keccak256(abi.encode(a, withheld, freed)), keccak256(abi.encode(before, 0, 0)));
    }

    /// @dev Every wei of the booked part has exactly one owner, whatever the prices.
    function testFuzz_amounts__any_account__sum_up_to_what_is_booked(
        uint40 through,
        uint40 earned,
        uint40 accounted,
        uint40 held,
        Rates memory rates
    ) external pure {
        Booked memory a = _account(through, earned, accounted, held);
        _bound(rates);
        Amounts memory sums = a.amounts(held, rates);
        assertEq(rates.net(a.earned) + sums.held + sums.refundable + sums.burnable, sums.booked, "a wei too many or few");
        assertLe(sums.booked, rates.gross(uint256(a.through) - a.openedAt), "more booked than funded");
    }

    /// @dev What was paid out never has to come back: these three only grow.
    function testFuzz_amounts__after_another_leaf__never_fall(
        uint40 through,
        uint40 earned,
        uint40 accounted,
        uint40 held,
        uint64[2] calldata leaf,
        uint40 until,
        uint40 release,
        Rates memory rates
    ) external pure {
        Booked memory a = _account(through, earned, accounted, held);
        _bound(rates);
        uint256 holds = held;
        Amounts memory before = a.amounts(holds, rates);
        uint256 net = rates.net(a.earned);
        (uint256 withheld, uint256 freed) = a.applyLeaf(leaf[0], leaf[1], until, holds);
        holds = holds + withheld - freed;
        holds -= bound(release, 0, holds);
        Amounts memory later = a.amounts(holds, rates);
        assertGe(rates.net(a.earned), net, "net");
        assertGe(later.refundable, before.refundable, "refundable");
        assertGe(later.burnable, before.burnable, "burnable");
        assertGe(later.booked, before.booked, "booked");
    }

    struct Path {
        Booked account;
        Held held;
    }

    /// @dev Rising leaves within their bounds, settled in two subsets of epochs that both end with the last.
    function testFuzz_settle__two_paths__come_to_the_same(uint256 seed, uint256 one, uint256 two, Rates memory rates)
        external
        pure
    {
        _bound(rates);
        rates.epochLength = LENGTH;
        uint256 appeal = seed % 5;
        Path memory a;
        Path memory b;
        a.account.openedAt = a.account.through = b.account.openedAt = b.account.through = OPENED;
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
        assertEq(keccak256(abi.encode(_bare(a.account))), keccak256(abi.encode(_bare(b.account))), "seconds");
        assertEq(a.account.earned, earned, "earned");
        assertEq(a.account.accounted, accounted, "accounted");
        assertEq(
            keccak256(abi.encode(a.account.amounts(0, rates))),
            keccak256(abi.encode(b.account.amounts(0, rates))),
            "amounts once all is released"
        );
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

    function testFuzz_releaseEpoch__of_any_epoch__is_after_its_appeal_span(uint40 epoch, uint32 appeal) external pure {
        uint256 release = uint256(epoch).bucket(appeal).releaseEpoch(appeal);
        assertGt(release, uint256(epoch) + appeal, "too early");
        assertLe(release, uint256(epoch) + 2 * uint256(appeal) + 1, "too late");
    }

    function _settle(Path memory p, uint256 earned, uint256 accounted, uint256 epoch, uint256 appeal) private pure {
        uint256 until = OPENED + (epoch + 1) * LENGTH;
        (uint256 withheld, uint256 freed) = p.account.applyLeaf(earned, accounted, until, p.held.total());
        p.held.free(freed);
        p.held.release(epoch, appeal);
        if (withheld != 0) p.held.hold(epoch.bucket(appeal), withheld);
    }

    function _account(uint40 through, uint40 earned, uint40 accounted, uint40 held)
        private
        pure
        returns (Booked memory a)
    {
        a.openedAt = OPENED;
        a.through = uint40(bound(through, OPENED, type(uint40).max));
        a.accounted = uint40(bound(accounted, 0, a.through - OPENED));
        vm.assume(held <= a.accounted);
        a.earned = uint40(bound(earned, 0, a.accounted - held));
    }

    function _bound(Rates memory rates) private pure {
        rates.price = bound(rates.price, 1, type(uint96).max);
        rates.epochLength = bound(rates.epochLength, 1, type(uint32).max);
        rates.protocolPpm = bound(rates.protocolPpm, 0, PPM);
        rates.burnPpm = bound(rates.burnPpm, 0, PPM);
    }

    function _bare(Booked memory a) private pure returns (Booked memory) {
        a.holds = false;
        return a;
    }

    function _copy(Booked memory a) private pure returns (Booked memory) {
        return abi.decode(abi.encode(a), (Booked));
    }

    function _draw(uint256 seed, uint256 i, string memory what) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i, what)));
    }
}
