// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrowPlacing} from "../../contracts/interfaces/IEscrowPlacing.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IPlacements, Placement, ShownTerms, StandingOffer} from "../../contracts/interfaces/IPlacements.sol";
import {Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {AssignmentIds} from "../../contracts/libraries/AssignmentIds.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {FakeAccounts, FakeEscrow, PlacingWorld} from "./fakes/Placing.sol";

contract PlacementsTest is PlacingWorld {
    bytes32 private constant OFFER = keccak256(
        "StandingOffer(uint256 licence,address orchestrator,address token,uint96 minPrice,bytes32 policy,uint32 capacity,"
        "uint64 nonce,uint64 expiry)"
    );

    // assign

    function test_assign__accepted__opens_for_node_and_holder() external {
        uint256 expected = AssignmentIds.pack(JOB, 0, 1);
        vm.expectEmit(address(placements));
        emit IPlacements.AssignmentAccepted(expected, orchestrator, false);
        assertEq(_assign(0, 1), expected);
        (address payee, uint256 licence, address node) = escrow.partiesOf(expected);
        assertEq(payee, _holder(1));
        assertEq(licence, 1);
        assertEq(node, _node(1));
    }

    function test_assign__not_the_orchestrator__reverts() external {
        Placement memory p = _placement(0, 1);
        (bytes32 r, bytes32 vs) = _accept(p, 2_001);
        vm.prank(csp);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_NotOrchestrator.selector, csp, orchestrator));
        placements.assign(p, r, vs);
    }

    function test_assign__acceptance_expired__reverts() external {
        Placement memory p = _placement(0, 1);
        (bytes32 r, bytes32 vs) = _accept(p, 2_001);
        vm.warp(p.expiry + 1);
        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_AcceptanceExpired.selector, p.expiry));
        placements.assign(p, r, vs);
        vm.warp(p.expiry);
        vm.prank(orchestrator);
        placements.assign(p, r, vs);
    }

    function test_assign__signed_by_another_node__reverts() external {
        Placement memory p = _placement(0, 1);
        (bytes32 r, bytes32 vs) = _accept(p, 2_002);
        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_WrongAcceptance.selector, _node(2), _node(1)));
        placements.assign(p, r, vs);
    }

    function test_assign__acceptance_used_before__serves_no_second_generation() external {
        Placement memory p = _placement(0, 1);
        (bytes32 r, bytes32 vs) = _accept(p, 2_001);
        vm.prank(orchestrator);
        uint256 assignment = placements.assign(p, r, vs);
        vm.prank(_node(1));
        placements.closeAssignment(assignment);
        vm.prank(orchestrator);
        vm.expectPartialRevert(IPlacements.Placements_WrongAcceptance.selector);
        placements.assign(p, r, vs);
    }

    /// @dev Whatever field differs from what was signed, nobody's consent is made of it.
    function test_assign__any_field_changed__reverts(uint32 slot, uint256 licence, uint64 expiry) external {
        licence = bound(licence, 1, 3);
        expiry = uint64(bound(expiry, vm.getBlockTimestamp(), type(uint64).max));
        Placement memory p = _placement(0, 1);
        vm.assume(slot != 0 || licence != 1 || expiry != p.expiry);
        (bytes32 r, bytes32 vs) = _accept(p, 2_001);
        vm.prank(orchestrator);
        vm.expectPartialRevert(IPlacements.Placements_WrongAcceptance.selector);
        placements.assign(Placement({job: JOB, slot: slot, licence: licence, expiry: expiry}), r, vs);
    }

    function test_assign__any_status_against_licence_node_or_csp__reverts() external {
        uint256[3] memory subjects = [Subjects.licence(1), Subjects.node(_node(1)), Subjects.csp(1)];
        Placement memory p = _placement(0, 1);
        (bytes32 r, bytes32 vs) = _accept(p, 2_001);
        for (uint256 i = 0; i < subjects.length; ++i) {
            for (uint8 s = 1; s <= uint8(type(Status).max); ++s) {
                trust.set(subjects[i], Status(s));
                vm.prank(orchestrator);
                vm.expectRevert(
                    abi.encodeWithSelector(IPlacements.Placements_SubjectBarred.selector, subjects[i], Status(s))
                );
                placements.assign(p, r, vs);
            }
            trust.set(subjects[i], Status.None);
        }
        _assign(0, 1);
    }

    function test_assign__more_conflicts_than_borne__reverts() external {
        registry.set(csp, _holder(1), 2);
        Placement memory p = _placement(0, 1);
        (bytes32 r, bytes32 vs) = _accept(p, 2_001);
        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_TooManyConflicts.selector, 2, 1));
        placements.assign(p, r, vs);
        registry.set(csp, _holder(1), 1);
        _assign(0, 1);
    }

    // assignByOffer

    function test_assignByOffer__within_it__opens_again_and_again() external {
        StandingOffer memory offer = _offer();
        uint256 first = _take(0, offer);
        assertEq(first, AssignmentIds.pack(JOB, 0, 1));
        vm.expectEmit(address(placements));
        emit IPlacements.AssignmentAccepted(AssignmentIds.pack(JOB, 1, 1), orchestrator, true);
        _take(1, offer);
        vm.prank(orchestrator);
        placements.closeAssignment(first);
        _take(0, offer);
    }

    function test_assignByOffer__at_capacity__reverts() external {
        StandingOffer memory offer = _offer();
        _take(0, offer);
        _take(1, offer);
        _expect(abi.encodeWithSelector(IPlacements.Placements_OfferCapacityReached.selector, 3, 2), offer, 2);
    }

    function test_assignByOffer__terms_it_does_not_take__revert() external {
        StandingOffer memory offer = _offer();
        offer.expiry = GENESIS - 1;
        _expect(abi.encodeWithSelector(IPlacements.Placements_OfferExpired.selector, GENESIS - 1), offer, 0);
        offer = _offer();
        offer.orchestrator = stranger;
        _expect(
            abi.encodeWithSelector(IPlacements.Placements_OfferToAnother.selector, stranger, orchestrator),
            offer,
            0
        );
        offer = _offer();
        offer.token = stranger;
        _expect(abi.encodeWithSelector(IPlacements.Placements_OfferOtherToken.selector, TOKEN, stranger), offer, 0);
        offer = _offer();
        offer.minPrice = PRICE + 1;
        _expect(abi.encodeWithSelector(IPlacements.Placements_OfferPriceUnmet.selector, PRICE, PRICE + 1), offer, 0);
        offer = _offer();
        bytes32 hash = offer.policy;
        offer.policy = "other";
        _expect(
            abi.encodeWithSelector(IPlacements.Placements_OfferOtherPolicy.selector, hash, bytes32("other")),
            offer,
            0
        );
    }

    function test_assignByOffer__terms_shown_are_not_the_jobs__reverts() external {
        StandingOffer memory offer = _offer();
        offer.minPrice = PRICE + 1;
        ShownTerms memory shown = _shown();
        shown.price = PRICE + 1;
        (bytes32 r, bytes32 vs) = _signOffer(offer, 2_001);
        bytes32 wrong = keccak256(abi.encode(shown));
        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_WrongTerms.selector, wrong, _terms()));
        placements.assignByOffer(JOB, 0, offer, shown, r, vs);
    }

    function test_assignByOffer__not_signed_by_the_node__reverts() external {
        StandingOffer memory offer = _offer();
        (bytes32 r, bytes32 vs) = _signOffer(offer, 2_002);
        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_WrongOffer.selector, _node(2), _node(1)));
        placements.assignByOffer(JOB, 0, offer, _shown(), r, vs);
    }

    function test_assignByOffer__licence_linked_to_another_node_since__reverts() external {
        StandingOffer memory offer = _offer();
        licences.set(1, _holder(1), _node(2));
        _expect(abi.encodeWithSelector(IPlacements.Placements_WrongOffer.selector, _node(1), _node(2)), offer, 0);
    }

    function test_assignByOffer__raised_after_signing__reverts(uint32 capacity, uint64 expiry) external {
        StandingOffer memory offer = _offer();
        capacity = uint32(bound(capacity, 3, type(uint32).max));
        expiry = uint64(bound(expiry, offer.expiry + 1, type(uint64).max));
        (bytes32 r, bytes32 vs) = _signOffer(offer, 2_001);
        (offer.capacity, offer.expiry) = (capacity, expiry);
        vm.prank(orchestrator);
        vm.expectPartialRevert(IPlacements.Placements_WrongOffer.selector);
        placements.assignByOffer(JOB, 0, offer, _shown(), r, vs);
    }

    function test_assignByOffer__not_the_jobs_orchestrator__reverts() external {
        StandingOffer memory offer = _offer();
        offer.orchestrator = stranger;
        (bytes32 r, bytes32 vs) = _signOffer(offer, 2_001);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IPlacements.Placements_NotOrchestrator.selector, stranger, orchestrator)
        );
        placements.assignByOffer(JOB, 0, offer, _shown(), r, vs);
    }

    // revokeOffers

    function test_revokeOffers__by_holder_or_node__voids_them_and_keeps_assignments() external {
        StandingOffer memory offer = _offer();
        uint256 assignment = _take(0, offer);
        vm.expectEmit(address(placements));
        emit IPlacements.OffersRevoked(1, 1);
        vm.prank(_node(1));
        placements.revokeOffers(1);
        vm.prank(_holder(1));
        placements.revokeOffers(1);
        assertEq(placements.offerNonce(1), 2);
        assertEq(escrow.accountOf(assignment).closedAt(), 0);
        _expect(abi.encodeWithSelector(IPlacements.Placements_OfferRevoked.selector, 0, 2), offer, 1);
        offer.nonce = 2;
        _take(1, offer);
    }

    function test_revokeOffers__by_a_stranger__reverts() external {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_NotHolderOrNode.selector, 1, stranger));
        placements.revokeOffers(1);
    }

    // closeAssignment

    function test_closeAssignment__by_each_concerned__closes_now() external {
        address[6] memory callers = [orchestrator, csp, delegate, _holder(1), _node(1), orchestrator];
        for (uint256 i = 0; i < callers.length; ++i) {
            uint256 assignment = _assign(0, 1);
            skip(7);
            vm.prank(callers[i]);
            placements.closeAssignment(assignment);
            assertEq(escrow.accountOf(assignment).closedAt(), vm.getBlockTimestamp());
        }
    }

    function test_closeAssignment__by_a_stranger__reverts() external {
        uint256 assignment = _assign(0, 1);
        trust.set(Subjects.licence(1), Status.Frozen);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(FakeAccounts.NotAuthorised.selector, stranger));
        placements.closeAssignment(assignment);
    }

    function test_closeAssignment__job_stopped__anyone_as_of_the_stop() external {
        uint256 assignment = _assign(0, 1);
        vm.warp(STOP + 50);
        vm.prank(stranger);
        placements.closeAssignment(assignment);
        assertEq(escrow.accountOf(assignment).closedAt(), STOP);
    }

    function test_closeAssignment__one_suspended_or_blacklisted__anyone() external {
        uint256[3] memory subjects = [Subjects.licence(1), Subjects.node(_node(1)), Subjects.csp(1)];
        for (uint256 i = 0; i < 6; ++i) {
            uint256 assignment = _assign(0, 1);
            trust.set(subjects[i / 2], i % 2 == 0 ? Status.Suspended : Status.Blacklisted);
            vm.prank(stranger);
            placements.closeAssignment(assignment);
            trust.set(subjects[i / 2], Status.None);
        }
    }

    function test_closeAssignment__closed_or_unknown__reverts() external {
        uint256 assignment = _assign(0, 1);
        vm.startPrank(orchestrator);
        placements.closeAssignment(assignment);
        vm.expectRevert(abi.encodeWithSelector(FakeEscrow.AlreadyClosed.selector, assignment));
        placements.closeAssignment(assignment);
        vm.expectRevert(abi.encodeWithSelector(FakeEscrow.UnknownAssignment.selector, (1 << 128) | assignment));
        placements.closeAssignment((1 << 128) | assignment);
    }

    function test_closeAsOf__not_reallocations__reverts() external {
        uint256 assignment = _assign(0, 1);
        vm.prank(orchestrator);
        vm.expectRevert(abi.encodeWithSelector(IPlacements.Placements_NotReallocations.selector, orchestrator));
        placements.closeAsOf(assignment, GENESIS);
    }

    // multicall

    function test_multicall__two_slots__one_transaction() external {
        bytes[] memory calls = new bytes[](2);
        for (uint32 slot = 0; slot < 2; ++slot) {
            Placement memory p = _placement(slot, slot + 1);
            (bytes32 r, bytes32 vs) = _accept(p, 2_001 + slot);
            calls[slot] = abi.encodeCall(IPlacements.assign, (p, r, vs));
        }
        vm.prank(orchestrator);
        placements.multicall(calls);
        assertEq(escrow.generations(JOB, 1), 1);
    }

    function test_multicall__by_a_stranger__gives_no_other_sender() external {
        uint256 assignment = _assign(0, 1);
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(IPlacements.closeAssignment, (assignment));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(FakeAccounts.NotAuthorised.selector, stranger));
        placements.multicall(calls);
    }

    /// @dev What placing calls is what the escrow offers.
    function test_escrow__its_interface__has_what_placing_needs() external pure {
        assertEq(IEscrowPlacing.openAssignment.selector, IJobEscrow.openAssignment.selector);
        assertEq(IEscrowPlacing.endAssignment.selector, IJobEscrow.endAssignment.selector);
        assertEq(IEscrowPlacing.placementOf.selector, IJobEscrow.placementOf.selector);
        assertEq(IEscrowPlacing.generations.selector, IJobEscrow.generations.selector);
        assertEq(IEscrowPlacing.partiesOf.selector, IJobEscrow.partiesOf.selector);
        assertEq(IEscrowPlacing.accountOf.selector, IJobEscrow.accountOf.selector);
        assertEq(IEscrowPlacing.stopOf.selector, IJobEscrow.stopOf.selector);
        assertEq(IEscrowPlacing.accounts.selector, IJobEscrow.accounts.selector);
    }

    function _offer() private view returns (StandingOffer memory) {
        return
            StandingOffer({
                licence: 1,
                orchestrator: orchestrator,
                token: TOKEN,
                minPrice: PRICE,
                policy: keccak256(abi.encode(policy)),
                capacity: 2,
                nonce: 0,
                expiry: STOP
            });
    }

    function _shown() private view returns (ShownTerms memory) {
        return ShownTerms({token: TOKEN, price: PRICE, policy: keccak256(abi.encode(policy)), intent: INTENT});
    }

    function _signOffer(StandingOffer memory offer, uint256 key) private view returns (bytes32 r, bytes32 vs) {
        bytes32 hash = keccak256(abi.encode(OFFER, offer));
        return vm.signCompact(key, _digest("Epochal Placements", address(placements), hash));
    }

    function _take(uint32 slot, StandingOffer memory offer) private returns (uint256) {
        (bytes32 r, bytes32 vs) = _signOffer(offer, 2_001);
        vm.prank(orchestrator);
        return placements.assignByOffer(JOB, slot, offer, _shown(), r, vs);
    }

    function _expect(bytes memory reverts, StandingOffer memory offer, uint32 slot) private {
        (bytes32 r, bytes32 vs) = _signOffer(offer, 2_001);
        vm.prank(orchestrator);
        vm.expectRevert(reverts);
        placements.assignByOffer(JOB, slot, offer, _shown(), r, vs);
    }
}
