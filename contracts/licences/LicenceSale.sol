// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ILicenceSale, Tier, Voucher} from "../interfaces/ILicenceSale.sol";
import {INodeLicense, Kind} from "../interfaces/INodeLicense.sol";

/// @title LicenceSale
contract LicenceSale is ILicenceSale, AccessManaged, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 private constant VOUCHER_TYPE = keccak256(
        "Voucher(address buyer,bytes32 invoice,uint256 limit,uint24 vatPpm,uint64 expiry)"
    );
    uint256 private constant PPM = 1_000_000;
    uint256 private constant MOST_TIERS = 32;
    uint32 private constant PAUSE_CAP = 90 days;

    /// @inheritdoc ILicenceSale
    INodeLicense public immutable licences;
    /// @inheritdoc ILicenceSale
    address public immutable treasury;
    /// @inheritdoc ILicenceSale
    uint32 public immutable longestPause;
    /// @inheritdoc ILicenceSale
    uint32 public immutable offered;
    /// @inheritdoc ILicenceSale
    uint8 public immutable decimals;

    Tier[] private _tiers;
    /// @inheritdoc ILicenceSale
    uint32 public sold;
    /// @inheritdoc ILicenceSale
    uint40 public pausedFrom;
    /// @inheritdoc ILicenceSale
    uint40 public pausedUntil;
    /// @inheritdoc ILicenceSale
    mapping(address buyer => uint256) public spentBy;
    /// @inheritdoc ILicenceSale
    mapping(bytes32 invoice => bool) public invoiceUsed;
    /// @inheritdoc ILicenceSale
    mapping(address issuer => bool) public issuerRegistered;
    /// @inheritdoc ILicenceSale
    mapping(address token => bool) public tokenAllowed;

    /// @param authority the AccessManager that says who governs and who pauses
    /// @param licences_ where this sale may mint
    /// @param treasury_ gets the money
    /// @param longestPause_ seconds
    /// @param tiers_ in the order of sale; together at most the supply of standard licences
    /// @param tokens ERC-20 tokens of the same decimals, at least one
    constructor(
        address authority,
        INodeLicense licences_,
        address treasury_,
        uint32 longestPause_,
        Tier[] memory tiers_,
        address[] memory tokens
    ) AccessManaged(authority) EIP712("Epochal LicenceSale", "1") {
        require(treasury_ != address(0), LicenceSale_SettingViolated("treasury is not zero"));
        require(longestPause_ <= PAUSE_CAP, LicenceSale_SettingViolated("longestPause <= 90 days"));
        require(tiers_.length <= MOST_TIERS, LicenceSale_SettingViolated("at most 32 tiers"));
        require(tokens.length != 0, LicenceSale_SettingViolated("at least one token"));
        uint256 total = 0;
        for (uint256 i = 0; i < tiers_.length; ++i) {
            require(
                tiers_[i].price != 0 && tiers_[i].count != 0,
                LicenceSale_SettingViolated("a tier's price and count are not zero")
            );
            total += tiers_[i].count;
            _tiers.push(tiers_[i]);
        }
        (uint96 supply, ) = licences_.supplyOf(Kind.Standard);
        require(
            total <= Math.min(supply, type(uint32).max),
            LicenceSale_SettingViolated("tiers are within the supply of standard licences and 2^32")
        );
        licences = licences_;
        treasury = treasury_;
        longestPause = longestPause_;
        offered = uint32(total);
        uint8 decimals_ = IERC20Metadata(tokens[0]).decimals();
        decimals = decimals_;
        for (uint256 i = 0; i < tokens.length; ++i) _setToken(tokens[i], true, decimals_);
    }

    /// @inheritdoc ILicenceSale
    function buy(
        address token,
        uint32 count,
        uint256 maxTotal,
        Voucher calldata voucher,
        bytes32 r,
        bytes32 vs
    ) external nonReentrant returns (uint256[] memory bought) {
        require(block.timestamp >= pausedUntil, LicenceSale_IsPaused(pausedUntil));
        require(tokenAllowed[token], LicenceSale_TokenNotAllowed(token));
        _useVoucher(voucher, r, vs);

        uint256 cost = quote(count);
        uint256 spent = spentBy[voucher.buyer] + cost;
        require(spent <= voucher.limit, LicenceSale_LimitExceeded(spent, voucher.limit));
        uint256 vat = (cost * voucher.vatPpm) / PPM;
        require(cost + vat <= maxTotal, LicenceSale_CostExceeded(cost + vat, maxTotal));
        spentBy[voucher.buyer] = spent;
        sold += count;
        emit LicencesSold(voucher.invoice, voucher.buyer, token, count, cost, vat);

        _collect(IERC20(token), cost + vat);
        // Each licence calls its buyer back; one that refuses or runs out of gas spoils its own purchase alone.
        bought = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) bought[i] = licences.mint(voucher.buyer, Kind.Standard);
    }

    /// @inheritdoc ILicenceSale
    function setIssuer(address issuer, bool registered) external restricted {
        issuerRegistered[issuer] = registered;
        emit IssuerSet(issuer, registered);
    }

    /// @inheritdoc ILicenceSale
    function setToken(address token, bool allowed) external restricted {
        _setToken(token, allowed, decimals);
    }

    /// @inheritdoc ILicenceSale
    function pause(uint32 span) external restricted {
        if (span == 0) {
            require(block.timestamp < pausedUntil, LicenceSale_NotPaused());
        } else {
            require(block.timestamp >= pausedUntil, LicenceSale_IsPaused(pausedUntil));
            uint256 rested = 2 * uint256(pausedUntil) - pausedFrom;
            require(block.timestamp >= rested, LicenceSale_Resting(rested));
            require(span <= longestPause, LicenceSale_PauseTooLong(span, longestPause));
            pausedFrom = uint40(block.timestamp);
        }
        pausedUntil = uint40(block.timestamp + span);
        emit Paused(pausedUntil);
    }

    /// @inheritdoc ILicenceSale
    function tiers() external view returns (Tier[] memory) {
        return _tiers;
    }

    /// @inheritdoc ILicenceSale
    function quote(uint32 count) public view returns (uint256 cost) {
        require(count != 0, LicenceSale_NothingToBuy());
        uint256 left = count;
        uint256 gone = sold;
        require(gone + left <= offered, LicenceSale_SoldOut(count, offered - gone));
        for (uint256 i = 0; left != 0; ++i) {
            Tier memory tier = _tiers[i];
            uint256 passed = Math.min(gone, tier.count);
            uint256 taken = Math.min(left, tier.count - passed);
            gone -= passed;
            left -= taken;
            cost += taken * tier.price;
        }
    }

    /// @dev Only its buyer uses a voucher, so nobody who sees one on its way can spend it.
    function _useVoucher(Voucher calldata v, bytes32 r, bytes32 vs) private {
        require(msg.sender == v.buyer, LicenceSale_NotBuyer(msg.sender, v.buyer));
        require(block.timestamp <= v.expiry, LicenceSale_VoucherExpired(v.expiry));
        require(!invoiceUsed[v.invoice], LicenceSale_InvoiceUsed(v.invoice));
        bytes32 signed = keccak256(abi.encode(VOUCHER_TYPE, v.buyer, v.invoice, v.limit, v.vatPpm, v.expiry));
        address issuer = ECDSA.recover(_hashTypedDataV4(signed), r, vs);
        require(issuerRegistered[issuer], LicenceSale_NotIssuer(issuer));
        invoiceUsed[v.invoice] = true;
    }

    /// @dev From the caller to the treasury, which must get no less and no more.
    function _collect(IERC20 token, uint256 total) private {
        uint256 before = token.balanceOf(treasury);
        token.safeTransferFrom(msg.sender, treasury, total);
        uint256 received = token.balanceOf(treasury) - before;
        require(received == total, LicenceSale_WrongAmountReceived(received, total));
    }

    function _setToken(address token, bool allowed, uint8 decimals_) private {
        // Taking a token off asks nothing of it: it may be the one that broke.
        require(
            !allowed || IERC20Metadata(token).decimals() == decimals_,
            LicenceSale_SettingViolated("all tokens have the same decimals")
        );
        tokenAllowed[token] = allowed;
        emit TokenSet(token, allowed);
    }
}
