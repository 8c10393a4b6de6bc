// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An assignment's seconds, in one storage slot. Times are UNIX seconds, the rest cumulative seconds.
/// @param openedAt when the assignment opened
/// @param closedAt when it was closed; zero while it is open
/// @param through up to when it is settled
/// @param earned booked as earned
/// @param accounted booked as earned or withheld
/// @param claimed earned seconds that were paid out
/// @param holds whether some withheld seconds aren't released yet
struct Account {
    uint40 openedAt;
    uint40 closedAt;
    uint40 through;
    uint40 earned;
    uint40 accounted;
    uint40 claimed;
    bool holds;
}

/// @notice Withheld seconds that aren't released yet, in two buckets marked with spans of epochs, see {Accrual.bucket}.
struct Held {
    uint40 olderBucket;
    uint40 older;
    uint40 youngerBucket;
    uint40 younger;
}

/// @notice What the seconds of one assignment come to, in the token's smallest unit, each path-independent.
/// @param booked all that is settled: accounted and unmeasured
/// @param held what is accounted and neither earned nor released, with the rounding of that split
/// @param refundable the CSP's: unmeasured, and its share of what was released
/// @param burnable the protocol's share of the earned, and the burn share of what was released
struct Amounts {
    uint256 booked;
    uint256 held;
    uint256 refundable;
    uint256 burnable;
}

/// @notice What turns seconds into money.
/// @param price of one slot for one epoch, in the token's smallest unit
/// @param epochLength in seconds
/// @param protocolPpm the protocol's share of the earned, in millionths
/// @param burnPpm the burned share of the withheld, in millionths
struct Rates {
    uint256 price;
    uint256 epochLength;
    uint256 protocolPpm;
    uint256 burnPpm;
}

/// @title The arithmetic of settlement: seconds within their bounds, amounts as functions of cumulative seconds.
/// @dev Every amount is floor(price · cumulative seconds / epoch length), or a floored share of it, minus what was booked
/// before; so the path of settlements doesn't matter, and parts never exceed their whole.
library Accrual {
    uint256 private constant PPM = 1_000_000;

    /// @notice floor(price · secs / epochLength). With a price under 2^96 and seconds under 2^40 nothing overflows.
    function gross(Rates memory rates, uint256 secs) internal pure returns (uint256) {
        unchecked {
            return (rates.price * secs) / rates.epochLength;
        }
    }

    /// @notice What the payee gets for cumulative earned seconds, the protocol's share taken off.
    function net(Rates memory rates, uint256 secs) internal pure returns (uint256) {
        uint256 amount = gross(rates, secs);
        unchecked {
            return amount - (amount * rates.protocolPpm) / PPM;
        }
    }

    /// @notice What an account's seconds come to, `heldSeconds` of them being held.
    function amounts(Account memory a, uint256 heldSeconds, Rates memory rates)
        internal
        pure
        returns (Amounts memory sums)
    {
        uint256 accounted = gross(rates, a.accounted);
        uint256 earned = a.earned == a.accounted ? accounted : gross(rates, a.earned);
        // No subtraction below wraps: earned + held <= accounted <= through − openedAt, and floors of parts sum up to
        // at most the floor of their whole.
        unchecked {
            uint256 unmeasuredSeconds = uint256(a.through) - a.openedAt - a.accounted;
            uint256 releasedSeconds = uint256(a.accounted) - a.earned - heldSeconds;
            uint256 unmeasured = unmeasuredSeconds == 0 ? 0 : gross(rates, unmeasuredSeconds);
            uint256 released = releasedSeconds == 0 ? 0 : gross(rates, releasedSeconds);
            uint256 burned = (released * rates.burnPpm) / PPM;
            sums.booked = accounted + unmeasured;
            sums.held = accounted - earned - released;
            sums.refundable = unmeasured + released - burned;
            sums.burnable = (earned * rates.protocolPpm) / PPM + burned;
        }
    }

    /// @notice Applies a leaf's cumulative seconds to an account, within the bounds; never reverts.
    /// @param until the time up to which the leaf may count; `through` moves there
    /// @param heldSeconds what the account holds
    /// @return withheld newly withheld seconds
    /// @return freed held seconds that an appeal turned into earned ones
    function applyLeaf(Account memory a, uint256 earned, uint256 accounted, uint256 until, uint256 heldSeconds)
        internal
        pure
        returns (uint256 withheld, uint256 freed)
    {
        unchecked {
            uint256 room = until > a.through ? until - a.through : 0;
            uint256 newAccounted = accounted > a.accounted ? accounted - a.accounted : 0;
            if (newAccounted > room) newAccounted = room;
            uint256 newEarned = earned > a.earned ? earned - a.earned : 0;
            if (newEarned > newAccounted + heldSeconds) newEarned = newAccounted + heldSeconds;
            if (newEarned > newAccounted) freed = newEarned - newAccounted;
            else withheld = newAccounted - newEarned;
            // All three stay below `until` or the times they started from, which fit 40 bits.
            a.accounted += uint40(newAccounted);
            a.earned += uint40(newEarned);
            if (room != 0) a.through = uint40(until);
        }
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
