// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {Availability, ILicenceRewards, RewardSettings} from "../interfaces/ILicenceRewards.sol";
import {INetworkToken} from "../interfaces/INetworkToken.sol";
import {INodeLicense, Kind} from "../interfaces/INodeLicense.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Freezing} from "../libraries/Freezing.sol";
import {LeafProof} from "../libraries/LeafProof.sol";
import {Curve, Schedules} from "../libraries/Schedules.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {Timing} from "../libraries/Timing.sol";

/// @title LicenceRewards
/// @dev Settling moves seconds only; money follows from them when it is minted. Nobody governs here.
contract LicenceRewards is ILicenceRewards, ReentrancyGuardTransient {
    using Freezing for ITrustRegistry;
    using Math for uint256;
    using SafeCast for uint256;
    using Schedules for *;

    uint8 private constant KIND_LICENCE = 2;
    uint256 private constant MAX_WALLETS = 16;

    /// @inheritdoc ILicenceRewards
    IAttestations public immutable attestations;
    /// @inheritdoc ILicenceRewards
    INodeLicense public immutable licences;
    /// @inheritdoc ILicenceRewards
    ITrustRegistry public immutable trust;
    /// @inheritdoc ILicenceRewards
    INetworkToken public immutable token;

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;

    mapping(Kind kind => Curve) private _curves;
    mapping(uint256 licence => Availability) private _availability;
    address[] private _genesisWallets;

    /// @param attestations_ and the other contracts stand before this one: it reads the spans, the supplies and the cap
    constructor(
        IAttestations attestations_,
        INodeLicense licences_,
        ITrustRegistry trust_,
        INetworkToken token_,
        RewardSettings memory settings
    ) {
        Timing memory timing = attestations_.timing();
        attestations = attestations_;
        licences = licences_;
        trust = trust_;
        token = token_;
        GENESIS = timing.genesis;
        EPOCH_LENGTH = timing.epochLength;
        require(address(trust_) != address(0), LicenceRewards_SettingViolated("trust is not zero"));
        require(token_.minter() == address(this), LicenceRewards_SettingViolated("these rewards mint the token"));

        uint256 all = 0;
        for (uint8 i = 0; i < 3; ++i) {
            Kind kind = Kind(i + 1);
            Curve memory curve = settings.schedules[i].write(timing.genesis, timing.epochLength);
            (uint256 supply, ) = licences_.supplyOf(kind);
            uint256 left = supply * curve.cap;
            all += left;
            curve.left = left.toUint128();
            _curves[kind] = curve;
        }
        require(
            all <= token_.cap() - token_.minted(),
            LicenceRewards_SettingViolated("the supplies of licences times their caps fit the token's cap")
        );

        address[] memory wallets = settings.genesisWallets;
        require(
            wallets.length <= MAX_WALLETS && (wallets.length == 0) == (_curves[Kind.Genesis].cap == 0),
            LicenceRewards_SettingViolated("a genesis reward has 1 to 16 wallets")
        );
        for (uint256 i = 0; i < wallets.length; ++i) {
            require(wallets[i] != address(0), LicenceRewards_SettingViolated("genesis wallets are not zero"));
        }
        _genesisWallets = wallets;
    }

    /// @inheritdoc ILicenceRewards
    function settle(uint64 epoch, uint256 licence, uint64 earned, uint64 accounted, bytes32[] calldata proof) external {
        bytes32 leaf = LeafProof.hash(KIND_LICENCE, licence, earned, accounted);
        require(
            MerkleProof.processProofCalldata(proof, leaf) == attestations.finalRoot(epoch),
            LicenceRewards_LeafNotInReport(epoch, leaf)
        );
        _apply(_endOf(epoch), licence, earned, accounted);
        emit LicencesSettled(epoch, licence, 1);
    }

    /// @inheritdoc ILicenceRewards
    function settleRange(
        uint64 epoch,
        uint256 treeIndex,
        uint256[] calldata leaves,
        bytes32[] calldata proof
    ) external {
        bytes32[] memory hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint256 leaf = leaves[i];
            hashes[i] = LeafProof.hash(KIND_LICENCE, leaf >> 128, uint64(leaf >> 64), uint64(leaf));
        }
        LeafProof.verifyRange(attestations.finalRoot(epoch), hashes, treeIndex, proof);

        uint256 reportEnd = _endOf(epoch);
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint256 leaf = leaves[i];
            _apply(reportEnd, leaf >> 128, uint64(leaf >> 64), uint64(leaf));
        }
        emit LicencesSettled(epoch, leaves[0] >> 128, leaves.length);
    }

    /// @inheritdoc ILicenceRewards
    // slither-disable-next-line reentrancy-no-eth -- each licence is booked before its mint, and the token calls nobody
    function claim(uint256[] calldata ids) external nonReentrant returns (uint256 amount) {
        bytes[4] memory tables;
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 licence = ids[i];
            if (!_due(licence)) continue;
            Kind kind = licences.kindOf(licence);
            address holder = licences.ownerOf(licence);
            if (kind == Kind.Genesis) {
                amount += _paySplit(licence, tables);
            } else if (holder.code.length == 0 || _actsFor(holder)) {
                amount += _pay(licence, kind, holder, tables);
            } else {
                emit RewardWaits(licence, Status.None);
            }
        }
    }

    /// @inheritdoc ILicenceRewards
    function claimTo(uint256[] calldata ids, address recipient) external nonReentrant returns (uint256 amount) {
        require(recipient != address(0), LicenceRewards_ZeroRecipient());
        bytes[4] memory tables;
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 licence = ids[i];
            Kind kind = licences.kindOf(licence);
            require(_actsFor(licences.ownerOf(licence)), LicenceRewards_NotHolder(licence, msg.sender));
            require(kind != Kind.Genesis, LicenceRewards_FixedRecipients(licence));
            if (_due(licence)) amount += _pay(licence, kind, recipient, tables);
        }
    }

    /// @inheritdoc ILicenceRewards
    function claimable(uint256 licence) external view returns (uint256) {
        Availability memory a = _availability[licence];
        Curve storage stored = _curves[licences.kindOf(licence)];
        if (a.earned == a.claimed) return 0;
        Curve memory curve = stored;
        bytes memory table = stored.read();
        return (curve.emission(table, a.earned) - curve.emission(table, a.claimed)).min(curve.left);
    }

    /// @inheritdoc ILicenceRewards
    function availabilityOf(uint256 licence) external view returns (Availability memory) {
        return _availability[licence];
    }

    /// @inheritdoc ILicenceRewards
    function availabilitiesOf(uint256[] calldata ids) external view returns (Availability[] memory all) {
        all = new Availability[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) all[i] = _availability[ids[i]];
    }

    /// @inheritdoc ILicenceRewards
    function emission(Kind kind, uint256 secs) external view returns (uint256) {
        Curve memory curve = _curves[kind];
        return curve.emission(_curves[kind].read(), secs);
    }

    /// @inheritdoc ILicenceRewards
    function startsAt(Kind kind) external view returns (uint40) {
        return _curves[kind].startsAt;
    }

    /// @inheritdoc ILicenceRewards
    function curveOf(Kind kind) external view returns (Curve memory) {
        return _curves[kind];
    }

    /// @inheritdoc ILicenceRewards
    function genesisWallets() external view returns (address[] memory) {
        return _genesisWallets;
    }

    /// @dev Books a proved leaf's seconds within their bounds; never reverts.
    function _apply(uint256 reportEnd, uint256 licence, uint256 earned, uint256 accounted) private {
        Availability memory a = _availability[licence];
        if (a.through == 0) {
            a.through = _curves[licences.kindOf(licence)].startsAt;
            // A leaf of no licence, or of a kind that gets nothing, is void.
            if (a.through == 0) return;
        }
        uint256 room = reportEnd.saturatingSub(a.through);
        uint256 unbooked = licences.linkedSeconds(licence).saturatingSub(a.accounted);
        accounted = accounted.saturatingSub(a.accounted);
        earned = earned.saturatingSub(a.earned);
        // What a leaf earned of the time that it accounts is cut to that time; only what goes beyond is an appeal.
        uint256 raised = earned.saturatingSub(accounted).min(a.accounted - a.earned);
        uint256 newAccounted = accounted.min(room).min(unbooked);
        earned = earned.min(accounted).min(newAccounted) + raised;
        if (room == 0 && earned == 0) return;

        // All three stay below the end of a report, which fits 40 bits.
        a.through = uint40(a.through + room);
        a.accounted = uint40(a.accounted + newAccounted);
        a.earned = uint40(a.earned + earned);
        _availability[licence] = a;
    }

    /// @dev Whether something is to be paid for a licence and nothing makes it wait.
    function _due(uint256 licence) private returns (bool) {
        Availability storage a = _availability[licence];
        if (a.earned == a.claimed) return false;
        if (!trust.isFrozen(Subjects.licence(licence))) return true;
        emit RewardWaits(licence, Status.Frozen);
        return false;
    }

    function _pay(uint256 licence, Kind kind, address recipient, bytes[4] memory tables) private returns (uint256) {
        (uint256 before, uint256 now_, uint40 earned) = _book(licence, kind, tables);
        uint256 amount = now_ - before;
        emit RewardPaid(licence, recipient, amount, earned);
        token.mint(recipient, amount);
        return amount;
    }

    /// @dev Of a whole W, wallet i of n has floor((W + i) / n). These add up to W and none ever falls, so that each claim pays what its
    /// wallet's share grew by, and the path of claims doesn't matter here either.
    function _paySplit(uint256 licence, bytes[4] memory tables) private returns (uint256 amount) {
        (uint256 before, uint256 now_, uint40 earned) = _book(licence, Kind.Genesis, tables);
        uint256 count = _genesisWallets.length;
        amount = now_ - before;
        for (uint256 i = 0; i < count; ++i) {
            address wallet = _genesisWallets[i];
            uint256 part = (now_ + i) / count - (before + i) / count;
            emit RewardPaid(licence, wallet, part, earned);
            token.mint(wallet, part);
        }
    }

    /// @dev Books all earned seconds as paid.
    /// @param tables of kinds that this call has read before
    /// @return before what was emitted for the licence before
    /// @return now_ what is emitted for it with this
    /// @return earned the seconds that are paid now
    function _book(
        uint256 licence,
        Kind kind,
        bytes[4] memory tables
    ) private returns (uint256 before, uint256 now_, uint40 earned) {
        Curve storage stored = _curves[kind];
        if (tables[uint8(kind)].length == 0) tables[uint8(kind)] = stored.read();
        bytes memory table = tables[uint8(kind)];
        Curve memory curve = stored;
        Availability storage a = _availability[licence];
        earned = a.earned;
        before = curve.emission(table, a.claimed);
        // The limit of the kind binds only if there were more licences than their supply.
        now_ = curve.emission(table, earned).min(before + curve.left);
        a.claimed = earned;
        stored.left = uint128(curve.left - (now_ - before));
    }

    /// @dev Whether the caller is the holder or one of the holder's operators.
    function _actsFor(address holder) private view returns (bool) {
        return msg.sender == holder || licences.isApprovedForAll(holder, msg.sender);
    }

    function _endOf(uint64 epoch) private view returns (uint256) {
        return GENESIS + (uint256(epoch) + 1) * EPOCH_LENGTH;
    }
}
