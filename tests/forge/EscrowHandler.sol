// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JobView} from "../../contracts/interfaces/IEscrowLens.sol";
import {
    BlockingToken,
    BombToken,
    FalseToken,
    FeeToken,
    GreedyToken,
    MuteToken,
    PausableToken,
    RebasingToken
} from "./fakes/Tokens.sol";
import {BondHandler} from "./handlers/BondHandler.sol";
import {CommitteeHandler} from "./handlers/CommitteeHandler.sol";
import {NodeHandler} from "./handlers/NodeHandler.sol";
import {PayHandler} from "./handlers/PayHandler.sol";
import {ProbeHandler} from "./handlers/ProbeHandler.sol";
import {ReallocationHandler} from "./handlers/ReallocationHandler.sol";
import {TokenHandler} from "./handlers/TokenHandler.sol";
import {WardenHandler} from "./handlers/WardenHandler.sol";
import {World} from "./handlers/World.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {OraclePay} from "../../contracts/rewards/OraclePay.sol";

/// @dev Everybody at once, each in a file of `handlers/`.
contract EscrowHandler is
    NodeHandler,
    CommitteeHandler,
    WardenHandler,
    BondHandler,
    ReallocationHandler,
    PayHandler,
    TokenHandler,
    ProbeHandler
{
    /// @param payPerEpoch of oracles; zero: the protocol's share is burned
    constructor(uint96 payPerEpoch) World(payPerEpoch) {}

    function oracles() external view returns (IOracleRegistry) {
        return IOracleRegistry(address(registry));
    }

    function pay() external view returns (OraclePay) {
        return oraclePay;
    }

    /// @dev All actions. Those that lead somewhere are listed more than once, so that they come more often.
    function everything() external pure returns (bytes4[] memory list) {
        (bytes4[] memory first, bytes4[] memory rest) = (_usual(), _unusual());
        list = new bytes4[](first.length + rest.length);
        for (uint256 i = 0; i < first.length; ++i) list[i] = first[i];
        for (uint256 i = 0; i < rest.length; ++i) list[first.length + i] = rest[i];
    }

    /// @dev What concerns committees and their pay, and the jobs that it comes from.
    function oraclesOnly() external pure returns (bytes4[] memory list) {
        list = new bytes4[](26);
        list[0] = this.pass.selector;
        list[1] = this.pass.selector;
        list[2] = this.create.selector;
        list[3] = this.create.selector;
        list[4] = this.assign.selector;
        list[5] = this.assign.selector;
        list[6] = this.report.selector;
        list[7] = this.report.selector;
        list[8] = this.report.selector;
        list[9] = this.settleRange.selector;
        list[10] = this.burn.selector;
        list[11] = this.settleDuty.selector;
        list[12] = this.settleDuty.selector;
        list[13] = this.settleDuty.selector;
        list[14] = this.claimDuty.selector;
        list[15] = this.claimDuty.selector;
        list[16] = this.redirect.selector;
        list[17] = this.sweep.selector;
        list[18] = this.rotate.selector;
        list[19] = this.schedule.selector;
        list[20] = this.replace.selector;
        list[21] = this.declare.selector;
        list[22] = this.equivocate.selector;
        list[23] = this.judge.selector;
        list[24] = this.veto.selector;
        list[25] = this.forge.selector;
    }

    /// @dev All leave, hostile tokens repent, the network stands still well past all spans, everything due is done.
    function finish() external {
        _repent();
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            if (!j.leaving && _now() < j.stop) {
                vm.prank(j.owner);
                escrow.stopJob(job);
            }
            if (_now() < lens.jobOf(job).stop) _pass(lens.jobOf(job).stop - _now());
        }
        _pass(20_000);
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) if (!lens.jobOf(job).closed) escrow.closeJob(job);
        escrow.releaseHeld(assignments);
        escrow.claim(assignments);
        for (uint256 i = 0; i < assignments.length; ++i) {
            if (lens.assignmentOf(assignments[i]).closedAt == 0) placements.closeAssignment(assignments[i]);
            _look(assignments[i]);
        }
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            if (!clean(job)) continue;
            escrow.withdrawRefund(job);
            escrow.sendToBurn(job);
            escrow.sendToProtocol(job);
        }
    }

    /// @dev What jobs and reports are made of.
    function _usual() private pure returns (bytes4[] memory list) {
        list = new bytes4[](32);
        list[0] = this.pass.selector;
        list[1] = this.pass.selector;
        list[2] = this.create.selector;
        list[3] = this.create.selector;
        list[4] = this.create.selector;
        list[5] = this.grow.selector;
        list[6] = this.stop.selector;
        list[7] = this.shrink.selector;
        list[8] = this.close.selector;
        list[9] = this.withdraw.selector;
        list[10] = this.appoint.selector;
        list[11] = this.meddle.selector;
        list[12] = this.handOver.selector;
        list[13] = this.assign.selector;
        list[14] = this.assign.selector;
        list[15] = this.assign.selector;
        list[16] = this.assignByOffer.selector;
        list[17] = this.assignByOffer.selector;
        list[18] = this.impose.selector;
        list[19] = this.closeAssignment.selector;
        list[20] = this.move.selector;
        list[21] = this.revokeOffers.selector;
        list[22] = this.report.selector;
        list[23] = this.report.selector;
        list[24] = this.report.selector;
        list[25] = this.report.selector;
        list[26] = this.veto.selector;
        list[27] = this.forge.selector;
        list[28] = this.replace.selector;
        list[29] = this.settle.selector;
        list[30] = this.settleRange.selector;
        list[31] = this.settleRange.selector;
    }

    /// @dev What happens besides, and what would happen if.
    function _unusual() private pure returns (bytes4[] memory list) {
        list = new bytes4[](28);
        list[0] = this.settleUnproved.selector;
        list[1] = this.release.selector;
        list[2] = this.claim.selector;
        list[3] = this.claimTo.selector;
        list[4] = this.burn.selector;
        list[5] = this.judge.selector;
        list[6] = this.lift.selector;
        list[7] = this.mark.selector;
        list[8] = this.pause.selector;
        list[9] = this.bond.selector;
        list[10] = this.reallocate.selector;
        list[11] = this.reopen.selector;
        list[12] = this.misbehave.selector;
        list[13] = this.probePaths.selector;
        list[14] = this.probeExit.selector;
        list[15] = this.probeCollusion.selector;
        list[16] = this.probeFloor.selector;
        list[17] = this.appeal.selector;
        list[18] = this.forbid.selector;
        list[19] = this.askForBond.selector;
        list[20] = this.withdrawBond.selector;
        list[21] = this.slash.selector;
        list[22] = this.burnBonds.selector;
        list[23] = this.replay.selector;
        list[24] = this.schedule.selector;
        list[25] = this.rotate.selector;
        list[26] = this.declare.selector;
        list[27] = this.equivocate.selector;
    }

    function _repent() private {
        for (uint256 i = 0; i < PEOPLE; ++i) BlockingToken(address(hostile[0])).refuse(people(i), false);
        FalseToken(address(hostile[1])).answerWith(FalseToken.Answer.Honest);
        GreedyToken(address(hostile[3])).eat(0);
        PausableToken(address(hostile[4])).pause(false);
        FeeToken(address(hostile[5])).takeFee(0);
        BombToken(address(hostile[6])).arm(0, false);
        MuteToken(address(hostile[7])).silence(false);
        RebasingToken(address(hostile[8])).rebase(1_000_000);
    }
}
