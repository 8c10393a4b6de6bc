// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Money, Tally, TallyView} from "../../contracts/libraries/Money.sol";

/// @dev Symbolic checks of packed tallies. What concerns floors is decided by arithmetic over the integers, in `integers.py`.
contract MoneyChecks {
    using Money for Tally;
    using Money for TallyView;

    uint256 private constant FIELD = (1 << 44) - 1;

    /// @dev A movement reaches its own field alone, also a negative one.
    function check_tally__movement__reaches_its_own_field(
        uint256 word,
        uint40 earned,
        uint40 unmeasured,
        uint40 released,
        uint40 held,
        uint40 freed
    ) external pure {
        Tally t = Tally.wrap(word);
        TallyView memory before = t.fields();
        if (before.earned + earned + freed > FIELD || before.unmeasured + unmeasured > FIELD) return;
        if (before.released + released > FIELD || before.held + held > FIELD) return;
        if (freed > before.held + held) return;
        unchecked {
            t = t.add(Money.tally(earned, unmeasured, released, held));
            t = t.add(Money.tally(freed, 0, 0, 0 - uint256(freed)));
        }
        TallyView memory later = t.fields();
        assert(later.earned == before.earned + earned + freed);
        assert(later.unmeasured == before.unmeasured + unmeasured);
        assert(later.released == before.released + released);
        assert(later.held == before.held + held - freed);
        assert(later.claimed == before.claimed && later.rounding == before.rounding);
    }

    function check_gross__price_under_96_bits__never_overflows(uint96 price, uint256 secs) external pure {
        if (secs >= Money.MAX_SECONDS) return;
        uint256 product;
        unchecked {
            product = uint256(price) * secs;
        }
        assert(product < 1 << 140);
    }
}
