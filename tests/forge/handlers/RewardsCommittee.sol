// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {IAttestations} from "../../../contracts/interfaces/IAttestations.sol";
import {ILicenceRewards, RewardSettings} from "../../../contracts/interfaces/ILicenceRewards.sol";
import {Kind, LicenceSettings} from "../../../contracts/interfaces/INodeLicense.sol";
import {LeafProof} from "../../../contracts/libraries/LeafProof.sol";
import {Schedule} from "../../../contracts/libraries/Schedules.sol";
import {NodeLicense} from "../../../contracts/licences/NodeLicense.sol";
import {LicenceRewards} from "../../../contracts/rewards/LicenceRewards.sol";
import {NetworkToken} from "../../../contracts/rewards/NetworkToken.sol";
import {RewardNeighbours} from "../fakes/Rewards.sol";
import {Trees} from "../Trees.sol";
import {RewardsModel} from "./RewardsModel.sol";

/// @dev A holder that has code.
contract Custodian is ERC721Holder {}

/// @dev Licences, their rewards, and a committee that reports whatever it likes; only the two newest reports can be proved against.
abstract contract RewardsCommittee is RewardsModel {
    uint256 public constant PEOPLE = 4;
    uint32 private constant COOLDOWN = 2_500;

    /// @param leaves as {ILicenceRewards.settleRange} takes them, one for each licence and one of none
    struct Report {
        uint64 epoch;
        uint256[] leaves;
    }

    NodeLicense public licences;
    NetworkToken public token;
    LicenceRewards public rewards;
    uint256 public burned;
    mapping(address holder => uint256) public burnedBy;
    RewardNeighbours private _committee = new RewardNeighbours(uint40(GENESIS), uint32(EPOCH));
    address internal _custodian = address(new Custodian());
    Report[] private _reports;

    constructor() {
        licences = new NodeLicense(address(authority), address(1), trust, LicenceSettings(COOLDOWN, [uint96(3), 2, 1]));
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        uint256 cap = limitOf(Kind.Standard) + limitOf(Kind.Master) + limitOf(Kind.Genesis);
        token = new NetworkToken("Network", "NET", cap, next);
        RewardSettings memory s;
        for (uint256 i = 0; i < 3; ++i) s.schedules[i] = _schedule(plans[Kind(i + 1)]);
        s.genesisWallets = new address[](WALLETS);
        for (uint256 i = 0; i < WALLETS; ++i) s.genesisWallets[i] = wallet(i);
        bytes memory asked = abi.encodeCall(licences.supplyOf, (Kind.Master));
        vm.mockCall(address(licences), asked, abi.encode(plans[Kind.Master].supply, 0));
        rewards = new LicenceRewards(IAttestations(address(_committee)), licences, trust, token, s);
        vm.clearMockedCalls();

        Kind[5] memory kinds = [Kind.Standard, Kind.Master, Kind.Genesis, Kind.Standard, Kind.Master];
        for (uint256 i = 0; i < kinds.length; ++i) {
            licences.mint(people(i % PEOPLE), kinds[i]);
            books.push().kind = kinds[i];
            _link(licences, i + 1, people(i % PEOPLE), i + 1);
            books[i + 1].linkedSince = uint40(GENESIS);
        }
    }

    /// @dev The last of them is a contract.
    function people(uint256 i) public view returns (address) {
        return i == 3 ? _custodian : address(uint160(0xA000 + i));
    }

    /// @dev An epoch ends, after some that got no report, and another report is final: the last but one isn't proved against any more.
    function report(uint256 seed) external {
        uint256 epoch = (_now() - GENESIS) / EPOCH + (seed % 8 == 0 ? _in(seed >> 8, 1, 3) : 0);
        vm.warp(GENESIS + (epoch + 1) * EPOCH + _in(seed >> 16, 0, EPOCH - 1));
        Report storage r = _reports.push();
        r.epoch = uint64(epoch);
        for (uint256 licence = 1; licence <= count() + 1; ++licence) {
            (uint64 earned, uint64 accounted) = _seen(licence, uint256(keccak256(abi.encode(seed, licence))));
            r.leaves.push((licence << 128) | (uint256(earned) << 64) | accounted);
        }
        _committee.setRoot(r.epoch, _nodes(r.leaves)[0]);
        if (_reports.length > 2) _committee.setRoot(_reports[_reports.length - 3].epoch, 0);
        ++done["report"];
    }

    function settle(uint256 seed) external {
        if (_reports.length == 0) return;
        (Report storage r, bool final_) = _some(seed);
        uint256 i = (seed >> 8) % r.leaves.length;
        (, bytes32[] memory proof) = Trees.prove(_nodes(r.leaves), i, i);
        (uint256 licence, uint64 earned, uint64 accounted) = _parts(r.leaves[i]);
        _against(!final_, ILicenceRewards.LicenceRewards_LeafNotInReport.selector);
        bytes memory data = abi.encodeCall(rewards.settle, (r.epoch, licence, earned, accounted, proof));
        if (_take("settle", STRANGER, address(rewards), data)) _settled(licence, _endOf(r.epoch), earned, accounted);
    }

    function settleRange(uint256 seed) external {
        if (_reports.length == 0) return;
        (Report storage r, bool final_) = _some(seed);
        (uint256[] memory leaves, uint256 index, bytes32[] memory proof) = _range(r.leaves, seed >> 8);
        _against(!final_, LeafProof.LeafProof_WrongRoot.selector);
        bytes memory data = abi.encodeCall(rewards.settleRange, (r.epoch, index, leaves, proof));
        if (!_take("settleRange", STRANGER, address(rewards), data)) return;
        for (uint256 i = 0; i < leaves.length; ++i) {
            (uint256 licence, uint64 earned, uint64 accounted) = _parts(leaves[i]);
            _settled(licence, _endOf(r.epoch), earned, accounted);
        }
    }

    /// @dev Leaves that no report has: a second more, alone or in a range.
    function forge(uint256 seed) external {
        if (_reports.length == 0) return;
        (Report storage r, ) = _some(seed);
        (uint256[] memory leaves, uint256 index, bytes32[] memory proof) = _range(r.leaves, seed >> 8);
        leaves[(seed >> 16) % leaves.length] ^= 1 << 64;
        _against(true, LeafProof.LeafProof_WrongRoot.selector);
        _take(
            "forge",
            STRANGER,
            address(rewards),
            abi.encodeCall(rewards.settleRange, (r.epoch, index, leaves, proof))
        );

        uint256 i = (seed >> 8) % r.leaves.length;
        (, proof) = Trees.prove(_nodes(r.leaves), i, i);
        (uint256 licence, uint64 earned, uint64 accounted) = _parts(r.leaves[i] ^ (1 << 64));
        _against(true, ILicenceRewards.LicenceRewards_LeafNotInReport.selector);
        bytes memory data = abi.encodeCall(rewards.settle, (r.epoch, licence, earned, accounted, proof));
        _take("forge", STRANGER, address(rewards), data);
    }

    function _endOf(uint64 epoch) private pure returns (uint256) {
        return GENESIS + (uint256(epoch) + 1) * EPOCH;
    }

    /// @dev What the committee says of a licence: mostly the truth, else too much, too little, an appeal, or anything.
    function _seen(uint256 licence, uint256 draw) private view returns (uint64 earned, uint64 accounted) {
        Book memory b = licence > count() ? books[0] : books[licence];
        uint256 manner = draw % 10;
        (uint256 e, uint256 a) = (draw >> 192, uint64(draw >> 128));
        if (manner == 0) return (uint64(e), uint64(a));
        if (manner == 1) return (uint64(e % 10_000), uint64(a % 10_000));
        if (manner == 2) return (uint64(e % (b.earned + 1)), uint64(a % (b.accounted + 1)));
        if (manner == 3) return (uint64(b.earned + (e % (b.accounted + 100))), uint64(b.accounted));
        a = licence > count() ? EPOCH : linkedSeconds(licence);
        return (uint64((a * _in(e, 50, 100)) / 100), uint64(a));
    }

    /// @dev One of the newest two reports, at times one that isn't final any more.
    function _some(uint256 seed) private view returns (Report storage r, bool final_) {
        uint256 back = _min(seed % 8 == 0 ? (seed >> 4) % 4 : seed % 2, _reports.length - 1);
        return (_reports[_reports.length - 1 - back], back < 2);
    }

    /// @dev Consecutive leaves of one depth.
    function _range(
        uint256[] storage leaves,
        uint256 draw
    ) private view returns (uint256[] memory some, uint256 index, bytes32[] memory proof) {
        uint256 first = draw % leaves.length;
        uint256 last = first;
        while (last + 1 < leaves.length && Trees.level(leaves.length, first, last + 1)) ++last;
        some = new uint256[](last - first + 1);
        for (uint256 i = 0; i < some.length; ++i) some[i] = leaves[first + i];
        (index, proof) = Trees.prove(_nodes(leaves), first, last);
    }

    function _nodes(uint256[] memory leaves) private pure returns (bytes32[] memory) {
        bytes32[] memory hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            (uint256 licence, uint64 earned, uint64 accounted) = _parts(leaves[i]);
            hashes[i] = LeafProof.hash(2, licence, earned, accounted);
        }
        return Trees.build(hashes);
    }

    function _parts(uint256 leaf) private pure returns (uint256 licence, uint64 earned, uint64 accounted) {
        return (leaf >> 128, uint64(leaf >> 64), uint64(leaf));
    }

    function _schedule(Plan memory p) private pure returns (Schedule memory) {
        bytes memory shares = abi.encodePacked(p.points[0], p.points[1], p.points[2], p.points[3]);
        return Schedule(p.start, p.stepEpochs, p.cap, shares);
    }
}
