// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentView, IEscrowLens} from "./IEscrowLens.sol";
import {BondView, IBonds} from "./IBonds.sol";
import {ICredentials} from "./ICredentials.sol";
import {Kind, INodeLicense} from "./INodeLicense.sol";
import {IReallocations, Request, RequestState} from "./IReallocations.sol";
import {Status, ITrustRegistry} from "./ITrustRegistry.sol";

/// @notice A licence as it stands.
/// @param holder who holds it
/// @param node the node it is linked to; zero when it isn't
/// @param open how many of its assignments are open
/// @param linkedSeconds cumulative seconds it was linked
/// @param relinkableAt from when on it may be linked again, UNIX seconds; in the past when it may be now
/// @param status what stands against the licence
/// @param nodeStatus what stands against its node
struct LicenceView {
    uint256 id;
    Kind kind;
    address holder;
    address node;
    uint256 open;
    uint256 linkedSeconds;
    uint256 relinkableAt;
    Status status;
    Status nodeStatus;
}

/// @notice A CSP's account as it stands.
/// @param owner who pays and is refunded; zero when there is no such account
/// @param status what stands against it
/// @param credentialUntil until when the owner has a credential of each kind asked for, UNIX seconds; zero: it lacks one
/// @param admission empty when it may put money in now; else the error with which it would be refused
struct CspView {
    address owner;
    Status status;
    uint40 credentialUntil;
    bytes admission;
}

/// @notice A slot of a job as it stands.
/// @param assignment its last assignment; with id 0 when it never had one
/// @param claimable what the payee could claim now, in the smallest unit of the job's token
/// @param request the last request for another node
/// @param state what has become of it
struct SlotView {
    AssignmentView assignment;
    uint256 claimable;
    Request request;
    RequestState state;
}

/// @title What screens and scripts need in one call, in pages.
interface ILens is IEscrowLens {
    /// @notice Licences from `first` on, at most `count`; fewer when there are no more.
    function licencesFrom(uint256 first, uint256 count) external view returns (LicenceView[] memory);

    /// @notice A licence's bonds in these tokens.
    function bondsOf(uint256 licence, address[] calldata tokens) external view returns (BondView[] memory);

    /// @notice A CSP's account.
    /// @param token in which it would put money in
    /// @param credentialKinds the kinds of credentials to look for, a bit each
    function cspOf(uint48 account, address token, uint8 credentialKinds) external view returns (CspView memory);

    /// @notice Slots of a job from `first` on, at most `count`; fewer when there are no more.
    function slotsOf(uint64 job, uint32 first, uint32 count) external view returns (SlotView[] memory);

    /// @notice Licences that are read.
    function licences() external view returns (INodeLicense);

    /// @notice Credentials that are read.
    function credentials() external view returns (ICredentials);

    /// @notice Requests for another node that are read.
    function reallocations() external view returns (IReallocations);

    /// @notice Who tells who is frozen, suspended or blacklisted.
    function trust() external view returns (ITrustRegistry);

    /// @notice Bonds that are read.
    function bonds() external view returns (IBonds);
}
