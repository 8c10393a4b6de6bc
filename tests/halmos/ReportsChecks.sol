// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reports} from "../../contracts/libraries/Reports.sol";
import {Timing, TimingRules} from "../../contracts/libraries/Timing.sol";

/// @dev Symbolic checks of the word that remembers reports, from any word that {Attestations} can reach.
contract ReportsChecks {
    function check_asOf__is_monotonic__and_idempotent(uint256 word, uint40 time, uint40 later) external pure {
        Reports r = _reachable(word);
        if (later < time) return;
        Reports now_ = r.asOf(time);
        assert(Reports.unwrap(now_.asOf(time)) == Reports.unwrap(now_));
        assert(Reports.unwrap(now_.asOf(later)) == Reports.unwrap(r.asOf(later)));
    }

    /// @dev Nothing is final before its time, and a report that becomes final is the one that was pending.
    function check_asOf__activation__waits_for_its_time(uint256 word, uint40 time) external pure {
        Reports r = _reachable(word);
        (uint32 epoch, uint40 finalAt) = r.pending();
        (uint32 lastEpoch, uint40 lastAt) = r.last();
        Reports now_ = r.asOf(time);
        (uint32 newEpoch, uint40 newAt) = now_.last();
        if (finalAt == 0 || time < finalAt) {
            assert(Reports.unwrap(now_) == word);
        } else {
            assert(newEpoch == epoch && newAt == finalAt && newAt <= time);
            (newEpoch, newAt) = now_.previous();
            assert(newEpoch == lastEpoch && newAt == lastAt);
            (newEpoch, newAt) = now_.pending();
            assert(newEpoch == 0 && newAt == 0);
            assert(now_.reviewedBelow() == r.reviewedBelow());
        }
    }

    /// @dev Three places in turn: a root stays where it was written, and no report in use is overwritten.
    function check_place__roots__keep_their_places(uint256 word, uint40 time) external pure {
        Reports r = _reachable(word);
        assert(r.place(0) < 3 && r.place(1) < 3 && r.place(2) < 3);
        assert(r.place(0) != r.place(1) && r.place(1) != r.place(2) && r.place(0) != r.place(2));
        Reports now_ = r.asOf(time);
        if (Reports.unwrap(now_) == word) return;
        assert(now_.place(1) == r.place(0));
        assert(now_.place(2) == r.place(1));
        assert(now_.place(0) == r.place(2));
    }

    function check_submit__writes_the_pending__and_nothing_else(
        uint256 word,
        uint32 epoch,
        uint40 finalAt
    ) external pure {
        Reports s = Reports.wrap(word).submit(epoch, finalAt);
        (uint32 e, uint40 moment) = s.pending();
        assert(e == epoch && moment == finalAt);
        assert(Reports.unwrap(s) >> 72 == word >> 72);
    }

    /// @dev Epochs strictly forward: what {Attestations} requires before it submits keeps the word in order.
    function check_submit__keeps_epochs_rising(uint256 word, uint32 epoch, uint40 finalAt) external pure {
        Reports r = Reports.wrap(word);
        (uint32 lastEpoch, uint40 lastAt) = r.last();
        if (!_ordered(r) || (lastAt != 0 && epoch <= lastEpoch) || finalAt <= lastAt) return;
        Reports s = r.submit(epoch, finalAt);
        (uint32 e, uint40 moment) = s.pending();
        (uint32 l, uint40 m) = s.last();
        assert(l == lastEpoch && m == lastAt);
        if (m != 0) assert(e > l && moment > m);
    }

    function check_asOf__keeps_the_order(uint256 word, uint40 time) external pure {
        assert(_ordered(_reachable(word).asOf(time)));
    }

    function check_veto__drops_the_pending__and_marks_its_epoch(uint256 word, uint40 time) external pure {
        Reports r = _reachable(word).asOf(time);
        (uint32 epoch, uint40 finalAt) = r.pending();
        if (finalAt == 0 || epoch < r.reviewedBelow() || epoch == type(uint32).max) return;
        Reports s = r.drop().review(epoch + 1);
        (uint32 e, uint40 moment) = s.pending();
        assert(e == 0 && moment == 0);
        // A later report of that epoch, or of an earlier one, can't be vetoed.
        assert(epoch < s.reviewedBelow() && s.reviewedBelow() >= r.reviewedBelow());
        uint256 kept = ((1 << 144) - 1) << 72;
        assert(Reports.unwrap(s) & kept == Reports.unwrap(r) & kept);
        assert(s.place(0) == r.place(0));
    }

    /// @dev What follows from the inequalities, in the words of the design.
    function check_timing__rules__leave_time_for_everything(Timing memory t) external pure {
        TimingRules.check(t);
        // One report is final before the next epoch's can be pending.
        assert(uint256(t.settleDelay) + t.agreementSpan + t.activationDelay < t.epochLength);
        // A stall isn't declared while an ordinary or a reviewed report may still become final.
        assert(t.stallSpan > uint256(t.epochLength) + t.settleDelay + t.agreementSpan + t.activationDelay);
        assert(t.stallSpan > uint256(t.epochLength) + t.settleDelay + t.agreementSpan + t.reviewDelay);
        // A committee can be replaced, and its report be reviewed, before unattested time returns to the CSP.
        assert(t.attestableSpan > uint256(t.replacementSpan) + t.reviewDelay);
        assert(t.reviewDelay > t.replacementSpan);
        assert(t.genesis != 0 && t.activationDelay != 0 && t.grace < t.epochLength);
    }

    function _reachable(uint256 word) private pure returns (Reports r) {
        r = Reports.wrap(word);
        if (word >> 248 > 2 || !_ordered(r)) _stop();
    }

    /// @dev Epochs of reports that exist strictly rise, and each that exists has its predecessors before it.
    function _ordered(Reports r) private pure returns (bool) {
        (uint32 pending, uint40 pendingAt) = r.pending();
        (uint32 last, uint40 lastAt) = r.last();
        (uint32 previous, uint40 previousAt) = r.previous();
        if (pendingAt == 0 && pending != 0) return false;
        if (lastAt == 0) return previousAt == 0 && last == 0 && previous == 0;
        if (pendingAt != 0 && (pending <= last || pendingAt <= lastAt)) return false;
        return previousAt == 0 ? previous == 0 : last > previous && lastAt > previousAt;
    }

    function _stop() private pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }
}
