// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// It reverts with Uniswap's own words.
// solhint-disable gas-custom-errors, avoid-low-level-calls

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @dev The arithmetic of Uniswap V2's pair, without liquidity tokens: reserves, cumulative prices, the invariant with its fee
/// of 0.3 %. Liquidity is what was sent before `sync`. The real bytecode is tested against in tests/contract.
contract FakePair {
    address public immutable token0;
    address public immutable token1;
    uint256 public price0CumulativeLast;
    uint256 public price1CumulativeLast;
    uint112 private _reserve0;
    uint112 private _reserve1;
    uint32 private _last;

    constructor(address tokenA, address tokenB, uint256 startCumulative) {
        (token0, token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
        (price0CumulativeLast, price1CumulativeLast) = (startCumulative, startCumulative);
    }

    function getReserves() external view returns (uint112, uint112, uint32) {
        return (_reserve0, _reserve1, _last);
    }

    function swap(uint256 amount0Out, uint256 amount1Out, address to) external {
        if (amount0Out != 0) IERC20(token0).transfer(to, amount0Out);
        if (amount1Out != 0) IERC20(token1).transfer(to, amount1Out);
        uint256 balance0 = IERC20(token0).balanceOf(address(this));
        uint256 balance1 = IERC20(token1).balanceOf(address(this));
        uint256 in0 = balance0 > _reserve0 - amount0Out ? balance0 - (_reserve0 - amount0Out) : 0;
        uint256 in1 = balance1 > _reserve1 - amount1Out ? balance1 - (_reserve1 - amount1Out) : 0;
        require(
            (balance0 * 1000 - in0 * 3) * (balance1 * 1000 - in1 * 3) >= uint256(_reserve0) * _reserve1 * 1_000_000,
            "UniswapV2: K"
        );
        sync();
    }

    function sync() public {
        unchecked {
            uint256 elapsed = uint32(uint32(block.timestamp) - _last);
            if (elapsed != 0 && _reserve0 != 0 && _reserve1 != 0) {
                price0CumulativeLast += ((uint256(_reserve1) << 112) / _reserve0) * elapsed;
                price1CumulativeLast += ((uint256(_reserve0) << 112) / _reserve1) * elapsed;
            }
        }
        _reserve0 = uint112(IERC20(token0).balanceOf(address(this)));
        _reserve1 = uint112(IERC20(token1).balanceOf(address(this)));
        _last = uint32(block.timestamp);
    }
}

/// @dev Factory and router in one.
contract FakeExchange {
    mapping(address tokenA => mapping(address tokenB => address)) public getPair;
    /// @dev What the router keeps of what comes out, in millionths, against its word.
    uint256 public stolenPpm;

    function factory() external view returns (address) {
        return address(this);
    }

    function create(address tokenA, address tokenB, uint256 startCumulative) external returns (FakePair pair) {
        pair = new FakePair(tokenA, tokenB, startCumulative);
        getPair[tokenA][tokenB] = address(pair);
        getPair[tokenB][tokenA] = address(pair);
    }

    function steal(uint256 ppm) external {
        stolenPpm = ppm;
    }

    function swapExactTokensForTokens(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external returns (uint256[] memory amounts) {
        require(deadline >= block.timestamp, "UniswapV2Router: EXPIRED");
        FakePair pair = FakePair(getPair[path[0]][path[1]]);
        bool first = pair.token0() == path[0];
        uint256 out = quote(pair, first, amountIn);
        require(out >= amountOutMin, "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT");
        // As TransferHelper does: no answer is as good as true.
        (bool done, bytes memory answer) = path[0].call(
            abi.encodeCall(IERC20.transferFrom, (msg.sender, address(pair), amountIn))
        );
        require(done && (answer.length == 0 || abi.decode(answer, (bool))), "TransferHelper: TRANSFER_FROM_FAILED");
        pair.swap(first ? 0 : out, first ? out : 0, address(this));
        IERC20(path[1]).transfer(to, out - (out * stolenPpm) / 1_000_000);
        amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (amountIn, out);
    }

    function quote(FakePair pair, bool first, uint256 amountIn) public view returns (uint256) {
        (uint112 reserve0, uint112 reserve1, ) = pair.getReserves();
        (uint256 reserveIn, uint256 reserveOut) = first ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 paid = amountIn * 997;
        return (paid * reserveOut) / (reserveIn * 1000 + paid);
    }
}

/// @dev A job token without `burn`, whose `approve` insists on zero first and answers nothing, as the oldest dollar does.
contract OldDollar {
    mapping(address holder => uint256) public balanceOf;
    mapping(address holder => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        require(amount == 0 || allowance[msg.sender][spender] == 0, "OldDollar: approve zero first");
        allowance[msg.sender][spender] = amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev A token whose `burn` burns half.
contract HalfBurned {
    mapping(address holder => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function burn(uint256 amount) external {
        balanceOf[msg.sender] -= amount / 2;
    }
}
