// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Authority} from "../../../contracts/governance/Authority.sol";
import {ITrustRegistry, Status, TrustSettings} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {TrustRegistry} from "../../../contracts/trust/TrustRegistry.sol";
import {Actions} from "./Actions.sol";

/// @dev A world with the real trust: its warden freezes, suspends, blacklists, and lifts what stands. Nobody appeals here.
abstract contract StatusActions is Actions {
    uint32 internal constant FREEZE = 2_000;
    bytes4 internal constant UNAUTHORIZED = IAccessManaged.AccessManagedUnauthorized.selector;

    Authority public authority = new Authority(address(this));
    TrustRegistry public trust = new TrustRegistry(
        address(authority),
        TrustSettings({freezeSpan: FREEZE, yearlyFreeze: 40_000, appealSpan: 3_000, decisionSpan: 1_000})
    );

    /// @dev Imposes a status, or lifts the gravest one; at times by a stranger, who may not.
    function _judge(uint256 subject, uint256 seed) internal {
        Status status = trust.statusOf(subject);
        bool lifts = seed % 2 == 0 && (status != Status.None || seed % 16 == 0);
        if (!lifts || status == Status.None) status = Status(_in(seed >> 8, 1, 3));
        // Few for ever: a blacklist becomes final.
        if (!lifts && status == Status.Blacklisted && (seed >> 16) % 3 != 0) status = Status.Frozen;
        (uint40 until, uint40 finalFrom, ) = trust.standingOf(subject, status);
        bool inForce = _now() < until;
        if (lifts) {
            _against(!inForce, ITrustRegistry.TrustRegistry_NotInForce.selector);
            _against(inForce && _now() >= finalFrom, ITrustRegistry.TrustRegistry_Final.selector);
        } else {
            _against(inForce, ITrustRegistry.TrustRegistry_InForce.selector);
        }
        address who = _governor(seed >> 32);
        _take(lifts ? "lift" : "impose", who, address(trust), _said(subject, status, lifts, seed >> 40));
    }

    /// @dev Governance, at times a stranger who poses as such.
    function _governor(uint256 draw) internal returns (address who) {
        who = draw % 8 == 0 ? STRANGER : address(this);
        _against(who == STRANGER, UNAUTHORIZED);
    }

    function _frozen(uint256 subject) internal view returns (bool) {
        (uint40 until, , ) = trust.standingOf(subject, Status.Frozen);
        return _now() < until;
    }

    function _said(uint256 subject, Status status, bool lifts, uint256 seed) private returns (bytes memory) {
        if (status == Status.Frozen) {
            if (lifts) return abi.encodeCall(trust.liftFreeze, (subject));
            uint256 span = _in(seed, 1, FREEZE);
            _against(span > trust.freezeLeft(subject), ITrustRegistry.TrustRegistry_FreezeCap.selector);
            return abi.encodeCall(trust.freeze, (subject, uint40(_now() + span), 7, bytes32("x")));
        }
        if (status == Status.Suspended) {
            if (lifts) return abi.encodeCall(trust.liftSuspension, (subject));
            return abi.encodeCall(trust.suspend, (subject, 7, bytes32("x")));
        }
        if (lifts) return abi.encodeCall(trust.liftBlacklist, (subject));
        return abi.encodeCall(trust.blacklist, (subject, 7, bytes32("x")));
    }
}
