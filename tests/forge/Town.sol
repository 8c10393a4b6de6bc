// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {Burner} from "../../contracts/burn/Burner.sol";
import {Admission} from "../../contracts/csp/Admission.sol";
import {Credentials} from "../../contracts/csp/Credentials.sol";
import {CspAccounts} from "../../contracts/csp/CspAccounts.sol";
import {JobEscrow} from "../../contracts/escrow/JobEscrow.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {AdmissionSettings, IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {BondSettings, IBonds} from "../../contracts/interfaces/IBonds.sol";
import {ICredentials} from "../../contracts/interfaces/ICredentials.sol";
import {ICspAccounts} from "../../contracts/interfaces/ICspAccounts.sol";
import {IEscrowPlacing} from "../../contracts/interfaces/IEscrowPlacing.sol";
import {EscrowParts, IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {INodeLicense, LicenceSettings} from "../../contracts/interfaces/INodeLicense.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {IPlacements} from "../../contracts/interfaces/IPlacements.sol";
import {IReallocations} from "../../contracts/interfaces/IReallocations.sol";
import {ITrustRegistry, TrustSettings} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Lens} from "../../contracts/lens/Lens.sol";
import {Timing} from "../../contracts/libraries/Timing.sol";
import {Bonds} from "../../contracts/licences/Bonds.sol";
import {NodeLicense} from "../../contracts/licences/NodeLicense.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {Attestations} from "../../contracts/oracles/Attestations.sol";
import {Equivocations} from "../../contracts/oracles/Equivocations.sol";
import {OracleRegistry} from "../../contracts/oracles/OracleRegistry.sol";
import {Placements} from "../../contracts/placing/Placements.sol";
import {Reallocations} from "../../contracts/placing/Reallocations.sol";
import {OraclePay} from "../../contracts/rewards/OraclePay.sol";
import {TrustRegistry} from "../../contracts/trust/TrustRegistry.sol";

// solhint-disable max-states-count, function-max-lines

