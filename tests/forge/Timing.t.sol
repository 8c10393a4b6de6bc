// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Timing, TimingRules} from "../../contracts/libraries/Timing.sol";

contract TimingTest is Test {
    string private constant NOT_ZERO = "genesis, epochLength and activationDelay are not zero";
    string private constant EPOCH_HOLDS_ALL = "settleDelay + agreementSpan + activationDelay < epochLength";
    string private constant STALL =
        "stallSpan > epochLength + settleDelay + agreementSpan + activationDelay + reviewDelay";
    string private constant ATTESTABLE = "attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay";

    /// @dev Every rule holds, none by more than a second.
    Timing private tight = Timing({
        genesis: 1,
        epochLength: 1_000,
        settleDelay: 100,
        agreementSpan: 200,
        activationDelay: 699,
        reviewDelay: 51,
        replacementSpan: 50,
        stallSpan: 2_051,
        attestableSpan: 402,
        grace: 999
    });

    function test_check__each_rule_holds_by_a_second__is_taken() external view {
        this.check(tight);
    }

    function test_check__a_second_less__is_refused_by_the_rule_it_breaks() external {
        Timing memory t = tight;
        t.activationDelay += 1;
        _refused(t, EPOCH_HOLDS_ALL);
        t = tight;
        t.reviewDelay -= 1;
        _refused(t, "reviewDelay > replacementSpan");
        t = tight;
        t.stallSpan -= 1;
        _refused(t, STALL);
        t = tight;
        t.attestableSpan -= 1;
        _refused(t, ATTESTABLE);
        t = tight;
        t.grace += 1;
        _refused(t, "grace < epochLength");
    }

    function test_check__a_span_that_may_not_be_zero__is_refused() external {
        Timing memory t = tight;
        t.genesis = 0;
        _refused(t, NOT_ZERO);
        t = tight;
        t.epochLength = 0;
        _refused(t, NOT_ZERO);
        t = tight;
        t.activationDelay = 0;
        _refused(t, NOT_ZERO);
    }

    function test_check__spans_as_long_as_their_fields__add_up_without_an_overflow() external {
        Timing memory t = tight;
        t.settleDelay = type(uint32).max;
        _refused(t, EPOCH_HOLDS_ALL);
        t = tight;
        t.replacementSpan = type(uint32).max - 1;
        t.reviewDelay = type(uint32).max;
        _refused(t, STALL);
    }

    function check(Timing calldata t) external pure {
        TimingRules.check(t);
    }

    function _refused(Timing memory t, string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(TimingRules.Timing_Violated.selector, rule));
        this.check(t);
    }
}
