// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {Credentials} from "../../contracts/csp/Credentials.sol";
import {Credential, ICredentials} from "../../contracts/interfaces/ICredentials.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {FakeTrust} from "./fakes/Placing.sol";

/// @dev A verifying contract that confirms one digest with one signature.
contract FakeVerifier is IERC1271 {
    bytes32 private immutable DIGEST;

    constructor(bytes32 digest) {
        DIGEST = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bool fits = digest == DIGEST && keccak256(signature) == keccak256("yes");
        return fits ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

contract CredentialsTest is Test {
    uint8 private constant KYC = 1;
    uint8 private constant KYB = 2;
    uint256 private constant FOR = 365 days;

    Authority private authority = new Authority(address(this));
    Credentials private credentials;
    FakeTrust private trust = new FakeTrust();
    address private subject = makeAddr("subject");
    address private verifier;
    uint256 private key;
    address private second;
    uint256 private secondKey;

    function setUp() external {
        vm.warp(1_800_000_000);
        credentials = new Credentials(address(authority), ITrustRegistry(address(trust)));
        (verifier, key) = makeAddrAndKey("verifier");
        (second, secondKey) = makeAddrAndKey("second verifier");
        credentials.setVerifier(verifier, KYC | KYB);
        credentials.setVerifier(second, KYC);
    }

    function test_restricted__no_role__is_refused() external {
        vm.startPrank(subject);
        bytes memory why = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, subject);
        vm.expectRevert(why);
        credentials.setVerifier(subject, KYC);
        vm.expectRevert(why);
        credentials.removeVerifier(verifier, true);
        vm.expectRevert(why);
        credentials.revokeAll(subject, KYC);
    }

    function test_present__signed_by_a_verifier__counts_until_it_expires() external {
        assertFalse(credentials.valid(subject, KYC), "before");
        Credential memory c = _issue(KYC);
        vm.expectEmit(address(credentials));
        emit ICredentials.CredentialPresented(subject, KYC, verifier, c.document, c.issuedAt, c.expiry);
        _present(c, key);
        assertEq(credentials.validUntil(subject, KYC), c.expiry);
        assertEq(credentials.validUntil(subject, KYC | KYB), c.expiry, "either kind will do");
        assertEq(credentials.validUntil(subject, KYB), 0, "another kind");
        assertEq(credentials.validUntil(verifier, KYC), 0, "another subject");
        skip(FOR - 1);
        assertTrue(credentials.valid(subject, KYC), "at its last second");
        skip(1);
        assertFalse(credentials.valid(subject, KYC), "expired");
    }

    function test_validUntil__two_kinds__says_the_later() external {
        Credential memory c = _issue(KYB);
        c.expiry += 5;
        _present(c, key);
        _present(_issue(KYC), key);
        assertEq(credentials.validUntil(subject, KYC | KYB), c.expiry);
        assertEq(credentials.validUntil(subject, KYC), c.expiry - 5);
    }

    function test_present__not_a_verifier_of_the_kind__is_refused() external {
        _expectNotVerifier(second, KYB);
        _present(_issue(KYB), secondKey);
        (address stranger, uint256 strangersKey) = makeAddrAndKey("stranger");
        _expectNotVerifier(stranger, KYC);
        _present(_issue(KYC), strangersKey);
    }

    function test_present__any_field_changed__is_another_signer() external {
        Credential memory signed = _issue(KYC);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, _digest(signed, address(credentials)));
        for (uint256 i = 0; i < 5; ++i) {
            Credential memory c = _issue(KYC);
            if (i == 0) c.subject = second;
            if (i == 1) c.kind = KYB;
            if (i == 2) c.document = "forged";
            if (i == 3) --c.issuedAt;
            if (i == 4) ++c.expiry;
            vm.expectPartialRevert(ICredentials.Credentials_NotVerifier.selector);
            credentials.present(c, r, vs);
        }
        (r, vs) = vm.signCompact(key, _digest(signed, address(this)));
        vm.expectPartialRevert(ICredentials.Credentials_NotVerifier.selector);
        credentials.present(signed, r, vs);
    }

    function test_present__unknown_kind_or_wrong_time__is_refused() external {
        Credential memory c = _issue(KYC | KYB);
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_UnknownKind.selector, 3));
        _present(c, key);
        c = _issue(KYC);
        ++c.issuedAt;
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_NotYetIssued.selector, c.issuedAt));
        _present(c, key);
        c = _issue(KYC);
        c.expiry = uint64(vm.getBlockTimestamp());
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_Expired.selector, c.expiry));
        _present(c, key);
    }

    function test_present__newer__renews_and_the_older_does_not_return() external {
        Credential memory older = _issue(KYC);
        _present(older, key);
        skip(300 days);
        Credential memory newer = _issue(KYC);
        _present(newer, secondKey);
        assertEq(credentials.validUntil(subject, KYC), newer.expiry);
        (address last, uint40 issuedAt) = credentials.lastOf(subject, KYC);
        assertEq(last, second);
        assertEq(issuedAt, newer.issuedAt);
        _expectOutdated(older.issuedAt, newer.issuedAt);
        _present(older, key);
        _expectOutdated(newer.issuedAt, newer.issuedAt);
        _present(newer, secondKey);
    }

    function test_revoke__by_its_verifier__is_for_good_until_a_later_issue() external {
        Credential memory c = _issue(KYC);
        _present(c, key);
        skip(1 days);
        vm.expectEmit(address(credentials));
        emit ICredentials.CredentialRevoked(subject, KYC, verifier);
        vm.prank(verifier);
        credentials.revoke(subject, KYC);
        assertEq(credentials.validUntil(subject, KYC), 0);
        _expectOutdated(c.issuedAt, uint64(vm.getBlockTimestamp()));
        _present(c, key);
        Credential memory unpresented = _issue(KYC);
        _expectOutdated(unpresented.issuedAt, uint64(vm.getBlockTimestamp()));
        _present(unpresented, key);
        skip(1);
        _present(_issue(KYC), key);
        assertTrue(credentials.valid(subject, KYC), "issued afterwards");
    }

    function test_revoke__before_it_was_presented__keeps_it_out() external {
        Credential memory c = _issue(KYC);
        skip(1);
        vm.prank(verifier);
        credentials.revoke(subject, KYC);
        _expectOutdated(c.issuedAt, uint64(vm.getBlockTimestamp()));
        _present(c, key);
        assertEq(credentials.revokedAt(verifier, subject, KYC), vm.getBlockTimestamp());
    }

    function test_revoke__by_another_verifier__leaves_it() external {
        _present(_issue(KYC), key);
        vm.prank(second);
        credentials.revoke(subject, KYC);
        assertTrue(credentials.valid(subject, KYC), "valid");
        _expectNotVerifier(subject, KYC);
        vm.prank(subject);
        credentials.revoke(subject, KYC);
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_UnknownKind.selector, 4));
        vm.prank(verifier);
        credentials.revoke(subject, 4);
    }

    function test_revokeAll__by_the_network__holds_for_all_verifiers() external {
        Credential memory a = _issue(KYC);
        _present(a, key);
        _present(_issue(KYB), key);
        skip(1);
        Credential memory b = _issue(KYC);
        skip(1);
        vm.expectEmit(address(credentials));
        emit ICredentials.CredentialRevoked(subject, KYC, address(0));
        credentials.revokeAll(subject, KYC);
        assertEq(credentials.validUntil(subject, KYC), 0);
        assertTrue(credentials.valid(subject, KYB), "another kind");
        _expectOutdated(a.issuedAt, uint64(vm.getBlockTimestamp()));
        _present(a, key);
        _expectOutdated(b.issuedAt, uint64(vm.getBlockTimestamp()));
        _present(b, secondKey);
        skip(1);
        _present(_issue(KYC), secondKey);
        assertTrue(credentials.valid(subject, KYC), "issued afterwards");
    }

    function test_removeVerifier__without_cause__what_it_signed_counts_and_nothing_more_is_taken() external {
        _present(_issue(KYC), key);
        vm.expectEmit(address(credentials));
        emit ICredentials.VerifierRemoved(verifier, false);
        credentials.removeVerifier(verifier, false);
        assertTrue(credentials.valid(subject, KYC), "valid");
        _expectNotVerifier(verifier, KYB);
        _present(_issue(KYB), key);
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_NotDistrusted.selector, verifier));
        credentials.voidFrom(verifier, new address[](0), KYC);
        vm.prank(verifier);
        credentials.revoke(subject, KYC);
        assertFalse(credentials.valid(subject, KYC), "it may still revoke its own");
        credentials.setVerifier(verifier, KYC);
    }

    function test_removeVerifier__for_cause__anyone_voids_what_it_signed() external {
        _present(_issue(KYC), key);
        Credential memory others = _issue(KYC);
        others.subject = second;
        _present(others, secondKey);
        credentials.removeVerifier(verifier, false);
        credentials.removeVerifier(verifier, true);
        address[] memory subjects = new address[](3);
        (subjects[0], subjects[1], subjects[2]) = (second, subject, subject);
        vm.expectEmit(address(credentials));
        emit ICredentials.CredentialVoided(subject, KYC, verifier);
        vm.prank(subject);
        credentials.voidFrom(verifier, subjects, KYC);
        assertFalse(credentials.valid(subject, KYC), "voided");
        assertTrue(credentials.valid(second, KYC), "another verifier's");
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_Distrusted.selector, verifier));
        credentials.setVerifier(verifier, KYC);
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_Distrusted.selector, verifier));
        credentials.removeVerifier(verifier, false);
        skip(1);
        _present(_issue(KYC), secondKey);
        assertTrue(credentials.valid(subject, KYC), "a trusted verifier's new one");
    }

    function test_setVerifier__other_kinds__are_told_and_replace_the_former() external {
        vm.expectEmit(address(credentials));
        emit ICredentials.VerifierSet(verifier, KYB);
        credentials.setVerifier(verifier, KYB);
        Credential memory c = _issue(KYC);
        vm.expectPartialRevert(ICredentials.Credentials_NotVerifier.selector);
        _present(c, key);
    }

    function test_setVerifier__unknown_kinds__is_refused() external {
        for (uint8 kinds = 0; kinds <= 4; kinds += 4) {
            vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_UnknownKind.selector, kinds));
            credentials.setVerifier(second, kinds);
        }
    }

    function test_presentFrom__verifying_contract__is_asked() external {
        Credential memory c = _issue(KYB);
        FakeVerifier wallet = new FakeVerifier(_digest(c, address(credentials)));
        _expectNotVerifier(address(wallet), KYB);
        credentials.presentFrom(c, address(wallet), "yes");
        credentials.setVerifier(address(wallet), KYB);
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_WrongSignature.selector, address(wallet)));
        credentials.presentFrom(c, address(wallet), "no");
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_WrongSignature.selector, verifier));
        credentials.presentFrom(c, verifier, "yes");
        credentials.presentFrom(c, address(wallet), "yes");
        assertEq(credentials.validUntil(subject, KYB), c.expiry);
    }

    // Bars

    function test_heed__something_stands_against_the_owner__nothing_counts_until_it_ends() external {
        Credential memory c = _issue(KYC);
        _present(c, key);
        credentials.heed(subject);
        assertTrue(credentials.valid(subject, KYC), "nothing stands against it");
        for (uint8 i = 1; i < 4; ++i) {
            trust.set(Subjects.owner(subject), Status(i));
            vm.expectEmit(address(credentials));
            emit ICredentials.SubjectBarred(subject, true);
            vm.prank(second);
            credentials.heed(subject);
            credentials.heed(subject);
            assertTrue(credentials.barred(subject));
            assertEq(credentials.validUntil(subject, KYC | KYB), 0);
            trust.set(Subjects.owner(subject), Status.None);
            vm.expectEmit(address(credentials));
            emit ICredentials.SubjectBarred(subject, false);
            credentials.heed(subject);
            assertFalse(credentials.barred(subject));
            assertEq(credentials.validUntil(subject, KYC), c.expiry);
        }
    }

    function test_heed__issued_voided_or_revoked_meanwhile__counts_as_it_is_afterwards() external {
        _present(_issue(KYB), key);
        trust.set(Subjects.owner(subject), Status.Blacklisted);
        credentials.heed(subject);
        Credential memory c = _issue(KYC);
        _present(c, secondKey);
        assertEq(credentials.validUntil(subject, KYC | KYB), 0, "no verifier helps");
        credentials.removeVerifier(verifier, true);
        address[] memory subjects = new address[](1);
        subjects[0] = subject;
        credentials.voidFrom(verifier, subjects, KYB);
        trust.set(Subjects.owner(subject), Status.None);
        uint256 before = vm.snapshotState();
        credentials.heed(subject);
        assertEq(credentials.validUntil(subject, KYC), c.expiry);
        assertEq(credentials.validUntil(subject, KYB), 0);
        vm.revertToState(before);
        credentials.revokeAll(subject, KYC);
        credentials.heed(subject);
        assertEq(credentials.validUntil(subject, KYC), 0);
    }

    function _issue(uint8 kind) private view returns (Credential memory) {
        return
            Credential(subject, kind, "document", uint64(vm.getBlockTimestamp()), uint64(vm.getBlockTimestamp() + FOR));
    }

    function _present(Credential memory c, uint256 key_) private {
        (bytes32 r, bytes32 vs) = vm.signCompact(key_, _digest(c, address(credentials)));
        credentials.present(c, r, vs);
    }

    function _digest(Credential memory c, address here) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Epochal Credentials"),
                keccak256("1"),
                block.chainid,
                here
            )
        );
        bytes32 kind = keccak256(
            "Credential(address subject,uint8 kind,bytes32 document,uint64 issuedAt,uint64 expiry)"
        );
        bytes32 said = keccak256(abi.encode(kind, c.subject, c.kind, c.document, c.issuedAt, c.expiry));
        return keccak256(abi.encodePacked(hex"1901", domain, said));
    }

    function _expectNotVerifier(address who, uint8 kind) private {
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_NotVerifier.selector, who, kind));
    }

    function _expectOutdated(uint64 issuedAt, uint64 standing) private {
        vm.expectRevert(abi.encodeWithSelector(ICredentials.Credentials_Outdated.selector, issuedAt, standing));
    }
}
