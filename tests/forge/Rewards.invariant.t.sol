// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Availability, ILicenceRewards} from "../../contracts/interfaces/ILicenceRewards.sol";
import {INodeLicense, Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {ITrustRegistry} from "../../contracts/interfaces/ITrustRegistry.sol";
import {LeafProof} from "../../contracts/libraries/LeafProof.sol";
import {LicenceRewards} from "../../contracts/rewards/LicenceRewards.sol";
import {NetworkToken} from "../../contracts/rewards/NetworkToken.sol";
import {Actions} from "./handlers/Actions.sol";
import {RewardsHandler} from "./handlers/RewardsHandler.sol";
import {RewardsModel} from "./handlers/RewardsModel.sol";
import {Walks} from "./Walks.sol";

/// @dev Licences' rewards against a model of their own. In words in README.md.
contract RewardsInvariants is Test {
    RewardsHandler private handler;
    LicenceRewards private rewards;
    NetworkToken private token;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new RewardsHandler();
        rewards = handler.rewards();
        token = handler.token();
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: handler.actions()}));
    }

    function invariant_rewardActions() external view {
        assertEq(handler.fault(), "");
    }

    /// @dev Seconds never fall in the model.
    function invariant_rewardSeconds() external view {
        RewardsModel.Book[] memory books = handler.allBooks();
        uint256[] memory ids = new uint256[](books.length);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = i;
        Availability[] memory all = rewards.availabilitiesOf(ids);
        for (uint256 i = 1; i < ids.length; ++i) {
            (Availability memory a, RewardsModel.Book memory b) = (all[i], books[i]);
            Availability memory expected = Availability(b.through, b.accounted, b.earned, b.claimed);
            assertEq(abi.encode(a), abi.encode(expected), "a licence's seconds");
        }
    }

    function invariant_rewardMoney() external view {
        uint256 sum = 0;
        for (uint8 i = 1; i < 4; ++i) {
            (uint256 limit, uint256 paid) = (handler.limitOf(Kind(i)), handler.paidTo(Kind(i)));
            assertEq(rewards.curveOf(Kind(i)).left, limit - paid, "what is left of a kind");
            sum += paid;
        }
        assertLe(token.minted(), token.cap(), "more minted than the cap");
        assertEq(token.minted(), sum, "minted = paid");
        assertEq(token.totalSupply() + handler.burned(), sum, "supply + burned = paid");
        for (uint256 i = 0; i < handler.PEOPLE(); ++i) {
            address who = handler.people(i);
            assertEq(token.balanceOf(who) + handler.burnedBy(who), handler.credited(who), "a holder's balance");
        }
        for (uint256 i = 0; i < handler.WALLETS(); ++i) {
            assertEq(token.balanceOf(handler.wallet(i)), handler.credited(handler.wallet(i)), "a wallet's balance");
        }
    }

    /// @dev What a freeze made wait is lost to nobody: in the end each licence has S(earned), or its kind all that there is for it.
    function afterInvariant() external {
        handler.finish();
        this.invariant_rewardActions();
        this.invariant_rewardSeconds();
        this.invariant_rewardMoney();
        RewardsModel.Book[] memory books = handler.allBooks();
        for (uint256 i = 1; i < books.length; ++i) {
            RewardsModel.Book memory b = books[i];
            uint256 whole = handler.schedule(b.kind, b.earned);
            assertEq(rewards.emission(b.kind, b.earned), whole, "S(earned)");
            assertEq(b.claimed, b.earned, "something still waits");
            assertLe(b.earned, b.accounted, "more earned than accounted");
            assertLe(b.accounted, handler.linkedSeconds(i), "accounted beyond the link");
            if (b.through != 0) assertLe(b.accounted, b.through - handler.startOf(b.kind), "accounted beyond the time");
            if (handler.paidTo(b.kind) < handler.limitOf(b.kind)) assertEq(b.paid, whole, "S(earned) was paid");
        }
    }
}

contract RewardsWalks is Walks {
    function test_rewards__long_walks__every_action_happens() external {
        bytes4[14] memory list = [
            ILicenceRewards.LicenceRewards_LeafNotInReport.selector,
            LeafProof.LeafProof_WrongRoot.selector,
            ILicenceRewards.LicenceRewards_ZeroRecipient.selector,
            ILicenceRewards.LicenceRewards_NotHolder.selector,
            ILicenceRewards.LicenceRewards_FixedRecipients.selector,
            INodeLicense.NodeLicense_NotHolder.selector,
            INodeLicense.NodeLicense_CoolingDown.selector,
            INodeLicense.NodeLicense_Barred.selector,
            INodeLicense.NodeLicense_AlreadyLinked.selector,
            INodeLicense.NodeLicense_Exhausted.selector,
            IERC721Errors.ERC721InsufficientApproval.selector,
            IAccessManaged.AccessManagedUnauthorized.selector,
            ITrustRegistry.TrustRegistry_InForce.selector,
            ITrustRegistry.TrustRegistry_Final.selector
        ];
        bytes4[] memory refusals = new bytes4[](list.length);
        for (uint256 i = 0; i < list.length; ++i) refusals[i] = list[i];
        _mustHappen(
            "report settle settleRange claim paid frozen inCustody claimTo paidTo claimToAsOperator link unlink transfer "
            "transferUnclaimed appoint impose lift mint burn",
            refusals
        );
    }

    function _world() internal override returns (Actions) {
        return new RewardsHandler();
    }
}
