// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BondView, IBonds} from "../interfaces/IBonds.sol";
import {ICredentials} from "../interfaces/ICredentials.sol";
import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {CspView, ILens, LicenceView, SlotView} from "../interfaces/ILens.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";
import {IReallocations} from "../interfaces/IReallocations.sol";
import {ITrustRegistry} from "../interfaces/ITrustRegistry.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {EscrowLens} from "./EscrowLens.sol";

/// @title Lens
/// @dev Has no state and no rights; jobs and assignments are read in {EscrowLens}.
contract Lens is ILens, EscrowLens {
    /// @inheritdoc ILens
    INodeLicense public immutable licences;
    /// @inheritdoc ILens
    ICredentials public immutable credentials;
    /// @inheritdoc ILens
    IReallocations public immutable reallocations;
    /// @inheritdoc ILens
    ITrustRegistry public immutable trust;
    /// @inheritdoc ILens
    IBonds public immutable bonds;

    constructor(IJobEscrow escrow_, ICredentials credentials_, IReallocations reallocations_) EscrowLens(escrow_) {
        licences = escrow_.licences();
        credentials = credentials_;
        reallocations = reallocations_;
        trust = escrow_.trust();
        bonds = escrow_.bonds();
    }

    /// @inheritdoc ILens
    function licencesFrom(uint256 first, uint256 count) external view returns (LicenceView[] memory views) {
        if (first == 0) first = 1;
        views = new LicenceView[](_page(first, licences.totalMinted(), count));
        for (uint256 i = 0; i < views.length; ++i) {
            uint256 id = first + i;
            address node = licences.nodeOf(id);
            views[i] = LicenceView({
                id: id,
                kind: licences.kindOf(id),
                holder: licences.ownerOf(id),
                node: node,
                open: licences.openAssignments(id),
                linkedSeconds: licences.linkedSeconds(id),
                relinkableAt: licences.relinkableAt(id),
                status: trust.statusOf(Subjects.licence(id)),
                nodeStatus: trust.statusOf(Subjects.node(node))
            });
        }
    }

    /// @inheritdoc ILens
    function bondsOf(uint256 licence, address[] calldata tokens) external view returns (BondView[] memory views) {
        views = new BondView[](tokens.length);
        for (uint256 i = 0; i < tokens.length; ++i) views[i] = bonds.bondOf(Subjects.licence(licence), tokens[i]);
    }

    /// @inheritdoc ILens
    function cspOf(uint48 account, address token, uint8 credentialKinds) external view returns (CspView memory v) {
        v.owner = escrow.accounts().ownerOf(account);
        v.status = trust.statusOf(Subjects.csp(account));
        v.credentialUntil = credentials.validUntil(v.owner, credentialKinds);
        try escrow.admission().requireAdmitted(account, v.owner, token) {} catch (bytes memory reason) {
            v.admission = reason;
        }
    }

    /// @inheritdoc ILens
    function slotsOf(uint64 job, uint32 first, uint32 count) external view returns (SlotView[] memory views) {
        uint256 slots = jobOf(job).slots;
        views = new SlotView[](slots == 0 ? 0 : _page(first, slots - 1, count));
        for (uint32 i = 0; i < views.length; ++i) {
            uint32 generation = escrow.generations(job, first + i);
            (views[i].request, views[i].state) = reallocations.requestOf(job, first + i);
            if (generation == 0) continue;
            uint256 assignment = AssignmentIds.pack(job, first + i, generation);
            views[i].assignment = assignmentOf(assignment);
            views[i].claimable = _claimable(assignment);
        }
    }

    /// @dev How many there are from `first` to `last`, at most `count`.
    function _page(uint256 first, uint256 last, uint256 count) private pure returns (uint256) {
        uint256 there = first > last ? 0 : last - first + 1;
        return count < there ? count : there;
    }
}
