// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable avoid-low-level-calls

import {Test} from "forge-std/Test.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {Appeal, ITrustRegistry, Status, TrustSettings} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {TrustRegistry} from "../../contracts/trust/TrustRegistry.sol";

contract TrustRegistryTest is Test {
    uint40 private constant NEVER = type(uint40).max;
    uint32 private constant FREEZE = 7 days;
    uint32 private constant YEARLY = 30 days;
    uint32 private constant APPEAL = 14 days;
    uint32 private constant DECISION = 10 days;
    uint32 private constant REASON = 7;
    bytes32 private constant EVIDENCE = "evidence";
    bytes32 private constant STATEMENT = "statement";

    Authority private authority = new Authority(address(this));
    TrustRegistry private trust = new TrustRegistry(
        address(authority),
        TrustSettings(FREEZE, YEARLY, APPEAL, DECISION)
    );
    uint256 private subject = Subjects.csp(5);
    address private anybody = makeAddr("anybody");

    function setUp() external {
        vm.warp(1_800_000_000);
    }

    function test_constructor__a_setting_out_of_its_bounds__is_refused() external {
        string memory caps = "0 < 2 * freezeSpan <= yearlyFreeze <= 365 days";
        _expectViolated(caps);
        new TrustRegistry(address(authority), TrustSettings(0, YEARLY, APPEAL, DECISION));
        _expectViolated(caps);
        new TrustRegistry(address(authority), TrustSettings(YEARLY / 2 + 1, YEARLY, APPEAL, DECISION));
        _expectViolated(caps);
        new TrustRegistry(address(authority), TrustSettings(FREEZE, 365 days + 1, APPEAL, DECISION));
        _expectViolated("appealSpan and decisionSpan are not zero");
        new TrustRegistry(address(authority), TrustSettings(FREEZE, YEARLY, 0, DECISION));
        _expectViolated("appealSpan and decisionSpan are not zero");
        new TrustRegistry(address(authority), TrustSettings(FREEZE, YEARLY, APPEAL, 0));
    }

    function test_constructor__a_setting_at_its_bound__is_taken() external {
        TrustRegistry twice = new TrustRegistry(
            address(authority),
            TrustSettings(YEARLY / 2, YEARLY, APPEAL, DECISION)
        );
        assertEq(twice.settings().yearlyFreeze, YEARLY, "twice the span");
        TrustRegistry year = new TrustRegistry(address(authority), TrustSettings(FREEZE, 365 days, APPEAL, DECISION));
        assertEq(year.settings().yearlyFreeze, 365 days, "a year");
    }

    function test_restricted__no_role__is_refused_and_each_function_has_its_own() external {
        bytes[8] memory calls = [
            abi.encodeCall(ITrustRegistry.freeze, (subject, _in(1 days), REASON, EVIDENCE)),
            abi.encodeCall(ITrustRegistry.suspend, (subject, REASON, EVIDENCE)),
            abi.encodeCall(ITrustRegistry.suspendFor, (subject, EVIDENCE)),
            abi.encodeCall(ITrustRegistry.blacklist, (subject, REASON, EVIDENCE)),
            abi.encodeCall(ITrustRegistry.liftFreeze, (subject)),
            abi.encodeCall(ITrustRegistry.liftSuspension, (subject)),
            abi.encodeCall(ITrustRegistry.liftBlacklist, (subject)),
            abi.encodeCall(ITrustRegistry.decideAppeal, (subject, Status.Frozen, 0, true, STATEMENT))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(anybody);
            (bool done, bytes memory why) = address(trust).call(calls[i]);
            assertFalse(done, "done");
            assertEq(why, abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anybody), "why");
        }
    }

    function test_impose__subject_evidence_or_reason_missing__is_refused() external {
        uint256[2] memory wrong = [uint256(9), (uint256(6) << 248) | 1];
        for (uint256 i = 0; i < wrong.length; ++i) {
            uint8 kind = uint8(wrong[i] >> 248);
            vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_UnknownKind.selector, kind));
            trust.suspend(wrong[i], REASON, EVIDENCE);
        }
        vm.expectRevert(ITrustRegistry.TrustRegistry_NoEvidence.selector);
        trust.blacklist(subject, REASON, 0);
        uint32 reserved = trust.EQUIVOCATION();
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_ReservedReason.selector, reserved));
        trust.suspend(subject, reserved, EVIDENCE);
    }

    function test_statusOf__several_in_force__says_the_gravest_and_each_ends_alone() external {
        assertEq(uint256(trust.statusOf(subject)), uint256(Status.None));
        trust.blacklist(subject, REASON, EVIDENCE);
        trust.freeze(subject, _in(1 days), REASON, EVIDENCE);
        trust.suspend(subject, REASON, EVIDENCE);
        _assertStatus(Status.Blacklisted);
        assertEq(uint256(trust.statusOf(Subjects.csp(6))), uint256(Status.None), "another subject");
        vm.expectEmit(address(trust));
        emit ITrustRegistry.StatusLifted(subject, Status.Blacklisted, address(this));
        trust.liftBlacklist(subject);
        _assertStatus(Status.Suspended);
        trust.liftSuspension(subject);
        _assertStatus(Status.Frozen);
        trust.liftFreeze(subject);
        _assertStatus(Status.None);
        (uint40 until, uint40 finalFrom, Appeal appealed) = trust.standingOf(subject, Status.Frozen);
        assertEq(uint256(until) + finalFrom + uint256(appealed), 0, "nothing remains");
        (until, , ) = trust.standingOf(subject, Status.None);
        assertEq(until, 0, "no status has no standing");
    }

    function test_impose__in_force_already__is_refused() external {
        trust.freeze(subject, _in(1 days), REASON, EVIDENCE);
        _expectInForce(Status.Frozen, _in(1 days));
        trust.freeze(subject, _in(2 days), REASON, EVIDENCE);
        trust.suspend(subject, REASON, EVIDENCE);
        _expectInForce(Status.Suspended, NEVER);
        trust.suspend(subject, REASON, EVIDENCE);
        trust.blacklist(subject, REASON, EVIDENCE);
        _expectInForce(Status.Blacklisted, NEVER);
        trust.blacklist(subject, REASON, EVIDENCE);
    }

    function test_lift__not_in_force__is_refused() external {
        _expectNotInForce(Status.Frozen);
        trust.liftFreeze(subject);
        _expectNotInForce(Status.Suspended);
        trust.liftSuspension(subject);
        _expectNotInForce(Status.Blacklisted);
        trust.liftBlacklist(subject);
        _expectNotInForce(Status.None);
        trust.appeal(subject, Status.None, STATEMENT);
    }

    // Freezes

    function test_freeze__its_time_over__expires_by_itself() external {
        vm.expectEmit(address(trust));
        emit ITrustRegistry.StatusImposed(subject, Status.Frozen, address(this), _in(FREEZE), NEVER, REASON, EVIDENCE);
        trust.freeze(subject, _in(FREEZE), REASON, EVIDENCE);
        skip(FREEZE - 1);
        _assertStatus(Status.Frozen);
        skip(1);
        _assertStatus(Status.None);
        assertFalse(trust.slashable(subject), "a freeze never slashes");
    }

    function test_freeze__end_past_or_too_late__is_refused() external {
        uint40[2] memory ends = [_in(0), _in(FREEZE + 1)];
        for (uint256 i = 0; i < ends.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ITrustRegistry.TrustRegistry_FreezeSpan.selector, ends[i], _in(FREEZE))
            );
            trust.freeze(subject, ends[i], REASON, EVIDENCE);
        }
    }

    function test_freeze__allowance_used_up__is_refused_even_when_lifted_early() external {
        trust.freeze(subject, _in(FREEZE), REASON, EVIDENCE);
        trust.liftFreeze(subject);
        trust.freeze(subject, _in(FREEZE), REASON, EVIDENCE);
        trust.liftFreeze(subject);
        assertEq(trust.freezeLeft(subject), YEARLY / 2 - 2 * FREEZE);
        (uint40 until, uint40 finalFrom, Appeal appealed) = trust.standingOf(subject, Status.None);
        assertTrue(until == 0 && finalFrom == 0 && appealed == Appeal.None, "nothing is no status");
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_FreezeCap.selector, 2 days, 1 days));
        trust.freeze(subject, _in(2 days), REASON, EVIDENCE);
        trust.freeze(subject, _in(1 days), REASON, EVIDENCE);
        assertEq(trust.freezeLeft(subject), 0, "all of it may be used");
        trust.freeze(Subjects.csp(6), _in(FREEZE), REASON, EVIDENCE);
        skip(365 days);
        assertEq(trust.freezeLeft(subject), YEARLY / 2, "all returns in a year");
    }

    /// @dev Whatever freezes are tried at whatever times, no 365 days hold more frozen time than the cap.
    function testFuzz_freeze__any_sequence__stays_under_the_cap_in_every_year(uint256 seed) external {
        uint256[2][60] memory spans;
        uint256 count = 0;
        for (uint256 i = 0; i < 60; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            skip(i % 8 == 7 ? draw % 200 days : draw % 12 days);
            uint40 until = _in(1 + (uint256(uint64(draw >> 64)) % FREEZE));
            try trust.freeze(subject, until, REASON, EVIDENCE) {
                spans[count++] = [vm.getBlockTimestamp(), until];
            } catch {}
        }
        for (uint256 i = 0; i < count; ++i) {
            // The worst year starts where a freeze starts, or ends where one ends.
            assertLe(_frozenWithin(spans, count, spans[i][0], spans[i][0] + 365 days), YEARLY, "from a start");
            assertLe(_frozenWithin(spans, count, spans[i][1] - 365 days, spans[i][1]), YEARLY, "to an end");
        }
    }

    // Appeals

    function test_appeal__of_a_freeze__is_granted_or_the_freeze_runs_out() external {
        trust.freeze(subject, _in(FREEZE), REASON, EVIDENCE);
        _appeal(Status.Frozen, _in(FREEZE));
        _decide(Status.Frozen, false);
        _assertStatus(Status.Frozen);
        vm.expectRevert(
            abi.encodeWithSelector(ITrustRegistry.TrustRegistry_AppealedBefore.selector, subject, Status.Frozen)
        );
        trust.appeal(subject, Status.Frozen, STATEMENT);
        skip(FREEZE);
        _assertStatus(Status.None);
        trust.freeze(subject, _in(FREEZE), REASON, EVIDENCE);
        _appeal(Status.Frozen, _in(FREEZE));
        _decide(Status.Frozen, true);
        _assertStatus(Status.None);
    }

    function test_appeal__second_statement__is_told_and_changes_nothing() external {
        trust.suspend(subject, REASON, EVIDENCE);
        uint40 decideBy = _in(APPEAL + DECISION);
        _appeal(Status.Suspended, decideBy);
        skip(1 days);
        vm.expectEmit(address(trust));
        emit ITrustRegistry.AppealStated(subject, Status.Suspended, anybody, "more");
        vm.prank(anybody);
        trust.appeal(subject, Status.Suspended, "more");
        (uint40 until, , Appeal appealed) = trust.standingOf(subject, Status.Suspended);
        assertEq(until, decideBy, "until");
        assertEq(uint256(appealed), uint256(Appeal.Open), "appeal");
    }

    function test_appeal__of_a_suspension_undecided__lapses() external {
        trust.suspend(subject, REASON, EVIDENCE);
        skip(1000 days);
        _appeal(Status.Suspended, _in(APPEAL + DECISION));
        skip(APPEAL + DECISION - 1);
        _assertStatus(Status.Suspended);
        skip(1);
        _assertStatus(Status.None);
        _expectNotInForce(Status.Suspended);
        trust.decideAppeal(subject, Status.Suspended, _in(0), false, STATEMENT);
    }

    function test_appeal__of_a_suspension_rejected__holds_but_never_slashes() external {
        trust.suspend(subject, REASON, EVIDENCE);
        _appeal(Status.Suspended, _in(APPEAL + DECISION));
        skip(APPEAL);
        _decide(Status.Suspended, false);
        skip(1000 days);
        _assertStatus(Status.Suspended);
        assertFalse(trust.slashable(subject), "slashable");
        trust.liftSuspension(subject);
        _assertStatus(Status.None);
    }

    function test_decideAppeal__nobody_appealed__is_refused() external {
        trust.suspend(subject, REASON, EVIDENCE);
        vm.expectRevert(
            abi.encodeWithSelector(ITrustRegistry.TrustRegistry_NoAppeal.selector, subject, Status.Suspended)
        );
        trust.decideAppeal(subject, Status.Suspended, NEVER, true, STATEMENT);
    }

    /// @dev Signed for one case and carried out late, it would else be the word on the next.
    function test_decideAppeal__of_a_case_that_ended__is_refused_on_the_next() external {
        trust.suspend(subject, REASON, EVIDENCE);
        uint40 first = _in(APPEAL + DECISION);
        _appeal(Status.Suspended, first);
        trust.liftSuspension(subject);
        vm.warp(first);
        trust.suspend(subject, REASON + 1, EVIDENCE);
        uint40 second = _in(APPEAL + DECISION);
        _appeal(Status.Suspended, second);
        skip(APPEAL);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ITrustRegistry.TrustRegistry_AnotherAppeal.selector,
                    subject,
                    Status.Suspended,
                    second
                )
            );
            trust.decideAppeal(subject, Status.Suspended, first, i == 0, STATEMENT);
        }
        trust.decideAppeal(subject, Status.Suspended, second, false, STATEMENT);
        _assertStatus(Status.Suspended);
    }

    // Blacklists

    function test_blacklist__appeal_span_over__is_final() external {
        trust.blacklist(subject, REASON, EVIDENCE);
        skip(APPEAL - 1);
        _assertFinal(false);
        skip(1);
        _assertFinal(true);
        _assertStatus(Status.Blacklisted);
        _expectFinal(Status.Blacklisted);
        trust.appeal(subject, Status.Blacklisted, STATEMENT);
        _expectFinal(Status.Blacklisted);
        trust.liftBlacklist(subject);
        skip(10_000 days);
        _assertFinal(true);
    }

    function test_blacklist__appealed_and_rejected__is_final_at_once() external {
        trust.blacklist(subject, REASON, EVIDENCE);
        skip(APPEAL - 1);
        _appeal(Status.Blacklisted, _in(DECISION + 1));
        skip(DECISION);
        _assertFinal(false);
        uint40 decideBy = _due(Status.Blacklisted);
        vm.expectEmit(address(trust));
        emit ITrustRegistry.AppealDecided(subject, Status.Blacklisted, address(this), false, STATEMENT);
        trust.decideAppeal(subject, Status.Blacklisted, decideBy, false, STATEMENT);
        _assertFinal(true);
        skip(10_000 days);
        _assertStatus(Status.Blacklisted);
    }

    function test_blacklist__appealed_and_undecided__lapses_and_slashes_nothing() external {
        trust.blacklist(subject, REASON, EVIDENCE);
        _appeal(Status.Blacklisted, _in(APPEAL + DECISION));
        skip(APPEAL + DECISION - 1);
        _assertStatus(Status.Blacklisted);
        skip(1);
        _assertStatus(Status.None);
        skip(10_000 days);
        _assertFinal(false);
    }

    /// @dev An empty appeal of an enemy, rejected in good faith an hour later, would take the subject's span for its own words.
    function test_appeal__strangers_and_rejected_at_once__waits_until_all_were_heard() external {
        uint40 heardFrom = _in(APPEAL);
        for (uint256 i = 0; i < 3; ++i) {
            Status status = i == 0 ? Status.Blacklisted : Status.Suspended;
            uint256 before = vm.snapshotState();
            if (i == 0) trust.blacklist(subject, REASON, EVIDENCE);
            if (i == 1) trust.suspendFor(subject, EVIDENCE);
            if (i == 2) trust.suspend(subject, REASON, EVIDENCE);
            _appeal(status, _in(APPEAL + DECISION));
            skip(APPEAL - 1);
            uint40 decideBy = _due(status);
            vm.expectRevert(
                abi.encodeWithSelector(ITrustRegistry.TrustRegistry_AppealsOpen.selector, subject, status, heardFrom)
            );
            trust.decideAppeal(subject, status, decideBy, false, STATEMENT);
            trust.appeal(subject, status, "the subject's own words");
            skip(1);
            _decide(status, false);
            (, , Appeal appealed) = trust.standingOf(subject, status);
            assertEq(uint256(appealed), uint256(Appeal.Rejected), "rejected");
            assertEq(trust.slashable(subject), i != 2, "slashable");
            vm.revertToState(before);
        }
    }

    function test_lift__under_appeal__can_t_be_imposed_anew_before_the_appeal_had_lapsed() external {
        trust.blacklist(subject, REASON, EVIDENCE);
        trust.suspend(subject, REASON, EVIDENCE);
        uint40 lapses = _in(APPEAL + DECISION);
        _appeal(Status.Blacklisted, lapses);
        skip(2 days);
        uint40 later = _in(APPEAL + DECISION);
        _appeal(Status.Suspended, later);
        trust.liftBlacklist(subject);
        trust.liftSuspension(subject);
        _assertStatus(Status.None);
        vm.warp(lapses - 1);
        _expectInForce(Status.Blacklisted, lapses);
        trust.blacklist(subject, REASON, EVIDENCE);
        assertFalse(trust.slashable(subject), "nothing is final");
        skip(1);
        trust.blacklist(subject, REASON, EVIDENCE);
        _assertStatus(Status.Blacklisted);
        vm.warp(later - 1);
        _expectInForce(Status.Suspended, later);
        trust.suspend(subject, REASON, EVIDENCE);
        skip(1);
        trust.suspend(subject, REASON, EVIDENCE);
    }

    function test_liftFreeze__under_appeal__can_t_be_imposed_anew_before_it_had_expired() external {
        trust.freeze(subject, _in(FREEZE), REASON, EVIDENCE);
        uint40 expires = _in(FREEZE);
        _appeal(Status.Frozen, expires);
        trust.liftFreeze(subject);
        _assertStatus(Status.None);
        (uint40 until, uint40 rests, Appeal appealed) = trust.standingOf(subject, Status.Frozen);
        assertTrue(until == 0 && rests == expires && appealed == Appeal.None, "rests");
        vm.warp(expires - 1);
        _expectInForce(Status.Frozen, expires);
        trust.freeze(subject, _in(1 days), REASON, EVIDENCE);
        skip(1);
        trust.freeze(subject, _in(1 days), REASON, EVIDENCE);
    }

    function test_lift__under_appeal__doesn_t_hinder_a_proof() external {
        trust.suspend(subject, REASON, EVIDENCE);
        _appeal(Status.Suspended, _in(APPEAL + DECISION));
        trust.liftSuspension(subject);
        trust.suspendFor(subject, EVIDENCE);
        _assertStatus(Status.Suspended);
    }

    function test_lift__not_appealed__can_be_imposed_anew() external {
        trust.blacklist(subject, REASON, EVIDENCE);
        trust.liftBlacklist(subject);
        trust.blacklist(subject, REASON, EVIDENCE);
        _assertStatus(Status.Blacklisted);
    }

    function test_blacklist__appealed_and_granted__is_lifted() external {
        trust.blacklist(subject, REASON, EVIDENCE);
        _appeal(Status.Blacklisted, _in(APPEAL + DECISION));
        _decide(Status.Blacklisted, true);
        skip(10_000 days);
        _assertStatus(Status.None);
        _assertFinal(false);
    }

    // Equivocation

    function test_suspendFor__appeal_span_over__slashes_and_stands() external {
        trust.suspendFor(subject, EVIDENCE);
        _assertStatus(Status.Suspended);
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_Proven.selector, subject));
        trust.liftSuspension(subject);
        _expectInForce(Status.Suspended, NEVER);
        trust.suspendFor(subject, "another proof");
        skip(APPEAL - 1);
        assertFalse(trust.slashable(subject), "before");
        skip(1);
        assertTrue(trust.slashable(subject), "after");
        assertFalse(trust.blacklistFinal(subject), "it is no blacklist");
        _expectFinal(Status.Suspended);
        trust.liftSuspension(subject);
    }

    function test_suspendFor__a_suspension_under_appeal_stands__takes_its_place() external {
        trust.suspend(subject, REASON, EVIDENCE);
        _appeal(Status.Suspended, _in(APPEAL + DECISION));
        uint32 reason = trust.EQUIVOCATION();
        vm.expectEmit(address(trust));
        emit ITrustRegistry.StatusImposed(
            subject,
            Status.Suspended,
            address(this),
            NEVER,
            _in(APPEAL),
            reason,
            EVIDENCE
        );
        trust.suspendFor(subject, EVIDENCE);
        skip(APPEAL);
        _assertStatus(Status.Suspended);
        assertTrue(trust.slashable(subject), "slashable");
    }

    function test_suspendFor__a_stranger_appeals_at_once__is_not_final_earlier() external {
        uint40 finalFrom = _in(APPEAL + DECISION);
        trust.suspendFor(subject, EVIDENCE);
        _appeal(Status.Suspended, finalFrom);
        skip(APPEAL + DECISION - 1);
        assertFalse(trust.slashable(subject), "before");
        skip(1);
        assertTrue(trust.slashable(subject), "an undecided proof stands");
    }

    function test_suspendFor__appealed_late__waits_for_the_decision() external {
        trust.suspendFor(subject, EVIDENCE);
        skip(APPEAL - 1);
        _appeal(Status.Suspended, _in(DECISION + 1));
        skip(DECISION);
        assertFalse(trust.slashable(subject), "before");
        _decide(Status.Suspended, false);
        assertTrue(trust.slashable(subject), "rejected");
    }

    function test_suspendFor__appeal_granted__is_lifted_and_can_come_again() external {
        trust.suspendFor(subject, EVIDENCE);
        _appeal(Status.Suspended, _in(APPEAL + DECISION));
        _decide(Status.Suspended, true);
        _assertStatus(Status.None);
        skip(1000 days);
        assertFalse(trust.slashable(subject), "slashable");
        trust.suspendFor(subject, "another proof");
        _assertStatus(Status.Suspended);
    }

    function _appeal(Status status, uint40 decideBy) private {
        vm.expectEmit(address(trust));
        emit ITrustRegistry.AppealOpened(subject, status, decideBy);
        vm.expectEmit(address(trust));
        emit ITrustRegistry.AppealStated(subject, status, anybody, STATEMENT);
        vm.prank(anybody);
        trust.appeal(subject, status, STATEMENT);
    }

    function _decide(Status status, bool granted) private {
        trust.decideAppeal(subject, status, _due(status), granted, STATEMENT);
    }

    function _due(Status status) private view returns (uint40) {
        (uint40 until, uint40 finalFrom, ) = trust.standingOf(subject, status);
        return until == NEVER ? finalFrom : until;
    }

    function _expectViolated(string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_SettingViolated.selector, rule));
    }

    function _expectInForce(Status status, uint40 until) private {
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_InForce.selector, subject, status, until));
    }

    function _expectNotInForce(Status status) private {
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_NotInForce.selector, subject, status));
    }

    function _expectFinal(Status status) private {
        vm.expectRevert(abi.encodeWithSelector(ITrustRegistry.TrustRegistry_Final.selector, subject, status));
    }

    function _assertStatus(Status status) private view {
        assertEq(uint256(trust.statusOf(subject)), uint256(status), "status");
    }

    function _assertFinal(bool isFinal) private view {
        assertEq(trust.blacklistFinal(subject), isFinal, "blacklistFinal");
        assertEq(trust.slashable(subject), isFinal, "slashable");
    }

    function _in(uint256 span) private view returns (uint40) {
        return uint40(vm.getBlockTimestamp() + span);
    }

    function _frozenWithin(
        uint256[2][60] memory spans,
        uint256 count,
        uint256 from,
        uint256 until
    ) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < count; ++i) {
            uint256 start = spans[i][0] > from ? spans[i][0] : from;
            uint256 end = spans[i][1] < until ? spans[i][1] : until;
            if (start < end) sum += end - start;
        }
    }
}
