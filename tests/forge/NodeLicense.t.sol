// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable avoid-low-level-calls

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {INodeLicense, Kind, LicenceSettings} from "../../contracts/interfaces/INodeLicense.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {NodeLicense} from "../../contracts/licences/NodeLicense.sol";
import {EagerReceiver, FakeTrust, Signing} from "./fakes/Licences.sol";

contract NodeLicenseTest is Signing {
    uint32 private constant COOLDOWN = 24 hours;

    Authority private authority = new Authority(address(this));
    FakeTrust private trust = new FakeTrust();
    NodeLicense private licences;
    address private escrow = makeAddr("escrow");
    address private holder = makeAddr("holder");
    address private other = makeAddr("other");
    address private node;
    uint256 private key;
    address private secondNode;
    uint256 private secondKey;

    function setUp() external {
        vm.warp(1_800_000_000);
        (node, key) = makeAddrAndKey("node");
        (secondNode, secondKey) = makeAddrAndKey("second node");
        licences = _deploy(COOLDOWN, [uint96(5), 3, 1]);
        licences.mint(holder, Kind.Standard);
    }

    // Deployment

    function test_constructor__a_setting_out_of_its_bounds__is_refused() external {
        _expectSettingViolated("relinkCooldown <= 30 days");
        _deploy(30 days + 1, [uint96(1), 1, 1]);
        _expectSettingViolated("supply of all kinds < 2^96");
        _deploy(0, [type(uint96).max, 1, 0]);
        ITrustRegistry registry = ITrustRegistry(address(trust));
        LicenceSettings memory settings = LicenceSettings(0, [uint96(1), 1, 1]);
        _expectSettingViolated("escrow and trust are not zero");
        new NodeLicense(address(authority), address(0), registry, settings);
        _expectSettingViolated("escrow and trust are not zero");
        new NodeLicense(address(authority), escrow, ITrustRegistry(address(0)), settings);

        licences = _deploy(30 days, [type(uint96).max, 0, 0]);
        assertEq(licences.relinkCooldown(), 30 days);
        assertEq(licences.escrow(), escrow);
        assertEq(address(licences.trust()), address(trust));
    }

    // Minting

    function test_mint__until_a_kind_is_exhausted__counts_ids_from_one_over_all_kinds() external {
        vm.expectEmit(address(licences));
        emit INodeLicense.LicenceMinted(2, Kind.Genesis, other);
        assertEq(licences.mint(other, Kind.Genesis), 2);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_Exhausted.selector, Kind.Genesis, 1));
        licences.mint(other, Kind.Genesis);
        for (uint256 i = 3; i < 6; ++i) assertEq(licences.mint(other, Kind.Master), i);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_Exhausted.selector, Kind.Master, 3));
        licences.mint(other, Kind.Master);
        for (uint256 i = 6; i < 10; ++i) assertEq(licences.mint(other, Kind.Standard), i);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_Exhausted.selector, Kind.Standard, 5));
        licences.mint(other, Kind.Standard);

        assertEq(licences.totalMinted(), 9);
        Kind[11] memory kinds;
        (kinds[1], kinds[2], kinds[3], kinds[4], kinds[5]) = (
            Kind.Standard,
            Kind.Genesis,
            Kind.Master,
            Kind.Master,
            Kind.Master
        );
        for (uint256 i = 6; i < 10; ++i) kinds[i] = Kind.Standard;
        for (uint256 i = 0; i < kinds.length; ++i) assertEq(uint8(licences.kindOf(i)), uint8(kinds[i]));
        _assertSupply(Kind.Standard, 5, 5);
        _assertSupply(Kind.Master, 3, 3);
        _assertSupply(Kind.Genesis, 1, 1);
    }

    function test_mint__of_no_kind__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_Exhausted.selector, Kind.None, 0));
        licences.mint(holder, Kind.None);
        (bool done, ) = address(licences).call(abi.encodeWithSignature("mint(address,uint8)", holder, 4));
        assertFalse(done, "a kind beyond the enum");
    }

    function test_mint__by_another_than_the_licensor__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, holder));
        vm.prank(holder);
        licences.mint(holder, Kind.Standard);
    }

    function test_mint__the_next_id_has_a_status__mints_all_the_same() external {
        trust.set(Subjects.licence(2), Status.Suspended);
        assertEq(licences.mint(other, Kind.Standard), 2);
        _expectBarred(Subjects.licence(2), Status.Suspended);
        vm.prank(other);
        licences.transferFrom(other, holder, 2);
    }

    function test_mint__receiver_mints_and_moves_in_the_callback__all_is_counted() external {
        EagerReceiver receiver = new EagerReceiver(licences, other);
        authority.grantRole(0, address(receiver), 0);
        assertEq(licences.mint(address(receiver), Kind.Standard), 2);
        assertEq(licences.ownerOf(2), other);
        assertEq(licences.ownerOf(3), address(receiver));
        assertEq(licences.totalMinted(), 3);
        assertEq(uint8(licences.kindOf(2)), uint8(Kind.Standard));
        assertEq(uint8(licences.kindOf(3)), uint8(Kind.Master));
        _assertSupply(Kind.Standard, 5, 2);
        _assertSupply(Kind.Master, 3, 1);
    }

    // Linking

    function test_link__with_consent__links_both_ways_and_tells_it() external {
        (bytes32 r, bytes32 vs) = _consent(1, holder, node, key, 0, FOREVER);
        vm.expectEmit(address(licences));
        emit INodeLicense.NodeLinked(1, node, holder);
        vm.expectEmit(address(licences));
        emit IERC4906.MetadataUpdate(1);
        vm.prank(holder);
        licences.link(1, node, FOREVER, r, vs);
        assertEq(licences.nodeOf(1), node);
        assertEq(licences.licenceOf(node), 1);
        assertEq(licences.consentNonce(node), 1);
    }

    function test_link__by_another_than_the_holder__is_refused() external {
        // An approval moves a licence; it doesn't link it.
        vm.startPrank(holder);
        licences.approve(other, 1);
        licences.setApprovalForAll(other, true);
        vm.stopPrank();
        (bytes32 r, bytes32 vs) = _consent(1, other, node, key, 0, FOREVER);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NotHolder.selector, 1, other));
        vm.prank(other);
        licences.link(1, node, FOREVER, r, vs);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 2));
        licences.link(2, node, FOREVER, r, vs);
    }

    function test_link__one_side_is_taken__is_refused() external {
        _link(1, holder, key);
        (bytes32 r, bytes32 vs) = _consent(1, holder, secondNode, secondKey, 0, FOREVER);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_AlreadyLinked.selector, 1, node));
        vm.prank(holder);
        licences.link(1, secondNode, FOREVER, r, vs);

        licences.mint(other, Kind.Standard);
        (r, vs) = _consent(2, other, node, key, 1, FOREVER);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NodeTaken.selector, node, 1));
        vm.prank(other);
        licences.link(2, node, FOREVER, r, vs);
    }

    function test_link__consent_expired__is_refused_after_its_last_second() external {
        uint64 deadline = uint64(vm.getBlockTimestamp());
        (bytes32 r, bytes32 vs) = _consent(1, holder, node, key, 0, deadline);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_ConsentExpired.selector, deadline));
        vm.prank(holder);
        licences.link(1, node, deadline, r, vs);
        vm.warp(deadline);
        vm.prank(holder);
        licences.link(1, node, deadline, r, vs);
    }

    function test_link__consent_to_something_else__is_refused() external {
        licences.mint(holder, Kind.Standard);
        bytes32[5] memory signed = [
            _digest(2, holder, node, 0, FOREVER),
            _digest(1, other, node, 0, FOREVER),
            _digest(1, holder, secondNode, 0, FOREVER),
            _digest(1, holder, node, 1, FOREVER),
            _digest(1, holder, node, 0, FOREVER - 1)
        ];
        for (uint256 i = 0; i < signed.length; ++i) {
            (bytes32 r, bytes32 vs) = vm.signCompact(key, signed[i]);
            address recovered = ECDSA.recover(_digest(1, holder, node, 0, FOREVER), r, vs);
            vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_WrongConsent.selector, recovered, node));
            vm.prank(holder);
            licences.link(1, node, FOREVER, r, vs);
        }
        assertEq(licences.consentNonce(node), 0, "a refused consent uses no nonce");
    }

    function test_link__consent_used_before__is_refused() external {
        (bytes32 r, bytes32 vs) = _consent(1, holder, node, key, 0, FOREVER);
        vm.prank(holder);
        licences.link(1, node, FOREVER, r, vs);
        vm.prank(node);
        licences.unlink(1);
        skip(COOLDOWN);
        vm.expectPartialRevert(INodeLicense.NodeLicense_WrongConsent.selector);
        vm.prank(holder);
        licences.link(1, node, FOREVER, r, vs);
    }

    function test_link__signature_of_nobody__links_nobody() external {
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        vm.prank(holder);
        licences.link(1, address(0), FOREVER, 0, 0);
    }

    // Cooldown

    function test_link__within_the_cooldown_of_the_last_link__waits_for_its_end_even_after_a_transfer() external {
        assertEq(licences.relinkableAt(1), 0);
        uint256 linkedAt = vm.getBlockTimestamp();
        _link(1, holder, key);
        skip(10);
        vm.startPrank(holder);
        licences.unlink(1);
        licences.transferFrom(holder, other, 1);
        vm.stopPrank();
        assertEq(licences.relinkableAt(1), linkedAt + COOLDOWN);

        (bytes32 r, bytes32 vs) = _consent(1, other, secondNode, secondKey, 0, FOREVER);
        vm.warp(linkedAt + COOLDOWN - 1);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_CoolingDown.selector, 1, linkedAt + COOLDOWN));
        vm.prank(other);
        licences.link(1, secondNode, FOREVER, r, vs);
        vm.warp(linkedAt + COOLDOWN);
        vm.prank(other);
        licences.link(1, secondNode, FOREVER, r, vs);
        assertEq(licences.relinkableAt(1), linkedAt + 2 * COOLDOWN);
    }

    function test_link__after_long_service__replaces_the_node_at_once() external {
        _link(1, holder, key);
        skip(COOLDOWN);
        vm.prank(holder);
        licences.unlink(1);
        _link(1, holder, secondKey);
        assertEq(licences.nodeOf(1), secondNode);
        assertEq(licences.licenceOf(node), 0);
    }

    function test_link__no_cooldown_set__links_again_at_once() external {
        licences = _deploy(0, [uint96(1), 0, 0]);
        licences.mint(holder, Kind.Standard);
        _link(1, holder, key);
        vm.prank(node);
        licences.unlink(1);
        _link(1, holder, key);
        assertEq(licences.consentNonce(node), 2);
    }

    // Statuses

    function test_link__a_status_of_licence_or_node__is_refused() external {
        uint256[2] memory subjects = [Subjects.licence(1), Subjects.node(node)];
        (bytes32 r, bytes32 vs) = _consent(1, holder, node, key, 0, FOREVER);
        for (uint256 i = 0; i < subjects.length; ++i) {
            for (uint8 status = 1; status < 4; ++status) {
                trust.set(subjects[i], Status(status));
                _expectBarred(subjects[i], Status(status));
                vm.prank(holder);
                licences.link(1, node, FOREVER, r, vs);
            }
            trust.set(subjects[i], Status.None);
        }
        vm.prank(holder);
        licences.link(1, node, FOREVER, r, vs);
    }

    function test_unlink__whatever_stands_against_licence_and_node__is_done() external {
        licences = _deploy(0, [uint96(1), 0, 0]);
        licences.mint(holder, Kind.Standard);
        for (uint8 status = 0; status < 4; ++status) {
            trust.set(Subjects.licence(1), Status.None);
            trust.set(Subjects.node(node), Status.None);
            _link(1, holder, key);
            trust.set(Subjects.licence(1), Status(status));
            trust.set(Subjects.node(node), Status(status));
            vm.prank(status % 2 == 0 ? holder : node);
            licences.unlink(1);
            assertEq(licences.nodeOf(1), address(0));
        }
    }

    function test_transfer__a_status_of_the_licence__waits_for_its_end() external {
        for (uint8 status = 1; status < 4; ++status) {
            trust.set(Subjects.licence(1), Status(status));
            _expectBarred(Subjects.licence(1), Status(status));
            vm.prank(holder);
            licences.transferFrom(holder, other, 1);
        }
        trust.set(Subjects.licence(1), Status.None);
        vm.prank(holder);
        licences.transferFrom(holder, other, 1);
        assertEq(licences.ownerOf(1), other);
    }

    // Unlinking

    function test_unlink__by_the_holder__frees_both_and_tells_it() external {
        _link(1, holder, key);
        vm.expectEmit(address(licences));
        emit INodeLicense.NodeUnlinked(1, node);
        vm.expectEmit(address(licences));
        emit IERC4906.MetadataUpdate(1);
        vm.prank(holder);
        licences.unlink(1);
        assertEq(licences.nodeOf(1), address(0));
        assertEq(licences.licenceOf(node), 0);
    }

    function test_unlink__by_neither_holder_nor_node__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NotLinked.selector, 1));
        vm.prank(holder);
        licences.unlink(1);
        _link(1, holder, key);
        vm.prank(holder);
        licences.setApprovalForAll(other, true);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NotHolder.selector, 1, other));
        vm.prank(other);
        licences.unlink(1);
    }

    // The escrow's side

    function test_assignments__open__hold_the_link() external {
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NotLinked.selector, 1));
        vm.prank(escrow);
        licences.openAssignment(1);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 2));
        vm.prank(escrow);
        licences.openAssignment(2);

        _link(1, holder, key);
        for (uint256 open = 1; open < 3; ++open) {
            vm.prank(escrow);
            (address payee, address serving) = licences.openAssignment(1);
            assertEq(payee, holder);
            assertEq(serving, node);
            assertEq(licences.openAssignments(1), open);
        }
        for (uint256 open = 2; open > 0; --open) {
            address[2] memory who = [holder, node];
            for (uint256 i = 0; i < who.length; ++i) {
                vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_AssignmentOpen.selector, 1, open));
                vm.prank(who[i]);
                licences.unlink(1);
            }
            vm.prank(escrow);
            licences.closeAssignment(1);
        }
        vm.prank(node);
        licences.unlink(1);
    }

    function test_assignments__not_the_escrow__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NotEscrow.selector, address(this)));
        licences.openAssignment(1);
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_NotEscrow.selector, address(this)));
        licences.closeAssignment(1);
    }

    // Linked time

    function testFuzz_linkedSeconds__over_many_links__is_the_sum_of_them_and_of_the_one_that_runs(
        uint32[12] calldata spans
    ) external {
        licences = _deploy(0, [uint96(1), 0, 0]);
        licences.mint(holder, Kind.Standard);
        uint256 sum = 0;
        for (uint256 i = 0; i < spans.length; ++i) {
            bool linked = licences.nodeOf(1) != address(0);
            skip(spans[i]);
            if (linked) sum += spans[i];
            assertEq(licences.linkedSeconds(1), sum);
            if (linked) {
                vm.prank(holder);
                licences.unlink(1);
            } else {
                _link(1, holder, i % 4 == 0 ? key : secondKey);
            }
            assertEq(licences.linkedSeconds(1), sum);
        }
        assertEq(licences.linkedSeconds(2), 0, "not minted");
    }

    // Metadata

    function test_tokenURI__tells_kind_status_and_node() external {
        licences.mint(holder, Kind.Master);
        licences.mint(holder, Kind.Genesis);
        _assertMetadata(1, "ND", "none", "none");
        _assertMetadata(2, "MND", "none", "none");
        _link(3, holder, key);
        trust.set(Subjects.licence(3), Status.Frozen);
        _assertMetadata(3, "GND", "frozen", Strings.toChecksumHexString(node));
        trust.set(Subjects.licence(3), Status.Suspended);
        _assertMetadata(3, "GND", "suspended", Strings.toChecksumHexString(node));
        trust.set(Subjects.licence(3), Status.Blacklisted);
        _assertMetadata(3, "GND", "blacklisted", Strings.toChecksumHexString(node));
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 4));
        licences.tokenURI(4);
    }

    function test_refreshMetadata__of_a_licence__tells_it() external {
        vm.expectEmit(address(licences));
        emit IERC4906.MetadataUpdate(1);
        vm.prank(other);
        licences.refreshMetadata(1);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 2));
        licences.refreshMetadata(2);
    }

    // Words

    function _deploy(uint32 cooldown, uint96[3] memory supply) private returns (NodeLicense) {
        ITrustRegistry registry = ITrustRegistry(address(trust));
        return new NodeLicense(address(authority), escrow, registry, LicenceSettings(cooldown, supply));
    }

    function _link(uint256 licence, address by, uint256 nodeKey) private {
        _link(licences, licence, by, nodeKey);
    }

    function _consent(
        uint256 licence,
        address by,
        address where,
        uint256 signer,
        uint256 nonce,
        uint64 deadline
    ) private view returns (bytes32 r, bytes32 vs) {
        return vm.signCompact(signer, _digest(licence, by, where, nonce, deadline));
    }

    function _digest(
        uint256 licence,
        address by,
        address where,
        uint256 nonce,
        uint64 deadline
    ) private view returns (bytes32) {
        return _consentDigest(licences, licence, by, where, nonce, deadline);
    }

    function _expectSettingViolated(string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_SettingViolated.selector, rule));
    }

    function _expectBarred(uint256 subject, Status status) private {
        vm.expectRevert(abi.encodeWithSelector(INodeLicense.NodeLicense_Barred.selector, subject, status));
    }

    function _assertSupply(Kind kind, uint96 limit, uint96 minted) private view {
        (uint96 limitNow, uint96 mintedNow) = licences.supplyOf(kind);
        assertEq(limitNow, limit);
        assertEq(mintedNow, minted);
    }

    // solhint-disable quotes
    function _assertMetadata(
        uint256 licence,
        string memory kind,
        string memory status,
        string memory nodeWord
    ) private view {
        string memory json = string.concat(
            '{"name":"Epochal Node Licence #',
            vm.toString(licence),
            '","description":"Lets one node serve jobs on Epochal.","licence":',
            vm.toString(licence),
            ',"attributes":[{"trait_type":"Kind","value":"',
            kind,
            '"},{"trait_type":"Status","value":"',
            status,
            '"},{"trait_type":"Node","value":"',
            nodeWord,
            '"}]}'
        );
        vm.parseJson(json);
        assertEq(
            licences.tokenURI(licence),
            string.concat("data:application/json;base64,", Base64.encode(bytes(json)))
        );
    }
}
