// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable avoid-low-level-calls

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20Errors, IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Authority} from "../../contracts/governance/Authority.sol";
import {ILicenceSale, Tier, Voucher} from "../../contracts/interfaces/ILicenceSale.sol";
import {INodeLicense, Kind, LicenceSettings} from "../../contracts/interfaces/INodeLicense.sol";
import {ITrustRegistry} from "../../contracts/interfaces/ITrustRegistry.sol";
import {LicenceSale} from "../../contracts/licences/LicenceSale.sol";
import {NodeLicense} from "../../contracts/licences/NodeLicense.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {FickleToken} from "../contract/solidity/FickleToken.sol";
import {EagerBuyer, FakeTrust, FalseToken, Signing} from "./fakes/Licences.sol";

contract LicenceSaleTest is Signing {
    uint256 private constant DOLLAR = 1e6;
    uint256 private constant SUPPLY = 46_224;
    uint64 private constant MINTER = 7;
    uint32 private constant LONGEST_PAUSE = 14 days;
    bytes32 private constant VOUCHER_TYPE = keccak256(
        "Voucher(address buyer,bytes32 invoice,uint256 limit,uint24 vatPpm,uint64 expiry)"
    );

    Authority private authority = new Authority(address(this));
    LocalToken private token = new LocalToken();
    NodeLicense private licences;
    LicenceSale private sale;
    address private treasury = makeAddr("treasury");
    address private buyer = makeAddr("buyer");
    address private other = makeAddr("other");
    uint256 private issuerKey;
    uint256 private invoices;

    function setUp() external {
        vm.warp(1_800_000_000);
        licences = new NodeLicense(
            address(authority),
            makeAddr("escrow"),
            ITrustRegistry(address(new FakeTrust())),
            LicenceSettings(24 hours, [uint96(SUPPLY), 500, 1])
        );
        sale = _deploy(_ratio1(), _one(address(token)));
        address issuer;
        (issuer, issuerKey) = makeAddrAndKey("issuer");
        sale.setIssuer(issuer, true);
        _fund(buyer);
        _fund(other);
    }

    // Deployment

    function test_constructor__a_setting_out_of_its_bounds__is_refused() external {
        Tier[] memory tiers = new Tier[](1);
        tiers[0] = Tier(1, 1);
        address[] memory tokens = _one(address(token));
        _expectSettingViolated("treasury is not zero");
        new LicenceSale(address(authority), licences, address(0), 0, tiers, tokens);
        _expectSettingViolated("longestPause <= 90 days");
        new LicenceSale(address(authority), licences, treasury, 90 days + 1, tiers, tokens);
        assertEq(
            new LicenceSale(address(authority), licences, treasury, 90 days, tiers, tokens).longestPause(),
            90 days
        );
        _expectSettingViolated("at least one token");
        _deploy(tiers, new address[](0));
        tiers[0] = Tier(0, 1);
        _expectSettingViolated("a tier's price and count are not zero");
        _deploy(tiers, tokens);
        tiers[0] = Tier(1, 0);
        _expectSettingViolated("a tier's price and count are not zero");
        _deploy(tiers, tokens);
        tiers[0] = Tier(1, uint32(SUPPLY + 1));
        _expectSettingViolated("tiers are within the supply of standard licences and 2^32");
        _deploy(tiers, tokens);
        tiers[0] = Tier(1, uint32(SUPPLY));
        assertEq(_deploy(tiers, tokens).offered(), SUPPLY);

        tiers = new Tier[](33);
        for (uint256 i = 0; i < tiers.length; ++i) tiers[i] = Tier(1, 1);
        _expectSettingViolated("at most 32 tiers");
        _deploy(tiers, tokens);
        tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(token), address(new FickleToken()));
        _expectSettingViolated("all tokens have the same decimals");
        _deploy(_ratio1(), tokens);
    }

    function test_constructor__ratio1__offers_its_figures() external view {
        assertEq(sale.offered(), SUPPLY, "the tiers come to the whole supply");
        assertEq(abi.encode(sale.tiers()), abi.encode(_ratio1()));
        assertEq(sale.decimals(), 6);
        assertEq(sale.longestPause(), LONGEST_PAUSE);
        assertEq(sale.treasury(), treasury);
        assertEq(address(sale.licences()), address(licences));
    }

    // Buying

    function test_buy__with_a_voucher__pays_the_treasury_and_mints() external {
        Voucher memory v = _voucher(buyer, 10_000 * DOLLAR);
        v.vatPpm = 190_000;
        // 89 at 500, then 750: the purchase starts in one tier and ends in the next.
        uint256[] memory bought = _buy(_voucher(other, type(uint256).max), 87, type(uint256).max);
        assertEq(bought.length, 87);
        uint256 cost = (2 * 500 + 3 * 750) * DOLLAR;
        uint256 vat = (cost * 19) / 100;
        uint256 before = token.balanceOf(treasury);
        assertEq(sale.quote(5), cost);
        vm.expectEmit(address(sale));
        emit ILicenceSale.LicencesSold(v.invoice, buyer, address(token), 5, cost, vat);
        bought = _buy(v, 5, cost + vat);

        assertEq(token.balanceOf(treasury) - before, cost + vat);
        assertEq(token.balanceOf(address(sale)), 0);
        assertEq(licences.balanceOf(buyer), 5);
        for (uint256 i = 0; i < 5; ++i) {
            assertEq(licences.ownerOf(bought[i]), buyer);
            assertEq(uint8(licences.kindOf(bought[i])), uint8(Kind.Standard));
        }
        assertEq(sale.sold(), 92);
        assertEq(sale.spentBy(buyer), cost);
        assertTrue(sale.invoiceUsed(v.invoice));
    }

    function test_buy__invoice_used__is_refused() external {
        Voucher memory v = _voucher(buyer, type(uint256).max);
        _buy(v, 1, type(uint256).max);
        _refused(v, 1, abi.encodeWithSelector(ILicenceSale.LicenceSale_InvoiceUsed.selector, v.invoice));
        // Nor by another buyer, whatever else the issuer signed.
        v.buyer = other;
        _refused(v, 1, abi.encodeWithSelector(ILicenceSale.LicenceSale_InvoiceUsed.selector, v.invoice));
    }

    function test_buy__voucher_expired__is_refused_after_its_last_second() external {
        Voucher memory v = _voucher(buyer, type(uint256).max);
        v.expiry = uint64(vm.getBlockTimestamp());
        skip(1);
        _refused(v, 1, abi.encodeWithSelector(ILicenceSale.LicenceSale_VoucherExpired.selector, v.expiry));
        vm.warp(v.expiry);
        _buy(v, 1, type(uint256).max);
    }

    function test_buy__voucher_of_another__is_refused() external {
        Voucher memory v = _voucher(buyer, type(uint256).max);
        (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
        vm.expectRevert(abi.encodeWithSelector(ILicenceSale.LicenceSale_NotBuyer.selector, other, buyer));
        vm.prank(other);
        sale.buy(address(token), 1, type(uint256).max, v, r, vs);
    }

    function test_buy__voucher_changed__is_refused() external {
        Voucher memory signed = _voucher(buyer, 500 * DOLLAR);
        (bytes32 r, bytes32 vs) = _sign(signed, issuerKey);
        Voucher[5] memory changed;
        for (uint256 i = 0; i < 5; ++i) changed[i] = abi.decode(abi.encode(signed), (Voucher));
        changed[0].buyer = other;
        changed[1].invoice = "another";
        changed[2].limit += 1;
        changed[3].vatPpm += 1;
        changed[4].expiry += 1;
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectPartialRevert(ILicenceSale.LicenceSale_NotIssuer.selector);
            vm.prank(changed[i].buyer);
            sale.buy(address(token), 1, type(uint256).max, changed[i], r, vs);
        }
        vm.prank(buyer);
        sale.buy(address(token), 1, type(uint256).max, signed, r, vs);
    }

    function test_buy__signer_not_registered__is_refused() external {
        Voucher memory v = _voucher(buyer, type(uint256).max);
        address issuer = vm.addr(issuerKey);
        sale.setIssuer(issuer, false);
        _refused(v, 1, abi.encodeWithSelector(ILicenceSale.LicenceSale_NotIssuer.selector, issuer));
    }

    function test_buy__beyond_the_limit_of_all_purchases__is_refused() external {
        _buy(_voucher(buyer, 500 * DOLLAR), 1, type(uint256).max);
        Voucher memory v = _voucher(buyer, 1_500 * DOLLAR - 1);
        // VAT isn't counted.
        v.vatPpm = 1_000_000;
        _refused(
            v,
            2,
            abi.encodeWithSelector(ILicenceSale.LicenceSale_LimitExceeded.selector, 1_500 * DOLLAR, 1_500 * DOLLAR - 1)
        );
        v.limit = 1_500 * DOLLAR;
        _buy(v, 2, 2_000 * DOLLAR);
    }

    function test_buy__dearer_than_the_buyer_accepts__is_refused() external {
        Voucher memory v = _voucher(buyer, type(uint256).max);
        v.vatPpm = 200_000;
        (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
        vm.expectRevert(
            abi.encodeWithSelector(ILicenceSale.LicenceSale_CostExceeded.selector, 600 * DOLLAR, 600 * DOLLAR - 1)
        );
        vm.prank(buyer);
        sale.buy(address(token), 1, 600 * DOLLAR - 1, v, r, vs);
    }

    function test_buy__nothing_or_more_than_there_is__is_refused() external {
        Tier[] memory tiers = new Tier[](2);
        (tiers[0], tiers[1]) = (Tier(1, 2), Tier(5, 3));
        sale = _deploy(tiers, _one(address(token)));
        sale.setIssuer(vm.addr(issuerKey), true);
        _fund(buyer);
        Voucher memory v = _voucher(buyer, type(uint256).max);
        _refused(v, 0, abi.encodeWithSelector(ILicenceSale.LicenceSale_NothingToBuy.selector));
        _refused(v, 6, abi.encodeWithSelector(ILicenceSale.LicenceSale_SoldOut.selector, 6, 5));
        _buy(v, 3, 7);
        v = _voucher(buyer, type(uint256).max);
        _refused(v, 3, abi.encodeWithSelector(ILicenceSale.LicenceSale_SoldOut.selector, 3, 2));
        _buy(v, 2, 10);
        _refused(
            _voucher(buyer, type(uint256).max),
            1,
            abi.encodeWithSelector(ILicenceSale.LicenceSale_SoldOut.selector, 1, 0)
        );
    }

    function test_buy__licensor_minted_what_the_tiers_offer__takes_no_money() external {
        NodeLicense few = new NodeLicense(
            address(authority),
            makeAddr("escrow"),
            licences.trust(),
            LicenceSettings(0, [uint96(2), 0, 0])
        );
        licences = few;
        Tier[] memory tiers = new Tier[](1);
        tiers[0] = Tier(1, 2);
        sale = _deploy(tiers, _one(address(token)));
        sale.setIssuer(vm.addr(issuerKey), true);
        _fund(buyer);
        licences.mint(other, Kind.Standard);
        uint256 before = token.balanceOf(buyer);
        _refused(
            _voucher(buyer, type(uint256).max),
            2,
            abi.encodeWithSelector(INodeLicense.NodeLicense_Exhausted.selector, Kind.Standard, 2)
        );
        assertEq(token.balanceOf(buyer), before);
    }

    function test_buy__buyer_is_called_back__cannot_enter_again() external {
        EagerBuyer eager = new EagerBuyer(sale, token);
        token.mint(address(eager), 1e12);
        bytes[2] memory calls;
        for (uint256 i = 0; i < 2; ++i) {
            Voucher memory v = _voucher(address(eager), type(uint256).max);
            (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
            calls[i] = abi.encodeCall(ILicenceSale.buy, (address(token), 1, type(uint256).max, v, r, vs));
        }
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        eager.buy(calls[0], calls[1]);
    }

    function test_buy__buyer_cannot_hold_licences__buys_nothing() external {
        address stubborn = address(new FalseToken());
        token.mint(stubborn, 1e12);
        vm.prank(stubborn);
        token.approve(address(sale), 1e12);
        _refused(
            _voucher(stubborn, type(uint256).max),
            1,
            abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, stubborn)
        );
        assertEq(token.balanceOf(stubborn), 1e12);
    }

    /// @dev Whatever is bought in which portions, all together pay what the tiers come to; each part is quoted alone.
    function testFuzz_buy__in_any_portions__costs_what_the_tiers_come_to(uint256 seed, Tier[4] memory drawn) external {
        Tier[] memory tiers = new Tier[](4);
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            tiers[i] = Tier(uint96(bound(drawn[i].price, 1, 1 << 60)), uint32(bound(drawn[i].count, 1, 8)));
            sum += uint256(tiers[i].price) * tiers[i].count;
        }
        sale = _deploy(tiers, _one(address(token)));
        sale.setIssuer(vm.addr(issuerKey), true);
        _fund(buyer);
        uint256 left = sale.offered();
        while (left != 0) {
            uint32 count = uint32(1 + (uint256(keccak256(abi.encode(seed, left))) % left));
            uint256 expected = 0;
            for (uint256 i = 0; i < count; ++i) expected += _priceOf(tiers, sale.offered() - left + i);
            assertEq(sale.quote(count), expected);
            _buy(_voucher(buyer, type(uint256).max), count, expected);
            left -= count;
        }
        assertEq(token.balanceOf(treasury), sum);
        assertEq(sale.spentBy(buyer), sum);
        assertEq(licences.balanceOf(buyer), sale.offered());
    }

    function testFuzz_buy__vat__is_rounded_for_the_buyer(uint96 price, uint24 vatPpm) external {
        Tier[] memory tiers = new Tier[](1);
        tiers[0] = Tier(uint96(bound(price, 1, 1 << 80)), 1);
        sale = _deploy(tiers, _one(address(token)));
        sale.setIssuer(vm.addr(issuerKey), true);
        _fund(buyer);
        Voucher memory v = _voucher(buyer, type(uint256).max);
        v.vatPpm = vatPpm;
        _buy(v, 1, type(uint256).max);
        uint256 vat = token.balanceOf(treasury) - tiers[0].price;
        assertLe(vat * 1e6, uint256(tiers[0].price) * vatPpm);
        assertGt((vat + 1) * 1e6, uint256(tiers[0].price) * vatPpm);
    }

    // Tokens

    function test_buy__token_not_on_the_list__is_refused() external {
        Voucher memory v = _voucher(buyer, type(uint256).max);
        sale.setToken(address(token), false);
        _refused(v, 1, abi.encodeWithSelector(ILicenceSale.LicenceSale_TokenNotAllowed.selector, address(token)));
        vm.expectEmit(address(sale));
        emit ILicenceSale.TokenSet(address(token), true);
        sale.setToken(address(token), true);
        _buy(v, 1, type(uint256).max);
    }

    function test_buy__token_takes_a_fee__is_refused() external {
        FickleToken fickle = new FickleToken();
        _setFickle(fickle);
        fickle.takeFee(10_000);
        Voucher memory v = _voucher(buyer, type(uint256).max);
        (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
        uint256 price = 500 * DOLLAR;
        vm.expectRevert(
            abi.encodeWithSelector(ILicenceSale.LicenceSale_WrongAmountReceived.selector, (price * 99) / 100, price)
        );
        vm.prank(buyer);
        sale.buy(address(fickle), 1, type(uint256).max, v, r, vs);
        fickle.takeFee(0);
        vm.prank(buyer);
        sale.buy(address(fickle), 1, type(uint256).max, v, r, vs);
    }

    function test_buy__token_refuses_or_answers_false__is_refused() external {
        FalseToken no = new FalseToken();
        sale.setToken(address(no), true);
        Voucher memory v = _voucher(buyer, type(uint256).max);
        (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(no)));
        vm.prank(buyer);
        sale.buy(address(no), 1, type(uint256).max, v, r, vs);

        vm.startPrank(buyer);
        token.approve(address(sale), 1);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(sale), 1, 500 * DOLLAR)
        );
        sale.buy(address(token), 1, type(uint256).max, v, r, vs);
        vm.stopPrank();
        assertEq(sale.sold(), 0);
        assertFalse(sale.invoiceUsed(v.invoice));
    }

    function test_setToken__of_other_decimals__is_refused_but_taken_off_unasked() external {
        ERC20 eighteen = new FickleToken();
        _expectSettingViolated("all tokens have the same decimals");
        sale.setToken(address(eighteen), true);
        sale.setToken(address(0xdead), false);
    }

    // Pause and governance

    function test_pause__while_it_lasts__sells_nothing_and_ends_by_itself() external {
        uint40 until = uint40(vm.getBlockTimestamp() + LONGEST_PAUSE);
        vm.expectRevert(
            abi.encodeWithSelector(ILicenceSale.LicenceSale_PauseTooLong.selector, LONGEST_PAUSE + 1, LONGEST_PAUSE)
        );
        sale.pause(LONGEST_PAUSE + 1);
        vm.expectEmit(address(sale));
        emit ILicenceSale.Paused(until);
        sale.pause(LONGEST_PAUSE);
        Voucher memory v = _voucher(buyer, type(uint256).max);
        vm.warp(until - 1);
        _refused(v, 1, abi.encodeWithSelector(ILicenceSale.LicenceSale_IsPaused.selector, until));
        vm.warp(until);
        _buy(v, 1, type(uint256).max);

        vm.warp(until + LONGEST_PAUSE);
        sale.pause(100);
        sale.pause(0);
        _buy(_voucher(buyer, type(uint256).max), 1, type(uint256).max);
        vm.expectRevert(ILicenceSale.LicenceSale_NotPaused.selector);
        sale.pause(0);
    }

    /// @dev However long the guardian is at it: the sale is open half of the time.
    function test_pause__again_at_once__must_rest_as_long() external {
        uint256 start = vm.getBlockTimestamp();
        sale.pause(LONGEST_PAUSE);
        vm.warp(start + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ILicenceSale.LicenceSale_IsPaused.selector, uint40(start + LONGEST_PAUSE))
        );
        sale.pause(LONGEST_PAUSE);
        uint256 rested = start + 2 * uint256(LONGEST_PAUSE);
        vm.warp(start + LONGEST_PAUSE);
        vm.expectRevert(abi.encodeWithSelector(ILicenceSale.LicenceSale_Resting.selector, rested));
        sale.pause(LONGEST_PAUSE);
        vm.warp(rested - 1);
        vm.expectRevert(abi.encodeWithSelector(ILicenceSale.LicenceSale_Resting.selector, rested));
        sale.pause(1);
        vm.warp(rested);
        sale.pause(LONGEST_PAUSE);
        vm.warp(rested + 60);
        sale.pause(0);
        vm.warp(rested + 120);
        sale.pause(1);
    }

    function test_restricted__by_anyone__is_refused() external {
        bytes[3] memory calls = [
            abi.encodeCall(ILicenceSale.setIssuer, (buyer, true)),
            abi.encodeCall(ILicenceSale.setToken, (address(token), false)),
            abi.encodeCall(ILicenceSale.pause, (1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(buyer);
            (bool done, bytes memory answer) = address(sale).call(calls[i]);
            assertFalse(done);
            assertEq(answer, abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, buyer));
        }
    }

    function test_setIssuer__is_told() external {
        vm.expectEmit(address(sale));
        emit ILicenceSale.IssuerSet(other, true);
        sale.setIssuer(other, true);
        assertTrue(sale.issuerRegistered(other));
    }

    // Words

    function _ratio1() private pure returns (Tier[] memory tiers) {
        uint16[12] memory prices = [500, 750, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000, 7000, 9500];
        uint16[12] memory counts = [89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765, 10946, 17711];
        tiers = new Tier[](12);
        for (uint256 i = 0; i < 12; ++i) tiers[i] = Tier(uint96(prices[i] * DOLLAR), counts[i]);
    }

    function _deploy(Tier[] memory tiers, address[] memory tokens) private returns (LicenceSale made) {
        made = new LicenceSale(address(authority), licences, treasury, LONGEST_PAUSE, tiers, tokens);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = INodeLicense.mint.selector;
        authority.setTargetFunctionRole(address(licences), selectors, MINTER);
        authority.grantRole(MINTER, address(made), 0);
        authority.grantRole(MINTER, address(this), 0);
    }

    function _one(address one) private pure returns (address[] memory all) {
        all = new address[](1);
        all[0] = one;
    }

    function _fund(address who) private {
        token.mint(who, 1 << 120);
        vm.prank(who);
        token.approve(address(sale), type(uint256).max);
    }

    function _setFickle(FickleToken fickle) private {
        vm.mockCall(address(fickle), abi.encodeCall(ERC20.decimals, ()), abi.encode(6));
        sale.setToken(address(fickle), true);
        fickle.mint(buyer, 1e12);
        vm.prank(buyer);
        fickle.approve(address(sale), 1e12);
    }

    function _voucher(address who, uint256 limit) private returns (Voucher memory) {
        uint64 expiry = uint64(vm.getBlockTimestamp() + 365 days);
        return Voucher({buyer: who, invoice: bytes32(++invoices), limit: limit, vatPpm: 0, expiry: expiry});
    }

    function _buy(Voucher memory v, uint32 count, uint256 maxTotal) private returns (uint256[] memory) {
        (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
        vm.prank(v.buyer);
        return sale.buy(address(token), count, maxTotal, v, r, vs);
    }

    function _refused(Voucher memory v, uint32 count, bytes memory reason) private {
        (bytes32 r, bytes32 vs) = _sign(v, issuerKey);
        vm.expectRevert(reason);
        vm.prank(v.buyer);
        sale.buy(address(token), count, type(uint256).max, v, r, vs);
    }

    function _sign(Voucher memory v, uint256 key) private view returns (bytes32 r, bytes32 vs) {
        bytes32 voucher = keccak256(abi.encode(VOUCHER_TYPE, v.buyer, v.invoice, v.limit, v.vatPpm, v.expiry));
        return vm.signCompact(key, _typed("Epochal LicenceSale", address(sale), voucher));
    }

    function _priceOf(Tier[] memory tiers, uint256 index) private pure returns (uint256) {
        for (uint256 i = 0; i < tiers.length; ++i) {
            if (index < tiers[i].count) return tiers[i].price;
            index -= tiers[i].count;
        }
        return 0;
    }

    function _expectSettingViolated(string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(ILicenceSale.LicenceSale_SettingViolated.selector, rule));
    }
}
