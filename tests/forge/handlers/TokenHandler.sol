// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BlockingToken,
    BombToken,
    FalseToken,
    FeeToken,
    GreedyToken,
    MuteToken,
    PausableToken,
    RebasingToken,
    ReentrantToken
} from "../fakes/Tokens.sol";
import {World} from "./World.sol";

/// @dev Tokens that passed admission, and turn.
abstract contract TokenHandler is World {
    function misbehave(uint256 seed) external act {
        bool on = (seed >> 8) % 2 == 0;
        uint256 which = seed % 9;
        if (which == 0) {
            address[3] memory whom = [
                people((seed >> 16) % PEOPLE),
                address(uint160(0xA000 + ((seed >> 16) % NODES))),
                address(burner)
            ];
            BlockingToken(address(hostile[0])).refuse(whom[(seed >> 24) % 3], on);
        } else if (which == 1) {
            FalseToken(address(hostile[1])).answerWith(FalseToken.Answer((seed >> 16) % 3));
        } else if (which == 2) {
            _reenter(seed >> 16);
        } else if (which == 3) {
            GreedyToken(address(hostile[3])).eat(on ? 500_000 : 0);
        } else if (which == 4) {
            PausableToken(address(hostile[4])).pause(on);
        } else if (which == 5) {
            FeeToken(address(hostile[5])).takeFee(on ? (seed >> 16) % 1_000_001 : 0);
        } else if (which == 6) {
            BombToken(address(hostile[6])).arm(on ? 20_000 : 0, (seed >> 16) % 2 == 0);
        } else if (which == 7) {
            MuteToken(address(hostile[7])).silence(on);
        } else {
            RebasingToken(address(hostile[8])).rebase(on ? _in(seed >> 16, 1, 2_000_000) : 1_000_000);
        }
        ++done["misbehave"];
    }

    /// @dev The next transfer calls back into the network.
    function _reenter(uint256 seed) private {
        uint64 job = escrow.jobCount() == 0 ? 1 : _jobId(uint64(seed >> 8));
        bytes[6] memory calls = [
            abi.encodeCall(escrow.claim, (assignments)),
            abi.encodeCall(escrow.withdrawRefund, (job)),
            abi.encodeCall(escrow.sendToBurn, (job)),
            abi.encodeCall(escrow.closeJob, (job)),
            abi.encodeCall(escrow.releaseHeld, (assignments)),
            abi.encodeCall(escrow.mark, (assignments))
        ];
        ReentrantToken(address(hostile[2])).callBack(address(escrow), calls[seed % 6]);
    }
}
