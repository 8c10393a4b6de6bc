// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {IEquivocations, SignedObservation} from "../interfaces/IEquivocations.sol";
import {IOracleRegistry} from "../interfaces/IOracleRegistry.sol";
import {ITrustRegistry} from "../interfaces/ITrustRegistry.sol";
import {Subjects} from "../libraries/Subjects.sol";

/// @title Equivocations
contract Equivocations is IEquivocations {
    bytes32 private constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant OBSERVATION_TYPE = keccak256(
        "Observation(uint64 epoch,uint64 committee,bytes32 contentHash)"
    );

    /// @dev Epochs for which a proof still counts once its committee has been replaced: the last epoch that ended in its term is signed
    /// for in the first, and whoever saw two observations has the second to show them. Later its keys may be in anyone's hands.
    uint256 private constant RETIRED_EPOCHS = 2;

    /// @inheritdoc IEquivocations
    IAttestations public immutable attestations;
    /// @inheritdoc IEquivocations
    IOracleRegistry public immutable registry;
    /// @inheritdoc IEquivocations
    ITrustRegistry public immutable trust;
    /// @inheritdoc IEquivocations
    uint32 public immutable validEpochs;

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;

    /// @inheritdoc IEquivocations
    mapping(address member => mapping(uint64 epoch => bool)) public proved;

    /// @param attestations_ in whose domain oracles sign; deployed before
    /// @param registry_ whose keys they are
    /// @param trust_ where this contract may suspend
    /// @param validEpochs_ how many epochs after its own an equivocation can be proved
    constructor(IAttestations attestations_, IOracleRegistry registry_, ITrustRegistry trust_, uint32 validEpochs_) {
        // An epoch's observations are signed once it is over, in the next epoch at the earliest.
        require(validEpochs_ > 1, Equivocations_SettingViolated("validEpochs > 1"));
        attestations = attestations_;
        registry = registry_;
        trust = trust_;
        validEpochs = validEpochs_;
        GENESIS = attestations_.timing().genesis;
        EPOCH_LENGTH = attestations_.timing().epochLength;
    }

    /// @inheritdoc IEquivocations
    function prove(
        uint64 epoch,
        uint32 committee,
        SignedObservation calldata first,
        SignedObservation calldata second
    ) external returns (address member) {
        require(first.contentHash != second.contentHash, Equivocations_SameContent(first.contentHash));
        _requireTimely(epoch, committee);

        address signer = _signerOf(epoch, committee, first);
        address other = _signerOf(epoch, committee, second);
        require(signer == other, Equivocations_SignersDiffer(signer, other));
        member = registry.memberOf(committee, _indexOf(signer, committee));
        require(!proved[member][epoch], Equivocations_ProvedBefore(member, epoch));

        proved[member][epoch] = true;
        bytes32 evidence = keccak256(abi.encode(epoch, committee, first, second));
        emit EquivocationProved(member, epoch, committee, signer, first, second, evidence);
        trust.suspendFor(Subjects.oracle(member), evidence);
    }

    /// @inheritdoc IEquivocations
    function digestOf(uint64 epoch, uint32 committee, bytes32 contentHash) public view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPE,
                keccak256("Epochal Attestations"),
                keccak256("1"),
                block.chainid,
                address(attestations)
            )
        );
        bytes32 said = keccak256(abi.encode(OBSERVATION_TYPE, epoch, committee, contentHash));
        return MessageHashUtils.toTypedDataHash(domain, said);
    }

    /// @dev The epoch is over, not too long ago, and ended while the committee was in force: reports of later epochs name a later
    /// committee. That was in force until lately, too.
    function _requireTimely(uint64 epoch, uint32 committee) private view {
        uint256 endsAt = GENESIS + (uint256(epoch) + 1) * EPOCH_LENGTH;
        require(block.timestamp >= endsAt, Equivocations_EpochNotOver(epoch, endsAt));
        uint256 current = (block.timestamp - GENESIS) / EPOCH_LENGTH;
        // Not a require: its error's values are worked out even where it holds, and there the difference would be negative.
        if (uint256(epoch) + validEpochs < current) revert Equivocations_TooLate(epoch, current - validEpochs);
        (uint40 since, uint40 until) = registry.termOf(committee);
        require(since != 0 && endsAt < until, Equivocations_NotInForce(committee, since, until));
        uint256 latest = uint256(until) + RETIRED_EPOCHS * EPOCH_LENGTH;
        require(block.timestamp <= latest, Equivocations_CommitteeRetired(committee, latest));
    }

    function _signerOf(
        uint64 epoch,
        uint32 committee,
        SignedObservation calldata observation
    ) private view returns (address) {
        bytes32 digest = digestOf(epoch, committee, observation.contentHash);
        return ECDSA.recover(digest, observation.r, observation.vs);
    }

    function _indexOf(address signer, uint32 committee) private view returns (uint256) {
        (address[] memory signers, ) = attestations.committee(committee);
        for (uint256 i = 0; i < signers.length; ++i) if (signers[i] == signer) return i;
        revert Equivocations_ForeignSigner(signer, committee);
    }
}
