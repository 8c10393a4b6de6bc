// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Cumulative slot-seconds of one job, over all its assignments, in one word. From bit 0, 44 bits each: `earned`,
/// `unmeasured`, `released`, `held`, `claimed`; then 36 bits `rounding`, in the token's smallest unit. See {TallyView}.
/// @dev A vector in a word: words of movements are added as they are. No field overflows into the next, since all seconds
/// of a job together are fewer than 2^44, which is checked when it is created.
type Tally is uint256;

/// @notice The fields of a {Tally}, slot-seconds but for the last.
/// @param earned booked as earned
/// @param unmeasured settled, and neither earned nor withheld
/// @param released withheld, and given their destination
/// @param held withheld, and not released yet
/// @param claimed earned seconds that were paid out
/// @param rounding what flooring each payee's amount apart leaves of what `claimed` comes to, in the token's smallest unit
struct TallyView {
    uint256 earned;
    uint256 unmeasured;
    uint256 released;
    uint256 held;
    uint256 claimed;
    uint256 rounding;
}

/// @notice What turns a job's seconds into money.
/// @param price of one slot for one epoch, in the token's smallest unit
/// @param epochLength in seconds
/// @param protocolPpm the protocol's share of the earned, in millionths
/// @param cspPpm the CSP's share of the withheld, in millionths
struct Rates {
    uint256 price;
    uint256 epochLength;
    uint256 protocolPpm;
    uint256 cspPpm;
}

/// @title Money as a function of cumulative seconds, so that the path of settlements doesn't matter.
/// @dev Every amount is floor(price · seconds / epoch length), or a floored share of it. Floors of parts sum up to at most
/// the floor of their whole: what goes to payees, CSP and burn never exceeds what the seconds cost together.
library Money {
    uint256 internal constant PPM = 1_000_000;
    /// @dev A job has fewer slot-seconds than this, so that they fit the fields of its {Tally}.
    uint256 internal constant MAX_SECONDS = 1 << 44;

    uint256 private constant FIELD = (1 << 44) - 1;

    /// @notice A tally, or a movement of one.
    function tally(uint256 earned, uint256 unmeasured, uint256 released, uint256 held) internal pure returns (uint256) {
        unchecked {
            return earned + (unmeasured << 44) + (released << 88) + (held << 132);
        }
    }

    /// @notice A tally with a movement added; parts of the movement may be negative, in two's complement.
    function add(Tally t, uint256 moved) internal pure returns (Tally) {
        unchecked {
            return Tally.wrap(Tally.unwrap(t) + moved);
        }
    }

    /// @notice A tally with a claim added: `secs` of one payee that came to `amount`.
    function claim(Tally t, Rates memory rates, uint256 secs, uint256 amount) internal pure returns (Tally) {
        unchecked {
            uint256 before = (Tally.unwrap(t) >> 176) & FIELD;
            // The sum of floors never exceeds the floor of the sum: `rounding` stays positive, whatever its step is.
            uint256 step = net(rates, before + secs) - net(rates, before) - amount;
            return Tally.wrap(Tally.unwrap(t) + (secs << 176) + (step << 220));
        }
    }

    /// @notice The fields of a tally.
    function fields(Tally t) internal pure returns (TallyView memory) {
        uint256 word = Tally.unwrap(t);
        return
            TallyView({
                earned: word & FIELD,
                unmeasured: (word >> 44) & FIELD,
                released: (word >> 88) & FIELD,
                held: (word >> 132) & FIELD,
                claimed: (word >> 176) & FIELD,
                rounding: word >> 220
            });
    }

    /// @notice floor(price · secs / epochLength). With a price under 2^96 and seconds under 2^44 nothing overflows.
    function gross(Rates memory rates, uint256 secs) internal pure returns (uint256) {
        unchecked {
            return (rates.price * secs) / rates.epochLength;
        }
    }

    /// @notice What the payee of one assignment gets for its cumulative earned seconds.
    function net(Rates memory rates, uint256 earned) internal pure returns (uint256) {
        unchecked {
            return (gross(rates, earned) * (PPM - rates.protocolPpm)) / PPM;
        }
    }

    /// @notice What payees were paid.
    function paid(TallyView memory t, Rates memory rates) internal pure returns (uint256) {
        return net(rates, t.claimed) - t.rounding;
    }

    /// @notice The protocol's share of a job's earned seconds.
    function protocolDue(TallyView memory t, Rates memory rates) internal pure returns (uint256) {
        return (gross(rates, t.earned) * rates.protocolPpm) / PPM;
    }

    /// @notice What is to be burned of a job: what the CSP doesn't get of the released.
    function burnDue(TallyView memory t, Rates memory rates) internal pure returns (uint256) {
        return (gross(rates, t.released) * (PPM - rates.cspPpm)) / PPM;
    }

    /// @notice What a penalty of `penaltyPpm` on withheld seconds comes to.
    function penalty(Rates memory rates, uint256 secs, uint256 penaltyPpm) internal pure returns (uint256) {
        return (gross(rates, secs) * penaltyPpm) / PPM;
    }

    /// @notice What the CSP gets of a job's settled seconds: the unmeasured, and its share of the released.
    function refundDue(TallyView memory t, Rates memory rates) internal pure returns (uint256) {
        return gross(rates, t.unmeasured) + (gross(rates, t.released) * rates.cspPpm) / PPM;
    }

    /// @notice What all settled seconds of a job cost.
    function booked(TallyView memory t, Rates memory rates) internal pure returns (uint256) {
        return gross(rates, t.earned + t.unmeasured + t.released + t.held);
    }
}
