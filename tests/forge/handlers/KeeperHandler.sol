// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {AssignmentIds} from "../../../contracts/libraries/AssignmentIds.sol";
import {Trees} from "../Trees.sol";
import {World} from "./World.sol";

/// @dev Keepers settle, release, claim and burn, for anyone. Nothing of it may revert for a proved leaf or a clean token.
abstract contract KeeperHandler is World {
    function settle(uint256 which, uint256 seed) external act {
        uint256 place = seed % 4 == 0 ? previous : newest;
        if (place == 0 || reports[place - 1].count == 0) return;
        Published storage p = reports[place - 1];
        uint256 i = which % p.count;
        _settle(p, i, seed % 3 == 0);
        _look(p.ids[i]);
        // What is settled again moves nothing.
        AssignmentView memory a = lens.assignmentOf(p.ids[i]);
        _settle(p, i, false);
        AssignmentView memory b = lens.assignmentOf(p.ids[i]);
        _check(a.earned == b.earned && a.accounted == b.accounted, "a leaf counted twice");
    }

    function settleRange(uint256 from, uint256 to, uint256 seed) external act {
        uint256 place = seed % 4 == 0 ? previous : newest;
        if (place == 0 || reports[place - 1].count == 0) return;
        Published storage p = reports[place - 1];
        uint256 first = from % p.count;
        uint256 last = _settleFrom(p, first, first + (to % (p.count - first)));
        for (uint256 i = first; i <= last; ++i) _look(p.ids[i]);
    }

    /// @dev Nothing settles that isn't final: a pending report, a vetoed one, one before the last two, or a changed leaf.
    function settleUnproved(uint256 which, uint256 seed) external act {
        if (reports.length == 0) return;
        uint256 place = 1 + (seed % reports.length);
        Published storage p = reports[place - 1];
        if (p.count == 0) return;
        uint256 i = which % p.count;
        (, bytes32[] memory proof) = Trees.prove(p.nodes, i, i);
        uint64 earned = p.earned[i];
        if (place == newest || place == previous) {
            unchecked {
                ++earned;
            }
        } else {
            // The same root may be final for the same epoch after a veto.
            for (uint256 k = 0; k < 2; ++k) {
                uint256 known = k == 0 ? newest : previous;
                if (known != 0 && reports[known - 1].nodes[0] == p.nodes[0]) return;
            }
        }
        _forbidden(
            "settleUnproved",
            STRANGER,
            address(escrow),
            abi.encodeCall(escrow.settle, (p.epoch, p.ids[i], earned, p.accounted[i], proof))
        );
    }

    function release(uint256 which) external act {
        if (assignments.length == 0) return;
        uint256 id = assignments[_pick(which, assignments.length, _holds)];
        uint40 before = lens.assignmentOf(id).held;
        bytes memory data = abi.encodeCall(escrow.releaseHeld, (_one(id)));
        _call("release", STRANGER, address(escrow), data, NONE);
        if (lens.assignmentOf(id).held < before) ++done["released"];
        _look(id);
    }

    /// @dev One, or all at once: hostile tokens among them stop nobody's payment.
    function claim(uint256 which, bool all) external act {
        if (assignments.length == 0) return;
        uint256[] memory ids = all ? assignments : _one(assignments[which % assignments.length]);
        bool[] memory waits = new bool[](ids.length);
        uint256 due = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            waits[i] = _waits(lens.assignmentOf(ids[i]));
            if (!waits[i] && clean(AssignmentIds.jobOf(ids[i]))) due += lens.claimable(_one(ids[i]))[0];
        }
        uint256 before = paidOut();
        _call("claim", STRANGER, address(escrow), abi.encodeCall(escrow.claim, (ids)), NONE);
        _check(paidOut() == before + due, "claims paid too much or too little");
        for (uint256 i = 0; i < ids.length; ++i) {
            AssignmentView memory a = lens.assignmentOf(ids[i]);
            _check(waits[i] || !clean(AssignmentIds.jobOf(ids[i])) || a.claimed == a.earned, "earned and not paid");
            _look(ids[i]);
        }
    }

    function claimTo(uint256 which) external act {
        if (assignments.length == 0) return;
        AssignmentView memory a = lens.assignmentOf(assignments[which % assignments.length]);
        bytes memory data = abi.encodeCall(escrow.claimTo, (_one(a.id), RECIPIENT));
        _forbidden("claimForeign", STRANGER, address(escrow), data);
        bool free = clean(AssignmentIds.jobOf(a.id)) && !(a.earned > a.claimed && _waits(a));
        _call("claimTo", a.payee, address(escrow), data, free ? NONE : ANY);
        _look(a.id);
    }

    function burn(uint64 job) external act {
        (bool found, ) = _job(job);
        if (!found) return;
        job = _jobId(job);
        bytes memory expected = clean(job) ? NONE : ANY;
        _call("burn", STRANGER, address(escrow), abi.encodeCall(escrow.sendToBurn, (job)), expected);
        _call("toProtocol", STRANGER, address(escrow), abi.encodeCall(escrow.sendToProtocol, (job)), expected);
    }

    /// @dev All that payees of clean jobs ever got.
    function paidOut() public view returns (uint256 sum) {
        sum = token.balanceOf(RECIPIENT);
        for (uint256 i = 0; i < NODES; ++i) {
            // Licences move by a fixed step; far fewer times than this.
            for (uint256 k = 0; k < 12; ++k) sum += token.balanceOf(address(uint160(0xA000 + i + k * 0x1000)));
        }
    }

    function _settle(Published storage p, uint256 i, bool andClaim) internal {
        (, bytes32[] memory proof) = Trees.prove(p.nodes, i, i);
        bytes memory data =
            andClaim
                ? abi.encodeCall(escrow.settleAndClaim, (p.epoch, p.ids[i], p.earned[i], p.accounted[i], proof))
                : abi.encodeCall(escrow.settle, (p.epoch, p.ids[i], p.earned[i], p.accounted[i], proof));
        _call("settle", STRANGER, address(escrow), data, NONE);
    }

    function _holds(uint256 place) private view returns (bool) {
        return lens.assignmentOf(assignments[place]).held != 0;
    }

    /// @dev Settles leaves from `first` on, at most to `last`, of one job at one depth.
    function _settleFrom(Published storage p, uint256 first, uint256 last) internal returns (uint256) {
        uint64 job = AssignmentIds.jobOf(p.ids[first]);
        while (AssignmentIds.jobOf(p.ids[last]) != job || !Trees.level(p.ids.length, first, last)) --last;
        (uint256 treeIndex, bytes32[] memory proof) = Trees.prove(p.nodes, first, last);
        uint256[] memory words = new uint256[](last - first + 1);
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] =
                (uint256(uint64(p.ids[first + i])) << 128) |
                (uint256(p.earned[first + i]) << 64) |
                p.accounted[first + i];
        }
        bytes memory data = abi.encodeCall(escrow.settleRange, (p.epoch, job, treeIndex, words, proof));
        _call("settleRange", STRANGER, address(escrow), data, NONE);
        return last;
    }
}
