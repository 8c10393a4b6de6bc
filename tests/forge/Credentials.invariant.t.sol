// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Credentials} from "../../contracts/csp/Credentials.sol";
import {ICredentials} from "../../contracts/interfaces/ICredentials.sol";
import {ITrustRegistry} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Actions} from "./handlers/Actions.sol";
import {CredentialHandler} from "./handlers/CredentialHandler.sol";
import {Walks} from "./Walks.sol";

/// @dev Credentials with verifiers at work, and owners who are barred. In words in README.md.
contract CredentialInvariants is Test {
    CredentialHandler private handler;
    Credentials private credentials;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new CredentialHandler();
        credentials = handler.credentials();
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: handler.actions()}));
    }

    function invariant_credentialActions() external view {
        assertEq(handler.fault(), "");
    }

    function invariant_credentials() external view {
        for (uint256 i = 0; i < handler.SUBJECTS(); ++i) {
            address subject = handler.subjects(i);
            uint256 kyc = handler.countsUntil(subject, 1);
            uint256 kyb = handler.countsUntil(subject, 2);
            uint256 either = kyc > kyb ? kyc : kyb;
            assertEq(credentials.validUntil(subject, 1), kyc, "KYC");
            assertEq(credentials.validUntil(subject, 2), kyb, "KYB");
            assertEq(credentials.validUntil(subject, 3), either, "either");
            assertEq(credentials.valid(subject, 3), vm.getBlockTimestamp() < either, "valid now");
            assertEq(credentials.barred(subject), handler.barred(subject), "barred");
        }
    }
}

contract CredentialWalks is Walks {
    function test_credentials__long_walks__every_action_happens() external {
        bytes4[13] memory list = [
            ICredentials.Credentials_UnknownKind.selector,
            ICredentials.Credentials_NotVerifier.selector,
            ICredentials.Credentials_Distrusted.selector,
            ICredentials.Credentials_NotDistrusted.selector,
            ICredentials.Credentials_WrongSignature.selector,
            ICredentials.Credentials_NotYetIssued.selector,
            ICredentials.Credentials_Expired.selector,
            ICredentials.Credentials_Outdated.selector,
            IAccessManaged.AccessManagedUnauthorized.selector,
            ITrustRegistry.TrustRegistry_InForce.selector,
            ITrustRegistry.TrustRegistry_NotInForce.selector,
            ITrustRegistry.TrustRegistry_Final.selector,
            ITrustRegistry.TrustRegistry_UnknownKind.selector
        ];
        bytes4[] memory refusals = new bytes4[](list.length);
        for (uint256 i = 0; i < list.length; ++i) refusals[i] = list[i];
        _mustHappen(
            "issue present presentFrom renew presentWhileBarred revoke revokeAsFormer revokeAll setVerifier remove "
            "removeForCause voidFrom voided impose lift heed bar unbar",
            refusals
        );
    }

    function _world() internal override returns (Actions) {
        return new CredentialHandler();
    }
}
