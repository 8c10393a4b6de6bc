// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable avoid-low-level-calls

import {Words} from "./Words.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Admission} from "../../contracts/csp/Admission.sol";
import {Credentials} from "../../contracts/csp/Credentials.sol";
import {CspAccounts} from "../../contracts/csp/CspAccounts.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {AdmissionSettings, IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {Credential, ICredentials} from "../../contracts/interfaces/ICredentials.sol";
import {ICspAccounts} from "../../contracts/interfaces/ICspAccounts.sol";
import {ITrustRegistry, Status, TrustSettings} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {Timing} from "../../contracts/libraries/Timing.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {TrustRegistry} from "../../contracts/trust/TrustRegistry.sol";

contract AdmissionTest is Words {
    uint32 private constant PAUSE = 7 days;
    bytes32 private constant DOMAIN = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant TYPE = keccak256(
        "Credential(address subject,uint8 kind,bytes32 document,uint64 issuedAt,uint64 expiry)"
    );

    Authority private authority = new Authority(address(this));
    CspAccounts private accounts = new CspAccounts(makeAddr("escrow"));
    TrustRegistry private trust = new TrustRegistry(
        address(authority),
        TrustSettings(7 days, 30 days, 14 days, 14 days)
    );
    Credentials private credentials = new Credentials(address(authority), trust);
    IERC721 private licences = IERC721(makeAddr("licences"));
    IAttestations private attestations = IAttestations(makeAddr("attestations"));
    address private token = address(new LocalToken());
    address private owner = makeAddr("owner");
    Admission private admission;
    uint48 private account;

    function setUp() external {
        vm.warp(1_800_000_000);
        Timing memory timing;
        (timing.genesis, timing.epochLength) = (1_800_000_000, 1 days);
        vm.mockCall(address(attestations), abi.encodeCall(IAttestations.timing, ()), abi.encode(timing));
        admission = _deploy(AdmissionSettings(1, false, PAUSE));
        vm.prank(owner);
        account = accounts.open();
        _identify();
    }

    function test_constructor__a_setting_out_of_its_bounds__is_refused() external {
        _expectViolated("credentialKinds is a sum of 1 (KYC) and 2 (KYB), or 0");
        _deploy(AdmissionSettings(4, false, PAUSE));
        _expectViolated("longestPause <= 90 days");
        _deploy(AdmissionSettings(1, false, 90 days + 1));
        assertEq(_deploy(AdmissionSettings(1, false, 90 days)).settings().longestPause, 90 days);
        ICspAccounts a = accounts;
        ICredentials c = credentials;
        ITrustRegistry t = trust;
        AdmissionSettings memory s = AdmissionSettings(1, false, PAUSE);
        address[] memory none = new address[](0);
        _expectViolated("accounts is not zero");
        new Admission(address(authority), attestations, ICspAccounts(address(0)), c, t, licences, s, none);
        _expectViolated("credentials is not zero");
        new Admission(address(authority), attestations, a, ICredentials(address(0)), t, licences, s, none);
        _expectViolated("trust is not zero");
        new Admission(address(authority), attestations, a, c, ITrustRegistry(address(0)), licences, s, none);
        _expectViolated("licences is not zero");
        new Admission(address(authority), attestations, a, c, t, IERC721(address(0)), s, none);
    }

    function test_restricted__no_role__is_refused() external {
        bytes[5] memory calls = [
            abi.encodeCall(IAdmission.allowToken, (token)),
            abi.encodeCall(IAdmission.forbidToken, (token)),
            abi.encodeCall(IAdmission.changeSettings, (AdmissionSettings(0, false, 0))),
            abi.encodeCall(IAdmission.pause, (_in(1))),
            abi.encodeCall(IAdmission.resume, ())
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(owner);
            (bool done, bytes memory why) = address(admission).call(calls[i]);
            assertFalse(done, "done");
            assertEq(why, abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, owner), "why");
        }
    }

    function test_requireAdmitted__all_in_order__passes() external view {
        admission.requireAdmitted(account, owner, token);
        admission.requireAccountAdmitted(account, token);
    }

    // Tokens

    function test_allowToken__no_contract_or_allowed_before__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_NoCode.selector, owner));
        admission.allowToken(owner);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_AllowedBefore.selector, token));
        admission.allowToken(token);
    }

    function test_forbidToken__allowed__ends_new_deposits_until_it_is_allowed_again() external {
        vm.expectEmit(address(admission));
        emit IAdmission.TokenForbidden(token);
        admission.forbidToken(token);
        assertFalse(admission.tokenAllowed(token), "allowed");
        assertEq(admission.tokens().length, 0);
        bytes memory why = abi.encodeWithSelector(IAdmission.Admission_TokenNotAllowed.selector, token);
        vm.expectRevert(why);
        admission.requireAdmitted(account, owner, token);
        vm.expectRevert(why);
        admission.forbidToken(token);
        admission.changeSettings(AdmissionSettings(0, false, PAUSE));
        assertFalse(admission.tokenAllowed(token), "a change of settings doesn't allow it");
        vm.expectEmit(address(admission));
        emit IAdmission.TokenAllowed(token);
        admission.allowToken(token);
        admission.requireAdmitted(account, owner, token);
    }

    function test_allowToken__one_too_many__is_refused() external {
        address next;
        for (uint160 i = 1; i < 32; ++i) {
            next = address(i << 100);
            vm.etch(next, hex"00");
            admission.allowToken(next);
        }
        vm.etch(address(99), hex"00");
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_TooManyTokens.selector, 32));
        admission.allowToken(address(99));
        admission.pause(_in(1 days));
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Paused.selector, _in(1 days)));
        admission.requireAdmitted(account, owner, next);
    }

    function test_allowToken__during_a_pause__waits_too() external {
        address another = address(new LocalToken());
        admission.pause(_in(1 days));
        admission.allowToken(another);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Paused.selector, _in(1 days)));
        admission.requireAdmitted(account, owner, another);
    }

    // Pauses

    function test_pause__its_time_over__expires_and_a_rest_as_long_follows() external {
        uint40 until = _in(PAUSE);
        vm.expectEmit(address(admission));
        emit IAdmission.DepositsPaused(until);
        admission.pause(until);
        skip(PAUSE - 1);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Paused.selector, until));
        admission.requireAdmitted(account, owner, token);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Paused.selector, until));
        admission.pause(until + 1);
        skip(1);
        admission.requireAdmitted(account, owner, token);
        skip(PAUSE - 1);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Resting.selector, until + PAUSE));
        admission.pause(_in(1));
        skip(1);
        admission.pause(_in(1));
    }

    function test_pause__end_past_or_too_late__is_refused() external {
        uint40[2] memory ends = [_in(0), _in(PAUSE + 1)];
        for (uint256 i = 0; i < ends.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_PauseSpan.selector, ends[i], _in(PAUSE)));
            admission.pause(ends[i]);
        }
    }

    function test_resume__paused__opens_at_once_and_shortens_the_rest() external {
        vm.expectRevert(IAdmission.Admission_NotPaused.selector);
        admission.resume();
        (uint40 start, uint40 end) = (_in(0), _in(1 days));
        admission.pause(_in(PAUSE));
        uint256 before = vm.snapshotState();
        skip(PAUSE);
        vm.expectRevert(IAdmission.Admission_NotPaused.selector);
        admission.resume();
        vm.revertToState(before);
        skip(1 days);
        vm.expectEmit(address(admission));
        emit IAdmission.DepositsResumed();
        admission.resume();
        (uint40 from, uint40 until) = admission.lastPause();
        assertEq(from, start);
        assertEq(until, end);
        admission.requireAdmitted(account, owner, token);
        skip(1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Resting.selector, end + 1 days));
        admission.pause(_in(1));
        skip(1);
        admission.pause(_in(1));
    }

    function test_changeSettings__during_a_pause__keeps_its_end() external {
        AdmissionSettings memory changed = AdmissionSettings(3, true, 0);
        admission.pause(_in(1 days));
        vm.expectEmit(address(admission));
        emit IAdmission.SettingsChanged(changed);
        admission.changeSettings(changed);
        assertEq(abi.encode(admission.settings()), abi.encode(changed));
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_Paused.selector, _in(1 days)));
        admission.requireAdmitted(account, owner, token);
    }

    // Accounts and owners

    function test_requireAdmitted__any_status_in_force__is_refused() external {
        uint256 subject = Subjects.csp(account);
        trust.freeze(subject, _in(1 days), 7, "evidence");
        _expectRestricted(Status.Frozen);
        admission.requireAdmitted(account, owner, token);
        trust.suspend(subject, 7, "evidence");
        _expectRestricted(Status.Suspended);
        admission.requireAdmitted(account, owner, token);
        trust.blacklist(subject, 7, "evidence");
        _expectRestricted(Status.Blacklisted);
        admission.requireAdmitted(account, owner, token);
        trust.liftBlacklist(subject);
        trust.liftSuspension(subject);
        skip(1 days);
        admission.requireAdmitted(account, owner, token);
    }

    function test_requireAdmitted__no_credential_of_the_kinds__is_refused() external {
        uint40 expiry = credentials.validUntil(owner, 1);
        vm.warp(expiry);
        _expectNoCredential(1, expiry);
        admission.requireAdmitted(account, owner, token);
        admission.changeSettings(AdmissionSettings(2, false, PAUSE));
        _expectNoCredential(2, 0);
        admission.requireAccountAdmitted(account, token);
        admission.changeSettings(AdmissionSettings(0, false, PAUSE));
        admission.requireAdmitted(account, owner, token);
    }

    function test_requireAdmitted__deed_required__asks_for_one() external {
        admission.changeSettings(AdmissionSettings(1, true, PAUSE));
        bytes memory asked = abi.encodeCall(IERC721.balanceOf, (owner));
        vm.mockCall(address(licences), asked, abi.encode(0));
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_NoDeed.selector, owner));
        admission.requireAdmitted(account, owner, token);
        vm.mockCall(address(licences), asked, abi.encode(1));
        admission.requireAdmitted(account, owner, token);
    }

    /// @dev Three contracts and a word of each, with a credential and without a deed.
    function test_requireAdmitted__admitted__reads_three_words() external {
        vm.record();
        vm.startStateDiffRecording();
        admission.requireAdmitted(account, owner, token);
        assertEq(_contractsCalled(), 3, "contracts");
        assertEq(_wordsRead(address(admission)), 1, "its own");
        assertEq(_wordsRead(address(trust)), 1, "a status");
        assertEq(_wordsRead(address(credentials)), 1, "a credential");
    }

    function _deploy(AdmissionSettings memory settings) private returns (Admission) {
        address[] memory tokens = new address[](1);
        tokens[0] = token;
        return
            new Admission(address(authority), attestations, accounts, credentials, trust, licences, settings, tokens);
    }

    function _identify() private {
        (address verifier, uint256 key) = makeAddrAndKey("verifier");
        credentials.setVerifier(verifier, 1);
        Credential memory c = Credential(owner, 1, "document", uint64(vm.getBlockTimestamp()), _in(365 days));
        bytes32 domain = keccak256(
            abi.encode(DOMAIN, keccak256("Epochal Credentials"), keccak256("1"), block.chainid, address(credentials))
        );
        bytes32 said = keccak256(abi.encode(TYPE, c));
        (bytes32 r, bytes32 vs) = vm.signCompact(key, keccak256(abi.encodePacked(hex"1901", domain, said)));
        credentials.present(c, r, vs);
    }

    function _expectViolated(string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_SettingViolated.selector, rule));
    }

    function _expectRestricted(Status status) private {
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_AccountRestricted.selector, account, status));
    }

    function _expectNoCredential(uint8 kinds, uint40 until) private {
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, owner, kinds, until));
    }

    function _in(uint256 span) private view returns (uint40) {
        return uint40(vm.getBlockTimestamp() + span);
    }
}
