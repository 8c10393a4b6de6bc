// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICspAccounts} from "../../../contracts/interfaces/ICspAccounts.sol";
import {AssignmentView, JobView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {IJobEscrow, JobTerms} from "../../../contracts/interfaces/IJobEscrow.sol";
import {INodeLicense} from "../../../contracts/interfaces/INodeLicense.sol";
import {IPlacements, Placement, ShownTerms, StandingOffer} from "../../../contracts/interfaces/IPlacements.sol";
import {RequestState} from "../../../contracts/interfaces/IReallocations.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {AssignmentIds} from "../../../contracts/libraries/AssignmentIds.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {World} from "./World.sol";

/// @dev The orchestrator, and nodes and holders of licences, by acceptances and by standing offers.
abstract contract NodeHandler is World {
    function assign(uint64 job, uint32 slot, uint256 node) external act {
        if (!_placeable(job)) return;
        uint256 licence;
        (job, slot, licence) = _opening(job, slot, node);
        (bytes memory errors, bool refused) = _refusals(job, slot, licence);
        if (!_call("assign", ORCHESTRATOR, address(placements), _acceptance(job, slot, licence), errors)) return;
        _check(!refused, "assigned against a rule");
        _opened(job, slot);
    }

    function assignByOffer(uint64 job, uint32 slot, uint256 node, uint256 seed) external act {
        if (!_placeable(job)) return;
        uint256 licence;
        (job, slot, licence) = _opening(job, slot, node);
        StandingOffer memory offer = _offer(job, licence, seed);
        (bytes memory errors, bool refused) = _refusals(job, slot, licence);
        errors = abi.encodePacked(
            errors,
            IPlacements.Placements_OfferCapacityReached.selector,
            IPlacements.Placements_OfferRevoked.selector,
            IPlacements.Placements_OfferPriceUnmet.selector
        );
        bytes memory data = _acceptanceOfOffer(job, slot, offer);
        if (!_call("assignByOffer", ORCHESTRATOR, address(placements), data, errors)) return;
        _check(
            !refused && seed % 8 > 1 && licences.openAssignments(licence) <= offer.capacity,
            "an offer was stretched"
        );
        _opened(job, slot);
    }

    /// @dev An assignment without the node's signature, or by somebody who isn't the job's orchestrator.
    function impose(uint64 job, uint32 slot, uint256 node) external act {
        if (!_placeable(job)) return;
        job = _jobId(job);
        uint256 licence = 1 + (node % NODES);
        bytes memory data = _acceptance(job, slot % MOST_SLOTS, licence);
        _forbidden("imposter", STRANGER, address(placements), data);
        Placement memory p = Placement(job, slot % MOST_SLOTS, licence, type(uint64).max);
        (bytes32 r, bytes32 vs) = vm.signCompact(nodeKeys[licence % NODES], keccak256(data));
        data = abi.encodeCall(placements.assign, (p, r, vs));
        _forbidden("impose", ORCHESTRATOR, address(placements), data);
        data = abi.encodeCall(escrow.openAssignment, (job, 0, licence));
        _forbidden("openDirectly", ORCHESTRATOR, address(escrow), data);
    }

    function closeAssignment(uint256 which, uint256 who) external act {
        if (assignments.length == 0) return;
        uint256 id = _openAssignment(which);
        AssignmentView memory a = lens.assignmentOf(id);
        JobView memory j = lens.jobOf(AssignmentIds.jobOf(id));
        address[6] memory parties = [ORCHESTRATOR, j.owner, a.payee, a.node, DELEGATE, STRANGER];
        bytes memory expected =
            a.closedAt != 0 ? abi.encodePacked(IJobEscrow.JobEscrow_AlreadyClosed.selector) : bytes(NONE);
        if (who % 6 >= 4) {
            expected = bytes.concat(
                expected,
                abi.encodePacked(
                    ICspAccounts.CspAccounts_NotPermitted.selector,
                    ICspAccounts.CspAccounts_DelegationExpired.selector
                )
            );
        }
        bool good = _call(
            "closeAssignment",
            parties[who % 6],
            address(placements),
            abi.encodeCall(placements.closeAssignment, (id)),
            expected
        );
        if (good && who % 6 == 5) {
            bool outcast =
                trust.statusOf(Subjects.licence(a.licence)) >= Status.Suspended ||
                    trust.statusOf(Subjects.node(a.node)) >= Status.Suspended ||
                    trust.statusOf(Subjects.csp(j.account)) >= Status.Suspended;
            _check(outcast || _now() >= j.stop, "a stranger closed an assignment");
        }
        _look(id);
    }

    /// @dev A holder leaves with his licence, seldom, or links it again; while it serves, always in vain.
    function move(uint256 which) external act {
        uint256 licence = 1 + (which % NODES);
        address holder = licences.ownerOf(licence);
        address node = licences.nodeOf(licence);
        bool barred = trust.statusOf(Subjects.licence(licence)) != Status.None;
        if (node == address(0)) {
            barred = barred || trust.statusOf(Subjects.node(vm.addr(nodeKeys[licence - 1]))) != Status.None;
            if (barred || _now() < licences.relinkableAt(licence)) return;
            _link(licence);
            ++done["link"];
            return;
        }
        if (licences.openAssignments(licence) == 0 && (which >> 8) % 2 != 0) return;
        bool good = _call(
            "unlink",
            holder,
            address(licences),
            abi.encodeCall(licences.unlink, (licence)),
            licences.openAssignments(licence) == 0
                ? bytes(NONE)
                : abi.encodePacked(INodeLicense.NodeLicense_AssignmentOpen.selector)
        );
        if (!good || which % 2 == 0) return;
        bytes memory data = abi.encodeCall(licences.transferFrom, (holder, address(uint160(holder) + 0x1000), licence));
        if (barred) _forbidden("moveBarred", holder, address(licences), data);
        else _call("move", holder, address(licences), data, NONE);
    }

    function revokeOffers(uint256 which) external act {
        uint256 licence = 1 + (which % NODES);
        address holder = licences.ownerOf(licence);
        _call("revokeOffers", holder, address(placements), abi.encodeCall(placements.revokeOffers, (licence)), NONE);
    }

    function _opened(uint64 job, uint32 slot) internal {
        uint256 id = AssignmentIds.pack(job, slot, escrow.generations(job, slot));
        assignments.push(id);
        _look(id);
    }

    /// @dev The orchestrator's call, with the node's signature.
    function _acceptance(uint64 job, uint32 slot, uint256 licence) internal view returns (bytes memory data) {
        Placement memory p = Placement(job, slot, licence, type(uint64).max);
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)"
                ),
                job,
                slot,
                escrow.generations(job, slot) + 1,
                licence,
                lens.jobOf(job).terms,
                p.expiry
            )
        );
        hash = _typed("Epochal Placements", address(placements), hash);
        (bytes32 r, bytes32 vs) = vm.signCompact(nodeKeys[licence - 1], hash);
        data = abi.encodeCall(placements.assign, (p, r, vs));
    }

    /// @dev A standing offer that fits the job; at times its price is too high, or it was revoked.
    function _offer(uint64 job, uint256 licence, uint256 seed) private view returns (StandingOffer memory) {
        JobTerms memory t = termsOf[job];
        return
            StandingOffer({
                licence: licence,
                orchestrator: ORCHESTRATOR,
                token: t.token,
                minPrice: seed % 8 == 0 ? t.price + 1 : t.price,
                policy: keccak256(abi.encode(t.policy)),
                capacity: uint32(1 + (seed % 2)),
                nonce: placements.offerNonce(licence) + (seed % 8 == 1 ? 1 : 0),
                expiry: uint64(_now())
            });
    }

    /// @dev The orchestrator's call, with the node's signature under its offer.
    function _acceptanceOfOffer(
        uint64 job,
        uint32 slot,
        StandingOffer memory offer
    ) private view returns (bytes memory data) {
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "StandingOffer(uint256 licence,address orchestrator,address token,uint96 minPrice,bytes32 policy,uint32 capacity,uint64 nonce,uint64 expiry)"
                ),
                offer
            )
        );
        hash = _typed("Epochal Placements", address(placements), hash);
        (bytes32 r, bytes32 vs) = vm.signCompact(nodeKeys[offer.licence - 1], hash);
        JobTerms memory t = termsOf[job];
        ShownTerms memory shown = ShownTerms(t.token, t.price, offer.policy, t.intent);
        data = abi.encodeCall(placements.assignByOffer, (job, slot, offer, shown, r, vs));
    }

    /// @dev A job that runs, a slot of it that is free and a licence that is linked, where there are any; see {_pick}.
    function _opening(uint64 job, uint32 slot, uint256 node) private view returns (uint64, uint32, uint256) {
        job = _runningJob(job);
        uint32 slots = lens.jobOf(job).slots;
        slot %= slots;
        for (uint32 i = 0; i < slots && node % 8 != 0 && _isTaken(job, slot); ++i) slot = (slot + 1) % slots;
        return (job, slot, 1 + _pick(node, NODES, _isLinked));
    }

    function _isLinked(uint256 place) private view returns (bool) {
        return licences.nodeOf(1 + place) != address(0);
    }

    function _isTaken(uint64 job, uint32 slot) private view returns (bool) {
        uint32 generation = escrow.generations(job, slot);
        return generation != 0 && lens.assignmentOf(AssignmentIds.pack(job, slot, generation)).closedAt == 0;
    }

    function _placeable(uint64 job) private view returns (bool) {
        return escrow.jobCount() != 0 && assignments.length < MOST_ASSIGNMENTS && job != type(uint64).max;
    }

    /// @dev Why a placement may be refused now.
    /// @return errors with those that may be true
    /// @return refused whether one of them is for certain
    function _refusals(
        uint64 job,
        uint32 slot,
        uint256 licence
    ) private view returns (bytes memory errors, bool refused) {
        JobView memory j = lens.jobOf(job);
        errors = abi.encodePacked(IJobEscrow.JobEscrow_SlotNotStarted.selector);
        if (_now() < j.startsAt || _now() >= j.stop) {
            errors = abi.encodePacked(errors, IJobEscrow.JobEscrow_JobNotRunning.selector);
        }
        if (_isTaken(job, slot)) errors = abi.encodePacked(errors, IJobEscrow.JobEscrow_SlotTaken.selector);
        address node = licences.nodeOf(licence);
        if (node == address(0)) errors = abi.encodePacked(errors, INodeLicense.NodeLicense_NotLinked.selector);
        if (
            trust.statusOf(Subjects.licence(licence)) != Status.None ||
            trust.statusOf(Subjects.node(node)) != Status.None ||
            trust.statusOf(Subjects.csp(j.account)) != Status.None
        ) errors = abi.encodePacked(errors, IPlacements.Placements_SubjectBarred.selector);
        (uint256 conflicted, uint256 bearable) = registry.conflicts(j.owner, licences.ownerOf(licence));
        if (conflicted > bearable) {
            errors = abi.encodePacked(errors, IPlacements.Placements_TooManyConflicts.selector);
        }
        (, RequestState state) = reallocations.requestOf(job, slot);
        if (state == RequestState.Forfeited) {
            errors = abi.encodePacked(errors, IPlacements.Placements_SlotForfeited.selector);
        }
        refused = errors.length > 4;
        if (state != RequestState.None) {
            errors = abi.encodePacked(errors, IPlacements.Placements_LicenceCoolingDown.selector);
        }
    }
}
