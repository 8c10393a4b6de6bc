// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {ITrustRegistry, Status} from "./ITrustRegistry.sol";

/// @notice Kinds of licences. `None` is the kind of a licence that wasn't minted.
enum Kind {
    None,
    Standard, // ND
    Master, // MND
    Genesis // GND
}

/// @notice What a deployment decides about its licences.
/// @param relinkCooldown seconds from one link of a licence to its next, at most 30 days; zero for none
/// @param supply how many licences there may ever be of the kinds standard, master and genesis, in that order
struct LicenceSettings {
    uint32 relinkCooldown;
    uint96[3] supply;
}

/// @title Node licences: ERC-721 deeds that let a node serve.
/// @notice A licence is linked to at most one node and a node to at most one licence. A linked licence doesn't move, and
/// one with an open assignment stays linked: its seconds can't be sold while they are being served. Licences are never burned.
/// @dev Behaves as OpenZeppelin's ERC721 in all else. An approval lets others move a licence, never link or unlink it.
interface INodeLicense is IERC4906 {
    /// @notice The licence's holder linked it to a node that consented.
    event NodeLinked(uint256 indexed licence, address indexed node, address indexed holder);
    /// @notice The licence serves no node any more.
    event NodeUnlinked(uint256 indexed licence, address indexed node);
    /// @notice A licence of that kind was minted.
    event LicenceMinted(uint256 indexed licence, Kind indexed kind, address indexed to);

    /// @notice A setting of the deployment breaks the named rule.
    error NodeLicense_SettingViolated(string rule);
    /// @notice The caller doesn't hold the licence.
    error NodeLicense_NotHolder(uint256 licence, address caller);
    /// @notice The licence is linked; unlink it first.
    error NodeLicense_AlreadyLinked(uint256 licence, address node);
    /// @notice The node serves another licence.
    error NodeLicense_NodeTaken(address node, uint256 licence);
    /// @notice The licence isn't linked to a node.
    error NodeLicense_NotLinked(uint256 licence);
    /// @notice The licence was linked too recently; it can be linked again from `relinkableAt` (UNIX seconds) on.
    error NodeLicense_CoolingDown(uint256 licence, uint256 relinkableAt);
    /// @notice What stands against the licence or the node, a subject of {ITrustRegistry}, forbids this.
    error NodeLicense_Barred(uint256 subject, Status status);
    /// @notice The consent's deadline (UNIX seconds) has passed.
    error NodeLicense_ConsentExpired(uint64 deadline);
    /// @notice The consent wasn't signed by the node for this licence, holder, nonce, contract and chain.
    error NodeLicense_WrongConsent(address recovered, address node);
    /// @notice The licence has open assignments; close them first.
    error NodeLicense_AssignmentOpen(uint256 licence, uint256 open);
    /// @notice Only the escrow opens and closes assignments.
    error NodeLicense_NotEscrow(address caller);
    /// @notice All licences of that kind are minted; there are none of the kind `None`.
    error NodeLicense_Exhausted(Kind kind, uint96 supply);

    /// @notice Mints the next licence; ids count from 1 and fit 96 bits. Licensor and sale only.
    /// @dev A receiving contract is called back (ERC-721's safe mint) after everything is written.
    function mint(address to, Kind kind) external returns (uint256 licence);

    /// @notice Links the caller's licence to a node, with the node key's consent (EIP-712 type `NodeConsent(uint256
    /// licence,address holder,address node,uint256 nonce,uint64 deadline)`). Nothing may stand against either.
    /// @dev The cooldown counts from link to link: a node that broke down after long service is replaced at once, and a licence
    /// still can't be passed round many nodes in a day. It goes with the licence when that moves.
    /// @param deadline UNIX seconds until which the consent is valid, inclusive
    /// @param r first half of the node's EIP-2098 signature
    /// @param vs second half of it
    function link(uint256 licence, address node, uint64 deadline, bytes32 r, bytes32 vs) external;

    /// @notice Unlinks a licence without an open assignment, whatever stands against it. The holder or the node may.
    function unlink(uint256 licence) external;

    /// @notice The escrow opens an assignment of the licence. It asks by itself what stands against licence and node.
    /// @return holder who holds it now, the assignment's payee
    /// @return node the node it is linked to
    function openAssignment(uint256 licence) external returns (address holder, address node);

    /// @notice The escrow closes an assignment of the licence.
    function closeAssignment(uint256 licence) external;

    /// @notice Tells those who show the licence that its metadata may have changed, after a change of its status. Anyone may call.
    function refreshMetadata(uint256 licence) external;

    /// @notice The licence's kind; `None` when it wasn't minted.
    function kindOf(uint256 licence) external view returns (Kind);

    /// @notice The node a licence is linked to; zero when it isn't.
    function nodeOf(uint256 licence) external view returns (address node);

    /// @notice The licence a node serves; zero when it serves none.
    function licenceOf(address node) external view returns (uint256 licence);

    /// @notice For how many seconds the licence has been linked until now, all links together; never falls.
    function linkedSeconds(uint256 licence) external view returns (uint256);

    /// @notice From when on (UNIX seconds) the licence can be linked again; zero when it was never linked.
    function relinkableAt(uint256 licence) external view returns (uint256);

    /// @notice How many of the licence's assignments are open.
    function openAssignments(uint256 licence) external view returns (uint256);

    /// @notice The nonce of the node's next consent; each consent is used once.
    function consentNonce(address node) external view returns (uint256);

    /// @notice How many licences of a kind there may ever be, and how many there are.
    function supplyOf(Kind kind) external view returns (uint96 limit, uint96 minted);

    /// @notice How many licences were minted.
    function totalMinted() external view returns (uint256);

    /// @notice The escrow that opens and closes assignments.
    function escrow() external view returns (address);

    /// @notice Who knows what stands against licences and nodes.
    function trust() external view returns (ITrustRegistry);

    /// @notice Seconds from one link of a licence to its next.
    function relinkCooldown() external view returns (uint32);
}
