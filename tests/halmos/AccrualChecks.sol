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

    /// @dev The word holds what was told.
    function check_applyLeaf__any_leaf__books_the_accounted(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(m.account.accounted() == f.accounted + m.accounted);
    }

    function check_applyLeaf__any_leaf__books_the_earned(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(m.account.earned() == f.earned + m.earned);
    }

    function check_applyLeaf__any_leaf__moves_through(
        Fields memory f,
        uint64 earned,
        uint64 accounted,
        uint40 until,
        uint40 held
    ) external pure {
        Moved memory m = _apply(_account(f, held), earned, accounted, until, held);
        assert(m.account.through() == f.through + m.room);
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

    /// @dev What is withheld in an epoch is not released by a report of the epochs in its appeal span. Solvers can't divide
    /// by an unknown number: spans of none, two and three epochs here, any in `integers.py`.
    function check_release__within_no_appeal_span__keeps_it(uint32 epoch, uint40 secs) external pure {
        _keeps(epoch, 0, 0, secs);
    }

    function check_release__within_an_appeal_span_of_2__keeps_it(uint32 epoch, uint8 later, uint40 secs) external pure {
        if (later <= 2) _keeps(epoch, 2, later, secs);
    }

    function check_release__within_an_appeal_span_of_3__keeps_it(uint32 epoch, uint8 later, uint40 secs) external pure {
        if (later <= 3) _keeps(epoch, 3, later, secs);
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

    function _keeps(uint256 epoch, uint256 appealEpochs, uint256 later, uint40 secs) private pure {
        Held memory h;
        h.hold(Accrual.bucket(epoch, appealEpochs), secs);
        h.release(epoch + later, appealEpochs);
        assert(h.total() == secs);
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

    function _stop() private pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }
}
