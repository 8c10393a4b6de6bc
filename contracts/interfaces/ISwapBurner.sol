// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBurner} from "./IBurner.sol";
import {IUniswapV2Router} from "./IUniswapV2Router.sol";

/// @notice What a deployment decides about swaps.
/// @param minPeriod seconds over which a price must have been averaged, at least
/// @param maxPeriod the longest such span that still tells the present price; at least twice `minPeriod`, so that an average is
/// always at hand where someone observes at least each `maxPeriod − minPeriod`
/// @param cooldown seconds from one swap of a token to its next
/// @param maxSlippagePpm how far below the averaged price a swap may end, in millionths; the pair's fee is within
struct SwapSettings {
    uint32 minPeriod;
    uint32 maxPeriod;
    uint32 cooldown;
    uint24 maxSlippagePpm;
}

/// @notice How one token is swapped.
/// @param pair of that token and the burned one, the router's own; zero when there is no route
/// @param swappableAt UNIX seconds from which on the next swap is allowed
/// @param maxAmount the most that one swap takes, in the token's smallest unit
struct Route {
    address pair;
    uint40 swappableAt;
    uint112 maxAmount;
}

/// @notice A pair's cumulative price of a token, in the burned one, as it was at a time.
/// @param cumulative see {IUniswapV2Pair}; it wraps around
/// @param time UNIX seconds; zero when there is no such observation
struct PriceObservation {
    uint256 cumulative;
    uint40 time;
}

/// @title A burner that first swaps what can't be burned, in small parts and never below a price averaged over time.
/// @notice Anyone swaps, so nobody's word on the price counts: the least that must come out follows from the pair's own
/// cumulative prices between an observation made here, `minPeriod` to `maxPeriod` ago, and now. Who bends the price within a
/// block doesn't move that average; who holds it bent for long pays those who bend it back.
/// @dev What can still be taken from a swap is what the slippage allows, and what the burned token's price fell since the
/// observation, which is `maxPeriod` ago at most, of `maxAmount`, once a cooldown: keep that period short. Where a pair is so
/// thin that holding its price bent for `minPeriod` costs less than `maxAmount`, up to that. So governance opens routes, through
/// its delay, and only to the router's own pair. Assumes tokens without transfer fees; the burned one has ERC20Burnable's `burn`.
interface ISwapBurner is IBurner {
    /// @notice A token's route was opened, changed, or closed (`maxAmount` zero).
    event RouteSet(address indexed token, address indexed pair, uint112 maxAmount);
    /// @notice The pair's cumulative price was written down.
    event PriceObserved(address indexed token, uint256 cumulative);
    /// @notice A token was swapped. Amounts in each token's smallest unit; `least` is what had to come out.
    event Swapped(address indexed token, uint256 amount, uint256 received, uint256 least);

    /// @notice A setting of the deployment breaks the named rule.
    error SwapBurner_SettingViolated(string rule);
    /// @notice The router knows no pair of that token and the burned one.
    error SwapBurner_NoPair(address token);
    /// @notice The token has no route.
    error SwapBurner_NoRoute(address token);
    /// @notice The token is swapped and burned, not burned itself.
    error SwapBurner_HasRoute(address token);
    /// @notice Nothing of the token is here.
    error SwapBurner_NothingToSwap(address token);
    /// @notice A swap takes all that is here, up to the route's bound, which is `most`.
    error SwapBurner_AmountTooLow(uint256 amount, uint256 most);
    /// @notice The token was swapped too recently; the next swap is allowed from `swappableAt` (UNIX seconds) on.
    error SwapBurner_CoolingDown(uint256 swappableAt);
    /// @notice No observation is `minPeriod` to `maxPeriod` old; observe, and wait for `minPeriod`.
    error SwapBurner_NoAveragePrice(address token);
    /// @notice The last observation is too young; the next is taken from `observableAt` (UNIX seconds) on.
    error SwapBurner_ObservedRecently(uint256 observableAt);
    /// @notice The pair has no liquidity.
    error SwapBurner_EmptyPair(address pair);
    /// @notice By the averaged price nothing would have to come out.
    error SwapBurner_AmountTooSmall(uint256 amount);
    /// @notice Less came out than had to, whatever the router said.
    error SwapBurner_TooLittleReceived(uint256 received, uint256 least);

    /// @notice Opens a token's route through the router's pair, or changes it; its observations start anew. Governance only.
    /// @param maxAmount the most that one swap takes, in the token's smallest unit; zero closes the route
    function setRoute(address token, uint112 maxAmount) external;

    /// @notice Writes down the pair's cumulative price, at most once each `minPeriod`: else who observes all the time would keep
    /// every observation too young. Anyone may call; the first call starts the average.
    function observe(address token) external;

    /// @notice Swaps all of a token that is here, up to the route's `maxAmount`, and burns all that came out and all of the burned
    /// token that was here. Anyone may call. Observes, too, when that is due.
    /// @dev No less than that: swaps of next to nothing would keep the cooldown running and the rest waiting.
    /// @param amount the most that is swapped, in the token's smallest unit; at least what is here or `maxAmount`, so 2^256 − 1 will
    /// always do
    /// @param minOut what must come out at least, in the burned token's smallest unit; the average's bound holds when it is higher
    /// @return burned in the burned token's smallest unit
    function swapAndBurn(address token, uint256 amount, uint256 minOut) external returns (uint256 burned);

    /// @notice What must come out of a swap now at least, in the burned token's smallest unit. Reverts as the swap would.
    function leastOut(address token, uint256 amount) external view returns (uint256);

    /// @notice How a token is swapped.
    function routeOf(address token) external view returns (Route memory);

    /// @notice The two last observations of a token's price.
    function observationsOf(
        address token
    ) external view returns (PriceObservation memory older, PriceObservation memory newer);

    /// @notice The router.
    function router() external view returns (IUniswapV2Router);

    /// @notice What is burned.
    function burnedToken() external view returns (address);

    /// @notice What the deployment decided.
    function settings() external view returns (SwapSettings memory);
}
