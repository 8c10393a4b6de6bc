// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {OracleRegistry} from "../../contracts/oracles/OracleRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {OracleWorld} from "./fakes/OracleWorld.sol";

contract OracleRegistryTest is OracleWorld {
    function setUp() external {
        vm.warp(GENESIS);
        _found();
    }

    // ------------------------------------------------------------------ founding and admitting

    function test_constructor__foreign_committee__is_refused() external {
        (address[] memory members, address[] memory signers) = _sorted(4);
        (signers[0], signers[1]) = (signers[1], signers[0]);
        vm.expectRevert(IOracleRegistry.OracleRegistry_FirstCommitteeDiffers.selector);
        new OracleRegistry(address(authority), attestations, ITrustRegistry(address(trust)), members, signers, members);
        vm.expectRevert(
            abi.encodeWithSelector(IOracleRegistry.OracleRegistry_LengthsDiffer.selector, uint256(4), 4, 0)
        );
        new OracleRegistry(
            address(authority),
            attestations,
            ITrustRegistry(address(trust)),
            members,
            signers,
            new address[](0)
        );
    }

    function test_admit__key_or_member_taken__is_refused() external {
        (bytes32 r, bytes32 vs) = _consent(address(0xC0), 0, 0);
        address taken = _signer(0);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, taken));
        registry.admit(address(0xC0), taken, address(1), type(uint64).max, r, vs);

        (r, vs) = _consent(_member(0), 50, 0);
        address fresh = _signer(50);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, _member(0)));
        registry.admit(_member(0), fresh, address(1), type(uint64).max, r, vs);

        (r, vs) = _consent(fresh, 50, 0);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, fresh));
        registry.admit(fresh, fresh, address(1), type(uint64).max, r, vs);

        (r, vs) = _consent(taken, 50, 0);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, taken));
        registry.admit(taken, fresh, address(1), type(uint64).max, r, vs);

        vm.expectRevert(IOracleRegistry.OracleRegistry_ZeroAddress.selector);
        registry.admit(address(0xC0), fresh, address(0), type(uint64).max, r, vs);
        vm.expectRevert(IOracleRegistry.OracleRegistry_ZeroAddress.selector);
        registry.admit(address(0), fresh, address(1), type(uint64).max, r, vs);
    }

    function test_constructor__zero_operator_or_member_twice__is_refused() external {
        (address[] memory members, address[] memory signers) = _sorted(4);
        ITrustRegistry trusted = ITrustRegistry(address(trust));
        address[] memory operators = new address[](4);
        vm.expectRevert(IOracleRegistry.OracleRegistry_ZeroAddress.selector);
        new OracleRegistry(address(authority), attestations, trusted, members, signers, operators);
        members[1] = members[0];
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, members[0]));
        new OracleRegistry(address(authority), attestations, trusted, members, signers, signers);
        members[1] = signers[0];
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, signers[0]));
        new OracleRegistry(address(authority), attestations, trusted, members, signers, signers);
    }

    function test_admit__without_the_keys_consent__is_refused() external {
        address fresh = _signer(50);
        (bytes32 r, bytes32 vs) = _consentUntil(address(0xC0), 50, 0, 5);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_ConsentExpired.selector, uint64(5)));
        registry.admit(address(0xC0), fresh, address(1), 5, r, vs);
        // A consent to another member.
        (r, vs) = _consent(address(0xC1), 50, 0);
        vm.expectPartialRevert(IOracleRegistry.OracleRegistry_WrongConsent.selector);
        registry.admit(address(0xC0), fresh, address(1), type(uint64).max, r, vs);
    }

    function test_governance__by_others__is_refused() external {
        vm.startPrank(address(0xBAD));
        bytes memory refusal = abi.encodeWithSelector(
            IAccessManaged.AccessManagedUnauthorized.selector,
            address(0xBAD)
        );
        vm.expectRevert(refusal);
        registry.scheduleCommittee(_members(0, 1, 2, 3), 9);
        vm.expectRevert(refusal);
        registry.replaceCommittee(_members(0, 1, 2, 3));
        vm.expectRevert(refusal);
        registry.admit(address(0xC0), address(1), address(1), 0, 0, 0);
    }

    // ------------------------------------------------------------------ committees

    function test_schedule__members_in_any_order__stand_in_the_order_of_their_keys() external {
        uint32 version = registry.scheduleCommittee(_members(4, 2, 0, 3), 2);
        (address[] memory signers, ) = attestations.committee(version);
        address[] memory members = registry.membersOf(version);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(registry.signerOf(members[i]), signers[i]);
            assertEq(registry.memberOfSigner(signers[i]), members[i]);
            assertEq(registry.memberOf(version, i), members[i]);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownIndex.selector, uint256(4), uint256(4))
        );
        registry.memberOf(version, 4);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownVersion.selector, version + 1));
        registry.membersOf(version + 1);
    }

    function test_schedule__ineligible_member__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownMember.selector, _member(9)));
        registry.scheduleCommittee(_members(0, 1, 2, 9), 2);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_DuplicateMember.selector, _member(2)));
        registry.scheduleCommittee(_members(2, 1, 0, 2), 2);

        uint256 subject = Subjects.oracle(_member(4));
        trust.set(subject, Status.Frozen);
        registry.scheduleCommittee(_members(0, 1, 2, 4), 2);
        for (uint8 s = uint8(Status.Suspended); s <= uint8(Status.Blacklisted); ++s) {
            trust.set(subject, Status(s));
            bytes memory refusal = abi.encodeWithSelector(
                IOracleRegistry.OracleRegistry_Barred.selector,
                _member(4),
                Status(s)
            );
            vm.expectRevert(refusal);
            registry.scheduleCommittee(_members(0, 1, 2, 4), 2);
        }
    }

    /// @dev A member that is named can't make governance's committee fail by asking to leave in front of it; one that asked long before
    /// isn't named.
    function test_schedule__a_member_asked_to_leave__counts_after_its_notice() external {
        vm.expectEmit(address(registry));
        emit IOracleRegistry.LeaveAsked(_member(3), 8);
        vm.prank(_member(3));
        registry.askToLeave(true);
        assertEq(registry.leaveNoticeEpochs(), 8);
        assertEq(registry.oracleOf(_member(3)).leavesFrom, 8);
        registry.scheduleCommittee(_members(0, 1, 2, 3), 2);

        vm.warp(GENESIS + 8 * LENGTH - 1);
        vm.prank(_member(3));
        registry.askToLeave(true);
        registry.scheduleCommittee(_members(0, 1, 2, 3), 10);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_Leaving.selector, _member(3), uint32(8)));
        registry.scheduleCommittee(_members(0, 1, 2, 3), 11);

        vm.expectEmit(address(registry));
        emit IOracleRegistry.LeaveAsked(_member(3), 0);
        vm.prank(_member(3));
        registry.askToLeave(false);
        registry.scheduleCommittee(_members(0, 1, 2, 3), 11);
        vm.prank(_member(3));
        registry.askToLeave(true);
        assertEq(registry.oracleOf(_member(3)).leavesFrom, 16, "a new wish, a new notice");
        registry.scheduleCommittee(_members(0, 1, 2, 3), 11);
    }

    function test_replace__suspended_blacklisted_and_leaving_members__take_their_seats() external {
        trust.set(Subjects.oracle(_member(0)), Status.Suspended);
        trust.blacklistForGood(Subjects.oracle(_member(1)));
        vm.prank(_member(2));
        registry.askToLeave(true);
        _assertCommittee(registry.replaceCommittee(_members(0, 1, 2, 4)), _members(0, 1, 2, 4));
    }

    function test_replace__unknown_member_or_one_twice__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownMember.selector, _member(9)));
        registry.replaceCommittee(_members(0, 1, 2, 9));
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownMember.selector, _member(9)));
        registry.replaceCommittee(_members(9, 1, 2, 3));
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownMember.selector, _signer(3)));
        this.replaceWithAKey();
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_DuplicateMember.selector, _member(2)));
        registry.replaceCommittee(_members(2, 1, 0, 2));
    }

    function replaceWithAKey() external {
        address[] memory members = _members(0, 1, 2, 3);
        members[3] = _signer(3);
        registry.replaceCommittee(members);
    }

    // ------------------------------------------------------------------ keys

    function test_rotate__nothing_announced__present_members_at_the_earliest_epoch() external {
        _toEpoch(5);
        address old = registry.signerOf(_member(1));
        _rotate(1, 101, 1);
        (uint32 version, uint40 since) = attestations.committeeAnnounced();
        assertEq(since, GENESIS + 7 * LENGTH);
        _assertCommittee(version, _members(0, 1, 2, 3));
        assertEq(registry.memberOfSigner(old), _member(1), "what the old key signed is still its");
        assertEq(registry.signerOf(_member(1)), _signer(101));
    }

    function test_rotate__second_in_the_same_epoch__joins_the_first() external {
        _toEpoch(5);
        _rotate(1, 101, 1);
        vm.warp(block.timestamp + LENGTH - 1);
        _rotate(2, 102, 1);
        (uint32 version, uint40 since) = attestations.committeeAnnounced();
        assertEq(since, GENESIS + 7 * LENGTH, "the takeover isn't put off");
        _assertCommittee(version, _members(0, 1, 2, 3));
    }

    function test_rotate__governance_announced__keeps_its_members_and_its_epoch() external {
        registry.scheduleCommittee(_members(0, 1, 2, 4), 9);
        _toEpoch(5);
        _rotate(1, 101, 1);
        (uint32 version, uint40 since) = attestations.committeeAnnounced();
        assertEq(since, GENESIS + 9 * LENGTH);
        _assertCommittee(version, _members(0, 1, 2, 4));
    }

    function test_rotate__takeover_near__waits_for_it_and_anyone_announces_after() external {
        registry.scheduleCommittee(_members(0, 1, 2, 4), 9);
        _toEpoch(8);
        (uint32 version, ) = attestations.committeeAnnounced();
        _rotate(1, 101, 1);
        (uint32 still, uint40 since) = attestations.committeeAnnounced();
        assertEq(still, version);
        assertEq(since, GENESIS + 9 * LENGTH, "governance's change isn't put off");
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_TakeoverNear.selector, since));
        registry.announceSigners();

        _toEpoch(9);
        vm.prank(address(0xE0));
        version = registry.announceSigners();
        (still, since) = attestations.committeeAnnounced();
        assertEq(still, version);
        assertEq(since, GENESIS + 11 * LENGTH);
        _assertCommittee(version, _members(0, 1, 2, 4));
        vm.expectRevert(IOracleRegistry.OracleRegistry_NothingToAnnounce.selector);
        registry.announceSigners();
    }

    function test_rotate__takeover_near__key_counts_in_an_emergency() external {
        registry.scheduleCommittee(_members(0, 1, 2, 4), 9);
        _toEpoch(8);
        _rotate(1, 101, 1);
        _assertCommittee(registry.replaceCommittee(_members(0, 1, 2, 3)), _members(0, 1, 2, 3));
        (uint32 announced, ) = attestations.committeeAnnounced();
        assertEq(announced, 0);
    }

    function test_rotate__member_of_no_set__announces_nothing() external {
        _rotate(4, 104, 1);
        (uint32 announced, ) = attestations.committeeAnnounced();
        assertEq(announced, 0);
        _assertCommittee(registry.scheduleCommittee(_members(0, 1, 2, 4), 9), _members(0, 1, 2, 4));
        // Member 3 leaves by it: its new key changes nothing of what is announced.
        (announced, ) = attestations.committeeAnnounced();
        _rotate(3, 103, 1);
        (uint32 still, ) = attestations.committeeAnnounced();
        assertEq(still, announced);
    }

    function test_rotate__suspended_member_beside__stays_a_member() external {
        trust.set(Subjects.oracle(_member(3)), Status.Suspended);
        _rotate(1, 101, 1);
        (uint32 version, ) = attestations.committeeAnnounced();
        _assertCommittee(version, _members(0, 1, 2, 3));
    }

    function test_rotate__suspended_or_blacklisted_not_yet_for_good__gives_a_new_key() external {
        trust.set(Subjects.oracle(_member(3)), Status.Suspended);
        _rotate(3, 103, 1);
        trust.set(Subjects.oracle(_member(2)), Status.Blacklisted);
        _rotate(2, 102, 1);
        (uint32 version, ) = attestations.committeeAnnounced();
        _assertCommittee(version, _members(0, 1, 2, 3));

        trust.blacklistForGood(Subjects.oracle(_member(1)));
        (bytes32 r, bytes32 vs) = _consent(_member(1), 101, 1);
        address fresh = _signer(101);
        vm.expectRevert(
            abi.encodeWithSelector(IOracleRegistry.OracleRegistry_Barred.selector, _member(1), Status.Blacklisted)
        );
        vm.prank(_member(1));
        registry.rotateSigner(fresh, type(uint64).max, r, vs);
    }

    function test_rotate__in_the_cooldown__is_announced_once_it_is_over() external {
        _toEpoch(5);
        _rotate(1, 101, 1);
        (uint32 first, ) = attestations.committeeAnnounced();
        uint256 due = GENESIS + 9 * LENGTH;
        assertEq(registry.oracleOf(_member(1)).nextDueAt, due);
        _rotate(1, 201, 2);
        vm.warp(block.timestamp + 10);
        _rotate(1, 301, 3);
        assertEq(registry.oracleOf(_member(1)).nextDueAt, due, "a newer key takes the older one's time");
        assertEq(registry.signerOf(_member(1)), _signer(301));
        (uint32 announced, ) = attestations.committeeAnnounced();
        assertEq(announced, first, "nothing is announced for them");
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_KeysWait.selector, due));
        registry.announceSigners();
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_KeysWait.selector, due));
        registry.announceSigners();
        vm.warp(due);
        _assertCommittee(registry.announceSigners(), _members(0, 1, 2, 3));

        // One announcement a cooldown: the next one is due four epochs after that which has just been due.
        _rotate(1, 401, 4);
        assertEq(registry.oracleOf(_member(1)).nextDueAt, due + registry.rotationCooldownEpochs() * LENGTH);
        assertEq(registry.rotationCooldownEpochs(), 4);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_KeysWait.selector, due + 4 * LENGTH));
        registry.announceSigners();
    }

    function test_rotate__in_the_cooldown__is_announced_with_another_members_key() external {
        _rotate(1, 101, 1);
        _rotate(1, 201, 2);
        _rotate(2, 102, 1);
        (uint32 version, ) = attestations.committeeAnnounced();
        _assertCommittee(version, _members(0, 1, 2, 3));
    }

    function test_replace__members_in_their_cooldown__sit_with_their_newest_keys() external {
        _toEpoch(5);
        for (uint256 i = 0; i < 4; ++i) _rotate(i, 100 + i, 1);
        _toEpoch(8);
        for (uint256 i = 0; i < 4; ++i) _rotate(i, 200 + i, 2);
        (uint32 version, ) = attestations.committeeAnnounced();
        assertEq(version, 0, "they wait");
        version = registry.replaceCommittee(_members(0, 1, 2, 3));
        (address[] memory signers, ) = attestations.committee(version);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(registry.memberOfSigner(signers[i]), registry.memberOf(version, i));
            assertEq(registry.signerOf(registry.memberOf(version, i)), signers[i]);
        }
        vm.expectRevert(IOracleRegistry.OracleRegistry_NothingToAnnounce.selector);
        registry.announceSigners();
    }

    function test_rotate__old_key_or_no_oracle__is_refused() external {
        address old = _signer(1);
        _rotate(1, 101, 1);
        (bytes32 r, bytes32 vs) = _consent(_member(1), 1, 2);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_AddressTaken.selector, old));
        vm.prank(_member(1));
        registry.rotateSigner(old, type(uint64).max, r, vs);
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownMember.selector, address(this)));
        registry.rotateSigner(old, type(uint64).max, r, vs);
    }

    // ------------------------------------------------------------------ terms and seconds

    function test_membership__takeover_that_nobody_wrote_down__counts() external {
        registry.scheduleCommittee(_members(0, 1, 2, 4), 3);
        _toEpoch(5);
        assertEq(registry.membershipSeconds(_member(0)), 5 * LENGTH);
        assertEq(registry.membershipSeconds(_member(3)), 3 * LENGTH);
        assertEq(registry.membershipSeconds(_member(4)), 2 * LENGTH);
        assertEq(registry.totalMembershipSeconds(), 20 * LENGTH);
        (uint40 since, uint40 until) = registry.termOf(1);
        assertEq(since, GENESIS);
        assertEq(until, GENESIS + 3 * LENGTH);
        (since, until) = registry.termOf(2);
        assertEq(since, GENESIS + 3 * LENGTH);
        assertEq(until, type(uint40).max);
    }

    function test_membership__announced_anew_and_replaced__counts_what_was_in_force() external {
        registry.scheduleCommittee(_members(0, 1, 3, 4), 3); // version 2, never in force
        registry.scheduleCommittee(_members(0, 1, 2, 4), 4); // version 3
        vm.warp(GENESIS + 4 * LENGTH + 100);
        registry.scheduleCommittee(_members(0, 1, 2, 3), 6); // version 4, dropped
        vm.warp(GENESIS + 4 * LENGTH + 300);
        registry.replaceCommittee(_members(1, 2, 3, 4)); // version 5
        vm.warp(GENESIS + 6 * LENGTH + 100);
        assertEq(registry.membershipSeconds(_member(0)), 4 * LENGTH + 300);
        assertEq(registry.membershipSeconds(_member(1)), 6 * LENGTH + 100);
        assertEq(registry.membershipSeconds(_member(3)), 4 * LENGTH + 1800);
        assertEq(registry.membershipSeconds(_member(4)), 2 * LENGTH + 100);
        for (uint32 never = 2; never <= 4; never += 2) {
            (uint40 from, uint40 to) = registry.termOf(never);
            assertEq(from + to, 0);
        }
        (uint40 since, uint40 until) = registry.termOf(3);
        assertEq(since, GENESIS + 4 * LENGTH);
        assertEq(until, GENESIS + 4 * LENGTH + 300);
    }

    /// @dev Against a model that looks at who is in force in every half epoch, over random schedules, replacements and rotations.
    function testFuzz_membership__random_history__equals_a_model(uint256 seed) external {
        uint256[5] memory model;
        uint256[5] memory nonces = [uint256(1), 1, 1, 1, 1];
        for (uint256 step = 0; step < 24; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 out = (seed >> 8) % 5;
            uint256 who = (seed >> 16) % 5;
            address[] memory members = _members((out + 1) % 5, (out + 2) % 5, (out + 3) % 5, (out + 4) % 5);
            uint64 epoch = uint64((block.timestamp - GENESIS) / LENGTH);
            (uint32 announced, uint40 takeover) = attestations.committeeAnnounced();
            if (seed % 5 == 0) registry.scheduleCommittee(members, epoch + 2 + uint64((seed >> 24) % 3));
            else if (seed % 5 == 1) registry.replaceCommittee(members);
            else if (seed % 5 < 4) {
                address[] memory before = announced == 0 ? members : registry.membersOf(announced);
                _rotate(who, who + 100 * nonces[who], nonces[who]);
                ++nonces[who];
                if (announced != 0) {
                    (uint32 now_, uint40 takeoverNow) = attestations.committeeAnnounced();
                    assertEq(takeoverNow, takeover, "a rotation put a takeover off");
                    _assertSameMembers(registry.membersOf(now_), before);
                }
            }
            (uint32 version, , , ) = attestations.committeeInForce();
            address[] memory inForce = registry.membersOf(version);
            vm.warp(block.timestamp + LENGTH / 2);
            uint256 sum = 0;
            for (uint256 i = 0; i < 5; ++i) {
                for (uint256 j = 0; j < 4; ++j) if (inForce[j] == _member(i)) model[i] += LENGTH / 2;
                assertEq(registry.membershipSeconds(_member(i)), model[i]);
                sum += model[i];
            }
            assertEq(registry.totalMembershipSeconds(), sum);
        }
    }

    function test_membership__before_the_genesis__is_nothing() external {
        vm.warp(GENESIS - 500);
        _found();
        assertEq(registry.membershipSeconds(_member(0)), 0);
        registry.scheduleCommittee(_members(0, 1, 2, 4), 1);
        _rotate(1, 101, 1);
        (, uint40 since) = attestations.committeeAnnounced();
        assertEq(since, GENESIS + LENGTH);
        _toEpoch(2);
        assertEq(registry.membershipSeconds(_member(3)), LENGTH);
        assertEq(registry.membershipSeconds(_member(4)), LENGTH);
    }

    function test_membership__replaced_before_the_genesis__is_nothing() external {
        vm.warp(GENESIS - 500);
        _found();
        registry.replaceCommittee(_members(0, 1, 2, 4));
        vm.warp(GENESIS);
        assertEq(registry.membershipSeconds(_member(0)), 0);
        assertEq(registry.totalMembershipSeconds(), 0);
        skip(10);
        assertEq(registry.membershipSeconds(_member(0)), 10);
    }

    /// @dev The dearest there is: 255 members, whose seconds are written down for the first time.
    function test_rotate__largest_committee__writes_down_everybodys_seconds() external {
        address[] memory members = new address[](255);
        for (uint256 i = 0; i < 255; ++i) {
            members[i] = _member(i);
            if (i < 5) continue;
            (bytes32 r, bytes32 vs) = _consent(_member(i), i, 0);
            registry.admit(_member(i), _signer(i), address(0xB004), type(uint64).max, r, vs);
        }
        registry.scheduleCommittee(members, 2);
        _toEpoch(3);
        _rotate(7, 407, 1);
        _toEpoch(6);
        _rotate(8, 408, 1);
        assertEq(registry.membershipSeconds(_member(254)), 4 * LENGTH);
    }

    // ------------------------------------------------------------------ operators

    function test_operator__declared__counts_from_the_next_epoch_on() external {
        vm.startPrank(_member(0));
        vm.warp(GENESIS + 10);
        vm.expectEmit(address(registry));
        emit IOracleRegistry.OperatorDeclared(_member(0), address(0xF1), 1);
        registry.declareOperator(address(0xF1));
        registry.declareOperator(address(0xF2));
        assertEq(registry.operatorOf(_member(0)), address(0xB000));
        assertEq(registry.oracleOf(_member(0)).nextOperator, address(0xF2));
        _toEpoch(1);
        assertEq(registry.operatorOf(_member(0)), address(0xF2));
        registry.declareOperator(address(0xF3));
        assertEq(registry.operatorOf(_member(0)), address(0xF2));
        vm.expectRevert(IOracleRegistry.OracleRegistry_ZeroAddress.selector);
        registry.declareOperator(address(0));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IOracleRegistry.OracleRegistry_UnknownMember.selector, address(this)));
        registry.declareOperator(address(1));
    }

    function test_conflicts__operators_and_members_in_force__are_counted_once_each() external {
        (uint256 conflicted, uint256 bearable) = registry.conflicts(address(0xB000), address(0xB001));
        assertEq(conflicted, 2);
        assertEq(bearable, 1);
        (conflicted, ) = registry.conflicts(address(0xB000), address(0xB000));
        assertEq(conflicted, 1);
        (conflicted, ) = registry.conflicts(_member(0), address(0xB000));
        assertEq(conflicted, 1, "a member and its own operator");
        (conflicted, ) = registry.conflicts(address(0xB004), _member(4));
        assertEq(conflicted, 0, "not in the committee");
        vm.prank(_member(2));
        registry.declareOperator(address(0xB001));
        (conflicted, ) = registry.conflicts(address(0xB001), address(1));
        assertEq(conflicted, 1);
        _toEpoch(1);
        (conflicted, ) = registry.conflicts(address(0xB001), address(1));
        assertEq(conflicted, 2);
    }

    function test_conflicts__five_members__bear_one() external {
        address[] memory members = new address[](5);
        for (uint256 i = 0; i < 5; ++i) members[i] = _member(i);
        registry.replaceCommittee(members);
        (, uint256 bearable) = registry.conflicts(address(0xB000), address(1));
        assertEq(bearable, 1);
    }

    function _assertCommittee(uint32 version, address[] memory expected) private view {
        address[] memory members = registry.membersOf(version);
        (address[] memory signers, ) = attestations.committee(version);
        _assertSameMembers(members, expected);
        for (uint256 i = 0; i < members.length; ++i) assertEq(registry.signerOf(members[i]), signers[i]);
    }

    function _assertSameMembers(address[] memory members, address[] memory expected) private pure {
        assertEq(members.length, expected.length);
        uint256 mask = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            mask |= 1 << (uint160(members[i]) & 0xff);
            mask ^= 1 << (128 + (uint160(members[i]) & 0xff));
            mask ^= 1 << (128 + (uint160(expected[i]) & 0xff));
        }
        assertEq(mask >> 128, 0, "other members");
    }
}
