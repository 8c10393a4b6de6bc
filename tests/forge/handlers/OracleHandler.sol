// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochReport, IAttestations} from "../../../contracts/interfaces/IAttestations.sol";
import {AssignmentView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {DutyView} from "../../../contracts/interfaces/IOraclePay.sol";
import {LeafProof} from "../../../contracts/libraries/LeafProof.sol";
import {Trees} from "../Trees.sol";
import {World} from "./World.sol";

/// @dev The committee, which with a quorum of its keys says anything, and those who would speak in its name.
abstract contract OracleHandler is World {
    mapping(uint64 epoch => bool) private _vetoed;

    /// @dev A report is made final, or left pending.
    function report(uint256 seed) external act {
        if (_report(seed) && seed % 4 != 1) _pass(candidateFinalAt - _now());
    }

    /// @dev The guardian vetoes, once for an epoch.
    function veto(uint256 seed) external act {
        (uint64 epoch, bytes32 root, uint40 finalAt) = attestations.pendingReport();
        // Seldom would else anything be pending just now.
        if (finalAt == 0 && seed % 4 != 0 && _report(seed)) (epoch, root, finalAt) = attestations.pendingReport();
        bytes memory expected =
            finalAt == 0 ? abi.encodePacked(IAttestations.Attestations_NothingPending.selector) : bytes(NONE);
        if (_vetoed[epoch] || candidateFinalAt > _now() + 50) {
            expected = abi.encodePacked(expected, IAttestations.Attestations_VetoedBefore.selector);
        }
        bytes memory call = abi.encodeCall(attestations.veto, (epoch, root));
        if (!_call("veto", address(this), address(attestations), call, expected)) return;
        _check(!_vetoed[epoch], "vetoed twice");
        _vetoed[epoch] = true;
        (, , finalAt) = attestations.pendingReport();
        _check(finalAt == 0, "a vetoed report is still pending");
        candidate = 0;
    }

    /// @dev Reports that nobody may submit: too few signatures, other sets' keys, an old or running epoch, a wrong parent.
    function forge(uint256 seed) external act {
        uint256 over = (_now() - genesis) / EPOCH;
        if (over == 0) return;
        (uint32 version, , uint32 predecessor, ) = attestations.committeeInForce();
        (, bytes32 parent, ) = attestations.lastFinal();
        uint64 epoch = uint64(over - 1);
        uint32 signing = version;
        uint256 howMany = _quorum(version);
        if (seed % 5 == 0) --howMany;
        else if (seed % 5 == 1) epoch = uint64(over);
        else if (seed % 5 == 2) parent = bytes32(seed);
        else if (seed % 5 == 3) {
            if (!everFinal) return;
            epoch = uint64(seed % (lastEpoch + 1));
        } else {
            signing = uint32(_in(seed >> 8, 1, version));
            if (signing == version || signing == predecessor) return;
            howMany = _quorum(signing);
        }
        EpochReport memory r = EpochReport(epoch, signing, bytes32(seed | 1), parent, bytes32(seed), bytes32(seed));
        bytes32 digest = _digest(r);
        (uint256 bits, bytes memory signatures) = _signatures(signing, digest, howMany);
        _forbidden(
            "forgedReport",
            STRANGER,
            address(attestations),
            abi.encodeCall(attestations.submit, (r, bits, signatures))
        );
        if (seed % 5 != 4) return;
        r.committee = version;
        (bits, signatures) = _signatures(signing, _digest(r), howMany);
        (address[] memory old, ) = attestations.committee(signing);
        (address[] memory present, ) = attestations.committee(version);
        if (keccak256(abi.encode(old)) == keccak256(abi.encode(present))) return;
        for (uint256 i = 0; i < old.length; ++i) {
            for (uint256 k = 0; k < present.length; ++k) if (old[i] == present[k]) return;
        }
        bytes memory data = abi.encodeCall(attestations.submit, (r, bits, signatures));
        _forbidden("stolenKeys", STRANGER, address(attestations), data);
    }

    /// @dev Submits what comes after the last report, if anything is over; half of the draws wait for it.
    function _report(uint256 seed) private returns (bool) {
        (, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0) _pass(finalAt - _now());
        if (assignments.length == 0 && oraclePay.payPerEpoch() == 0) return false;
        uint256 next = everFinal ? lastEpoch + 1 : 0;
        uint256 over = (_now() - genesis) / EPOCH;
        if (over <= next) {
            if ((seed >> 8) % 2 == 0) return false;
            over = next + 1;
            _pass(genesis + over * EPOCH - _now());
        }
        uint64 epoch = uint64(seed % 8 == 0 && over - 1 > next ? over - 2 : over - 1);
        _submit(_drawn(epoch, seed));
        return true;
    }

    // Also for probes

    /// @dev Signs and submits; it must go through.
    function _submit(Published memory p) internal {
        (uint32 version, , uint32 predecessor, ) = attestations.committeeInForce();
        // Once in a while the set before it signs, within its grace.
        if (predecessor != 0 && p.nodes[0][31] & 0x01 != 0) version = predecessor;
        (, bytes32 parent, ) = attestations.lastFinal();
        EpochReport memory r = EpochReport(
            p.epoch,
            version,
            p.nodes[0],
            parent,
            bytes32(uint256(1)),
            bytes32(uint256(2))
        );
        (uint256 bits, bytes memory signatures) = _signatures(version, _digest(r), _quorum(version));
        bool good = _call(
            "report",
            STRANGER,
            address(attestations),
            abi.encodeCall(attestations.submit, (r, bits, signatures)),
            NONE
        );
        if (!good) return;
        (, , uint40 finalAt) = attestations.pendingReport();
        _check(finalAt >= _now() + (_vetoed[p.epoch] ? 1_500 : 50), "a report waits too little");
        candidateFinalAt = finalAt;
        reports.push(p);
        candidate = reports.length;
    }

    /// @dev Leaves in order of kind and id: half true, half made up.
    function _drawn(uint64 epoch, uint256 seed) internal view returns (Published memory p) {
        p = _blank(epoch);
        for (uint256 i = 0; i < p.ids.length; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            if (draw % 8 == 0) {
                (p.earned[i], p.accounted[i]) = (uint64(draw >> 64), uint64(draw >> 128));
                continue;
            }
            uint64 more = uint64((draw >> 8) % 1_500);
            uint64 withheld = 0;
            if (i < p.count) {
                AssignmentView memory a = lens.assignmentOf(p.ids[i]);
                (p.earned[i], p.accounted[i], withheld) = (a.earned, a.accounted, a.held);
            } else {
                DutyView memory d = oraclePay.dutyOf(address(uint160(p.ids[i])));
                (p.earned[i], p.accounted[i], withheld) = (d.earned, d.accounted, d.accounted - d.earned);
            }
            p.accounted[i] += more;
            p.earned[i] += uint64(draw % 3 == 0 ? more + withheld / 2 : (draw >> 32) % (more + 1));
        }
        _grow(p);
    }

    /// @dev A report of all assignments, and of all oracles where they are paid.
    function _blank(uint64 epoch) internal view returns (Published memory p) {
        uint256[] memory sorted = assignments;
        for (uint256 i = 1; i < sorted.length; ++i) {
            for (uint256 j = i; j > 0 && sorted[j - 1] > sorted[j]; --j) {
                (sorted[j - 1], sorted[j]) = (sorted[j], sorted[j - 1]);
            }
        }
        uint256 n = sorted.length + (oraclePay.payPerEpoch() == 0 ? 0 : MEMBERS);
        p = Published(epoch, sorted.length, new uint256[](n), new uint64[](n), new uint64[](n), new bytes32[](0));
        for (uint256 i = 0; i < n; ++i) {
            p.ids[i] = i < p.count ? sorted[i] : uint160(members(i - p.count));
        }
    }

    /// @dev Builds the tree of a report's leaves.
    function _grow(Published memory p) internal pure {
        bytes32[] memory hashes = new bytes32[](p.ids.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = LeafProof.hash(i < p.count ? 1 : 3, p.ids[i], p.earned[i], p.accounted[i]);
        }
        p.nodes = Trees.build(hashes);
    }

    function _digest(EpochReport memory r) private view returns (bytes32) {
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "EpochReport(uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence)"
                ),
                r
            )
        );
        return _typed("Epochal Attestations", address(attestations), hash);
    }
}
