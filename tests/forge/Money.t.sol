// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Money, Rates, Tally, TallyView} from "../../contracts/libraries/Money.sol";

contract MoneyTest is Test {
    using Money for Rates;
    using Money for Tally;
    using Money for TallyView;

    uint256 private constant ASSIGNMENTS = 20;

    /// @dev Worked out by hand: 2.50 a day, 15 % to the protocol, 40 % of the released to the CSP.
    function test_money__figures__are_those_worked_out_by_hand() external pure {
        Rates memory rates = Rates({price: 2_500_000, epochLength: 86_400, protocolPpm: 150_000, cspPpm: 400_000});
        TallyView memory t = TallyView({
            earned: 80_000,
            unmeasured: 1_000,
            released: 5_000,
            held: 400,
            claimed: 80_000,
            rounding: 3
        });
        assertEq(rates.gross(86_400), 2_500_000, "an epoch");
        assertEq(rates.gross(80_000), 2_314_814, "gross");
        assertEq(rates.net(80_000), 1_967_591, "net");
        assertEq(t.paid(rates), 1_967_588, "paid");
        assertEq(t.protocolDue(rates), 347_222, "protocol");
        assertEq(t.burnDue(rates), 86_805, "burned");
        assertEq(t.refundDue(rates), 28_935 + 57_870, "refunded");
        assertEq(t.booked(rates), 2_500_000, "booked");
        assertEq(rates.penalty(5_000, 250_000), 36_168, "penalty");
    }

    /// @dev However a job's earned seconds are spread over assignments, and its others over payments in between.
    function testFuzz_money__parts_of_a_job__never_exceed_what_its_seconds_cost(
        uint256 seed,
        TallyView memory t,
        Rates memory rates
    ) external pure {
        _bound(t, rates);
        uint256 paid = 0;
        uint256 rest = t.earned;
        for (uint256 i = 0; i < ASSIGNMENTS; ++i) {
            uint256 part = i == ASSIGNMENTS - 1 ? rest : uint256(keccak256(abi.encode(seed, i))) % (rest / 2 + 1);
            rest -= part;
            paid += rates.net(part);
        }
        uint256 sum = paid + t.protocolDue(rates) + t.refundDue(rates) + t.burnDue(rates) + rates.gross(t.held);
        assertLe(sum, t.booked(rates), "more than the seconds cost");
        assertLe(t.booked(rates), sum + 2 * (ASSIGNMENTS + 3) + 1, "two floors take more than two wei of a part");
    }

    function testFuzz_money__more_seconds__never_take_back(
        TallyView memory t,
        uint32[4] calldata more,
        Rates memory rates
    ) external pure {
        _bound(t, rates);
        TallyView memory later = TallyView(
            t.earned + more[0],
            t.unmeasured + more[1],
            t.released + more[2],
            t.held + more[3],
            t.claimed,
            0
        );
        assertGe(rates.net(later.earned), rates.net(t.earned), "net");
        assertGe(later.refundDue(rates), t.refundDue(rates), "refund");
        assertGe(later.burnDue(rates), t.burnDue(rates), "burn");
        assertGe(later.protocolDue(rates), t.protocolDue(rates), "protocol");
        assertGe(later.booked(rates), t.booked(rates), "booked");
    }

    /// @dev The CSP's due grows when a closed job has nothing held or unclaimed any more: the remainder is its.
    function testFuzz_money__last_remainder__is_no_less_than_what_was_due(
        uint256 seed,
        uint256 deposit,
        TallyView memory t,
        Rates memory rates
    ) external pure {
        _bound(t, rates);
        t.held = 0;
        deposit = t.booked(rates) + (deposit % (1 << 88));
        uint256 one = bound(seed, 0, t.earned);
        uint256 paid = rates.net(one) + rates.net(t.earned - one);
        assertGe(
            deposit - paid - t.burnDue(rates) - t.protocolDue(rates),
            deposit - t.booked(rates) + t.refundDue(rates)
        );
    }

    /// @dev A tally is a vector in a word: movements, negative ones too, reach their own field alone.
    function testFuzz_tally__movements__reach_their_own_field(uint256 seed, Rates memory rates) external pure {
        TallyView memory sums;
        _bound(sums, rates);
        rates.price = bound(rates.price, 1, 1 << 60);
        Tally t;
        uint256[] memory claimed = new uint256[](ASSIGNMENTS);
        uint256 paid = 0;
        for (uint256 i = 0; i < 60; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint256 more = uint32(draw);
            uint256 kind = (draw >> 32) % 5;
            if (kind == 0) t = t.add(Money.tally(more, 0, 0, 0));
            if (kind == 1) t = t.add(Money.tally(0, more, 0, 0));
            if (kind == 2) t = t.add(Money.tally(0, 0, 0, more));
            (sums.earned, sums.unmeasured, sums.held) = (
                sums.earned + (kind == 0 ? more : 0),
                sums.unmeasured + (kind == 1 ? more : 0),
                sums.held + (kind == 2 ? more : 0)
            );
            unchecked {
                if (kind == 3 && sums.held != 0) {
                    // An appeal frees a part, the end of its span releases another.
                    uint256 freed = more % (sums.held + 1);
                    uint256 released = (draw >> 64) % (sums.held - freed + 1);
                    t = t.add(Money.tally(freed, 0, released, 0) - Money.tally(0, 0, 0, freed + released));
                    sums.earned += freed;
                    sums.released += released;
                    sums.held -= freed + released;
                }
            }
            if (kind == 4 && sums.earned > sums.claimed) {
                uint256 who = (draw >> 64) % ASSIGNMENTS;
                uint256 secs = more % (sums.earned - sums.claimed + 1);
                uint256 amount = rates.net(claimed[who] + secs) - rates.net(claimed[who]);
                t = t.claim(rates, secs, amount);
                claimed[who] += secs;
                sums.claimed += secs;
                paid += amount;
            }
        }
        TallyView memory fields = t.fields();
        assertEq(fields.paid(rates), paid, "what was paid");
        sums.rounding = rates.net(sums.claimed) - paid;
        assertEq(abi.encode(fields), abi.encode(sums), "fields");
        assertLe(fields.rounding, 2 * ASSIGNMENTS, "rounding outgrows two wei of an assignment");
    }

    function _bound(TallyView memory t, Rates memory rates) private pure {
        t.earned = (bound(t.earned, 0, (1 << 42) - 1));
        t.unmeasured = (bound(t.unmeasured, 0, (1 << 42) - 1));
        t.released = (bound(t.released, 0, (1 << 42) - 1));
        t.held = (bound(t.held, 0, (1 << 42) - 1));
        rates.price = bound(rates.price, 1, type(uint96).max);
        rates.epochLength = bound(rates.epochLength, 1, type(uint32).max);
        rates.protocolPpm = bound(rates.protocolPpm, 0, Money.PPM);
        rates.cspPpm = bound(rates.cspPpm, 0, Money.PPM);
    }
}
