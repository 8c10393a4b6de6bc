// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An assignment's seconds, in one word. From bit 0, 40 bits each: `openedAt` (UNIX seconds), `closedAt` (UNIX
/// seconds; zero while open), `through` (up to when it is settled, UNIX seconds), `accounted` (seconds booked as earned or
/// withheld), `earned` (seconds booked as earned), `claimed` (earned seconds that were paid out). Bit 240, `holds`: some
/// withheld seconds aren't released yet. Bit 241, `marked`: a claim asks first whether the licence is frozen.
/// @dev One word on the stack, not a struct: settling a thousand leaves reads and writes a thousand of these.
type Account is uint256;

/// @notice Withheld seconds of an assignment that aren't released yet, in two buckets marked with spans of epochs, see
/// {Accrual.bucket}.
struct Held {
    uint40 olderBucket;
    uint40 older;
    uint40 youngerBucket;
    uint40 younger;
}

using Accounts for Account global;

/// @title Fields of an {Account}.
library Accounts {
    uint256 private constant FIELD = (1 << 40) - 1;
    uint256 private constant HOLDS = 1 << 240;
    uint256 private constant MARKED = 1 << 241;

    /// @notice The account of an assignment that opens at `time`.
    function open(uint256 time) internal pure returns (Account) {
        return Account.wrap(time | (time << 80));
    }

    /// @notice When the assignment opened; zero when there is none.
    function openedAt(Account a) internal pure returns (uint256) {
        return Account.unwrap(a) & FIELD;
    }

    /// @notice When it was closed; zero while it is open.
    function closedAt(Account a) internal pure returns (uint256) {
        return (Account.unwrap(a) >> 40) & FIELD;
    }

    /// @notice Up to when it is settled.
    function through(Account a) internal pure returns (uint256) {
        return (Account.unwrap(a) >> 80) & FIELD;
    }

    /// @notice Seconds booked as earned or withheld.
    function accounted(Account a) internal pure returns (uint256) {
        return (Account.unwrap(a) >> 120) & FIELD;
    }

    /// @notice Seconds booked as earned.
    function earned(Account a) internal pure returns (uint256) {
        return (Account.unwrap(a) >> 160) & FIELD;
    }

    /// @notice Earned seconds that were paid out.
    function claimed(Account a) internal pure returns (uint256) {
        return (Account.unwrap(a) >> 200) & FIELD;
    }

    /// @notice Whether some withheld seconds aren't released yet.
    function holds(Account a) internal pure returns (bool) {
        return Account.unwrap(a) & HOLDS != 0;
    }

    /// @notice Whether a claim asks first whether the licence is frozen.
    function marked(Account a) internal pure returns (bool) {
        return Account.unwrap(a) & MARKED != 0;
    }

    /// @notice When the assignment stops accruing, given its job's stop, which isn't zero.
    function stop(Account a, uint256 jobStop) internal pure returns (uint256) {
        uint256 closed = closedAt(a);
        unchecked {
            // Zero, the account that is open, wraps round to the latest time of all.
            return closed - 1 < jobStop - 1 ? closed : jobStop;
        }
    }

    /// @notice The open account, closed at `time`.
    function close(Account a, uint256 time) internal pure returns (Account) {
        return Account.wrap(Account.unwrap(a) | (time << 40));
    }

    /// @notice The account with all that is earned paid out.
    function claim(Account a) internal pure returns (Account) {
        return Account.wrap((Account.unwrap(a) & ~(FIELD << 200)) | (earned(a) << 200));
    }

    /// @notice The account with `marked` set or cleared.
    function mark(Account a, bool set) internal pure returns (Account) {
        return Account.wrap(set ? Account.unwrap(a) | MARKED : Account.unwrap(a) & ~MARKED);
    }

    /// @notice The account with `holds` set or cleared.
    function hold(Account a, bool some) internal pure returns (Account) {
        return Account.wrap(some ? Account.unwrap(a) | HOLDS : Account.unwrap(a) & ~HOLDS);
    }
}

