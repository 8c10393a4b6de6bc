// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Street} from "./Street.sol";
import {JobEscrow} from "../../contracts/escrow/JobEscrow.sol";
import {IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {IBonds} from "../../contracts/interfaces/IBonds.sol";
import {ICspAccounts} from "../../contracts/interfaces/ICspAccounts.sol";
import {EscrowParts, IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {INodeLicense} from "../../contracts/interfaces/INodeLicense.sol";
import {ITrustRegistry} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Timing} from "../../contracts/libraries/Timing.sol";

/// @dev What an escrow can't be deployed with, each rule at its bound. Spans are those of {Town}.
contract EscrowSettingsTest is Street {
    string private constant ATTESTABLE =
        "attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay + settleWindow";
    string private constant APPEALS =
        "appealEpochs * epochLength > reviewDelay + settleDelay + agreementSpan + activationDelay, or 0";
    string private constant WINDOW = "0 < settleWindow < epochLength";
    string private constant SINKS = "burner and protocolSink are not zero";
    uint32 private constant LONGEST_WINDOW = 3_000 - 1_000 - 10 - 10 - 1_500 - 1;

    uint32 private reviewDelay = 1_500;
    uint32 private appealEpochs = APPEAL_EPOCHS;

    function setUp() public {
        vm.warp(1_700_000_000);
        _found(0, 0);
    }

    function test_constructor__settings_at_their_bounds__are_taken() external {
        assertEq(_deploy(_parts(), LONGEST_WINDOW, 1_000_000).settleWindow(), LONGEST_WINDOW);
        assertEq(_deploy(_parts(), 1, 0).settleWindow(), 1);
    }

    function test_constructor__settings_past_their_bounds__are_refused() external {
        _refused(_parts(), LONGEST_WINDOW + 1, 0, ATTESTABLE);
        _refused(_parts(), EPOCH, 0, WINDOW);
        _refused(_parts(), 0, 0, WINDOW);
        _refused(_parts(), 1, 1_000_001, "protocolSharePpm <= 1000000");
    }

    function test_constructor__appeal_span__outlasts_a_review_and_ends_within_a_year() external {
        reviewDelay = 1_929; // 2,000 less 10, 10, 50 and a second
        setUp();
        assertEq(_deploy(_parts(), 1, 0).appealEpochs(), APPEAL_EPOCHS);
        reviewDelay = 1_930;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_SettingViolated.selector, APPEALS));
        this.setUp();
        appealEpochs = 0;
        assertEq(_deploy(_parts(), 1, 0).appealEpochs(), 0, "no appeals");
        appealEpochs = uint32(365 days) / EPOCH;
        assertEq(_deploy(_parts(), 1, 0).appealEpochs(), 31_536);
        ++appealEpochs;
        _refused(_parts(), 1, 0, "appealEpochs * epochLength <= 365 days");
    }

    function test_constructor__nowhere_to_send_burned_or_the_protocols_money__is_refused() external {
        EscrowParts memory parts = _parts();
        parts.burner = address(0);
        _refused(parts, 1, 0, SINKS);
        parts = _parts();
        parts.protocolSink = address(0);
        _refused(parts, 1, 0, SINKS);
    }

    function _refused(EscrowParts memory parts, uint32 window, uint24 share, string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrow_SettingViolated.selector, rule));
        this.deploy(parts, window, share);
    }

    function deploy(EscrowParts calldata parts, uint32 window, uint24 share) external {
        _deploy(parts, window, share);
    }

    function _deploy(EscrowParts memory parts, uint32 window, uint24 share) private returns (JobEscrow) {
        return new JobEscrow(parts, appealEpochs, window, share);
    }

    function _timing() internal view override returns (Timing memory t) {
        t = super._timing();
        t.attestableSpan += reviewDelay - t.reviewDelay;
        t.reviewDelay = reviewDelay;
    }

    function _parts() private view returns (EscrowParts memory) {
        return
            EscrowParts({
                attestations: IAttestations(address(attestations)),
                licences: INodeLicense(address(licences)),
                placements: address(placements),
                accounts: ICspAccounts(address(accounts)),
                admission: IAdmission(address(admission)),
                trust: ITrustRegistry(address(trust)),
                bonds: IBonds(address(bonds)),
                burner: address(burner),
                protocolSink: address(burner)
            });
    }
}
