// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {JobTerms} from "../../../contracts/interfaces/IJobEscrow.sol";
import {
    IReallocations,
    Reallocation,
    ReallocationBatch,
    ReallocationEntry,
    RequestState
} from "../../../contracts/interfaces/IReallocations.sol";
import {AssignmentIds} from "../../../contracts/libraries/AssignmentIds.sol";
import {Trees} from "../Trees.sol";
import {World} from "./World.sol";

/// @dev The committee asks for other nodes, singly and in batches, also for what it may not ask; answers come from
/// {NodeHandler}, in time or late.
abstract contract ReallocationHandler is World {
    uint8 private constant OUTAGE = 2;
    uint256 private _requests;
    bytes private _last;

    function reallocate(uint256 seed) external act {
        if (assignments.length == 0) return;
        Reallocation[] memory asked = new Reallocation[](_in(seed, 1, 3));
        bytes32[] memory leaves = new bytes32[](asked.length);
        uint64 epoch = uint64((_now() - genesis) / EPOCH);
        for (uint256 i = 0; i < asked.length; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint256 id = _openAssignment(draw);
            asked[i] = Reallocation({
                id: bytes32(++_requests),
                assignment: id,
                reason: (draw >> 48) % 2 == 0 ? OUTAGE : uint8(_in(draw >> 40, 1, 4)),
                asOf: _asOf(id, draw >> 16)
            });
            leaves[i] = reallocations.leafOf(asked[i]);
        }
        bytes32[] memory nodes = Trees.build(leaves);
        (uint32 version, , , ) = attestations.committeeInForce();
        ReallocationBatch memory batch = ReallocationBatch({
            committee: version,
            epoch: epoch,
            root: nodes[0],
            expiry: uint64(seed % 8 == 7 ? _now() - 1 : _now() + 300)
        });
        _ask(batch, asked, nodes);
    }

    /// @dev What was carried out, or has expired, is carried out no second time.
    function replay(uint256) external act {
        if (_last.length == 0) return;
        _forbidden("replay", STRANGER, address(reallocations), _last);
    }

    function reopen(uint256 which, bool byStranger) external act {
        if (assignments.length == 0) return;
        uint256 id = assignments[_pick(which, assignments.length, _isForfeited)];
        (uint64 job, uint32 slot) = (AssignmentIds.jobOf(id), uint32(id >> 32));
        (, RequestState state) = reallocations.requestOf(job, slot);
        bytes memory data = abi.encodeCall(reallocations.reopenSlot, (job, slot));
        if (byStranger) _forbidden("reopenForeign", STRANGER, address(reallocations), data);
        bool good = _call(
            "reopen",
            lens.jobOf(job).owner,
            address(reallocations),
            data,
            state == RequestState.Forfeited
                ? bytes(NONE)
                : abi.encodePacked(IReallocations.Reallocations_NotForfeited.selector)
        );
        _check(!good || state == RequestState.Forfeited, "reopened what wasn't forfeited");
    }

    function _ask(ReallocationBatch memory batch, Reallocation[] memory asked, bytes32[] memory nodes) private {
        ReallocationEntry[] memory entries = new ReallocationEntry[](asked.length);
        for (uint256 i = 0; i < asked.length; ++i) {
            JobTerms memory t = termsOf[AssignmentIds.jobOf(asked[i].assignment)];
            (, bytes32[] memory proof) = Trees.prove(nodes, i, i);
            entries[i] = ReallocationEntry(asked[i], t.token, t.price, t.policy, t.intent, proof);
        }
        bytes32 digest = keccak256(
            abi.encode(keccak256("ReallocationBatch(uint64 committee,uint64 epoch,bytes32 root,uint64 expiry)"), batch)
        );
        digest = _typed("Epochal Reallocations", address(reallocations), digest);
        (uint256 bits, bytes memory signatures) = _signatures(
            uint32(batch.committee),
            digest,
            _quorum(uint32(batch.committee)) - 1
        );
        bytes memory data = abi.encodeCall(reallocations.request, (batch, bits, signatures, entries[0]));
        _forbidden("requestByTooFew", STRANGER, address(reallocations), data);

        (bits, signatures) = _signatures(uint32(batch.committee), digest, _quorum(uint32(batch.committee)));
        data = abi.encodeCall(reallocations.request, (batch, bits, signatures, entries[0]));
        bytes memory one = data;
        bytes memory expected = _refusals();
        if (entries.length > 1) {
            data = abi.encodeCall(reallocations.requestMany, (batch, bits, signatures, entries));
            expected = NONE;
        }
        if (batch.expiry < _now()) expected = abi.encodePacked(IReallocations.Reallocations_Expired.selector);
        AssignmentView[] memory before = lens.assignmentsOf(_idsOf(asked));
        string memory name = entries.length > 1 ? "requestMany" : "request";
        if (!_call(name, STRANGER, address(reallocations), data, expected)) return;
        _check(batch.expiry >= _now(), "an expired batch was carried out");
        for (uint256 i = 0; i < asked.length; ++i) {
            if (!reallocations.carriedOut(asked[i].id)) continue;
            if (i == 0) _last = one;
            AssignmentView memory a = lens.assignmentOf(asked[i].assignment);
            if (before[i].closedAt == 0) {
                _check(a.closedAt == asked[i].asOf, "closed as of another time");
            } else {
                _check(placements.givenUp(a.id) && asked[i].asOf <= a.closedAt, "asked for what was closed before");
                _check(a.closedAt == before[i].closedAt, "a closed past was rewritten");
                ++done["reallocatedAfterGivingUp"];
            }
            _check(asked[i].asOf + EPOCH > _now() && asked[i].asOf <= _now(), "a closed past was rewritten");
            _look(a.id);
            ++done["reallocated"];
        }
    }

    function _idsOf(Reallocation[] memory asked) private pure returns (uint256[] memory ids) {
        ids = new uint256[](asked.length);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = asked[i].assignment;
    }

    /// @dev A time since the assignment's opening in the epoch that runs; one draw in eight is long past or far away.
    function _asOf(uint256 id, uint256 draw) private view returns (uint40) {
        uint256 from = _now() - ((_now() - genesis) % EPOCH);
        uint256 openedAt = lens.assignmentOf(id).openedAt;
        if (openedAt > from) from = openedAt;
        if ((draw >> 16) % 8 == 0) return uint40(draw % 2 == 0 ? from + 2_000 : from - 1_000);
        return uint40(_in(draw, from, _now()));
    }

    function _isForfeited(uint256 place) private view returns (bool) {
        uint256 id = assignments[place];
        (, RequestState state) = reallocations.requestOf(AssignmentIds.jobOf(id), uint32(id >> 32));
        return state == RequestState.Forfeited;
    }

    /// @dev What a single request may be refused for; all of a kind that its random draw makes true.
    function _refusals() private pure returns (bytes memory) {
        return
            abi.encodePacked(
                IReallocations.Reallocations_AlreadyClosed.selector,
                IReallocations.Reallocations_JobStopped.selector,
                IReallocations.Reallocations_AsOfBeforeEpoch.selector,
                IReallocations.Reallocations_AsOfInFuture.selector,
                IReallocations.Reallocations_AsOfBeforeOpening.selector,
                IReallocations.Reallocations_ReasonNotInPolicy.selector,
                IReallocations.Reallocations_NotOutcast.selector,
                IReallocations.Reallocations_TooSoon.selector,
                IReallocations.Reallocations_CoolingDown.selector
            );
    }
}
