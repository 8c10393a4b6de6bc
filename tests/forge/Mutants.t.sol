// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Account as Booked, Accounts} from "../../contracts/libraries/Accrual.sol";

/// @dev What the mutation test found untold elsewhere; `docs/mutation.md` tells of it.
contract MutantsTest is Test {
    function testFuzz_flags__set_and_cleared__are_their_own_bits(uint256 word) external pure {
        Booked a = Booked.wrap(word);
        assertEq(a.holds(), (word >> 240) & 1 == 1);
        assertEq(a.marked(), (word >> 241) & 1 == 1);
        assertEq(Booked.unwrap(a.hold(true)), word | (uint256(1) << 240));
        assertEq(Booked.unwrap(a.hold(false)), word & ~(uint256(1) << 240));
        assertEq(Booked.unwrap(a.mark(true)), word | (uint256(1) << 241));
        assertEq(Booked.unwrap(a.mark(false)), word & ~(uint256(1) << 241));
    }

    function testFuzz_fields__of_an_account__are_where_they_are_told(uint40[6] calldata f) external pure {
        uint256 word = 0;
        for (uint256 i = 0; i < 6; ++i) word |= uint256(f[i]) << (40 * i);
        Booked a = Booked.wrap(word);
        assertEq(a.openedAt(), f[0]);
        assertEq(a.closedAt(), f[1]);
        assertEq(a.through(), f[2]);
        assertEq(a.accounted(), f[3]);
        assertEq(a.earned(), f[4]);
        assertEq(a.claimed(), f[5]);
        assertEq(Booked.unwrap(Accounts.open(f[0])), uint256(f[0]) | (uint256(f[0]) << 80));
    }
}
