// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable avoid-low-level-calls

import {Vm} from "forge-std/Vm.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {INodeLicense, Kind, LicenceSettings} from "../../contracts/interfaces/INodeLicense.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {NodeLicense} from "../../contracts/licences/NodeLicense.sol";
import {FakeTrust, Signing} from "./fakes/Licences.sol";

/// @dev OpenZeppelin's ERC721 as it is, with ids from 1.
contract ReferenceDeed is ERC721 {
    uint256 private minted;

    constructor() ERC721("Epochal Node Licence", "ENL") {}

    function mint(address to) external returns (uint256 id) {
        id = ++minted;
        _safeMint(to, id);
    }
}

/// @dev What a receiving contract may do when it is called back.
enum Manner {
    Accepts,
    AnswersWrongly,
    Reverts,
    RevertsEmpty,
    PassesOn,
    Approves
}

contract Receiver {
    Manner private immutable manner;
    address private immutable friend;

    event Received(address operator, address from, uint256 id, bytes data);

    error Receiver_Refused(uint256 id);

    constructor(Manner manner_, address friend_) {
        manner = manner_;
        friend = friend_;
    }

    function onERC721Received(
        address operator,
        address from,
        uint256 id,
        bytes calldata data
    ) external returns (bytes4) {
        emit Received(operator, from, id, data);
        if (manner == Manner.AnswersWrongly) return 0x12345678;
        if (manner == Manner.Reverts) revert Receiver_Refused(id);
        // solhint-disable-next-line gas-custom-errors, reason-string
        if (manner == Manner.RevertsEmpty) revert();
        if (manner == Manner.PassesOn) IERC721(msg.sender).transferFrom(address(this), friend, id);
        if (manner == Manner.Approves) IERC721(msg.sender).approve(friend, id);
        return this.onERC721Received.selector;
    }
}

