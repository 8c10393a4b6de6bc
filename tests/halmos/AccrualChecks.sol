// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account, Accrual, Held} from "../../contracts/libraries/Accrual.sol";

/// @dev Symbolic checks of the arithmetic of settlement. Halmos tries every value of every parameter.
contract AccrualChecks {
    using Accrual for Held;

    struct Moved {
        Account account;
        uint256 earned;
        uint256 accounted;
        uint256 room;
    }

    /// @dev The fields of an account, apart: a solver takes them more easily than a word of shifts.
    struct Fields {
        uint40 openedAt;
        uint40 closedAt;
        uint40 through;
        uint40 accounted;
        uint40 earned;
        uint40 claimed;
        uint16 flags;
    }

    /// @dev Nothing beyond the time up to which the leaf counts, for any leaf whatever, true or forged.
    function check_applyLeaf__any_leaf__stays_within_the_open_time(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Account a = _account(f, held);
        Moved memory m = _apply(a, earned, accounted, until, held);
        uint256 open = until > f.through ? until - f.through : 0;
        assert(m.room == open);
        assert(m.accounted <= open);
        assert(m.earned <= m.accounted + held);
    }

    /// @dev The word holds what was told, and no other field moved.
    function check_applyLeaf__any_leaf__books_what_it_tells(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(m.account.through() == f.through + m.room);
        assert(m.account.earned() == f.earned + m.earned);
        assert(m.account.accounted() == f.accounted + m.accounted);
        assert(m.account.openedAt() == f.openedAt && m.account.closedAt() == f.closedAt);
        assert(m.account.claimed() == f.claimed && Account.unwrap(m.account) >> 240 == f.flags);
    }

    /// @dev Earned and held together never pass accounted, and accounted never passes the open time: for good.
    function check_applyLeaf__any_leaf__leaves_the_account_sound(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(_sound(m.account, held + m.accounted - m.earned));
    }

    /// @dev No double pay: the same leaf again, up to the same time, moves nothing.
    function check_applyLeaf__same_leaf_twice__moves_nothing(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        Moved memory n = _apply(m.account, earned, accounted, until, held + m.accounted - m.earned);
        assert(n.earned == 0 && n.accounted == 0 && n.room == 0);
        assert(Account.unwrap(n.account) == Account.unwrap(m.account));
    }

    /// @dev An older leaf, or one that names less, books nothing.
    function check_applyLeaf__older_leaf__books_nothing(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        if (earned > f.earned || accounted > f.accounted) return;
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(m.earned == 0 && m.accounted == 0);
    }

    /// @dev Path independence: true leaves of one history, each within its time, settled one by one or the last alone.
    /// Nothing is released in between.
    function check_applyLeaf__two_steps_or_one__come_to_the_same(
        Fields memory f,
        uint32[2] calldata earned,
        uint32[2] calldata withheld,
        uint32[2] calldata spans,
        uint40 held
    ) external pure {
        if (uint256(earned[0]) + withheld[0] > spans[0] || uint256(earned[1]) + withheld[1] > spans[1]) return;
        if (f.through >= 1 << 39) return;
        Account a = _account(f, held);
        uint256 until = uint256(f.through) + spans[0];
        uint256 e = uint256(f.earned) + earned[0];
        uint256 n = uint256(f.accounted) + earned[0] + withheld[0];
        Moved memory first = _apply(a, e, n, until, held);
        until += spans[1];
        e += earned[1];
        n += uint256(earned[1]) + withheld[1];
        Moved memory one = _apply(a, e, n, until, held);
        Moved memory second = _apply(first.account, e, n, until, held + first.accounted - first.earned);
        assert(Account.unwrap(second.account) == Account.unwrap(one.account));
        assert(one.earned == first.earned + second.earned);
        assert(one.accounted == first.accounted + second.accounted);
    }

    /// @dev A witness must fail: it shows that the checks above reach accounts that move.
    function check_witness__applyLeaf__an_appeal_may_raise_the_earned(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(m.earned <= m.accounted);
    }

    function check_stop__is_the_earlier__of_closing_and_the_jobs_stop(uint256 word, uint40 jobStop) external pure {
        if (jobStop == 0) return;
        Account a = Account.wrap(word);
        uint256 stop = a.stop(jobStop);
        if (a.closedAt() == 0) assert(stop == jobStop);
        else assert(stop == (a.closedAt() < jobStop ? a.closedAt() : jobStop));
    }

    function check_claim__pays_all_that_is_earned__and_touches_nothing_else(uint256 word) external pure {
        Account a = Account.wrap(word);
        Account b = a.claim();
        assert(b.claimed() == a.earned());
        uint256 mask = ~(((uint256(1) << 40) - 1) << 200);
        assert(Account.unwrap(b) & mask == word & mask);
    }

    /// @dev What is withheld in an epoch is not released by a report of the epochs in its appeal span.
    function check_release__within_the_appeal_span__keeps_it(
        uint32 epoch,
        uint8 appealEpochs,
        uint40 secs,
        uint8 later
    ) external pure {
        if (later > appealEpochs) return;
        Held memory h;
        h.hold(Accrual.bucket(epoch, appealEpochs), secs);
        h.release(uint256(epoch) + later, appealEpochs);
        assert(h.total() == secs);
    }

    /// @dev Held seconds are never lost: putting in and taking out change the total by just that.
    function check_held__totals__are_conserved(Held memory h, uint40 mark, uint40 secs, uint40 freed) external pure {
        uint256 before = h.total();
        if (before + secs >= 1 << 40 || freed > before + secs) return;
        h.hold(mark, secs);
        assert(h.total() == before + secs);
        h.free(freed);
        assert(h.total() == before + secs - freed);
    }

    function _apply(
        Account a,
        uint256 earned,
        uint256 accounted,
        uint256 until,
        uint256 held
    ) private pure returns (Moved memory m) {
        (m.account, m.earned, m.accounted, m.room) = Accrual.applyLeaf(a, earned, accounted, until, held);
    }

    /// @dev An account that the contract can hold; other paths end here.
    function _account(Fields memory f, uint256 held) private pure returns (Account a) {
        a = Account.wrap(
            uint256(f.openedAt) |
                (uint256(f.closedAt) << 40) |
                (uint256(f.through) << 80) |
                (uint256(f.accounted) << 120) |
                (uint256(f.earned) << 160) |
                (uint256(f.claimed) << 200) |
                (uint256(f.flags) << 240)
        );
        if (
            f.openedAt > f.through ||
            f.accounted > f.through - f.openedAt ||
            uint256(f.earned) + held > f.accounted ||
            f.claimed > f.earned
        ) _stop();
    }

    /// @dev What the contract keeps true of every account: claimed <= earned, earned + held <= accounted, and accounted no
    /// more than the time it was open and settled.
    function _sound(Account a, uint256 held) private pure returns (bool) {
        return
            a.openedAt() <= a.through() &&
            a.accounted() <= a.through() - a.openedAt() &&
            a.earned() + held <= a.accounted() &&
            a.claimed() <= a.earned();
    }

    function _stop() private pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }
}
