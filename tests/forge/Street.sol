// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochReport} from "../../contracts/interfaces/IAttestations.sol";
import {AssignmentView, JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {Placement, ShownTerms, StandingOffer} from "../../contracts/interfaces/IPlacements.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {Policy} from "../../contracts/libraries/Policy.sol";
import {Town} from "./Town.sol";
import {Trees} from "./Trees.sol";

/// @dev What any token of a test does.
interface IMintable {
    function mint(address to, uint256 amount) external;

    function approve(address spender, uint256 amount) external;

    function balanceOf(address account) external view returns (uint256);
}

/// @dev The words in which tests on a whole network are told: accounts, licences with nodes, jobs, assignments, reports.
abstract contract Street is Town {
    uint8 internal constant ASSIGNMENT = 1;
    uint8 internal constant LICENCE = 2;
    uint8 internal constant DUTY = 3;
    uint96 internal constant PRICE = 1_000_003;
    bytes32 internal constant INTENT = keccak256("what is to run");
    address internal constant ORCHESTRATOR = address(0x0C);

    struct Leaf {
        uint8 kind;
        uint256 id;
        uint64 earned;
        uint64 accounted;
    }

    uint64 internal reported;
    Leaf[] private _leaves;
    bytes32[] private _nodes;
    Leaf[] internal draft;

    // Time

    function _now() internal view returns (uint40) {
        return uint40(vm.getBlockTimestamp());
    }

    /// @dev To so many seconds after the genesis.
    function _at(uint256 secs) internal {
        assertGe(genesis + secs, _now(), "time runs one way");
        vm.warp(genesis + secs);
    }

    // CSPs

    function _open(address owner) internal returns (uint48 account) {
        vm.prank(owner);
        account = accounts.open();
        _fund(address(token), owner);
    }

    /// @dev Plenty of a token, approved for the escrow.
    function _fund(address tender, address owner) internal {
        IMintable(tender).mint(owner, 1e15);
        vm.prank(owner);
        IMintable(tender).approve(address(escrow), 1e15);
    }

    function _policy() internal pure returns (Policy memory) {
        return
            Policy({
                evidence: 1,
                targetPpm: 980_000,
                floorPpm: 900_000,
                windowEpochs: 1,
                minObservedSeconds: 60,
                cspSharePpm: 400_000,
                penaltyPpm: 0,
                missedEpochs: 1,
                outageSeconds: 0,
                answerSeconds: 500,
                cooldownSeconds: 0,
                maintenanceSeconds: 0
            });
    }

    /// @dev Terms of a job that starts now.
    function _terms(address tender, uint32 slots, uint256 length) internal view returns (JobTerms memory) {
        return
            JobTerms({
                token: tender,
                price: PRICE,
                slots: slots,
                startsAt: _now(),
                endsAt: uint40(_now() + length),
                orchestrator: ORCHESTRATOR,
                intent: INTENT,
                policy: _policy()
            });
    }

    function _create(uint48 account, JobTerms memory terms) internal returns (uint64) {
        vm.prank(accounts.ownerOf(account));
        return escrow.createJob(account, terms);
    }

    function _create(uint48 account, uint32 slots, uint256 length) internal returns (uint64) {
        return _create(account, _terms(address(token), slots, length));
    }

    // Nodes

    function _nodeKey(uint256 licence) internal pure returns (uint256) {
        return 1 + (uint256(keccak256(abi.encode("node", licence))) >> 8);
    }

    function _node(uint256 licence) internal pure returns (address) {
        return vm.addr(_nodeKey(licence));
    }

    function _holder(uint256 licence) internal pure returns (address) {
        return address(uint160(0xA000 + licence));
    }

    function _mint() internal returns (uint256 licence) {
        return licences.mint(_holder(licences.totalMinted() + 1), Kind.Standard);
    }

    /// @dev Licences with linked nodes, from the next id on.
    function _mintLinked(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) _link(_mint());
    }

    function _link(uint256 licence) internal {
        bytes32 consent = keccak256(
            abi.encode(
                keccak256("NodeConsent(uint256 licence,address holder,address node,uint256 nonce,uint64 deadline)"),
                licence,
                _holder(licence),
                _node(licence),
                licences.consentNonce(_node(licence)),
                type(uint64).max
            )
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(
            _nodeKey(licence),
            _typed("Epochal NodeLicense", address(licences), consent)
        );
        vm.prank(_holder(licence));
        licences.link(licence, _node(licence), type(uint64).max, r, vs);
    }

    function _assign(uint64 job, uint32 slot, uint256 licence) internal returns (uint256) {
        Placement memory p = Placement({job: job, slot: slot, licence: licence, expiry: type(uint64).max});
        bytes32 acceptance;
        {
            uint32 generation = escrow.generations(job, slot) + 1;
            (, , bytes32 terms) = escrow.placementOf(job);
            acceptance = keccak256(
                abi.encode(
                    keccak256(
                        "Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)"
                    ),
                    job,
                    slot,
                    generation,
                    licence,
                    terms,
                    p.expiry
                )
            );
        }
        (bytes32 r, bytes32 vs) = vm.signCompact(
            _nodeKey(licence),
            _typed("Epochal Placements", address(placements), acceptance)
        );
        vm.prank(ORCHESTRATOR);
        return placements.assign(p, r, vs);
    }

    function _assignByOffer(uint64 job, uint32 slot, uint256 licence) internal returns (uint256) {
        bytes32 policy = keccak256(abi.encode(_policy()));
        StandingOffer memory offer = StandingOffer({
            licence: licence,
            orchestrator: ORCHESTRATOR,
            token: address(token),
            minPrice: PRICE,
            policy: policy,
            capacity: 1,
            nonce: 0,
            expiry: type(uint64).max
        });
        bytes32 kind = keccak256(
            "StandingOffer(uint256 licence,address orchestrator,address token,uint96 minPrice,bytes32 policy,uint32 capacity,"
            "uint64 nonce,uint64 expiry)"
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(
            _nodeKey(licence),
            _typed("Epochal Placements", address(placements), keccak256(abi.encode(kind, offer)))
        );
        vm.prank(ORCHESTRATOR);
        return placements.assignByOffer(job, slot, offer, ShownTerms(address(token), PRICE, policy, INTENT), r, vs);
    }

    // Reports

    /// @dev Adds an assignment's leaf to the coming report.
    function _say(uint256 assignment, uint64 earned, uint64 accounted) internal {
        draft.push(Leaf(ASSIGNMENT, assignment, earned, accounted));
    }

    /// @dev A report of what was said since the last one becomes final.
    function _report(uint64 epoch) internal {
        _submit(epoch);
        (, , uint40 finalAt) = attestations.pendingReport();
        vm.warp(finalAt);
    }

    function _submit(uint64 epoch) internal {
        delete _leaves;
        bytes32[] memory hashes = new bytes32[](draft.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            Leaf memory leaf = draft[i];
            _leaves.push(leaf);
            hashes[i] = LeafProof.hash(leaf.kind, leaf.id, leaf.earned, leaf.accounted);
        }
        delete draft;
        _nodes = Trees.build(hashes);
        reported = epoch;
        (uint32 version, , , ) = attestations.committeeInForce();
        (, bytes32 parent, ) = attestations.lastFinal();
        EpochReport memory r = EpochReport(epoch, version, _nodes[0], parent, bytes32(uint256(1)), bytes32(uint256(2)));
        bytes32 kind = keccak256(
            "EpochReport(uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence)"
        );
        bytes32 digest = _typed("Epochal Attestations", address(attestations), keccak256(abi.encode(kind, r)));
        bytes memory signatures;
        for (uint256 i = 1; i < ORACLES; ++i) {
            (bytes32 s, bytes32 vs) = vm.signCompact(oracleKeys[i], digest);
            signatures = bytes.concat(signatures, s, vs);
        }
        attestations.submit(r, 14, signatures);
    }

    /// @dev A leaf of the newest report, with its proof.
    function _leaf(uint256 index) internal view returns (Leaf memory leaf, bytes32[] memory proof) {
        leaf = _leaves[index];
        (, proof) = Trees.prove(_nodes, index, index);
    }

    function _settle(uint256 index) internal {
        (Leaf memory leaf, bytes32[] memory proof) = _leaf(index);
        escrow.settle(reported, leaf.id, leaf.earned, leaf.accounted, proof);
    }

    function _settleAll() internal {
        for (uint256 i = 0; i < _leaves.length; ++i) _settle(i);
    }

    // Money

    function _list(uint256 one) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = one;
    }

    function _list(uint256 one, uint256 two) internal pure returns (uint256[] memory list) {
        list = new uint256[](2);
        (list[0], list[1]) = (one, two);
    }

    function _claim(uint256 assignment) internal {
        escrow.claim(_list(assignment));
    }

    /// @dev What so many seconds cost, rounded up, as deposits are.
    function _cost(uint256 secs) internal pure returns (uint256) {
        return (uint256(PRICE) * secs + EPOCH - 1) / EPOCH;
    }

    /// @dev What a payee gets for so many earned seconds.
    function _net(uint256 secs) internal pure returns (uint256) {
        return (((uint256(PRICE) * secs) / EPOCH) * (1_000_000 - PROTOCOL_PPM)) / 1_000_000;
    }

    function _job(uint64 job) internal view returns (JobView memory) {
        return lens.jobOf(job);
    }

    function _view(uint256 assignment) internal view returns (AssignmentView memory) {
        return lens.assignmentOf(assignment);
    }
}
