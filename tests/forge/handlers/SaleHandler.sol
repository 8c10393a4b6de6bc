// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILicenceSale, Tier, Voucher} from "../../../contracts/interfaces/ILicenceSale.sol";
import {INodeLicense, Kind, LicenceSettings} from "../../../contracts/interfaces/INodeLicense.sol";
import {LicenceSale} from "../../../contracts/licences/LicenceSale.sol";
import {NodeLicense} from "../../../contracts/licences/NodeLicense.sol";
import {FickleToken} from "../../contract/solidity/FickleToken.sol";
import {StatusActions} from "./StatusActions.sol";

// solhint-disable max-states-count

/// @dev The sale of licences: buyers with vouchers of all sorts, issuers who come and go, tokens, a guardian who pauses, and the licensor.
contract SaleHandler is StatusActions {
    uint256 public constant BUYERS = 3;
    uint256 public constant TOKENS = 3;
    uint256 public constant SUPPLY = 16;
    address public constant TREASURY = address(0x72EA);
    uint256 private constant ISSUERS = 3;
    uint32 private constant LONGEST_PAUSE = 1_200;
    uint256 private constant PPM = 1_000_000;

    /// @param forged whether the voucher isn't the one that was signed
    /// @param close whether the buyer accepts a unit less than it costs
    struct Purchase {
        Voucher v;
        bytes32 r;
        bytes32 vs;
        address who;
        address token;
        uint32 count;
        bool forged;
        bool close;
    }

    NodeLicense public licences;
    LicenceSale public sale;
    FickleToken[] public tokens;
    /// @dev What the first, the second, … licence costs, whoever buys it.
    uint256[] public prices;

    // What happened, as the handler saw it.
    uint256 public sold;
    uint256 public minted;
    uint256 public vat;
    mapping(address buyer => uint256) public spentBy;
    mapping(address buyer => uint256) public boughtBy;
    mapping(address token => uint256) public collected;
    mapping(bytes32 invoice => uint256) public uses;
    mapping(address issuer => bool) private _appointed;
    mapping(address token => bool) private _allowed;
    uint256 private _pausedFrom;
    uint256 private _pausedUntil;
    Voucher[] private _vouchers;
    uint256[] private _keys;

    constructor() {
        licences = new NodeLicense(address(authority), address(1), trust, LicenceSettings(0, [uint96(SUPPLY), 0, 0]));
        Tier[] memory tiers = new Tier[](4);
        (tiers[0], tiers[1]) = (Tier(500_000_003, 4), Tier(750_000_001, 5));
        // Tiers sell in their order, cheaper or dearer.
        (tiers[2], tiers[3]) = (Tier(600_000_007, 1), Tier(1_000_000_009, 4));
        for (uint256 i = 0; i < tiers.length; ++i) {
            for (uint256 j = 0; j < tiers[i].count; ++j) prices.push(tiers[i].price);
        }
        for (uint256 i = 0; i < TOKENS; ++i) {
            FickleToken token = new FickleToken();
            tokens.push(token);
            _allowed[address(token)] = i < 2;
        }
        address[] memory first = new address[](2);
        (first[0], first[1]) = (address(tokens[0]), address(tokens[1]));
        sale = new LicenceSale(address(authority), licences, TREASURY, LONGEST_PAUSE, tiers, first);
        bytes4[] memory mints = new bytes4[](1);
        mints[0] = INodeLicense.mint.selector;
        authority.setTargetFunctionRole(address(licences), mints, 7);
        authority.grantRole(7, address(sale), 0);
        authority.grantRole(7, address(this), 0);
        for (uint256 i = 0; i < BUYERS * TOKENS; ++i) {
            tokens[i / BUYERS].mint(buyers(i % BUYERS), 1e24);
            vm.prank(buyers(i % BUYERS));
            tokens[i / BUYERS].approve(address(sale), type(uint256).max);
        }
        for (uint256 i = 0; i < 2; ++i) {
            sale.setIssuer(vm.addr(1 + i), true);
            _appointed[vm.addr(1 + i)] = true;
        }
    }

    function actions() external pure override returns (bytes4[] memory list) {
        list = new bytes4[](15);
        list[0] = this.issue.selector;
        list[1] = this.issue.selector;
        list[2] = this.issue.selector;
        list[3] = this.buy.selector;
        list[4] = this.buy.selector;
        list[5] = this.buy.selector;
        list[6] = this.buy.selector;
        list[7] = this.resell.selector;
        list[8] = this.pause.selector;
        list[9] = this.pass.selector;
        list[10] = this.pass.selector;
        list[11] = this.setIssuer.selector;
        list[12] = this.setToken.selector;
        list[13] = this.misbehave.selector;
        list[14] = this.mint.selector;
    }

    function buyers(uint256 i) public pure returns (address) {
        return address(uint160(0xB0B0 + i));
    }

    /// @dev One of the issuers, appointed or not, signs a voucher; at times for an invoice that has one.
    function issue(uint256 seed) external {
        uint256 old = _vouchers.length;
        address buyer = buyers(seed % BUYERS);
        bytes32 invoice = bytes32(old + 1);
        if (old != 0 && (seed >> 8) % 4 == 0) invoice = _vouchers[(seed >> 16) % old].invoice;
        uint256 limit = (seed >> 24) % 2 == 0 ? spentBy[buyer] + ((seed >> 32) % 6e9) : type(uint256).max;
        uint24 vatPpm = uint24((seed >> 64) % 3 == 0 ? 0 : (seed >> 72) % 500_000);
        _vouchers.push(
            Voucher(
                buyer,
                invoice,
                limit,
                vatPpm,
                uint64(_now() + ((seed >> 96) % ((seed >> 80) % 4 == 0 ? 1_000 : 20_000)))
            )
        );
        _keys.push(1 + ((seed >> 128) % ISSUERS));
        ++done["issue"];
    }

    /// @dev A buyer, or another, with a voucher as it was signed, or with a changed one.
    function buy(uint256 seed) external {
        if (_vouchers.length == 0) return;
        Purchase memory p = _purchase(_pick(seed, _vouchers.length, _isUsable));
        p.forged = (seed >> 16) % 12 == 0;
        if (p.forged) _change(p.v, seed >> 24);
        p.who = (seed >> 32) % 12 == 0 ? buyers((seed >> 40) % BUYERS) : p.v.buyer;
        if ((seed >> 48) % 6 == 0) p.token = address(tokens[(seed >> 56) % TOKENS]);
        p.count = uint32(_in(seed >> 72, 1, 4));
        if ((seed >> 64) % 10 == 0) p.count = uint32(prices.length - sold + 1);
        if ((seed >> 64) % 10 == 1) p.count = 0;
        p.close = (seed >> 96) % 12 == 0;
        _buy(p);
    }

    /// @dev A voucher that was used is shown again.
    function resell(uint256 seed) external {
        if (_vouchers.length != 0) _buy(_purchase(_pick(seed | 1, _vouchers.length, _isUsed)));
    }

    /// @dev The guardian pauses, or ends a pause; after it comes a rest as long.
    function pause(uint256 seed) external {
        uint256 span = seed % 4 == 0 ? 0 : _in(seed >> 8, 1, LONGEST_PAUSE + LONGEST_PAUSE / 2);
        address who = _governor(seed >> 64);
        if (span == 0) {
            _against(_now() >= _pausedUntil, ILicenceSale.LicenceSale_NotPaused.selector);
        } else {
            _against(_now() < _pausedUntil, ILicenceSale.LicenceSale_IsPaused.selector);
            bool rests = _now() >= _pausedUntil && _now() - _pausedUntil < _pausedUntil - _pausedFrom;
            _against(rests, ILicenceSale.LicenceSale_Resting.selector);
            _against(span > LONGEST_PAUSE, ILicenceSale.LicenceSale_PauseTooLong.selector);
        }
        bytes memory data = abi.encodeCall(sale.pause, (uint32(span)));
        if (!_take(span == 0 ? "resume" : "pause", who, address(sale), data)) return;
        if (span != 0) _pausedFrom = _now();
        _pausedUntil = _now() + span;
    }

    function pass(uint256 seed) external {
        _pass(seed % 1_000);
    }

    function setIssuer(uint256 seed) external {
        address issuer = vm.addr(1 + (seed % ISSUERS));
        bool appointed = (seed >> 8) % 3 != 0;
        bytes memory data = abi.encodeCall(sale.setIssuer, (issuer, appointed));
        if (_take("setIssuer", _governor(seed >> 64), address(sale), data)) _appointed[issuer] = appointed;
    }

    function setToken(uint256 seed) external {
        address token = address(tokens[seed % TOKENS]);
        bool allowed = (seed >> 8) % 3 != 0;
        bytes memory data = abi.encodeCall(sale.setToken, (token, allowed));
        if (_take("setToken", _governor(seed >> 64), address(sale), data)) _allowed[token] = allowed;
    }

    /// @dev A token starts to take a fee, or stops.
    function misbehave(uint256 seed) external {
        tokens[1].takeFee(seed % 3 == 0 ? 10_000 : 0);
        ++done["misbehave"];
    }

    /// @dev The licensor mints some himself, so that the tiers may offer more than there are.
    function mint(uint256 seed) external {
        bytes memory data = abi.encodeCall(licences.mint, (address(0x11CE), Kind.Standard));
        for (uint256 i = seed % 8; i > 3; --i) {
            _against(sold + minted == SUPPLY, INodeLicense.NodeLicense_Exhausted.selector);
            if (_take("mint", address(this), address(licences), data)) ++minted;
        }
    }

    /// @dev What the first so many licences cost together.
    function priceOfFirst(uint256 count) public view returns (uint256 sum) {
        for (uint256 i = 0; i < count; ++i) sum += prices[i];
    }

    /// @dev One licence for a voucher's buyer, in a token that is taken, where there is one.
    function _purchase(uint256 place) private returns (Purchase memory p) {
        p.v = _vouchers[place];
        (p.r, p.vs) = _sign(p.v, _keys[place]);
        (p.who, p.count) = (p.v.buyer, 1);
        p.token = address(tokens[_pick(place * 8 + 1, TOKENS, _isTaken)]);
        _against(!_appointed[vm.addr(_keys[place])], ILicenceSale.LicenceSale_NotIssuer.selector);
    }

    function _buy(Purchase memory p) private {
        (uint256 cost, uint256 tax, uint256 accepted) = _terms(p);
        _against(_now() < _pausedUntil, ILicenceSale.LicenceSale_IsPaused.selector);
        _against(!_allowed[p.token], ILicenceSale.LicenceSale_TokenNotAllowed.selector);
        _against(p.who != p.v.buyer, ILicenceSale.LicenceSale_NotBuyer.selector);
        _against(_now() > p.v.expiry, ILicenceSale.LicenceSale_VoucherExpired.selector);
        _against(uses[p.v.invoice] != 0, ILicenceSale.LicenceSale_InvoiceUsed.selector);
        _against(p.forged, ILicenceSale.LicenceSale_NotIssuer.selector);
        if (p.forged && _reasonCount() == 1) ++done["forgery"];
        bytes memory data = abi.encodeCall(sale.buy, (p.token, p.count, accepted, p.v, p.r, p.vs));
        if (!_take("buy", p.who, address(sale), data)) return;
        ++uses[p.v.invoice];
        if (prices[sold] != prices[sold + p.count - 1]) ++done["spanTiers"];
        sold += p.count;
        vat += tax;
        spentBy[p.v.buyer] += cost;
        boughtBy[p.v.buyer] += p.count;
        collected[p.token] += cost + tax;
    }

    /// @dev What a purchase comes to, and what stands against that.
    function _terms(Purchase memory p) private returns (uint256 cost, uint256 tax, uint256 accepted) {
        uint256 then = sold + p.count;
        _against(p.count == 0, ILicenceSale.LicenceSale_NothingToBuy.selector);
        _against(then > prices.length, ILicenceSale.LicenceSale_SoldOut.selector);
        _against(then + minted > SUPPLY, INodeLicense.NodeLicense_Exhausted.selector);
        if (p.count == 0 || then > prices.length) return (0, 0, type(uint256).max);
        cost = priceOfFirst(then) - priceOfFirst(sold);
        tax = (cost * p.v.vatPpm) / PPM;
        accepted = cost + tax - (p.close ? 1 : 0);
        _against(spentBy[p.v.buyer] + cost > p.v.limit, ILicenceSale.LicenceSale_LimitExceeded.selector);
        _against(p.close, ILicenceSale.LicenceSale_CostExceeded.selector);
        _against(FickleToken(p.token).feePpm() != 0, ILicenceSale.LicenceSale_WrongAmountReceived.selector);
    }

    function _change(Voucher memory v, uint256 draw) private pure {
        if (draw % 5 == 0) v.buyer = v.buyer == buyers(0) ? buyers(1) : buyers(0);
        else if (draw % 5 == 1) v.invoice = keccak256(abi.encode(v.invoice));
        else if (draw % 5 == 2) v.limit = v.limit == type(uint256).max ? 0 : type(uint256).max;
        else if (draw % 5 == 3) v.vatPpm ^= 1;
        else ++v.expiry;
    }

    function _sign(Voucher memory v, uint256 key) private view returns (bytes32 r, bytes32 vs) {
        bytes32 kind = keccak256("Voucher(address buyer,bytes32 invoice,uint256 limit,uint24 vatPpm,uint64 expiry)");
        return vm.signCompact(key, _typed("Epochal LicenceSale", address(sale), keccak256(abi.encode(kind, v))));
    }

    function _isUsable(uint256 place) private view returns (bool) {
        Voucher memory v = _vouchers[place];
        return uses[v.invoice] == 0 && _now() <= v.expiry && _appointed[vm.addr(_keys[place])];
    }

    function _isUsed(uint256 place) private view returns (bool) {
        Voucher memory v = _vouchers[place];
        return uses[v.invoice] != 0 && _now() <= v.expiry && _appointed[vm.addr(_keys[place])];
    }

    function _isTaken(uint256 place) private view returns (bool) {
        return _allowed[address(tokens[place])] && tokens[place].feePpm() == 0;
    }
}
