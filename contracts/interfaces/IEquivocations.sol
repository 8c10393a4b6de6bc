// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "./IAttestations.sol";
import {IOracleRegistry} from "./IOracleRegistry.sol";
import {ITrustRegistry} from "./ITrustRegistry.sol";

/// @notice An oracle's signed view of one epoch, without its content: its hash, and the EIP-2098 signature of
/// `Observation(uint64 epoch,uint64 committee,bytes32 contentHash)` in the domain of {IAttestations}.
struct SignedObservation {
    bytes32 contentHash;
    bytes32 r;
    bytes32 vs;
}

/// @title Proof that an oracle lies: two observations by one key for one epoch and committee with different contents.
/// @notice An honest oracle journals before it signs and never signs a second one. A proof suspends the member; its bond can be
/// slashed once the appeal has run out. Nothing is paid for a proof.
/// @dev Keys that are retired frame nobody: a key counts for epochs that ended while its committee was in force, the time in which
/// honest members sign observations under that committee's version, and until two epochs after that time.
interface IEquivocations {
    /// @notice A member signed two different observations.
    /// @param evidence keccak-256 of the ABI encoding of epoch, committee and both signed observations, as they were given
    event EquivocationProved(
        address indexed member,
        uint64 indexed epoch,
        uint32 indexed committee,
        address signer,
        SignedObservation first,
        SignedObservation second,
        bytes32 evidence
    );

    /// @notice A setting of the deployment breaks the named rule.
    error Equivocations_SettingViolated(string rule);
    /// @notice Both observations have the same content.
    error Equivocations_SameContent(bytes32 contentHash);
    /// @notice The epoch isn't over before `endsAt` (UNIX seconds).
    error Equivocations_EpochNotOver(uint64 epoch, uint256 endsAt);
    /// @notice The epoch is too long ago: only those from `earliest` on count.
    error Equivocations_TooLate(uint64 epoch, uint256 earliest);
    /// @notice The committee was in force only in [since, until), UNIX seconds, and the epoch ended at or after `until`; or it never was.
    error Equivocations_NotInForce(uint32 committee, uint40 since, uint40 until);
    /// @notice The committee isn't in force any more, and what its keys signed counted until `latest` (UNIX seconds).
    error Equivocations_CommitteeRetired(uint32 committee, uint256 latest);
    /// @notice The two observations were signed by different keys.
    error Equivocations_SignersDiffer(address first, address second);
    /// @notice The key isn't in that committee.
    error Equivocations_ForeignSigner(address signer, uint32 committee);
    /// @notice It was proved before that the member equivocated in this epoch.
    error Equivocations_ProvedBefore(address member, uint64 epoch);

    /// @notice Proves that a member signed two different observations and has it suspended. Anyone may call, until {validEpochs}
    /// after the epoch and until two epochs after the committee's term, once for each member and epoch.
    /// @param epoch of both observations
    /// @param committee version of the set that both name
    function prove(
        uint64 epoch,
        uint32 committee,
        SignedObservation calldata first,
        SignedObservation calldata second
    ) external returns (address member);

    /// @notice Whether it was proved that the member equivocated in the epoch.
    function proved(address member, uint64 epoch) external view returns (bool);

    /// @notice What an oracle signs for an observation.
    function digestOf(uint64 epoch, uint32 committee, bytes32 contentHash) external view returns (bytes32);

    /// @notice How many epochs after its own an equivocation can be proved, as long as its committee is in force.
    function validEpochs() external view returns (uint32);

    /// @notice In whose domain oracles sign observations.
    function attestations() external view returns (IAttestations);

    /// @notice Whose key it is.
    function registry() external view returns (IOracleRegistry);

    /// @notice Who suspends.
    function trust() external view returns (ITrustRegistry);
}
