// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AdmissionSettings, IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {Credential} from "../../contracts/interfaces/ICredentials.sol";
import {ICspAccounts} from "../../contracts/interfaces/ICspAccounts.sol";
import {Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {Permissions} from "../../contracts/libraries/Permissions.sol";
import {Street} from "./Street.sol";

/// @dev Whose account, whose wallet, whose word: delegates, a change of owner in mid-job, and whom the network admits.
contract AccountsTest is Street {
    uint8 private constant KYC = 1;
    uint256 private constant VERIFIER = 0x7E51;
    address private constant OWNER = address(0xC5B);
    address private constant HEIR = address(0xC5C);
    address private constant DELEGATE = address(0xDE1);
    uint48 private account;
    uint64 private job;
    uint256 private serving;

    function setUp() external {
        vm.warp(1_700_000_000);
        _found(0, 0);
        _mintLinked(1);
        account = _open(OWNER);
        job = _create(account, 3, 5_000);
        serving = _assign(job, 0, 1);
        _at(200);
    }

    // Delegates

    function test_delegate__each_permission__allows_its_own_action_alone() external {
        bytes[4] memory calls = [
            abi.encodeCall(escrow.createJob, (account, _terms(address(token), 1, 1_000))),
            abi.encodeCall(escrow.growJob, (job, 3, uint40(genesis + 6_000))),
            abi.encodeCall(escrow.shrinkJob, (job, 2)),
            abi.encodeCall(placements.closeAssignment, (serving))
        ];
        uint256 from = vm.snapshotState();
        for (uint8 given = 0; given < 4; ++given) {
            _delegate(uint8(1 << given), 1e15);
            for (uint8 i = 0; i < 4; ++i) {
                address target = i == 3 ? address(placements) : address(escrow);
                vm.prank(DELEGATE);
                // solhint-disable-next-line avoid-low-level-calls
                (bool done, bytes memory reason) = target.call(calls[i]);
                assertEq(done, i == given);
                if (i == given) continue;
                bytes memory expected = abi.encodeWithSelector(
                    ICspAccounts.CspAccounts_NotPermitted.selector,
                    account,
                    DELEGATE,
                    uint8(1 << i)
                );
                assertEq(reason, expected);
            }
            vm.revertToState(from);
        }
    }

    function test_delegate__stop_and_leave__are_one_permission_and_refund_the_owner() external {
        _delegate(Permissions.LEAVE, 0);
        uint256 had = token.balanceOf(OWNER);
        vm.startPrank(DELEGATE);
        escrow.stopJob(job);
        escrow.withdrawRefund(job);
        vm.stopPrank();
        assertEq(token.balanceOf(DELEGATE), 0);
        assertEq(token.balanceOf(OWNER) - had, _cost(15_000) - _cost(600));
    }

    function test_delegate__expired__may_nothing() external {
        _delegate(15, 1e15);
        vm.warp(_now() + 1_000);
        bytes memory expired = abi.encodeWithSelector(
            ICspAccounts.CspAccounts_DelegationExpired.selector,
            account,
            DELEGATE,
            _now()
        );
        vm.startPrank(DELEGATE);
        vm.expectRevert(expired);
        escrow.growJob(job, 3, uint40(genesis + 6_000));
        vm.expectRevert(expired);
        escrow.stopJob(job);
        vm.expectRevert(expired);
        placements.closeAssignment(serving);
        vm.stopPrank();
    }

    function test_delegate__limit__to_the_unit() external {
        uint256 price = _cost(18_000) - _cost(15_000);
        _delegate(Permissions.GROW, price - 1);
        vm.prank(DELEGATE);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICspAccounts.CspAccounts_LimitExceeded.selector,
                account,
                DELEGATE,
                address(token),
                price - 1,
                price
            )
        );
        escrow.growJob(job, 3, uint40(genesis + 6_000));

        _delegate(Permissions.GROW, price);
        uint256 had = token.balanceOf(OWNER);
        vm.prank(DELEGATE);
        escrow.growJob(job, 3, uint40(genesis + 6_000));
        assertEq(had - token.balanceOf(OWNER), price, "the owner's wallet");
        assertEq(accounts.spendingLimit(account, DELEGATE, address(token)), 0);
    }

    // Change of owner

    function test_transfer__in_mid_job__moves_refunds_and_rights_when_accepted() external {
        _delegate(15, 1e15);
        vm.prank(OWNER);
        accounts.transferAccount(account, HEIR);
        vm.prank(HEIR);
        vm.expectRevert(
            abi.encodeWithSelector(ICspAccounts.CspAccounts_NotPermitted.selector, account, HEIR, Permissions.LEAVE)
        );
        escrow.stopJob(job);
        vm.prank(HEIR);
        accounts.acceptAccount(account);

        address[2] memory former = [OWNER, DELEGATE];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(former[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICspAccounts.CspAccounts_NotPermitted.selector,
                    account,
                    former[i],
                    Permissions.LEAVE
                )
            );
            escrow.stopJob(job);
        }
        _fund(address(token), HEIR);
        vm.prank(HEIR);
        escrow.growJob(job, 3, uint40(genesis + 6_000));
        assertEq(token.balanceOf(HEIR), 1e15 - (_cost(18_000) - _cost(15_000)), "the new owner pays");
        vm.prank(HEIR);
        escrow.stopJob(job);
        uint256 had = token.balanceOf(OWNER);
        escrow.withdrawRefund(job);
        assertEq(token.balanceOf(OWNER), had);
        assertEq(
            token.balanceOf(HEIR),
            1e15 + _cost(15_000) - _cost(600),
            "and is refunded, for what was paid before too"
        );
    }

    function test_transfer__nodes__are_paid_all_the_same() external {
        vm.prank(OWNER);
        accounts.transferAccount(account, HEIR);
        vm.prank(HEIR);
        accounts.acceptAccount(account);
        _assertLeavesAndPays(HEIR);
    }

    // Admission

    function test_credential__missing_expired_or_revoked__no_money_comes_in() external {
        admission.changeSettings(AdmissionSettings({credentialKinds: 3, deedRequired: false, longestPause: 2_000}));
        address verifier = vm.addr(VERIFIER);
        credentials.setVerifier(verifier, KYC);
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, OWNER, 3, 0));

        uint40 expiry = _now() + 500;
        _present(OWNER, expiry);
        _create(account, 1, 1_000);
        vm.warp(expiry);
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, OWNER, 3, expiry));

        _present(OWNER, _now() + 500);
        _create(account, 1, 1_000);
        vm.prank(verifier);
        credentials.revoke(OWNER, KYC);
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, OWNER, 3, 0));
        _assertLeavesAndPays(OWNER);
    }

    /// @dev The credential is the owner's: a delegate's own doesn't help, and an account doesn't carry one to its next owner.
    function test_credential__whose__the_owners() external {
        admission.changeSettings(AdmissionSettings({credentialKinds: 1, deedRequired: false, longestPause: 2_000}));
        credentials.setVerifier(vm.addr(VERIFIER), KYC);
        _delegate(15, 1e15);
        _present(DELEGATE, _now() + 500);
        vm.prank(DELEGATE);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, OWNER, 1, 0));
        escrow.growJob(job, 4, uint40(genesis + 5_000));

        _present(OWNER, _now() + 500);
        vm.prank(DELEGATE);
        escrow.growJob(job, 4, uint40(genesis + 5_000));
        vm.prank(OWNER);
        accounts.transferAccount(account, HEIR);
        vm.prank(HEIR);
        accounts.acceptAccount(account);
        _fund(address(token), HEIR);
        vm.prank(HEIR);
        vm.expectRevert(abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, HEIR, 1, 0));
        escrow.growJob(job, 5, uint40(genesis + 5_000));
    }

    function test_deed__required__the_owner_holds_one() external {
        admission.changeSettings(AdmissionSettings({credentialKinds: 0, deedRequired: true, longestPause: 2_000}));
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_NoDeed.selector, OWNER));
        uint256 deed = licences.mint(OWNER, Kind.Standard);
        _create(account, 1, 1_000);
        vm.prank(OWNER);
        licences.transferFrom(OWNER, HEIR, deed);
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_NoDeed.selector, OWNER));
        _assertLeavesAndPays(OWNER);
    }

    function test_pause__holds_up_what_comes_in_alone_and_expires() external {
        uint40 until = _now() + 2_000;
        admission.pause(until);
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_Paused.selector, until));
        uint256 from = vm.snapshotState();
        _assertLeavesAndPays(OWNER);
        vm.revertToState(from);
        vm.warp(until);
        _create(account, 1, 1_000);
        _grow(4);
    }

    function test_forbidden_token__holds_up_what_comes_in_alone() external {
        admission.forbidToken(address(token));
        _refuseMoney(abi.encodeWithSelector(IAdmission.Admission_TokenNotAllowed.selector, address(token)));
        _assertLeavesAndPays(OWNER);
    }

    // Inside

    function _delegate(uint8 permissions, uint256 limit) private {
        vm.startPrank(OWNER);
        accounts.setDelegate(account, DELEGATE, permissions, _now() + 1_000);
        accounts.setSpendingLimit(account, DELEGATE, address(token), limit);
        vm.stopPrank();
    }

    function _present(address subject, uint40 expiry) private {
        vm.warp(_now() + 1);
        Credential memory c = Credential(subject, KYC, keccak256("file"), _now(), expiry);
        bytes32 kind = keccak256(
            "Credential(address subject,uint8 kind,bytes32 document,uint64 issuedAt,uint64 expiry)"
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(
            VERIFIER,
            _typed("Epochal Credentials", address(credentials), keccak256(abi.encode(kind, c)))
        );
        credentials.present(c, r, vs);
    }

    function _grow(uint32 slots) private {
        vm.prank(OWNER);
        escrow.growJob(job, slots, uint40(genesis + 5_000));
    }

    function _refuseMoney(bytes memory reason) private {
        vm.startPrank(OWNER);
        vm.expectRevert(reason);
        escrow.createJob(account, _terms(address(token), 1, 1_000));
        vm.expectRevert(reason);
        escrow.growJob(job, 4, uint40(genesis + 5_000));
        vm.stopPrank();
    }

    /// @dev What is in leaves as ever: the CSP stops, the node is settled and paid, the job closes, the rest is the owner's.
    function _assertLeavesAndPays(address owner) private {
        uint256 had = token.balanceOf(owner);
        uint256 already = _job(job).refunded;
        uint40 served = _now() - genesis;
        vm.prank(owner);
        escrow.stopJob(job);
        uint64 epoch = served / EPOCH;
        _at((uint256(epoch) + 1) * EPOCH);
        _say(serving, served, served);
        _report(epoch);
        _settle(0);
        _claim(serving);
        assertEq(token.balanceOf(_holder(1)), _net(served));
        vm.warp(_now() + SETTLE_WINDOW);
        escrow.closeJob(job);
        escrow.withdrawRefund(job);
        escrow.sendToProtocol(job);
        uint256 share = token.balanceOf(address(burner));
        assertEq(token.balanceOf(owner) - had + already, _job(job).deposit - _net(served) - share);
    }
}