/// @title The arithmetic of settlement: cumulative seconds within their bounds, and the buckets of what is withheld.
library Accrual {
    uint256 private constant FIELD = (1 << 40) - 1;
    uint256 private constant BOOKED = (1 << 120) - 1;

    /// @notice Applies a leaf's cumulative seconds to an account, within the bounds; never reverts.
    /// @param until the time up to which the leaf may count; `through` moves there, never back
    /// @param heldSeconds what the account holds
    /// @return the account after it
    /// @return newEarned newly earned seconds
    /// @return newAccounted newly accounted seconds; where fewer than the earned, the difference came out of the held
    /// @return room seconds that `through` moved by
    function applyLeaf(
        Account a,
        uint256 earned,
        uint256 accounted,
        uint256 until,
        uint256 heldSeconds
    ) internal pure returns (Account, uint256 newEarned, uint256 newAccounted, uint256 room) {
        // The fields are read here and not by {Accounts}: a range does this a thousand times.
        uint256 word = Account.unwrap(a);
        unchecked {
            uint256 from = (word >> 80) & FIELD;
            if (until > from) room = until - from;
            else until = from;
            from = (word >> 120) & FIELD;
            accounted = accounted > from ? accounted - from : 0;
            newAccounted = accounted < room ? accounted : room;
            // All three stay below `until`, which fits 40 bits: none exceeds the time the assignment was open.
            until = (until << 80) | ((from + newAccounted) << 120);
            from = (word >> 160) & FIELD;
            if (earned > from) {
                newEarned = earned - from;
                // What the leaf earned of the time that it accounts is cut to that time; only what goes beyond, which is
                // an appeal, comes out of the held.
                uint256 raised = newEarned > accounted ? newEarned - accounted : 0;
                newEarned -= raised;
                if (newEarned > newAccounted) newEarned = newAccounted;
                newEarned += raised < heldSeconds ? raised : heldSeconds;
                until |= (from + newEarned) << 160;
            } else {
                until |= from << 160;
            }
            a = Account.wrap((word & ~(BOOKED << 80)) | until);
        }
        return (a, newEarned, newAccounted, room);
    }

    /// @notice The bucket that seconds withheld in `epoch` belong to: spans of `appealEpochs` epochs, at least one.
    /// @dev By the time a third bucket begins, the first one's appeal span is over: so two are enough, and a bucket's
    /// mark never moves.
    function bucket(uint256 epoch, uint256 appealEpochs) internal pure returns (uint40) {
        return uint40(epoch / _width(appealEpochs));
    }

    /// @notice The first epoch whose report ends the appeal span of all seconds in a bucket.
    function releaseEpoch(uint256 mark, uint256 appealEpochs) internal pure returns (uint256) {
        return (mark + 1) * _width(appealEpochs) + appealEpochs;
    }

    /// @notice All seconds held.
    function total(Held memory h) internal pure returns (uint256) {
        return uint256(h.older) + h.younger;
    }

    /// @notice Takes out what its appeal span is over for, once a leaf of the report of `epoch` has been applied.
    function release(Held memory h, uint256 epoch, uint256 appealEpochs) internal pure {
        if (epoch >= releaseEpoch(h.olderBucket, appealEpochs)) h.older = 0;
        if (epoch >= releaseEpoch(h.youngerBucket, appealEpochs)) h.younger = 0;
    }

    /// @notice Puts newly withheld seconds into the bucket `mark`. The caller has released what is due, so that the older
    /// bucket is empty whenever a third one begins; it is added to, not overwritten, all the same.
    function hold(Held memory h, uint40 mark, uint256 secs) internal pure {
        if (h.younger != 0 && h.youngerBucket != mark) {
            h.olderBucket = h.youngerBucket;
            h.older += h.younger;
            h.younger = 0;
        }
        h.youngerBucket = mark;
        h.younger += uint40(secs);
    }

    /// @notice Takes seconds out that an appeal turned into earned ones, the older first.
    function free(Held memory h, uint256 secs) internal pure {
        uint256 fromOlder = secs < h.older ? secs : h.older;
        h.older -= uint40(fromOlder);
        h.younger -= uint40(secs - fromOlder);
    }

    function _width(uint256 appealEpochs) private pure returns (uint256) {
        return appealEpochs == 0 ? 1 : appealEpochs;
    }
}
