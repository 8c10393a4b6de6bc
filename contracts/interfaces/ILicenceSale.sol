// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeLicense} from "./INodeLicense.sol";

/// @notice So many licences at one price.
/// @param price of one licence, in the smallest unit of the tokens, without VAT
/// @param count how many licences
struct Tier {
    uint96 price;
    uint32 count;
}

/// @notice What an issuer signs for a buyer whom it found eligible (EIP-712 type `Voucher(address buyer,bytes32 invoice,uint256
/// limit,uint24 vatPpm,uint64 expiry)`).
/// @param buyer who may buy; the licences are minted to this address
/// @param invoice the invoice's id; each is used once, whoever signed for it
/// @param limit what the buyer may have spent here in all, this purchase included and without VAT, in the tokens' smallest unit
/// @param vatPpm value-added tax upon the price, in millionths
/// @param expiry UNIX seconds until which the voucher is valid, inclusive
struct Voucher {
    address buyer;
    bytes32 invoice;
    uint256 limit;
    uint24 vatPpm;
    uint64 expiry;
}

/// @title The sale of standard licences, in tiers whose price is fixed at deployment.
/// @notice A purchase takes the cheapest licences left, in the order of the tiers, and may span them. What it costs goes
/// to the treasury at once; the sale holds no money. Other kinds aren't sold here: the licensor mints them.
/// @dev All tokens of a sale have the same decimals, so that one price means the same in each; the sale takes them at par.
interface ILicenceSale {
    /// @notice Licences were sold and paid for.
    /// @param cost without VAT, in the token's smallest unit
    /// @param vat in the token's smallest unit
    event LicencesSold(
        bytes32 indexed invoice,
        address indexed buyer,
        address indexed token,
        uint32 count,
        uint256 cost,
        uint256 vat
    );
    /// @notice The issuer's vouchers are taken, or no more.
    event IssuerSet(address indexed issuer, bool registered);
    /// @notice The token is taken, or no more.
    event TokenSet(address indexed token, bool allowed);
    /// @notice Nothing is sold before `until` (UNIX seconds).
    event Paused(uint40 until);

    /// @notice A setting breaks the named rule.
    error LicenceSale_SettingViolated(string rule);
    /// @notice Nothing is sold before `until` (UNIX seconds).
    error LicenceSale_IsPaused(uint40 until);
    /// @notice The pause is longer than the longest, in seconds.
    error LicenceSale_PauseTooLong(uint32 span, uint32 longest);
    /// @notice After a pause comes a rest as long, until `until` (UNIX seconds).
    error LicenceSale_Resting(uint256 until);
    /// @notice The sale isn't paused.
    error LicenceSale_NotPaused();
    /// @notice The token isn't on the sale's list.
    error LicenceSale_TokenNotAllowed(address token);
    /// @notice The voucher is another buyer's.
    error LicenceSale_NotBuyer(address caller, address buyer);
    /// @notice The voucher's expiry (UNIX seconds) has passed.
    error LicenceSale_VoucherExpired(uint64 expiry);
    /// @notice The invoice was used before.
    error LicenceSale_InvoiceUsed(bytes32 invoice);
    /// @notice Whoever signed the voucher isn't a registered issuer.
    error LicenceSale_NotIssuer(address recovered);
    /// @notice A purchase of no licence.
    error LicenceSale_NothingToBuy();
    /// @notice The tiers have fewer licences left.
    error LicenceSale_SoldOut(uint32 count, uint256 left);
    /// @notice The buyer would have spent more in all than the voucher's limit.
    error LicenceSale_LimitExceeded(uint256 spent, uint256 limit);
    /// @notice The purchase costs more, VAT included, than the buyer accepts.
    error LicenceSale_CostExceeded(uint256 total, uint256 maxTotal);
    /// @notice The token delivered another amount than the total (a fee on transfer, say).
    error LicenceSale_WrongAmountReceived(uint256 received, uint256 total);

    /// @notice Buys licences for the caller, who has approved the sale for the total: {quote}, and VAT upon it, rounded down.
    /// @dev A buying contract is called back for each licence (ERC-721's safe mint); if it refuses, nothing is bought.
    /// @param token an allowed ERC-20
    /// @param maxTotal the most the buyer accepts to pay, VAT included, in the token's smallest unit: others may buy first
    /// @param r first half of the issuer's EIP-2098 signature of the voucher
    /// @param vs second half of it
    /// @return bought the licences' ids
    function buy(
        address token,
        uint32 count,
        uint256 maxTotal,
        Voucher calldata voucher,
        bytes32 r,
        bytes32 vs
    ) external returns (uint256[] memory bought);

    /// @notice Takes an issuer's vouchers, or takes them no more. Governance only.
    function setIssuer(address issuer, bool registered) external;

    /// @notice Takes a token, or takes it no more. Governance only. Its decimals are those of the sale.
    function setToken(address token, bool allowed) external;

    /// @notice Sells nothing for so many seconds from now on, at most {longestPause}; zero ends a pause. The next pause can begin
    /// only after a rest as long as this one was. Guardian only.
    function pause(uint32 span) external;

    /// @notice What so many licences cost now, without VAT, in the tokens' smallest unit.
    function quote(uint32 count) external view returns (uint256 cost);

    /// @notice The tiers, as they were deployed.
    function tiers() external view returns (Tier[] memory);

    /// @notice How many licences were sold.
    function sold() external view returns (uint32);

    /// @notice How many licences the tiers have in all.
    function offered() external view returns (uint32);

    /// @notice What a buyer has spent, without VAT, in the tokens' smallest unit.
    function spentBy(address buyer) external view returns (uint256);

    /// @notice Whether an invoice was used.
    function invoiceUsed(bytes32 invoice) external view returns (bool);

    /// @notice Whether an issuer's vouchers are taken.
    function issuerRegistered(address issuer) external view returns (bool);

    /// @notice Whether a token is taken.
    function tokenAllowed(address token) external view returns (bool);

    /// @notice When the last pause began (UNIX seconds); zero when there was none.
    function pausedFrom() external view returns (uint40);

    /// @notice Until when nothing is sold (UNIX seconds); in the past when the sale isn't paused.
    function pausedUntil() external view returns (uint40);

    /// @notice The longest pause, in seconds.
    function longestPause() external view returns (uint32);

    /// @notice The decimals of all tokens that are taken.
    function decimals() external view returns (uint8);

    /// @notice What is sold.
    function licences() external view returns (INodeLicense);

    /// @notice Who gets the money.
    function treasury() external view returns (address);
}
