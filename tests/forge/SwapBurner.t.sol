// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";
import {Test} from "forge-std/Test.sol";
import {FakeExchange, FakePair, HalfBurned, OldDollar} from "./fakes/UniswapV2.sol";
import {Burner} from "../../contracts/burn/Burner.sol";
import {SwapBurner} from "../../contracts/burn/SwapBurner.sol";
import {IBurner} from "../../contracts/interfaces/IBurner.sol";
import {ISwapBurner, PriceObservation, SwapSettings} from "../../contracts/interfaces/ISwapBurner.sol";
import {IUniswapV2Router} from "../../contracts/interfaces/IUniswapV2Router.sol";
import {NetworkToken} from "../../contracts/rewards/NetworkToken.sol";

contract SwapBurnerTest is Test {
    uint256 private constant START = 1_700_000_000;
    uint112 private constant MOST = 1000e6;
    uint256 private constant HOUR = 3600;
    SwapSettings private settings = SwapSettings(uint32(HOUR), uint32(24 * HOUR), 600, 30_000);

    AccessManager private authority = new AccessManager(address(this));
    NetworkToken private token = new NetworkToken("Network", "NET", 1e30, address(this));
    OldDollar private dollar = new OldDollar();
    FakeExchange private exchange = new FakeExchange();
    FakePair private pair;
    SwapBurner private burner;

    /// @dev A million dollars, and four of the token for each; cumulative prices about to wrap around.
    function setUp() external {
        vm.warp(START);
        pair = exchange.create(address(dollar), address(token), type(uint256).max - (HOUR << 112));
        dollar.mint(address(pair), 1e12);
        token.mint(address(pair), 4e24);
        pair.sync();
        burner = new SwapBurner(address(authority), IUniswapV2Router(address(exchange)), address(token), settings);
        burner.setRoute(address(dollar), MOST);
        dollar.mint(address(burner), 10 * MOST);
    }

    function test_swap_and_burn__fair_price__burns_all_that_came_out() external {
        _average();
        uint256 supply = token.totalSupply();
        uint256 least = burner.leastOut(address(dollar), MOST);
        assertEq(least, 3880e18, "97 % of 4 each");
        uint256 burned = burner.swapAndBurn(address(dollar), MOST, 0);
        assertGe(burned, least);
        assertApproxEqRel(burned, (uint256(4000e18) * 997) / 1000, 0.002e18);
        assertEq(token.totalSupply(), supply - burned);
        assertEq(token.balanceOf(address(burner)), 0);
        assertEq(dollar.balanceOf(address(burner)), 9 * uint256(MOST));
        assertEq(dollar.allowance(address(burner), address(exchange)), 0);
    }

    function test_swap_and_burn__price_bent_in_the_block__is_refused() external {
        _average();
        _buyAhead(60e9); // 6 % of the pool: the token costs 12 % more
        vm.expectRevert("UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT");
        burner.swapAndBurn(address(dollar), MOST, 0);
    }

    function test_swap_and_burn__callers_bound__holds_when_it_is_higher() external {
        _average();
        vm.expectRevert("UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT");
        burner.swapAndBurn(address(dollar), MOST, 3999e18);
        burner.swapAndBurn(address(dollar), MOST, 3980e18);
    }

    function test_swap_and_burn__router_keeps_some__is_refused() external {
        _average();
        exchange.steal(50_000);
        vm.expectPartialRevert(ISwapBurner.SwapBurner_TooLittleReceived.selector);
        burner.swapAndBurn(address(dollar), MOST, 0);
        try burner.swapAndBurn(address(dollar), MOST, 0) {
            fail();
        } catch (bytes memory why) {
            (uint256 received, uint256 least) = abi.decode(Bytes.slice(why, 4), (uint256, uint256));
            assertLt(received, least, "what came is less than what was asked for");
        }
    }

    function test_swap_and_burn__again_at_once__cools_down() external {
        _average();
        burner.swapAndBurn(address(dollar), MOST, 0);
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_CoolingDown.selector, block.timestamp + 600));
        burner.swapAndBurn(address(dollar), MOST, 0);
        skip(600);
        burner.swapAndBurn(address(dollar), MOST, 0);
    }

    /// @dev Nobody keeps the cooldown running with dust: a swap takes all that may be swapped.
    function test_swap_and_burn__less_than_there_is__is_refused() external {
        _average();
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_AmountTooLow.selector, MOST - 1, MOST));
        burner.swapAndBurn(address(dollar), MOST - 1, 0);
        uint256 before = dollar.balanceOf(address(burner));
        burner.swapAndBurn(address(dollar), type(uint256).max, 0);
        assertEq(dollar.balanceOf(address(burner)), before - MOST);
    }

    function test_swap_and_burn__less_here_than_the_bound__takes_all() external {
        burner.setRoute(address(dollar), type(uint112).max);
        _average();
        uint256 here = dollar.balanceOf(address(burner));
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_AmountTooLow.selector, here - 1, here));
        burner.swapAndBurn(address(dollar), here - 1, 0);
        vm.prank(address(burner));
        dollar.transfer(address(1), here - MOST);
        burner.swapAndBurn(address(dollar), MOST, 0);
        assertEq(dollar.balanceOf(address(burner)), 0);
    }

    function test_swap_and_burn__nothing_here__is_refused() external {
        SwapBurner empty = new SwapBurner(
            address(authority),
            IUniswapV2Router(address(exchange)),
            address(token),
            settings
        );
        empty.setRoute(address(dollar), MOST);
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_NothingToSwap.selector, address(dollar)));
        empty.swapAndBurn(address(dollar), 1, 0);
    }

    function test_swap_and_burn__no_average__waits_for_one() external {
        bytes memory none = abi.encodeWithSelector(ISwapBurner.SwapBurner_NoAveragePrice.selector, address(dollar));
        vm.expectRevert(none);
        burner.swapAndBurn(address(dollar), MOST, 0);
        burner.observe(address(dollar));
        skip(HOUR - 1);
        vm.expectRevert(none);
        burner.swapAndBurn(address(dollar), MOST, 0);
        skip(24 * HOUR - HOUR + 2);
        vm.expectRevert(none);
        burner.leastOut(address(dollar), MOST);
        rewind(1);
        burner.swapAndBurn(address(dollar), MOST, 0);
    }

    function test_swap_and_burn__observation_due__is_made() external {
        _average();
        burner.swapAndBurn(address(dollar), MOST, 0);
        (PriceObservation memory older, PriceObservation memory newer) = burner.observationsOf(address(dollar));
        assertEq(older.time, block.timestamp - HOUR);
        assertEq(newer.time, block.timestamp);
        skip(600);
        burner.swapAndBurn(address(dollar), MOST, 0);
        (, newer) = burner.observationsOf(address(dollar));
        assertEq(newer.time, block.timestamp - 600, "not before it is due");
    }

    function test_observe__all_the_time__never_keeps_the_average_away() external {
        burner.observe(address(dollar));
        vm.expectRevert(
            abi.encodeWithSelector(ISwapBurner.SwapBurner_ObservedRecently.selector, block.timestamp + HOUR)
        );
        burner.observe(address(dollar));
        for (uint256 i = 0; i < 50; ++i) {
            skip(HOUR / 4);
            if (i % 4 != 3) vm.expectPartialRevert(ISwapBurner.SwapBurner_ObservedRecently.selector);
            burner.observe(address(dollar));
            if (i >= 3) burner.leastOut(address(dollar), MOST);
        }
    }

    function test_observe__no_route_or_empty_pair__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_NoRoute.selector, address(this)));
        burner.observe(address(this));
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_NoRoute.selector, address(this)));
        burner.swapAndBurn(address(this), 1, 0);
        address fresh = address(new OldDollar());
        FakePair empty = exchange.create(fresh, address(token), 0);
        burner.setRoute(fresh, MOST);
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_EmptyPair.selector, address(empty)));
        burner.observe(fresh);
        OldDollar(fresh).mint(address(empty), 5);
        empty.sync();
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_EmptyPair.selector, address(empty)));
        burner.observe(fresh);
    }

    function test_observe__pair_without_the_token__is_refused() external {
        address fresh = address(new OldDollar());
        FakePair half = exchange.create(fresh, address(token), 0);
        burner.setRoute(fresh, MOST);
        deal(address(token), address(half), 5);
        half.sync();
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_EmptyPair.selector, address(half)));
        burner.observe(fresh);
    }

    function test_least_out__dust__is_refused() external {
        OldDollar dust = new OldDollar();
        FakePair thin = exchange.create(address(dust), address(token), 0);
        dust.mint(address(thin), 1 << 40);
        token.mint(address(thin), 1 << 20);
        thin.sync();
        burner.setRoute(address(dust), MOST);
        burner.observe(address(dust));
        skip(HOUR);
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_AmountTooSmall.selector, uint256((1 << 20) - 1)));
        burner.leastOut(address(dust), (1 << 20) - 1);
        assertEq(burner.leastOut(address(dust), 1 << 20), 1, "rounded up");
    }

    function test_set_route__by_a_stranger__is_refused() external {
        vm.prank(address(0xBAD));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(0xBAD)));
        burner.setRoute(address(dollar), 1);
    }

    function test_set_route__no_pair__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_NoPair.selector, address(token)));
        burner.setRoute(address(token), 1);
    }

    function test_set_route__zero__closes_it_and_forgets_prices() external {
        _average();
        burner.setRoute(address(dollar), 0);
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_NoRoute.selector, address(dollar)));
        burner.leastOut(address(dollar), 1e6);
        burner.setRoute(address(dollar), MOST);
        assertEq(burner.routeOf(address(dollar)).pair, address(pair));
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_NoAveragePrice.selector, address(dollar)));
        burner.leastOut(address(dollar), 1e6);
    }

    function test_burn__burnable_token__burns_all() external {
        token.mint(address(burner), 5);
        assertEq(burner.burn(address(token)), 5);
        vm.expectRevert(abi.encodeWithSelector(IBurner.Burner_NothingToBurn.selector, address(token)));
        burner.burn(address(token));
    }

    function test_burn__token_with_a_route__is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_HasRoute.selector, address(dollar)));
        burner.burn(address(dollar));
    }

    function test_burn__token_that_burns_half__is_refused() external {
        Burner plain = new Burner();
        HalfBurned half = new HalfBurned();
        half.mint(address(plain), 10);
        vm.expectRevert(abi.encodeWithSelector(IBurner.Burner_NotBurned.selector, address(half), uint256(5)));
        plain.burn(address(half));
    }

    function test_constructor__broken_rule__is_named() external {
        _refuse(SwapSettings(0, 10, 1, 0), address(token), "0 < 2 minPeriod <= maxPeriod");
        _refuse(SwapSettings(6, 11, 1, 0), address(token), "0 < 2 minPeriod <= maxPeriod");
        _refuse(SwapSettings(1, 2, 0, 0), address(token), "cooldown is not zero");
        _refuse(SwapSettings(1, 2, 1, 1_000_000), address(token), "maxSlippagePpm < 1000000");
        _refuse(SwapSettings(1, 2, 1, 0), address(0), "router and burned token are not zero");
        assertEq(abi.encode(burner.settings()), abi.encode(settings));
    }

    /// @dev However others trade before and in the block of a swap: what is burned is never below the bound, and the bound is
    /// the price averaged over the time since the observation.
    function testFuzz_swap_and_burn__any_trades__never_below_the_average(
        uint40[4] calldata trades,
        uint16[4] calldata waits,
        uint40 amount,
        uint40 ahead
    ) external {
        uint256 swapped = 1e6 + (amount % (MOST - 1e6));
        burner.setRoute(address(dollar), uint112(swapped));
        burner.observe(address(dollar));
        uint256 weighted = 0;
        uint256 period = 0;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 wait = HOUR / 4 + (waits[i] % 4000);
            weighted += wait * _price();
            period += wait;
            skip(wait);
            _buyAhead(trades[i] % 50e9);
        }
        uint256 least = burner.leastOut(address(dollar), swapped);
        assertApproxEqRel(least, (swapped * (weighted / period) * 97) / 100 / 1e12, 1e9, "97 % of the average");
        _buyAhead(ahead % 500e9);
        assertEq(burner.leastOut(address(dollar), swapped), least, "trades in this block don't move it");
        uint256 supply = token.totalSupply();
        try burner.swapAndBurn(address(dollar), swapped, 0) returns (uint256 burned) {
            assertGe(burned, least);
            assertEq(token.totalSupply(), supply - burned);
        } catch {
            bool first = pair.token0() == address(dollar);
            assertLt(exchange.quote(pair, first, swapped), least, "refused for its price alone");
        }
    }

    function _refuse(SwapSettings memory s, address burned, string memory rule) private {
        vm.expectRevert(abi.encodeWithSelector(ISwapBurner.SwapBurner_SettingViolated.selector, rule));
        new SwapBurner(address(authority), IUniswapV2Router(address(exchange)), burned, s);
    }

    function _average() private {
        burner.observe(address(dollar));
        skip(HOUR);
    }

    /// @dev Buys the token for so many dollars, so that it gets dearer.
    function _buyAhead(uint256 dollars) private {
        if (dollars == 0) return;
        address[] memory path = new address[](2);
        (path[0], path[1]) = (address(dollar), address(token));
        dollar.mint(address(this), dollars);
        dollar.approve(address(exchange), dollars);
        exchange.swapExactTokensForTokens(dollars, 0, path, address(this), block.timestamp);
    }

    /// @dev Of the token for a millionth dollar, times 10^12.
    function _price() private view returns (uint256) {
        return (token.balanceOf(address(pair)) * 1e12) / dollar.balanceOf(address(pair));
    }
}
