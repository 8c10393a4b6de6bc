// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {RewardNeighbours} from "./fakes/Rewards.sol";
import {Trees} from "./Trees.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {Availability, ILicenceRewards, RewardSettings} from "../../contracts/interfaces/ILicenceRewards.sol";
import {INetworkToken} from "../../contracts/interfaces/INetworkToken.sol";
import {INodeLicense, Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {LicenceRewards} from "../../contracts/rewards/LicenceRewards.sol";
import {NetworkToken} from "../../contracts/rewards/NetworkToken.sol";

/// @dev A holder that can't pass on what it is sent.
contract Custodian {}

contract LicenceRewardsTest is Test {
    uint40 private constant GENESIS = 1_700_000_000;
    uint32 private constant EPOCH = 1000;
    uint64 private constant MASTER_START = 5;
    uint96 private constant CAP = 1_000_003;
    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);

    // 1 and 2 standard, 3 master, 4 genesis.
    RewardNeighbours private world = new RewardNeighbours(GENESIS, EPOCH);
    NetworkToken private token;
    LicenceRewards private rewards;
    address[] private wallets;

    function setUp() external {
        world.setSupply(Kind.Standard, 10);
        world.setSupply(Kind.Master, 3);
        world.setSupply(Kind.Genesis, 1);
        world.setLicence(1, Kind.Standard, ALICE);
        world.setLicence(2, Kind.Standard, BOB);
        world.setLicence(3, Kind.Master, ALICE);
        world.setLicence(4, Kind.Genesis, BOB);
        for (uint256 i = 1; i < 5; ++i) world.setLinked(i, type(uint64).max);
        for (uint160 i = 1; i < 6; ++i) wallets.push(address(0x6E0 + i));
        rewards = _deploy(_settings(), 14 * uint256(CAP));
    }

    // Settling

    function test_settle__leaf_of_one_epoch__books_its_seconds() external {
        world.setRoot(0, LeafProof.hash(2, 1, 700, 900));
        vm.expectEmit(address(rewards));
        emit ILicenceRewards.LicencesSettled(0, 1, 1);
        rewards.settle(0, 1, 700, 900, new bytes32[](0));
        _assertBooked(1, GENESIS + EPOCH, 900, 700);
        assertEq(rewards.claimable(1), (uint256(CAP) * 700) / 10_000);
    }

    function test_settle__leaf_of_another_report__is_refused() external {
        world.setRoot(0, LeafProof.hash(1, 1, 700, 900));
        vm.expectRevert(
            abi.encodeWithSelector(
                ILicenceRewards.LicenceRewards_LeafNotInReport.selector,
                uint64(0),
                LeafProof.hash(2, 1, 700, 900)
            )
        );
        rewards.settle(0, 1, 700, 900, new bytes32[](0));
    }

    function test_settle__more_than_the_time__is_cut_to_it() external {
        _settle(1, 1, type(uint64).max, type(uint64).max);
        _assertBooked(1, GENESIS + 2 * EPOCH, 2 * EPOCH, 2 * EPOCH);
    }

    function test_settle__more_than_the_linked_time__is_cut_to_it() external {
        world.setLinked(1, 600);
        _settle(0, 1, 800, 900);
        _assertBooked(1, GENESIS + EPOCH, 600, 600);
        world.setLinked(1, 650);
        _settle(1, 1, 900, 1900);
        _assertBooked(1, GENESIS + 2 * EPOCH, 650, 650);
    }

    function test_settle__skipped_epochs__enter_the_next() external {
        _settle(9, 1, 5000, 6000);
        _assertBooked(1, GENESIS + 10 * EPOCH, 6000, 5000);
    }

    function test_settle__older_or_same_leaf__does_nothing() external {
        _settle(2, 1, 2500, 3000);
        _settle(1, 1, 2000, 2000);
        _settle(2, 1, 2500, 3000);
        _assertBooked(1, GENESIS + 3 * EPOCH, 3000, 2500);
    }

    function test_settle__seconds_below_the_booked__take_nothing_back() external {
        _settle(0, 1, 900, 900);
        _settle(1, 1, 100, 1000);
        _assertBooked(1, GENESIS + 2 * EPOCH, 1000, 900);
    }

    function test_settle__appeal__raises_what_was_not_earned_alone() external {
        _settle(0, 1, 200, 1000);
        _settle(1, 1, 1700, 2000); // 1000 more accounted, of which 1000 earned, and 500 raised
        _assertBooked(1, GENESIS + 2 * EPOCH, 2000, 1700);
        _settle(2, 1, 9999, 2000); // 300 are left to raise
        _assertBooked(1, GENESIS + 3 * EPOCH, 2000, 2000);
    }

    function test_settle__before_the_kinds_start__does_nothing() external {
        _settle(MASTER_START - 1, 3, 5000, 5000);
        _assertBooked(3, 0, 0, 0);
        _settle(MASTER_START, 3, 6000, 6000);
        _assertBooked(3, GENESIS + 6 * EPOCH, EPOCH, EPOCH);
    }

    function test_settle__no_licence__does_nothing() external {
        _settle(0, 99, 500, 500);
        _assertBooked(99, 0, 0, 0);
        _settle(0, type(uint256).max, 500, 500);
    }

    function test_settle_range__with_void_leaves_between__settles_the_others() external {
        (uint256[] memory leaves, uint256 treeIndex, bytes32[] memory proof) = _range(0);
        vm.expectEmit();
        emit ILicenceRewards.LicencesSettled(0, 1, 4);
        rewards.settleRange(0, treeIndex, leaves, proof);
        _assertBooked(1, GENESIS + EPOCH, 1000, 510);
        _assertBooked(2, GENESIS + EPOCH, 1000, 520);
        _assertBooked(3, 0, 0, 0);
        _assertBooked(4, GENESIS + EPOCH, 1000, 540);
    }

    function test_settle_range__changed_leaf__is_refused() external {
        (uint256[] memory leaves, uint256 treeIndex, bytes32[] memory proof) = _range(0);
        leaves[2] += 1 << 64;
        vm.expectPartialRevert(LeafProof.LeafProof_WrongRoot.selector);
        rewards.settleRange(0, treeIndex, leaves, proof);
        vm.expectRevert(abi.encodeWithSelector(LeafProof.LeafProof_MalformedRange.selector, treeIndex, uint256(0)));
        rewards.settleRange(0, treeIndex, new uint256[](0), proof);
    }

    /// @dev Whatever a committee signs: no second beyond the time and the link, and to the unit S of the booked seconds.
    function testFuzz_settle__any_leaves__stay_within_bounds_and_pay_s(
        uint64[8] calldata earned,
        uint64[8] calldata accounted,
        uint16[8] calldata linked,
        uint8 claims,
        bool small
    ) external {
        uint256 linkedSoFar = 0;
        world.setLinked(3, 0);
        for (uint64 i = 0; i < 8; ++i) {
            linkedSoFar += linked[i] % 1500;
            world.setLinked(3, linkedSoFar);
            Availability memory before = rewards.availabilityOf(3);
            uint64 e = small ? earned[i] % 10_000 : earned[i];
            uint64 a = small ? accounted[i] % 10_000 : accounted[i];
            uint64 epoch = 3 + i * 2;
            _settle(epoch, 3, e, a);
            Availability memory b = rewards.availabilityOf(3);
            if (epoch >= MASTER_START) assertEq(b.through, GENESIS + (epoch + 1) * EPOCH);
            assertLe(b.earned, b.accounted, "earned");
            assertLe(b.accounted, linkedSoFar, "linked");
            assertLe(b.accounted, epoch < MASTER_START ? 0 : (epoch + 1 - MASTER_START) * EPOCH, "time");
            assertGe(b.earned, before.earned);
            assertGe(b.accounted, before.accounted);
            if ((claims >> i) & 1 == 1) {
                rewards.claim(_one(3));
                assertEq(token.balanceOf(ALICE), rewards.emission(Kind.Master, b.earned));
                assertEq(rewards.claimable(3), 0);
            }
        }
        rewards.claim(_one(3));
        assertEq(token.totalSupply(), rewards.emission(Kind.Master, rewards.availabilityOf(3).earned));
    }

    // Claiming

    function test_claim__by_anyone__mints_to_the_present_holder_once() external {
        _settle(0, 1, 700, 900);
        world.setLicence(1, Kind.Standard, BOB);
        uint256 due = (uint256(CAP) * 700) / 10_000;
        vm.expectEmit();
        emit ILicenceRewards.RewardPaid(1, BOB, due, 700);
        assertEq(rewards.claim(_one(1)), due);
        assertEq(rewards.claim(_one(1)), 0);
        assertEq(token.balanceOf(BOB), due);
        assertEq(rewards.curveOf(Kind.Standard).left, 10 * uint256(CAP) - due);
    }

    function test_claim__twice_in_one_list__pays_once() external {
        _settle(0, 1, 700, 900);
        uint256[] memory twice = new uint256[](2);
        (twice[0], twice[1]) = (1, 1);
        assertEq(rewards.claim(twice), (uint256(CAP) * 700) / 10_000);
    }

    function test_claim__all_seconds__is_the_cap_exactly() external {
        for (uint64 i = 0; i < 40; i += 3) {
            _settle(i, 1, type(uint64).max, type(uint64).max);
            rewards.claim(_one(1));
        }
        assertEq(token.balanceOf(ALICE), CAP);
    }

    function test_claim__one_frozen_and_one_in_custody__others_are_paid() external {
        address custodian = address(new Custodian());
        for (uint256 i = 1; i < 5; ++i) _settle(9, i, 5000, 5000);
        world.setStatus(Subjects.licence(1), Status.Frozen);
        world.setLicence(2, Kind.Standard, custodian);
        vm.expectEmit();
        emit ILicenceRewards.RewardWaits(1, Status.Frozen);
        vm.expectEmit();
        emit ILicenceRewards.RewardWaits(2, Status.None);
        rewards.claim(_all());
        assertEq(token.balanceOf(custodian), 0);
        assertEq(token.balanceOf(ALICE), rewards.emission(Kind.Master, 5000));
        assertGt(rewards.claimable(1), 0);
        assertGt(rewards.claimable(2), 0);

        world.setStatus(Subjects.licence(1), Status.None);
        vm.prank(custodian);
        assertEq(rewards.claim(_all()), rewards.emission(Kind.Standard, 5000) * 2);
    }

    function test_claim__suspended_or_blacklisted__is_paid() external {
        _settle(0, 1, 700, 900);
        _settle(0, 2, 700, 900);
        world.setStatus(Subjects.licence(1), Status.Suspended);
        world.setStatus(Subjects.licence(2), Status.Blacklisted);
        assertEq(rewards.claim(_all()), 2 * rewards.emission(Kind.Standard, 700));
    }

    function test_claim__genesis__is_split_among_the_wallets_whatever_the_path() external {
        uint256 whole = 0;
        for (uint64 i = 1; i <= 7; ++i) {
            _settle(i - 1, 4, i * 143, i * 1000);
            whole += rewards.claim(_one(4));
        }
        uint256 due = rewards.emission(Kind.Genesis, 1001);
        assertEq(whole, due);
        for (uint256 i = 0; i < 5; ++i) assertEq(token.balanceOf(wallets[i]), (due + i) / 5);
        assertEq(token.balanceOf(BOB), 0, "the holder gets nothing");
    }

    /// @dev However few units a claim brings, no wallet's share falls by it.
    function testFuzz_claim__genesis_unit_by_unit__never_fails(uint8[20] calldata steps) external {
        RewardSettings memory s = _settings();
        // One unit a second.
        (s.schedules[2].stepEpochs, s.schedules[2].cap, s.schedules[2].startEpoch) = (10, 10_000, 0);
        s.schedules[2].shares = abi.encodePacked(uint64(1e18));
        rewards = _deploy(s, 14 * uint256(CAP));
        uint64 earned = 0;
        for (uint64 i = 0; i < 20; ++i) {
            uint256 step = steps[i] % 8;
            earned += uint64(step);
            _settle(i, 4, earned, earned);
            assertEq(rewards.claim(_one(4)), step);
            for (uint256 w = 0; w < 5; ++w) assertEq(token.balanceOf(wallets[w]), (earned + w) / 5);
        }
    }

    function test_claim__more_licences_than_the_supply__stop_at_the_kinds_limit() external {
        for (uint256 i = 10; i < 21; ++i) {
            world.setLicence(i, Kind.Standard, ALICE);
            world.setLinked(i, 1e9);
            _settle(40, i, 1e9, 1e9);
            rewards.claim(_one(i));
        }
        assertEq(token.balanceOf(ALICE), 10 * uint256(CAP));
    }

    function test_claim_to__holder_and_operator__choose_the_recipient() external {
        _settle(0, 1, 500, 500);
        vm.prank(ALICE);
        rewards.claimTo(_one(1), BOB);
        _settle(1, 1, 1000, 1000);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(ILicenceRewards.LicenceRewards_NotHolder.selector, uint256(1), BOB));
        rewards.claimTo(_one(1), BOB);
        vm.prank(ALICE);
        world.approveAll(BOB, true);
        world.setStatus(Subjects.licence(1), Status.Frozen);
        vm.prank(BOB);
        assertEq(rewards.claimTo(_one(1), BOB), 0);
        world.setStatus(Subjects.licence(1), Status.None);
        vm.prank(BOB);
        rewards.claimTo(_one(1), BOB);
        assertEq(token.balanceOf(BOB), rewards.emission(Kind.Standard, 1000));
    }

    function test_claim_to__genesis_or_zero__is_refused() external {
        vm.startPrank(BOB);
        vm.expectRevert(abi.encodeWithSelector(ILicenceRewards.LicenceRewards_FixedRecipients.selector, uint256(4)));
        rewards.claimTo(_one(4), BOB);
        vm.expectRevert(ILicenceRewards.LicenceRewards_ZeroRecipient.selector);
        rewards.claimTo(_one(2), address(0));
    }

    // Deploying

    function test_constructor__caps_beyond_the_tokens__is_refused() external {
        _refuse(_settings(), 14 * uint256(CAP) - 1, "the supplies of licences times their caps fit the token's cap");
    }

    function test_constructor__wallets__are_as_the_genesis_reward() external {
        RewardSettings memory s = _settings();
        s.genesisWallets = new address[](0);
        _refuse(s, 1e18, "a genesis reward has 1 to 16 wallets");
        s.genesisWallets = new address[](17);
        _refuse(s, 1e18, "a genesis reward has 1 to 16 wallets");
        s.genesisWallets = new address[](1);
        _refuse(s, 1e18, "genesis wallets are not zero");
        s = _settings();
        (s.schedules[2].cap, s.schedules[2].shares) = (0, "");
        _refuse(s, 1e18, "a genesis reward has 1 to 16 wallets");
        s.genesisWallets = new address[](0);
        assertEq(_deploy(s, 1e18).startsAt(Kind.Genesis), 0);
    }

    function test_constructor__foreign_token_or_no_trust__is_refused() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                ILicenceRewards.LicenceRewards_SettingViolated.selector,
                "these rewards mint the token"
            )
        );
        new LicenceRewards(
            IAttestations(address(world)),
            INodeLicense(address(world)),
            ITrustRegistry(address(world)),
            token,
            _settings()
        );
        vm.expectRevert(
            abi.encodeWithSelector(ILicenceRewards.LicenceRewards_SettingViolated.selector, "trust is not zero")
        );
        new LicenceRewards(
            IAttestations(address(world)),
            INodeLicense(address(world)),
            ITrustRegistry(address(0)),
            token,
            _settings()
        );
    }

    function test_views__deployed__say_what_was_set() external view {
        assertEq(rewards.startsAt(Kind.Master), GENESIS + MASTER_START * EPOCH);
        assertEq(rewards.genesisWallets(), wallets);
        uint256[] memory two = new uint256[](2);
        assertEq(rewards.availabilitiesOf(two).length, 2);
        assertEq(rewards.emission(Kind.None, 1e9), 0);
    }

    function _settings() private view returns (RewardSettings memory s) {
        (s.schedules[0].stepEpochs, s.schedules[0].cap) = (10, CAP);
        s.schedules[0].shares = abi.encodePacked(uint64(1e18));
        (s.schedules[1].startEpoch, s.schedules[1].stepEpochs, s.schedules[1].cap) = (uint32(MASTER_START), 2, CAP);
        s.schedules[1].shares = abi.encodePacked(uint64(1e17), uint64(3e17), uint64(333e15), uint64(1e18));
        (s.schedules[2].stepEpochs, s.schedules[2].cap) = (7, CAP);
        s.schedules[2].shares = abi.encodePacked(uint64(1e18));
        s.genesisWallets = wallets;
    }

    function _deploy(RewardSettings memory s, uint256 cap) private returns (LicenceRewards) {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        token = new NetworkToken("Network", "NET", cap, next);
        return
            new LicenceRewards(
                IAttestations(address(world)),
                INodeLicense(address(world)),
                ITrustRegistry(address(world)),
                token,
                s
            );
    }

    function _refuse(RewardSettings memory s, uint256 cap, string memory rule) private {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        token = new NetworkToken("Network", "NET", cap, next);
        vm.expectRevert(abi.encodeWithSelector(ILicenceRewards.LicenceRewards_SettingViolated.selector, rule));
        new LicenceRewards(
            IAttestations(address(world)),
            INodeLicense(address(world)),
            ITrustRegistry(address(world)),
            INetworkToken(token),
            s
        );
    }

    /// @dev A report of one leaf.
    function _settle(uint64 epoch, uint256 licence, uint64 earned, uint64 accounted) private {
        world.setRoot(epoch, LeafProof.hash(2, licence, earned, accounted));
        rewards.settle(epoch, licence, earned, accounted, new bytes32[](0));
    }

    /// @dev A report of four leaves at one depth.
    function _range(uint64 epoch) private returns (uint256[] memory leaves, uint256 treeIndex, bytes32[] memory proof) {
        leaves = new uint256[](4);
        bytes32[] memory hashes = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            uint64 earned = uint64(510 + 10 * i);
            leaves[i] = ((i + 1) << 128) | (uint256(earned) << 64) | 1000;
            hashes[i] = LeafProof.hash(2, i + 1, earned, 1000);
        }
        bytes32[] memory nodes = Trees.build(hashes);
        world.setRoot(epoch, nodes[0]);
        (treeIndex, proof) = Trees.prove(nodes, 0, 3);
    }

    function _assertBooked(uint256 licence, uint256 through, uint256 accounted, uint256 earned) private view {
        Availability memory a = rewards.availabilityOf(licence);
        assertEq(a.through, through, "through");
        assertEq(a.accounted, accounted, "accounted");
        assertEq(a.earned, earned, "earned");
    }

    function _one(uint256 licence) private pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = licence;
    }

    function _all() private pure returns (uint256[] memory list) {
        list = new uint256[](4);
        for (uint256 i = 0; i < 4; ++i) list[i] = i + 1;
    }
}