/// @dev The same calls to OpenZeppelin's ERC721 and to NodeLicense. Listed exceptions, each with a test below:
/// a linked licence doesn't move, so neither does one with an open assignment; nor one with a status; `tokenURI` isn't
/// empty; minting tells the kind in an event of its own; ERC-4906 is known.
contract Erc721EqualityTest is Signing {
    uint256 private constant ACTORS = 10;
    uint256 private constant STEPS = 30;
    uint256 private constant MOST_IDS = 6;

    ReferenceDeed private deed = new ReferenceDeed();
    FakeTrust private trust = new FakeTrust();
    NodeLicense private licences;
    address private escrow = makeAddr("escrow");
    address[ACTORS] private actors;
    uint256 private done;
    uint256 private refused;

    function setUp() external {
        Authority authority = new Authority(address(this));
        licences = new NodeLicense(
            address(authority),
            escrow,
            ITrustRegistry(address(trust)),
            LicenceSettings(0, [type(uint96).max, 0, 0])
        );
        for (uint160 i = 1; i < 4; ++i) actors[i] = address(0xA0 + i); // actors[0] is nobody
        for (uint8 i = 0; i < 6; ++i) actors[4 + i] = address(new Receiver(Manner(i), actors[1 + (i % 3)]));
    }

    function testFuzz_erc721__any_calls__end_as_in_the_reference(uint256 seed) external {
        for (uint256 i = 0; i < STEPS; ++i) _step(uint256(keccak256(abi.encode(seed, i))));
        _assertSameOperators();
        assertGt(done, 0, "all was refused");
        assertGt(refused, 0, "nothing was refused");
    }

    function testFuzz_supportsInterface__any_id__differs_in_erc4906_alone(bytes4 id) external view {
        vm.assume(id != 0x49064906);
        assertEq(licences.supportsInterface(id), deed.supportsInterface(id));
    }

    function test_supportsInterface__listed_ids() external view {
        assertTrue(licences.supportsInterface(0x01ffc9a7), "ERC-165");
        assertTrue(licences.supportsInterface(0x80ac58cd), "ERC-721");
        assertTrue(licences.supportsInterface(0x5b5e139f), "its metadata");
        assertTrue(licences.supportsInterface(0x49064906), "ERC-4906");
        assertFalse(licences.supportsInterface(0xffffffff), "what ERC-165 forbids");
        assertFalse(licences.supportsInterface(0x780e9d63), "ERC-721's enumeration");
    }

    function test_metadata__name_and_symbol__are_as_given() external view {
        assertEq(licences.name(), deed.name());
        assertEq(licences.symbol(), deed.symbol());
        assertEq(deed.symbol(), "ENL");
    }

    // The exceptions

    function test_exception__linked_licence__is_approved_but_does_not_move() external {
        (address holder, address friend) = (actors[1], actors[2]);
        _mintBoth(holder);
        (, uint256 key) = makeAddrAndKey("node");
        address node = _link(licences, 1, holder, key);
        _assertBarred(1, abi.encodeWithSelector(INodeLicense.NodeLicense_AlreadyLinked.selector, 1, node));

        vm.prank(escrow);
        licences.openAssignment(1);
        _assertBarred(1, abi.encodeWithSelector(INodeLicense.NodeLicense_AlreadyLinked.selector, 1, node));
        vm.prank(escrow);
        licences.closeAssignment(1);

        vm.prank(node);
        licences.unlink(1);
        // What was approved meanwhile holds, as it does in the reference.
        _both(friend, abi.encodeCall(IERC721.transferFrom, (holder, friend, 1)));
        assertEq(licences.ownerOf(1), friend);
    }

    function test_exception__licence_with_a_status__is_approved_but_does_not_move() external {
        (address holder, address friend) = (actors[1], actors[2]);
        _mintBoth(holder);
        uint256 subject = Subjects.licence(1);
        for (uint8 status = 1; status < 4; ++status) {
            trust.set(subject, Status(status));
            _assertBarred(1, abi.encodeWithSelector(INodeLicense.NodeLicense_Barred.selector, subject, status));
        }
        trust.set(subject, Status.None);
        _both(friend, abi.encodeCall(IERC721.transferFrom, (holder, friend, 1)));
    }

    function test_exception__tokenURI__is_not_empty_but_refused_alike() external {
        _mintBoth(actors[1]);
        assertEq(deed.tokenURI(1), "");
        assertNotEq(licences.tokenURI(1), "");
        bytes memory refusal = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 2);
        vm.expectRevert(refusal);
        deed.tokenURI(2);
        vm.expectRevert(refusal);
        licences.tokenURI(2);
    }

    /// @dev Approving is as ever; who may not move it is told why as ever; who may is told what bars it.
    function _assertBarred(uint256 id, bytes memory refusal) private {
        (address holder, address friend, address stranger) = (actors[1], actors[2], actors[3]);
        _both(holder, abi.encodeCall(IERC721.approve, (friend, id)));
        _both(holder, abi.encodeCall(IERC721.setApprovalForAll, (friend, true)));
        _both(stranger, abi.encodeCall(IERC721.transferFrom, (holder, stranger, id)));
        _both(holder, abi.encodeCall(IERC721.transferFrom, (holder, address(0), id)));

        address[2] memory movers = [holder, friend];
        for (uint256 i = 0; i < movers.length; ++i) {
            vm.startPrank(movers[i]);
            vm.expectRevert(refusal);
            licences.transferFrom(holder, friend, id);
            vm.expectRevert(refusal);
            licences.safeTransferFrom(holder, friend, id);
            vm.expectRevert(refusal);
            licences.safeTransferFrom(holder, friend, id, "data");
            // Not even to itself.
            vm.expectRevert(refusal);
            licences.transferFrom(holder, holder, id);
            vm.stopPrank();
        }
        _assertSameState();
    }

    // Both at once

    function _step(uint256 draw) private {
        address by = _actor(draw >> 8);
        address from = _actor(draw >> 16);
        address to = _actor(draw >> 24);
        uint256 id = (draw >> 32) % (MOST_IDS + 1);
        // Half of all calls come from the owner, else hardly any would pass.
        if (draw & 2 != 0) from = _ownerOf(id);
        if (draw & 4 != 0) by = from;
        bytes memory data = abi.encodePacked(bytes32(draw), bytes4(uint32(draw)));
        uint256 action = (draw >> 40) % 8;
        if (action < 2) _mintBoth(to);
        else if (action == 2) _both(by, abi.encodeCall(IERC721.approve, (to, id)));
        else if (action == 3) _both(by, abi.encodeCall(IERC721.setApprovalForAll, (to, draw & 8 != 0)));
        else if (action < 6) _both(by, abi.encodeCall(IERC721.transferFrom, (from, to, id)));
        else if (action == 6) _both(by, abi.encodeWithSelector(0x42842e0e, from, to, id));
        else _both(by, abi.encodeWithSelector(0xb88d4fde, from, to, id, data));
        _assertSameState();
    }

    function _mintBoth(address to) private {
        if (licences.totalMinted() == MOST_IDS) return;
        _assertSameCalls(
            address(this),
            abi.encodeCall(ReferenceDeed.mint, (to)),
            abi.encodeCall(INodeLicense.mint, (to, Kind.Standard))
        );
    }

    function _both(address by, bytes memory call) private {
        _assertSameCalls(by, call, call);
    }

    function _assertSameCalls(address by, bytes memory expectedCall, bytes memory call) private {
        vm.recordLogs();
        vm.prank(by);
        (bool expectedDone, bytes memory expectedAnswer) = address(deed).call(expectedCall);
        bytes32 expectedLogs = _hash(vm.getRecordedLogs());
        vm.prank(by);
        (bool itDone, bytes memory answer) = address(licences).call(call);
        assertEq(itDone, expectedDone, "done");
        assertEq(answer, expectedAnswer, "answer");
        assertEq(_hash(vm.getRecordedLogs()), expectedLogs, "events");
        if (itDone) ++done;
        else ++refused;
    }

    /// @dev All events in their order, but for the one that tells a licence's kind.
    function _hash(Vm.Log[] memory logs) private view returns (bytes32 all) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == INodeLicense.LicenceMinted.selector) continue;
            bool ours = logs[i].emitter == address(deed) || logs[i].emitter == address(licences);
            address emitter = ours ? address(0) : logs[i].emitter;
            all = keccak256(abi.encode(all, emitter, logs[i].topics, logs[i].data));
        }
    }

    function _assertSameState() private view {
        for (uint256 id = 0; id <= MOST_IDS; ++id) {
            _assertSameView(abi.encodeCall(IERC721.ownerOf, (id)));
            _assertSameView(abi.encodeCall(IERC721.getApproved, (id)));
        }
        for (uint256 i = 0; i < ACTORS; ++i) _assertSameView(abi.encodeCall(IERC721.balanceOf, (actors[i])));
    }

    function _assertSameOperators() private view {
        for (uint256 i = 0; i < ACTORS; ++i) {
            for (uint256 k = 0; k < ACTORS; ++k) {
                _assertSameView(abi.encodeCall(IERC721.isApprovedForAll, (actors[i], actors[k])));
            }
        }
    }

    function _assertSameView(bytes memory call) private view {
        (bool expectedDone, bytes memory expectedAnswer) = address(deed).staticcall(call);
        (bool itDone, bytes memory answer) = address(licences).staticcall(call);
        assertEq(itDone, expectedDone, "view done");
        assertEq(answer, expectedAnswer, "view's answer");
    }

    function _actor(uint256 draw) private view returns (address) {
        return actors[uint8(draw) % ACTORS];
    }

    function _ownerOf(uint256 id) private view returns (address) {
        (bool owned, bytes memory answer) = address(deed).staticcall(abi.encodeCall(IERC721.ownerOf, (id)));
        return owned ? abi.decode(answer, (address)) : address(0);
    }
}
