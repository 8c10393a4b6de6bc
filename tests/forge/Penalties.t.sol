// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMintable, Street} from "./Street.sol";
import {JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {BondView} from "../../contracts/interfaces/IBonds.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";

/// @dev What withheld seconds cost a licence's bond, by way of reports, settlements and appeals.
contract PenaltiesTest is Street {
    uint256 private constant BOND = 1_000_000;

    function test_penalty__alone__takes_the_bond() external {
        _serve(false);
        assertEq(_bond().balance, 0);
        assertEq(bonds.burnable(address(token)), BOND);
    }

    /// @dev The node serves a job of its own too, fails it as well, has that settled first, and appeals just in time.
    function test_penalty__own_job_reserves_first_and_appeals__takes_the_bond_all_the_same() external {
        _serve(true);
        assertEq(_bond().balance, 0, "the other job's reservations shelter nothing");
        assertEq(bonds.burnable(address(token)), BOND);
    }

    /// @dev One licence in two jobs. Job 0, the victim's, has its first epoch withheld for good, which costs the whole bond. Job 1 is as good as
    /// the node wants.
    function _serve(bool crowd) private {
        _found(0, 0);
        _mintLinked(1);
        uint256 a = _assign(_create(_open(address(0xC1)), _terms()), 0, 1);
        uint256 b = _assign(_create(_open(address(0xC2)), _terms()), 0, 1);
        IMintable(address(token)).mint(address(this), BOND);
        IMintable(address(token)).approve(address(bonds), BOND);
        bonds.deposit(Subjects.licence(1), address(token), BOND);

        _epoch(0, a, 0, b, crowd ? 0 : 1_000, crowd);
        _epoch(1, a, 1_000, b, crowd ? 0 : 2_000, crowd);
        _epoch(2, a, 2_000, b, crowd ? 0 : 3_000, crowd);
        _epoch(3, a, 3_000, b, 3_000, true); // the appeal of epochs 0 and 1
        _epoch(4, a, 4_000, b, 5_000, false); // job 0's first seconds are released; the appeal of epoch 2
        (uint256 told, ) = bonds.penaltyOf(1, address(token), a);
        assertEq(told, BOND);
        assertEq(_bond().reserved, 0);
    }

    /// @dev An epoch's report of both assignments, of which all seconds are accounted, and their settlements.
    function _epoch(uint64 epoch, uint256 a, uint64 earnedA, uint256 b, uint64 earnedB, bool otherFirst) private {
        uint64 through = (epoch + 1) * 1_000;
        _at(through + 10);
        _say(a, earnedA, through);
        _say(b, earnedB, through);
        _report(epoch);
        _settle(otherFirst ? 1 : 0);
        _settle(otherFirst ? 0 : 1);
    }

    function _bond() private view returns (BondView memory) {
        return bonds.bondOf(Subjects.licence(1), address(token));
    }

    function _terms() private view returns (JobTerms memory t) {
        t = _terms(address(token), 1, 20_000);
        t.price = uint96(BOND);
        t.policy.penaltyPpm = 1_000_000;
    }
}