/// @dev A whole network of real contracts, governed by the contract that inherits this, with keys for its oracles. Spans are
/// those of a thousand-second epoch.
abstract contract Town is Test {
    uint32 internal constant EPOCH = 1_000;
    uint32 internal constant SETTLE_WINDOW = 300;
    uint32 internal constant APPEAL_EPOCHS = 2;
    uint24 internal constant PROTOCOL_PPM = 50_000;
    uint256 internal constant ORACLES = 4;
    uint64 internal constant COMMITTEE_ROLE = 3;
    bytes32 private constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    Authority internal authority;
    LocalToken public token;
    Burner public burner;
    Attestations public attestations;
    TrustRegistry internal trust;
    NodeLicense public licences;
    OracleRegistry internal registry;
    Equivocations internal equivocations;
    Bonds public bonds;
    CspAccounts internal accounts;
    Credentials internal credentials;
    Admission internal admission;
    JobEscrow public escrow;
    Placements internal placements;
    Reallocations internal reallocations;
    OraclePay internal oraclePay;
    Lens public lens;

    uint40 internal genesis;
    uint256[] internal oracleKeys;

    function _timing() internal view virtual returns (Timing memory) {
        return
            Timing({
                genesis: genesis,
                epochLength: EPOCH,
                settleDelay: 10,
                agreementSpan: 10,
                activationDelay: 50,
                reviewDelay: 1_500,
                replacementSpan: 1_000,
                stallSpan: 4_000,
                attestableSpan: 3_000,
                grace: 300
            });
    }

    /// @dev Deploys everything. Contracts name each other, so their addresses are worked out beforehand.
    function _found(uint8 credentialKinds, uint96 payPerEpoch) internal {
        genesis = uint40(vm.getBlockTimestamp());
        authority = new Authority(address(this));
        token = new LocalToken();
        burner = new Burner();
        address[] memory signers = _keys("oracle");
        attestations = new Attestations(address(authority), _timing(), signers);
        trust = new TrustRegistry(address(authority), _trustSettings());
        uint256 nonce = vm.getNonce(address(this));
        address escrowAt = vm.computeCreateAddress(address(this), nonce + 7);
        address placementsAt = vm.computeCreateAddress(address(this), nonce + 8);
        address reallocationsAt = vm.computeCreateAddress(address(this), nonce + 9);

        licences = new NodeLicense(
            address(authority),
            escrowAt,
            ITrustRegistry(address(trust)),
            LicenceSettings({relinkCooldown: 100, supply: [uint96(1e6), 100, 1]})
        );
        registry = new OracleRegistry(
            address(authority),
            IAttestations(address(attestations)),
            ITrustRegistry(address(trust)),
            _members(signers.length),
            signers,
            _members(signers.length)
        );
        bonds = new Bonds(
            IAttestations(address(attestations)),
            INodeLicense(address(licences)),
            IOracleRegistry(address(registry)),
            escrowAt,
            ITrustRegistry(address(trust)),
            address(burner),
            _bondSettings()
        );
        accounts = new CspAccounts(escrowAt);
        credentials = new Credentials(address(authority), ITrustRegistry(address(trust)));
        address[] memory tokens = new address[](1);
        tokens[0] = address(token);
        admission = new Admission(
            address(authority),
            IAttestations(address(attestations)),
            ICspAccounts(address(accounts)),
            ICredentials(address(credentials)),
            ITrustRegistry(address(trust)),
            IERC721(address(licences)),
            _admissionSettings(credentialKinds),
            tokens
        );
        oraclePay = new OraclePay(
            IAttestations(address(attestations)),
            IOracleRegistry(address(registry)),
            ITrustRegistry(address(trust)),
            address(burner),
            IERC20(address(token)),
            payPerEpoch
        );
        escrow = new JobEscrow(
            EscrowParts({
                attestations: IAttestations(address(attestations)),
                licences: INodeLicense(address(licences)),
                placements: placementsAt,
                accounts: ICspAccounts(address(accounts)),
                admission: IAdmission(address(admission)),
                trust: ITrustRegistry(address(trust)),
                bonds: IBonds(address(bonds)),
                burner: address(burner),
                protocolSink: payPerEpoch == 0 ? address(burner) : address(oraclePay)
            }),
            APPEAL_EPOCHS,
            SETTLE_WINDOW,
            PROTOCOL_PPM
        );
        placements = new Placements(
            IEscrowPlacing(address(escrow)),
            INodeLicense(address(licences)),
            ITrustRegistry(address(trust)),
            IOracleRegistry(address(registry)),
            ICspAccounts(address(accounts)),
            IReallocations(reallocationsAt)
        );
        reallocations = new Reallocations(
            IAttestations(address(attestations)),
            IPlacements(address(placements)),
            IEscrowPlacing(address(escrow))
        );
        equivocations = new Equivocations(
            IAttestations(address(attestations)),
            IOracleRegistry(address(registry)),
            ITrustRegistry(address(trust)),
            20
        );
        lens = new Lens(
            IJobEscrow(address(escrow)),
            ICredentials(address(credentials)),
            IReallocations(address(reallocations))
        );
        assertEq(address(escrow), escrowAt);
        assertEq(address(placements), placementsAt);
        assertEq(address(reallocations), reallocationsAt);
        _grant();
    }

    /// @dev The governor's own contracts act by roles; the founder keeps all others.
    function _grant() private {
        bytes4[] memory selectors = new bytes4[](2);
        selectors[0] = attestations.scheduleCommittee.selector;
        selectors[1] = attestations.replaceCommittee.selector;
        authority.setTargetFunctionRole(address(attestations), selectors, COMMITTEE_ROLE);
        authority.grantRole(COMMITTEE_ROLE, address(registry), 0);
        selectors = new bytes4[](1);
        selectors[0] = trust.suspendFor.selector;
        authority.setTargetFunctionRole(address(trust), selectors, COMMITTEE_ROLE + 1);
        authority.grantRole(COMMITTEE_ROLE + 1, address(equivocations), 0);
    }

    function _trustSettings() internal pure virtual returns (TrustSettings memory) {
        return TrustSettings({freezeSpan: 2_000, yearlyFreeze: 8_000, appealSpan: 3_000, decisionSpan: 1_000});
    }

    function _bondSettings() internal pure virtual returns (BondSettings memory) {
        return BondSettings({withdrawalDelay: 15_000, windowEpochs: 3});
    }

    function _admissionSettings(uint8 credentialKinds) internal pure virtual returns (AdmissionSettings memory) {
        return AdmissionSettings({credentialKinds: credentialKinds, deedRequired: false, longestPause: 2_000});
    }

    /// @dev Fresh keys for a committee, in the order of their addresses; kept as the committee's.
    function _keys(string memory label) internal returns (address[] memory signers) {
        delete oracleKeys;
        signers = new address[](ORACLES);
        for (uint256 i = 0; i < ORACLES; ++i) {
            oracleKeys.push(1 + (uint256(keccak256(abi.encode(label, i))) >> 8));
        }
        for (uint256 i = 0; i < ORACLES; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(oracleKeys[j - 1]) > vm.addr(oracleKeys[j]); --j) {
                (oracleKeys[j - 1], oracleKeys[j]) = (oracleKeys[j], oracleKeys[j - 1]);
            }
        }
        for (uint256 i = 0; i < ORACLES; ++i) signers[i] = vm.addr(oracleKeys[i]);
    }

    /// @dev Members of the first committee, in the order of its signers.
    function _members(uint256 count) internal pure returns (address[] memory members) {
        members = new address[](count);
        for (uint256 i = 0; i < count; ++i) members[i] = address(uint160(0x3E3B00 + i));
    }

    /// @dev EIP-712 digest for a contract of the network.
    function _typed(string memory name, address place, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256(bytes(name)), keccak256("1"), block.chainid, place)
        );
        return keccak256(bytes.concat(hex"1901", domain, structHash));
    }
}
