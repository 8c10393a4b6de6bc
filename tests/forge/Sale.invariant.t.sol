// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ILicenceSale} from "../../contracts/interfaces/ILicenceSale.sol";
import {INodeLicense, Kind} from "../../contracts/interfaces/INodeLicense.sol";
import {LicenceSale} from "../../contracts/licences/LicenceSale.sol";
import {NodeLicense} from "../../contracts/licences/NodeLicense.sol";
import {FickleToken} from "../contract/solidity/FickleToken.sol";
import {Actions} from "./handlers/Actions.sol";
import {SaleHandler} from "./handlers/SaleHandler.sol";
import {Walks} from "./Walks.sol";

/// @dev The sale of licences. In words in README.md.
contract SaleInvariants is Test {
    SaleHandler private handler;
    LicenceSale private sale;
    NodeLicense private licences;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new SaleHandler();
        sale = handler.sale();
        licences = handler.licences();
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: handler.actions()}));
    }

    function invariant_saleActions() external view {
        assertEq(handler.fault(), "");
    }

    function invariant_saleMoney() external view {
        uint256 sum = 0;
        for (uint256 i = 0; i < handler.TOKENS(); ++i) {
            FickleToken token = handler.tokens(i);
            uint256 balance = token.balanceOf(handler.TREASURY());
            assertEq(balance, handler.collected(address(token)), "the treasury's balance");
            assertEq(token.balanceOf(address(sale)), 0, "the sale holds money");
            sum += balance;
        }
        uint256 spent = 0;
        for (uint256 i = 0; i < handler.BUYERS(); ++i) {
            address buyer = handler.buyers(i);
            assertEq(sale.spentBy(buyer), handler.spentBy(buyer), "what a buyer spent");
            spent += handler.spentBy(buyer);
        }
        assertEq(spent, handler.priceOfFirst(sale.sold()), "spent = the prices of the first licences");
        assertEq(sum, spent + handler.vat(), "collected = spent + VAT");
    }

    function invariant_saleLicences() external view {
        assertEq(sale.sold(), handler.sold(), "sold");
        assertLe(sale.sold(), sale.offered(), "more sold than offered");
        (uint256 limit, uint256 minted) = licences.supplyOf(Kind.Standard);
        assertLe(minted, limit, "more licences than their supply");
        assertEq(minted, handler.sold() + handler.minted(), "minted = sold + the licensor's");
        for (uint256 i = 0; i < handler.BUYERS(); ++i) {
            address buyer = handler.buyers(i);
            assertEq(licences.balanceOf(buyer), handler.boughtBy(buyer), "a buyer's licences");
        }
        for (uint256 invoice = 1; invoice <= handler.done("issue"); ++invoice) {
            uint256 uses = handler.uses(bytes32(invoice));
            assertLe(uses, 1, "an invoice was used twice");
            assertEq(sale.invoiceUsed(bytes32(invoice)), uses == 1, "an invoice is used when it was");
        }
    }
}

contract SaleWalks is Walks {
    function test_sale__long_walks__every_action_happens() external {
        bytes4[16] memory list = [
            ILicenceSale.LicenceSale_IsPaused.selector,
            ILicenceSale.LicenceSale_PauseTooLong.selector,
            ILicenceSale.LicenceSale_Resting.selector,
            ILicenceSale.LicenceSale_NotPaused.selector,
            ILicenceSale.LicenceSale_TokenNotAllowed.selector,
            ILicenceSale.LicenceSale_NotBuyer.selector,
            ILicenceSale.LicenceSale_VoucherExpired.selector,
            ILicenceSale.LicenceSale_InvoiceUsed.selector,
            ILicenceSale.LicenceSale_NotIssuer.selector,
            ILicenceSale.LicenceSale_NothingToBuy.selector,
            ILicenceSale.LicenceSale_SoldOut.selector,
            ILicenceSale.LicenceSale_LimitExceeded.selector,
            ILicenceSale.LicenceSale_CostExceeded.selector,
            ILicenceSale.LicenceSale_WrongAmountReceived.selector,
            INodeLicense.NodeLicense_Exhausted.selector,
            IAccessManaged.AccessManagedUnauthorized.selector
        ];
        bytes4[] memory refusals = new bytes4[](list.length);
        for (uint256 i = 0; i < list.length; ++i) refusals[i] = list[i];
        _mustHappen("issue buy spanTiers forgery pause resume setIssuer setToken misbehave mint", refusals);
    }

    function _world() internal override returns (Actions) {
        return new SaleHandler();
    }
}
