// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";

/// @title Tokens that do what tokens shouldn't, one vice each; all are honest until they are told, and anyone mints.
abstract contract HostileToken is ERC20Burnable {
    constructor() ERC20("Hostile", "HOS") {}

    /// @notice Mints to anyone.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @dev What a transfer does besides moving tokens; minting and burning don't.
    function _misbehave(address from, address to, uint256 value) internal virtual;

    function _update(address from, address to, uint256 value) internal virtual override {
        if (from != address(0) && to != address(0)) _misbehave(from, to, value);
        super._update(from, to, value);
    }
}

/// @title Keeps a part of each transfer: the receiver gets less than was sent.
contract FeeToken is HostileToken {
    uint256 public feePpm;

    /// @notice The fee, in millionths of what is sent, from now on.
    function takeFee(uint256 ppm) external {
        feePpm = ppm;
    }

    function _misbehave(address, address, uint256) internal virtual override {}

    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : (value * feePpm) / 1_000_000;
        super._update(from, to, value - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}

/// @title Balances change by themselves, up or down, as those of some staking tokens do. Transfers move what they say.
contract RebasingToken is HostileToken {
    uint256 public factorPpm = 1_000_000;

    /// @notice Every balance is that many millionths of what was once put there, from now on.
    function rebase(uint256 ppm) external {
        factorPpm = ppm;
    }

    /// @notice What an account has, after rebasing.
    function balanceOf(address account) public view override returns (uint256) {
        return (super.balanceOf(account) * factorPpm) / 1_000_000;
    }

    function _misbehave(address, address, uint256) internal virtual override {}

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, (value * 1_000_000) / factorPpm);
    }
}

/// @title Reverts transfers from and to listed accounts, as USDC and USDT do.
contract BlockingToken is HostileToken {
    mapping(address account => bool) public refused;

    error BlockingToken_Refused(address account);

    /// @notice Lists an account, or takes it off the list.
    function refuse(address account, bool yes) external {
        refused[account] = yes;
    }

    function _misbehave(address from, address to, uint256) internal view override {
        require(!refused[from], BlockingToken_Refused(from));
        require(!refused[to], BlockingToken_Refused(to));
    }
}

/// @title Reverts every transfer while it is paused.
contract PausableToken is HostileToken {
    bool public paused;

    error PausableToken_Paused();

    /// @notice Stops transfers, or lets them go on.
    function pause(bool yes) external {
        paused = yes;
    }

    function _misbehave(address, address, uint256) internal view override {
        require(!paused, PausableToken_Paused());
    }
}

/// @title Fails by returning false and moving nothing, or returns true and moves nothing.
contract FalseToken is HostileToken {
    enum Answer {
        Honest,
        False,
        LyingTrue
    }

    Answer public answer;

    /// @notice How transfers answer from now on.
    function answerWith(Answer answer_) external {
        answer = answer_;
    }

    /// @notice As ERC-20's, or moves nothing.
    function transfer(address to, uint256 value) public override returns (bool) {
        return answer == Answer.Honest ? super.transfer(to, value) : answer == Answer.LyingTrue;
    }

    /// @notice As ERC-20's, or moves nothing.
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return answer == Answer.Honest ? super.transferFrom(from, to, value) : answer == Answer.LyingTrue;
    }

    function _misbehave(address, address, uint256) internal virtual override {}
}

/// @title Transfers and approvals return nothing at all, and an approval must be zero before it changes, as with USDT.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    uint256 public totalSupply;

    event Transfer(address indexed from, address indexed to, uint256 value);

    error SilentToken_TooLittle(uint256 has, uint256 value);
    error SilentToken_ApprovedBefore(uint256 allowed);

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function approve(address spender, uint256 value) external {
        uint256 allowed = allowance[msg.sender][spender];
        require(value == 0 || allowed == 0, SilentToken_ApprovedBefore(allowed));
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= value, SilentToken_TooLittle(allowed, value));
        allowance[from][msg.sender] = allowed - value;
        _move(from, to, value);
    }

    function burn(uint256 value) external {
        totalSupply -= value;
        _move(msg.sender, address(0), value);
    }

    function decimals() external pure returns (uint8) {
        return 18;
    }

    function _move(address from, address to, uint256 value) private {
        require(balanceOf[from] >= value, SilentToken_TooLittle(balanceOf[from], value));
        balanceOf[from] -= value;
        if (to != address(0)) balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// @title Calls back in the middle of its next transfer, and remembers how that went; the transfer goes on all the same.
contract ReentrantToken is HostileToken {
    address public target;
    bytes public callback;
    uint256 public calls;
    bool public succeeded;
    bytes public answer;

    /// @notice The next transfer calls `target_` with `data`, once.
    function callBack(address target_, bytes calldata data) external {
        target = target_;
        callback = data;
    }

    function _misbehave(address, address, uint256) internal override {
        address called = target;
        if (called == address(0)) return;
        target = address(0);
        ++calls;
        // solhint-disable-next-line avoid-low-level-calls
        (succeeded, answer) = called.call(callback);
    }
}

/// @title Answers with a huge returndata, which costs who copies it: returned after a true transfer, or reverted with.
contract BombToken is HostileToken {
    uint256 public size;
    bool public reverting;

    /// @notice Transfers answer with that many bytes from now on; zero makes them honest.
    function arm(uint256 size_, bool reverting_) external {
        size = size_;
        reverting = reverting_;
    }

    /// @notice As ERC-20's, with a bomb.
    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        _explode();
        return true;
    }

    /// @notice As ERC-20's, with a bomb.
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        super.transferFrom(from, to, value);
        _explode();
        return true;
    }

    function _misbehave(address, address, uint256) internal virtual override {}

    /// @dev The first word says true, so that only the size is strange.
    function _explode() private view {
        uint256 size_ = size;
        if (size_ == 0) return;
        bool reverting_ = reverting;
        assembly ("memory-safe") {
            let place := mload(0x40)
            mstore(place, 1)
            if reverting_ {
                revert(place, size_)
            }
            return(place, size_)
        }
    }
}

/// @title Eats gas in each transfer.
contract GreedyToken is HostileToken {
    uint256 public appetite;

    /// @notice Transfers use that much gas from now on, and fail when there is less.
    function eat(uint256 gas_) external {
        appetite = gas_;
    }

    function _misbehave(address, address, uint256) internal view override {
        uint256 start = gasleft();
        uint256 most = appetite;
        while (start - gasleft() < most) {}
    }
}

/// @title Refuses to tell balances.
contract MuteToken is HostileToken {
    bool public mute;

    error MuteToken_Mute();

    /// @notice `balanceOf` reverts from now on, or tells again.
    function silence(bool yes) external {
        mute = yes;
    }

    /// @notice As ERC-20's, or reverts.
    function balanceOf(address account) public view override returns (uint256) {
        require(!mute, MuteToken_Mute());
        return super.balanceOf(account);
    }

    function _misbehave(address, address, uint256) internal virtual override {}
}
