// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {EpochReport} from "../../../contracts/interfaces/IAttestations.sol";
import {ITrustRegistry, Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Authority} from "../../../contracts/governance/Authority.sol";
import {Attestations} from "../../../contracts/oracles/Attestations.sol";
import {OracleRegistry} from "../../../contracts/oracles/OracleRegistry.sol";
import {Timing} from "../../../contracts/libraries/Timing.sol";

/// @dev Says of each subject what it was told to say, and remembers the last suspension.
contract FakeTrust {
    mapping(uint256 subject => Status) public statusOf;
    mapping(uint256 subject => bool) public blacklistFinal;
    bytes32 public lastEvidence;

    function set(uint256 subject, Status status) external {
        statusOf[subject] = status;
    }

    function blacklistForGood(uint256 subject) external {
        statusOf[subject] = Status.Blacklisted;
        blacklistFinal[subject] = true;
    }

    function suspendFor(uint256 subject, bytes32 evidence) external {
        statusOf[subject] = Status.Suspended;
        lastEvidence = evidence;
    }

    /// @dev Only whether a status is in force, and only the gravest one.
    function standingOf(uint256 subject, Status status) external view returns (uint40 until, uint40, uint8) {
        if (statusOf[subject] == status) until = type(uint40).max;
    }
}

/// @dev A network of five admitted oracles, four of them the first committee. Member i is at 0xA000 + i, run by 0xB000 + i;
/// its key is `_key(i)`, and after its k-th rotation `_key(i + 100·k)`.
abstract contract OracleWorld is Test {
    uint40 internal constant GENESIS = 1_800_000_000;
    uint32 internal constant LENGTH = 1000;
    uint32 internal constant ACTIVATION = 100;
    bytes32 internal constant CONSENT_TYPE = keccak256(
        "SignerConsent(address member,address signer,uint256 nonce,uint64 deadline)"
    );
    bytes32 internal constant REPORT_TYPE = keccak256(
        "EpochReport(uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence)"
    );

    Authority internal authority;
    Attestations internal attestations;
    OracleRegistry internal registry;
    FakeTrust internal trust;
    mapping(address signer => uint256 secret) internal secrets;

    function _found() internal {
        authority = new Authority(address(this));
        trust = new FakeTrust();
        (address[] memory members, address[] memory signers) = _sorted(4);
        attestations = new Attestations(address(authority), _timing(), signers);
        address[] memory operators = new address[](4);
        for (uint256 i = 0; i < 4; ++i) operators[i] = address(uint160(members[i]) + 0x1000);
        registry = new OracleRegistry(
            address(authority),
            attestations,
            ITrustRegistry(address(trust)),
            members,
            signers,
            operators
        );
        bytes4[] memory setters = new bytes4[](2);
        (setters[0], setters[1]) = (attestations.scheduleCommittee.selector, attestations.replaceCommittee.selector);
        authority.setTargetFunctionRole(address(attestations), setters, 7);
        authority.grantRole(7, address(registry), 0);
        (bytes32 r, bytes32 vs) = _consent(_member(4), 4, 0);
        registry.admit(_member(4), _signer(4), address(0xB004), type(uint64).max, r, vs);
    }

    function _timing() internal pure returns (Timing memory) {
        return
            Timing({
                genesis: GENESIS,
                epochLength: LENGTH,
                settleDelay: 10,
                agreementSpan: 10,
                activationDelay: ACTIVATION,
                reviewDelay: 200,
                replacementSpan: 100,
                stallSpan: 2000,
                attestableSpan: 400,
                grace: 50
            });
    }

    function _member(uint256 i) internal pure returns (address) {
        return address(uint160(0xA000 + i));
    }

    function _signer(uint256 key) internal returns (address signer) {
        uint256 secret = uint256(keccak256(abi.encode("oracle", key)));
        signer = vm.addr(secret);
        secrets[signer] = secret;
    }

    /// @dev The first `n` members and their first keys, in the order of the keys.
    function _sorted(uint256 n) internal returns (address[] memory members, address[] memory signers) {
        members = new address[](n);
        signers = new address[](n);
        for (uint256 i = 0; i < n; ++i) {
            (members[i], signers[i]) = (_member(i), _signer(i));
            for (uint256 j = i; j > 0 && signers[j] < signers[j - 1]; --j) {
                (signers[j], signers[j - 1]) = (signers[j - 1], signers[j]);
                (members[j], members[j - 1]) = (members[j - 1], members[j]);
            }
        }
    }

    function _members(uint256 a, uint256 b, uint256 c, uint256 d) internal pure returns (address[] memory members) {
        members = new address[](4);
        (members[0], members[1], members[2], members[3]) = (_member(a), _member(b), _member(c), _member(d));
    }

    function _toEpoch(uint256 epoch) internal {
        vm.warp(GENESIS + epoch * LENGTH);
    }

    function _rotate(uint256 i, uint256 key, uint256 nonce) internal {
        (bytes32 r, bytes32 vs) = _consent(_member(i), key, nonce);
        address signer = _signer(key);
        vm.prank(_member(i));
        registry.rotateSigner(signer, type(uint64).max, r, vs);
    }

    function _consent(address member, uint256 key, uint256 nonce) internal returns (bytes32 r, bytes32 vs) {
        return _consentUntil(member, key, nonce, type(uint64).max);
    }

    function _consentUntil(
        address member,
        uint256 key,
        uint256 nonce,
        uint64 deadline
    ) internal returns (bytes32 r, bytes32 vs) {
        address signer = _signer(key);
        bytes32 said = keccak256(abi.encode(CONSENT_TYPE, member, signer, nonce, deadline));
        return _sign(signer, _typed("Epochal OracleRegistry", address(registry), said));
    }

    function _typed(string memory name, address where, bytes32 said) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                where
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, said));
    }

    function _sign(address signer, bytes32 digest) internal view returns (bytes32 r, bytes32 vs) {
        uint8 v;
        (v, r, vs) = vm.sign(secrets[signer], digest);
        if (v == 28) vs |= bytes32(uint256(1) << 255);
    }

    /// @dev Submits a report in the epoch after its own, signed by all of the committee in force, and waits until it is final.
    function _report(uint64 epoch, bytes32 root) internal {
        if (block.timestamp < GENESIS + (uint256(epoch) + 1) * LENGTH) _toEpoch(uint256(epoch) + 1);
        (uint32 version, , , ) = attestations.committeeInForce();
        (address[] memory signers, ) = attestations.committee(version);
        (, bytes32 parent, ) = attestations.lastFinal();
        EpochReport memory report = EpochReport(epoch, version, root, parent, bytes32(0), bytes32(0));
        bytes32 digest = _typed(
            "Epochal Attestations",
            address(attestations),
            keccak256(abi.encode(REPORT_TYPE, report))
        );
        bytes memory signatures;
        for (uint256 i = 0; i < signers.length; ++i) {
            (bytes32 r, bytes32 vs) = _sign(signers[i], digest);
            signatures = bytes.concat(signatures, r, vs);
        }
        attestations.submit(report, (1 << signers.length) - 1, signatures);
        vm.warp(block.timestamp + ACTIVATION);
    }
}
