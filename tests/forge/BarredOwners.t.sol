// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {Credential} from "../../contracts/interfaces/ICredentials.sol";
import {JobTerms} from "../../contracts/interfaces/IJobEscrow.sol";
import {Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {Street} from "./Street.sol";

/// @dev Somebody whom the network keeps out, with as many accounts as he likes.
contract BarredOwnersTest is Street {
    address private constant CSP = address(0xC1);
    address private constant FRIEND = address(0xC2);
    uint256 private constant VERIFIER = 77;
    uint8 private constant KYC = 1;

    function test_status__owner_with_new_accounts__none_is_admitted() external {
        _found(KYC, 0);
        credentials.setVerifier(vm.addr(VERIFIER), KYC);
        _identify();
        uint48 one = _open(CSP);
        uint64 job = _create(one, 1, 1_000);
        vm.prank(CSP);
        uint48 kept = accounts.open();
        trust.blacklist(Subjects.owner(CSP), 7, "evidence");
        credentials.heed(CSP);

        vm.prank(FRIEND);
        uint48 given = accounts.open();
        vm.prank(FRIEND);
        accounts.transferAccount(given, CSP);
        vm.startPrank(CSP);
        accounts.acceptAccount(given);
        uint48 fresh = accounts.open();
        vm.stopPrank();
        vm.warp(_now() + 1);
        _identify(); // the verifier says what is true: it is still the same person
        JobTerms memory terms = _terms(address(token), 1, 1_000);
        bytes memory why = abi.encodeWithSelector(IAdmission.Admission_NoCredential.selector, CSP, KYC, uint40(0));
        uint48[4] memory all = [one, kept, given, fresh];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(CSP);
            vm.expectRevert(why);
            escrow.createJob(all[i], terms);
        }
        vm.prank(CSP);
        vm.expectRevert(why);
        escrow.growJob(job, 2, genesis + 2_000);
        vm.prank(CSP);
        escrow.stopJob(job);

        trust.appeal(Subjects.owner(CSP), Status.Blacklisted, "statement");
        (uint40 decideBy, , ) = trust.standingOf(Subjects.owner(CSP), Status.Blacklisted);
        trust.decideAppeal(Subjects.owner(CSP), Status.Blacklisted, decideBy, true, "granted");
        credentials.heed(CSP);
        _create(fresh, 1, 1_000);
    }

    function _identify() private {
        Credential memory c = Credential(CSP, KYC, "document", uint64(_now()), uint64(_now() + 1e6));
        bytes32 said = keccak256(
            abi.encode(
                keccak256("Credential(address subject,uint8 kind,bytes32 document,uint64 issuedAt,uint64 expiry)"),
                c
            )
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(VERIFIER, _typed("Epochal Credentials", address(credentials), said));
        credentials.present(c, r, vs);
    }
}
