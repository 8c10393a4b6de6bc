// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable no-unused-import

/// @dev The hostile tokens live with the contracts that Python tests deploy; forge tests import them from here.
import {
    BlockingToken,
    BombToken,
    FalseToken,
    FeeToken,
    GreedyToken,
    HostileToken,
    MuteToken,
    PausableToken,
    RebasingToken,
    ReentrantToken,
    SilentToken
} from "../../contract/solidity/HostileTokens.sol";
