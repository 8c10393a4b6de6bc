// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Burner} from "./Burner.sol";
import {IBurner} from "../interfaces/IBurner.sol";
import {ISwapBurner, PriceObservation, Route, SwapSettings} from "../interfaces/ISwapBurner.sol";
import {IUniswapV2Factory} from "../interfaces/IUniswapV2Factory.sol";
import {IUniswapV2Pair} from "../interfaces/IUniswapV2Pair.sol";
import {IUniswapV2Router} from "../interfaces/IUniswapV2Router.sol";

/// @title SwapBurner
/// @dev Two observations of each price are kept: the newer one ages until it may be averaged from, the older one serves
/// meanwhile.
contract SwapBurner is ISwapBurner, Burner, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 private constant MILLION = 1_000_000;
    /// @dev Fractional bits of a pair's prices.
    uint256 private constant PRICE_UNIT = 1 << 112;

    /// @dev Oldest first.
    struct Observations {
        PriceObservation older;
        PriceObservation newer;
    }

    /// @inheritdoc ISwapBurner
    IUniswapV2Router public immutable router;
    /// @inheritdoc ISwapBurner
    address public immutable burnedToken;

    uint32 private immutable MIN_PERIOD;
    uint32 private immutable MAX_PERIOD;
    uint32 private immutable COOLDOWN;
    uint24 private immutable MAX_SLIPPAGE_PPM;

    mapping(address token => Route) private _routes;
    mapping(address token => Observations) private _observations;

    /// @param authority the AccessManager that says who opens routes
    /// @param burnedToken_ an ERC20Burnable
    constructor(
        address authority,
        IUniswapV2Router router_,
        address burnedToken_,
        SwapSettings memory s
    ) AccessManaged(authority) {
        require(
            address(router_) != address(0) && burnedToken_ != address(0),
            SwapBurner_SettingViolated("router and burned token are not zero")
        );
        require(
            s.minPeriod != 0 && uint256(s.minPeriod) * 2 <= s.maxPeriod,
            SwapBurner_SettingViolated("0 < 2 minPeriod <= maxPeriod")
        );
        require(s.cooldown != 0, SwapBurner_SettingViolated("cooldown is not zero"));
        require(s.maxSlippagePpm < MILLION, SwapBurner_SettingViolated("maxSlippagePpm < 1000000"));
        router = router_;
        burnedToken = burnedToken_;
        MIN_PERIOD = s.minPeriod;
        MAX_PERIOD = s.maxPeriod;
        COOLDOWN = s.cooldown;
        MAX_SLIPPAGE_PPM = s.maxSlippagePpm;
    }

    /// @inheritdoc ISwapBurner
    function setRoute(address token, uint112 maxAmount) external restricted {
        address pair = address(0);
        if (maxAmount != 0) {
            pair = IUniswapV2Factory(router.factory()).getPair(token, burnedToken);
            require(pair != address(0), SwapBurner_NoPair(token));
        }
        _routes[token].pair = pair;
        _routes[token].maxAmount = maxAmount;
        delete _observations[token];
        emit RouteSet(token, pair, maxAmount);
    }

    /// @inheritdoc ISwapBurner
    function observe(address token) external {
        uint256 cumulative = _cumulative(token, _pairOf(token));
        uint256 observableAt = _observableAt(token);
        require(block.timestamp >= observableAt, SwapBurner_ObservedRecently(observableAt));
        _write(token, cumulative);
    }

    /// @inheritdoc ISwapBurner
    function swapAndBurn(address token, uint256 amount, uint256 minOut) external nonReentrant returns (uint256 burned) {
        Route memory route = _routes[token];
        require(route.pair != address(0), SwapBurner_NoRoute(token));
        require(block.timestamp >= route.swappableAt, SwapBurner_CoolingDown(route.swappableAt));
        uint256 most = Math.min(IERC20(token).balanceOf(address(this)), route.maxAmount);
        require(most != 0, SwapBurner_NothingToSwap(token));
        require(amount >= most, SwapBurner_AmountTooLow(amount, most));
        amount = most;

        uint256 cumulative = _cumulative(token, route.pair);
        uint256 least = Math.max(_leastOut(token, amount, cumulative), minOut);
        if (block.timestamp >= _observableAt(token)) _write(token, cumulative);
        _routes[token].swappableAt = uint40(block.timestamp + COOLDOWN);
        uint256 received = _swap(token, amount, least);
        emit Swapped(token, amount, received, least);
        return _burnAll(burnedToken);
    }

    /// @notice See {IBurner.burn}; a token that has a route is swapped and burned instead.
    function burn(address token) external override(Burner, IBurner) nonReentrant returns (uint256 amount) {
        require(_routes[token].pair == address(0), SwapBurner_HasRoute(token));
        return _burnAll(token);
    }

    /// @inheritdoc ISwapBurner
    function leastOut(address token, uint256 amount) external view returns (uint256) {
        return _leastOut(token, amount, _cumulative(token, _pairOf(token)));
    }

    /// @inheritdoc ISwapBurner
    function routeOf(address token) external view returns (Route memory) {
        return _routes[token];
    }

    /// @inheritdoc ISwapBurner
    function observationsOf(
        address token
    ) external view returns (PriceObservation memory older, PriceObservation memory newer) {
        Observations memory o = _observations[token];
        return (o.older, o.newer);
    }

    /// @inheritdoc ISwapBurner
    function settings() external view returns (SwapSettings memory) {
        return SwapSettings(MIN_PERIOD, MAX_PERIOD, COOLDOWN, MAX_SLIPPAGE_PPM);
    }

    function _write(address token, uint256 cumulative) private {
        Observations storage o = _observations[token];
        o.older = o.newer;
        o.newer = PriceObservation(cumulative, uint40(block.timestamp));
        emit PriceObserved(token, cumulative);
    }

    /// @dev What came out counts by balance, not by the router's word.
    function _swap(address token, uint256 amount, uint256 least) private returns (uint256 received) {
        address[] memory path = new address[](2);
        (path[0], path[1]) = (token, burnedToken);
        uint256 before = IERC20(burnedToken).balanceOf(address(this));
        IERC20(token).forceApprove(address(router), amount);
        // slither-disable-next-line reentrancy-balance -- balances count; all that burns or swaps is guarded
        router.swapExactTokensForTokens(amount, least, path, address(this), block.timestamp);
        received = IERC20(burnedToken).balanceOf(address(this)) - before;
        require(received >= least, SwapBurner_TooLittleReceived(received, least));
    }

    function _pairOf(address token) private view returns (address pair) {
        pair = _routes[token].pair;
        require(pair != address(0), SwapBurner_NoRoute(token));
    }

    function _observableAt(address token) private view returns (uint256) {
        uint256 last = _observations[token].newer.time;
        // slither-disable-next-line incorrect-equality -- zero says that there is none
        return last == 0 ? 0 : last + MIN_PERIOD;
    }

    /// @dev The average's bound on what must come out, rounded up, so never zero.
    function _leastOut(address token, uint256 amount, uint256 cumulative) private view returns (uint256) {
        PriceObservation memory since = _observations[token].newer;
        if (block.timestamp - since.time < MIN_PERIOD) since = _observations[token].older;
        uint256 period = block.timestamp - since.time;
        require(since.time != 0 && period >= MIN_PERIOD && period <= MAX_PERIOD, SwapBurner_NoAveragePrice(token));
        uint256 price;
        // Cumulative prices wrap around, by Uniswap's design; their difference doesn't.
        unchecked {
            price = (cumulative - since.cumulative) / period;
        }
        uint256 quote = Math.mulDiv(amount, price, PRICE_UNIT);
        require(quote != 0, SwapBurner_AmountTooSmall(amount));
        return Math.mulDiv(quote, MILLION - MAX_SLIPPAGE_PPM, MILLION, Math.Rounding.Ceil);
    }

    /// @dev The pair's cumulative price of the token as it would be if the pair were touched now.
    function _cumulative(address token, address pair) private view returns (uint256 cumulative) {
        bool first = IUniswapV2Pair(pair).token0() == token;
        (uint112 reserve0, uint112 reserve1, uint32 last) = IUniswapV2Pair(pair).getReserves();
        require(reserve0 != 0 && reserve1 != 0, SwapBurner_EmptyPair(pair));
        uint256 price =
            first ? (uint256(reserve1) * PRICE_UNIT) / reserve0 : (uint256(reserve0) * PRICE_UNIT) / reserve1;
        cumulative = first ? IUniswapV2Pair(pair).price0CumulativeLast() : IUniswapV2Pair(pair).price1CumulativeLast();
        // Both the pair's 32-bit time and its sums wrap around, by Uniswap's design.
        unchecked {
            // slither-disable-next-line divide-before-multiply -- the pair rounds its price down first, too
            cumulative += price * uint32(uint32(block.timestamp) - last);
        }
    }
}
