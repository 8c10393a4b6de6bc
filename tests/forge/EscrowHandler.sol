// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochReport} from "../../contracts/interfaces/IAttestations.sol";
import {AssignmentView, JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {Placement} from "../../contracts/interfaces/IPlacements.sol";
import {AssignmentIds} from "../../contracts/libraries/AssignmentIds.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {Policy} from "../../contracts/libraries/Policy.sol";
import {Town} from "./Town.sol";
import {Trees} from "./Trees.sol";

// solhint-disable max-states-count

/// @dev Everybody at once: two CSPs, an orchestrator, five nodes, a keeper, a guardian, a governor, and a committee that
/// signs whatever it likes. What each action does is written on {EscrowInvariants}.
contract EscrowHandler is Town {
    uint256 private constant MOST_JOBS = 4;
    uint256 private constant MOST_ASSIGNMENTS = 24;
    uint256 private constant NODES = 5;
    uint32 public constant MOST_SLOTS = 5;

    /// @dev A report as its committee keeps it.
    struct Published {
        uint64 epoch;
        uint256[] ids;
        uint64[] earned;
        uint64[] accounted;
        bytes32[] nodes;
    }

    uint256[] private nodeKeys;
    address[2] public csps = [address(0xC5B1), address(0xC5B2)];
    address private orchestrator = address(0x0C);

    uint256[] public assignments;
    uint64 public lastEpoch;
    bool public everFinal;
    Published private newest;
    Published private previous;
    bool private pending;

    // What must never be seen, seen.
    bool public provedLeafReverted;
    bool public epochWentBack;
    bool public counterFell;
    bool public stoppedJobKeptFutureMoney;
    bool public closedTooSoon;

    // Sums over all time.
    uint256 public deposited;
    mapping(uint256 assignment => AssignmentView) private seen;
    mapping(string action => uint256) public done;

    constructor() {
        _found(0, 0);
        for (uint256 i = 0; i < NODES; ++i) _newNode(i);
        for (uint256 i = 0; i < csps.length; ++i) {
            token.mint(csps[i], 1e24);
            vm.startPrank(csps[i]);
            token.approve(address(escrow), type(uint256).max);
            assertEq(accounts.open(), i + 1);
            vm.stopPrank();
        }
    }

    // Time

    function pass(uint256 secs) external {
        _pass(bound(secs, 1, 1_500));
    }

    // The CSP

    function create(uint256 seed, uint96 price, uint256 start, uint256 length) external {
        if (escrow.jobCount() == MOST_JOBS) return;
        uint256 startsAt = _now() + bound(start, 0, 600);
        JobTerms memory terms = JobTerms({
            token: address(token),
            price: uint96(bound(price, 1, 1e18)),
            slots: uint32(1 + (seed % 3)),
            startsAt: uint40(startsAt),
            endsAt: uint40(startsAt + bound(length, 1, 9_000)),
            orchestrator: orchestrator,
            intent: bytes32(seed),
            policy: Policy({
                evidence: 1,
                targetPpm: 980_000,
                floorPpm: 900_000,
                windowEpochs: uint16(1 + ((seed >> 8) % 3)),
                minObservedSeconds: 60,
                cspSharePpm: uint24((seed >> 16) % 1_000_001),
                penaltyPpm: uint24(seed % 2 == 0 ? 0 : (seed >> 40) % 1_000_001),
                missedEpochs: 1,
                outageSeconds: 0,
                answerSeconds: 500,
                cooldownSeconds: 500,
                maintenanceSeconds: 0
            })
        });
        deposited += escrow.rules().depositFor(terms);
        uint256 csp = (seed >> 64) % csps.length;
        vm.prank(csps[csp]);
        escrow.createJob(uint48(csp + 1), terms);
        ++done["create"];
    }

    function stop(uint64 job) external {
        (bool found, JobView memory j) = _job(job);
        if (!found || j.leaving || _now() >= j.stop) return;
        job = _jobId(job);
        vm.prank(j.owner);
        escrow.stopJob(job);
        JobView memory later = lens.jobOf(job);
        uint256 used = (uint256(later.price) * later.funded + EPOCH - 1) / EPOCH;
        if (later.refunded + later.refundable < later.deposit - used) stoppedJobKeptFutureMoney = true;
        ++done["stop"];
    }

    function grow(uint64 job, uint256 seed) external {
        (bool found, JobView memory j) = _job(job);
        if (!found || j.leaving || _now() >= j.stop) return;
        job = _jobId(job);
        uint32 slots = j.slots + uint32(seed % (MOST_SLOTS + 1 - j.slots));
        uint40 endsAt = j.stop + uint40((seed >> 8) % 3 == 0 ? 0 : (seed >> 16) % 3_000);
        vm.prank(j.owner);
        try escrow.growJob(job, slots, endsAt) {
            deposited += lens.jobOf(job).deposit - j.deposit;
            ++done["grow"];
        } catch {
            // Slots that would start when the job stops, or nothing that grows.
        }
    }

    function shrink(uint64 job, uint32 slots) external {
        (bool found, JobView memory j) = _job(job);
        if (!found || j.leaving || _now() >= j.stop || j.slots == 1) return;
        job = _jobId(job);
        slots = 1 + (slots % (j.slots - 1));
        vm.prank(j.owner);
        escrow.shrinkJob(job, slots);
        JobView memory later = lens.jobOf(job);
        if (later.refunded + later.refundable < j.refunded + j.refundable) stoppedJobKeptFutureMoney = true;
        ++done["shrink"];
    }

    function close(uint64 job) external {
        (bool found, JobView memory j) = _job(job);
        if (!found || j.closed) return;
        if (_now() < j.stop && job % 4 != 0) return;
        job = _jobId(job);
        uint256 covering = j.stop <= genesis ? 0 : (uint256(j.stop) - genesis - 1) / EPOCH;
        bool covered = everFinal && lastEpoch >= covering && _now() >= _finality(covering) + SETTLE_WINDOW;
        bool stalled = _now() >= uint256(attestations.lastProgress()) + 4_000;
        try escrow.closeJob(job) {
            if (_now() < j.stop || (!covered && !stalled)) closedTooSoon = true;
            ++done["close"];
        } catch {}
    }

    // The orchestrator and the nodes

    function assign(uint64 job, uint32 slot, uint256 node) external {
        (bool found, JobView memory j) = _job(job);
        if (!found || _now() < j.startsAt || _now() >= j.stop || assignments.length == MOST_ASSIGNMENTS) return;
        job = _jobId(job);
        slot %= j.slots;
        uint256 id = _last(job, slot);
        if (id != 0 && lens.assignmentOf(id).closedAt == 0) return;
        uint256 licence = 1 + (node % NODES);
        if (licences.nodeOf(licence) == address(0)) return;
        Placement memory p = Placement({job: job, slot: slot, licence: licence, expiry: type(uint64).max});
        (bytes32 r, bytes32 vs) = vm.signCompact(
            nodeKeys[licence - 1],
            _typed(
                "Epochal Placements",
                address(placements),
                keccak256(
                    abi.encode(
                        keccak256(
                            "Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)"
                        ),
                        job,
                        slot,
                        escrow.generations(job, slot) + 1,
                        licence,
                        j.terms,
                        p.expiry
                    )
                )
            )
        );
        vm.prank(orchestrator);
        assignments.push(placements.assign(p, r, vs));
        ++done["assign"];
    }

    function closeAssignment(uint256 which, uint256 who) external {
        if (assignments.length == 0) return;
        uint256 id = assignments[which % assignments.length];
        AssignmentView memory a = lens.assignmentOf(id);
        if (a.closedAt != 0) return;
        address owner = lens.jobOf(AssignmentIds.jobOf(id)).owner;
        address[4] memory parties = [orchestrator, owner, a.payee, a.node];
        vm.prank(parties[who % 4]);
        placements.closeAssignment(id);
        ++done["closeAssignment"];
        _look(id);
    }

    /// @dev A holder leaves with his licence, or links it again.
    function move(uint256 which) external {
        uint256 licence = 1 + (which % NODES);
        address holder = licences.ownerOf(licence);
        if (licences.nodeOf(licence) == address(0)) _link(licence, holder);
        else if (licences.openAssignments(licence) == 0) {
            vm.startPrank(holder);
            licences.unlink(licence);
            licences.transferFrom(holder, address(uint160(holder) + 0x1000), licence);
            vm.stopPrank();
            ++done["move"];
        }
    }

    // The committee: with a quorum of its keys it may say anything

    function report(uint256 seed) external {
        uint256 over = (_now() - genesis) / EPOCH;
        if (over == 0 || assignments.length == 0) return;
        uint64 epoch = uint64(over - 1 - (seed % 8 == 0 && over > 1 ? 1 : 0));
        if (everFinal && epoch <= lastEpoch) return;
        Published memory p = _drawn(epoch, seed);
        (uint64 pendingEpoch, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0 && pendingEpoch <= epoch) _pass(finalAt - _now());
        if (!_submit(p)) return;
        ++done["report"];
        if (seed % 16 == 1) {
            attestations.veto();
            ++done["veto"];
            if (seed % 32 == 1 || !_submit(p)) return;
        } else if (seed % 16 == 2) {
            _replace(seed);
            return;
        }
        (, , finalAt) = attestations.pendingReport();
        _pass(finalAt - _now());
        (uint64 last, bytes32 root, ) = attestations.lastFinal();
        if ((everFinal && last <= lastEpoch) || root != p.nodes[0]) epochWentBack = true;
        (everFinal, lastEpoch) = (true, last);
        previous = newest;
        newest = p;
    }

    // The keeper

    function settle(uint256 which, uint256 seed) external {
        Published storage p = seed % 4 == 0 ? previous : newest;
        if (p.ids.length == 0) return;
        uint256 i = which % p.ids.length;
        (, bytes32[] memory proof) = Trees.prove(p.nodes, i, i);
        if (seed % 3 == 0) {
            try escrow.settleAndClaim(p.epoch, p.ids[i], p.earned[i], p.accounted[i], proof) {} catch {
                provedLeafReverted = true;
            }
        } else {
            try escrow.settle(p.epoch, p.ids[i], p.earned[i], p.accounted[i], proof) {} catch {
                provedLeafReverted = true;
            }
        }
        ++done["settle"];
        _look(p.ids[i]);
    }

    function settleRange(uint256 from, uint256 to, uint256 seed) external {
        Published storage p = seed % 4 == 0 ? previous : newest;
        uint256 n = p.ids.length;
        if (n == 0) return;
        uint256 first = from % n;
        uint256 last = first + (to % (n - first));
        uint64 job = AssignmentIds.jobOf(p.ids[first]);
        while (AssignmentIds.jobOf(p.ids[last]) != job || !Trees.level(n, first, last)) --last;
        (uint256 treeIndex, bytes32[] memory proof) = Trees.prove(p.nodes, first, last);
        uint256[] memory words = new uint256[](last - first + 1);
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] =
                (uint256(uint64(p.ids[first + i])) << 128) |
                (uint256(p.earned[first + i]) << 64) |
                p.accounted[first + i];
        }
        try escrow.settleRange(p.epoch, job, treeIndex, words, proof) {} catch {
            provedLeafReverted = true;
        }
        ++done["settleRange"];
        for (uint256 i = first; i <= last; ++i) _look(p.ids[i]);
    }

    function release(uint256 which) external {
        if (assignments.length == 0) return;
        uint256[] memory one = new uint256[](1);
        one[0] = assignments[which % assignments.length];
        uint40 before = lens.assignmentOf(one[0]).held;
        escrow.releaseHeld(one);
        if (lens.assignmentOf(one[0]).held < before) ++done["release"];
        _look(one[0]);
    }

    function claim(uint256 which) external {
        if (assignments.length == 0) return;
        uint256[] memory one = new uint256[](1);
        one[0] = assignments[which % assignments.length];
        escrow.claim(one);
        ++done["claim"];
        _look(one[0]);
    }

    function withdrawAndBurn(uint64 job) external {
        (bool found, ) = _job(job);
        if (!found) return;
        escrow.withdrawRefund(_jobId(job));
        escrow.sendToBurn(_jobId(job));
        escrow.sendToProtocol(_jobId(job));
        ++done["withdrawAndBurn"];
    }

    // For the invariants

    function count() external view returns (uint256) {
        return assignments.length;
    }

    /// @dev All leave, the network is reported on well past all appeal spans, everything due is done.
    function finish() external {
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            if (_now() < j.startsAt) _pass(j.startsAt - _now());
            if (!j.leaving && _now() < j.stop) {
                vm.prank(j.owner);
                escrow.stopJob(job);
            }
        }
        _pass(20_000);
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) if (!lens.jobOf(job).closed) escrow.closeJob(job);
        escrow.releaseHeld(assignments);
        escrow.claim(assignments);
        for (uint256 i = 0; i < assignments.length; ++i) {
            if (lens.assignmentOf(assignments[i]).closedAt == 0) placements.closeAssignment(assignments[i]);
            _look(assignments[i]);
        }
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            escrow.withdrawRefund(job);
            escrow.sendToBurn(job);
            escrow.sendToProtocol(job);
        }
    }

    // Inside

    function _now() private view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function _pass(uint256 secs) private {
        vm.warp(_now() + secs);
    }

    function _jobId(uint64 seed) private view returns (uint64) {
        return 1 + (seed % escrow.jobCount());
    }

    function _job(uint64 seed) private view returns (bool found, JobView memory j) {
        found = escrow.jobCount() != 0;
        if (found) j = lens.jobOf(_jobId(seed));
    }

    function _last(uint64 job, uint32 slot) private view returns (uint256) {
        uint32 generation = escrow.generations(job, slot);
        return generation == 0 ? 0 : AssignmentIds.pack(job, slot, generation);
    }

    /// @dev The truth about finality, which the contract may only put later.
    function _finality(uint256 covering) private view returns (uint256) {
        (uint64 epoch, , uint40 finalAt) = attestations.previousFinal();
        if (finalAt != 0 && epoch >= covering) return finalAt;
        (, , finalAt) = attestations.lastFinal();
        return finalAt;
    }

    /// @dev No counter of an assignment ever falls, nor does what was released.
    function _look(uint256 id) private {
        AssignmentView memory a = lens.assignmentOf(id);
        AssignmentView storage b = seen[id];
        uint256 released = uint256(a.accounted) - a.earned - a.held;
        uint256 releasedBefore = uint256(b.accounted) - b.earned - b.held;
        if (
            a.earned < b.earned ||
            a.accounted < b.accounted ||
            a.through < b.through ||
            a.claimed < b.claimed ||
            released < releasedBefore ||
            (b.payee != address(0) && (a.payee != b.payee || a.node != b.node || a.openedAt != b.openedAt)) ||
            (b.closedAt != 0 && a.closedAt != b.closedAt)
        ) counterFell = true;
        seen[id] = a;
    }

    function _drawn(uint64 epoch, uint256 seed) private view returns (Published memory p) {
        uint256[] memory ids = assignments;
        _sort(ids);
        uint256 n = ids.length;
        p = Published(epoch, ids, new uint64[](n), new uint64[](n), new bytes32[](0));
        bytes32[] memory hashes = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            AssignmentView memory a = lens.assignmentOf(ids[i]);
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            if (draw % 8 == 0) {
                // A hostile leaf.
                (p.earned[i], p.accounted[i]) = (uint64(draw >> 64), uint64(draw >> 128));
            } else {
                uint64 more = uint64((draw >> 8) % 1_500);
                p.accounted[i] = a.accounted + more;
                p.earned[i] = a.earned + uint64(draw % 3 == 0 ? more + a.held / 2 : (draw >> 32) % (more + 1));
            }
            hashes[i] = LeafProof.hash(1, ids[i], p.earned[i], p.accounted[i]);
        }
        p.nodes = Trees.build(hashes);
    }

    function _submit(Published memory p) private returns (bool) {
        (uint32 version, , , ) = attestations.committeeInForce();
        (, bytes32 parent, ) = attestations.lastFinal();
        EpochReport memory r = EpochReport(
            p.epoch,
            version,
            p.nodes[0],
            parent,
            bytes32(uint256(1)),
            bytes32(uint256(2))
        );
        bytes32 digest = _typed(
            "Epochal Attestations",
            address(attestations),
            keccak256(
                abi.encode(
                    keccak256(
                        "EpochReport(uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence)"
                    ),
                    r
                )
            )
        );
        bytes memory signatures;
        for (uint256 i = 1; i < ORACLES; ++i) {
            (bytes32 s, bytes32 vs) = vm.signCompact(oracleKeys[i], digest);
            signatures = bytes.concat(signatures, s, vs);
        }
        try attestations.submit(r, 14, signatures) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Every member gets a new key, and the set is replaced at once.
    function _replace(uint256 seed) private {
        address[] memory signers = _keys(vm.toString(seed));
        vm.prank(address(registry));
        attestations.replaceCommittee(signers);
        (, , uint40 finalAt) = attestations.pendingReport();
        assertEq(finalAt, 0, "a replaced set's report is still pending");
        ++done["replace"];
    }

    function _newNode(uint256 i) private {
        nodeKeys.push(1 + (uint256(keccak256(abi.encode("node", i))) >> 8));
        address holder = address(uint160(0xA000 + i));
        _link(licences.mint(holder, Kind.Standard), holder);
    }

    function _link(uint256 licence, address holder) private {
        address node = vm.addr(nodeKeys[licence - 1]);
        bytes32 consent = keccak256(
            abi.encode(
                keccak256("NodeConsent(uint256 licence,address holder,address node,uint256 nonce,uint64 deadline)"),
                licence,
                holder,
                node,
                licences.consentNonce(node),
                type(uint64).max
            )
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(
            nodeKeys[licence - 1],
            _typed("Epochal NodeLicense", address(licences), consent)
        );
        vm.prank(holder);
        licences.link(licence, node, type(uint64).max, r, vs);
    }

    function _sort(uint256[] memory list) private pure {
        for (uint256 i = 1; i < list.length; ++i) {
            for (uint256 j = i; j > 0 && list[j - 1] > list[j]; --j) (list[j - 1], list[j]) = (list[j], list[j - 1]);
        }
    }
}
