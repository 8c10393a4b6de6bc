// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdmission} from "../../../contracts/interfaces/IAdmission.sol";
import {AssignmentView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {ITrustRegistry, Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {World} from "./World.sol";

/// @dev The warden of trust, the guardian who pauses admission, and those who appeal. None of it moves money.
abstract contract WardenHandler is World {
    // Four kinds, and of each as many as make its five, three or six members equally likely.
    uint256 private constant PLACES = 4 * 30;

    address private _forbiddenToken;

    /// @dev No booked or due amount changes meanwhile, and no bond.
    modifier touchesNoMoney() {
        _watch();
        bytes32 before = _moneyHash();
        uint256 bonded = token.balanceOf(address(bonds));
        _;
        _check(_moneyHash() == before, "a status or a pause moved money");
        _check(token.balanceOf(address(bonds)) == bonded, "a status moved a bond");
        _watch();
    }

    function judge(uint256 seed) external touchesNoMoney {
        uint256 subject = _subject(seed);
        bytes memory expected = abi.encodePacked(
            ITrustRegistry.TrustRegistry_InForce.selector,
            ITrustRegistry.TrustRegistry_FreezeCap.selector
        );
        bytes memory data = abi.encodeCall(trust.blacklist, (subject, 7, bytes32(seed | 1)));
        if ((seed >> 16) % 4 < 2) {
            data = abi.encodeCall(trust.freeze, (subject, uint40(_now() + _in(seed >> 24, 1, 2_000)), 7, bytes32("x")));
        } else if ((seed >> 16) % 4 == 2) {
            data = abi.encodeCall(trust.suspend, (subject, 7, bytes32("x")));
        }
        if (_call("judge", address(this), address(trust), data, expected)) ++done[_name("judge", subject)];
        _forbidden("judgeAlone", STRANGER, address(trust), data);
    }

    function lift(uint256 seed) external touchesNoMoney {
        (uint256 subject, Status status) = _standing(seed);
        bytes[3] memory calls = [
            abi.encodeCall(trust.liftFreeze, (subject)),
            abi.encodeCall(trust.liftSuspension, (subject)),
            abi.encodeCall(trust.liftBlacklist, (subject))
        ];
        bytes memory expected = abi.encodePacked(
            ITrustRegistry.TrustRegistry_NotInForce.selector,
            ITrustRegistry.TrustRegistry_Final.selector,
            ITrustRegistry.TrustRegistry_Proven.selector
        );
        _call("lift", address(this), address(trust), calls[uint8(status) - 1], expected);
    }

    /// @dev Somebody appeals, or an appeal is decided.
    function appeal(uint256 seed) external touchesNoMoney {
        (uint256 subject, Status status) = _standing(seed);
        bytes memory expected = abi.encodePacked(
            ITrustRegistry.TrustRegistry_NotInForce.selector,
            ITrustRegistry.TrustRegistry_Final.selector,
            ITrustRegistry.TrustRegistry_AppealedBefore.selector,
            ITrustRegistry.TrustRegistry_NoAppeal.selector
        );
        bytes memory data = abi.encodeCall(trust.appeal, (subject, status, bytes32("statement")));
        _call("appeal", STRANGER, address(trust), data, expected);
        if ((seed >> 24) % 2 == 0) return;
        bool granted = (seed >> 32) % 2 == 0;
        (uint40 until, uint40 finalFrom, ) = trust.standingOf(subject, status);
        uint40 decideBy = until == type(uint40).max ? finalFrom : until;
        data = abi.encodeCall(trust.decideAppeal, (subject, status, decideBy, granted, bytes32("decision")));
        if (!granted) expected = abi.encodePacked(expected, ITrustRegistry.TrustRegistry_AppealsOpen.selector);
        _call("decide", address(this), address(trust), data, expected);
    }

    /// @dev Marks follow what is frozen now, and nothing else.
    function mark(uint256 which, bool all) external touchesNoMoney {
        if (assignments.length == 0) return;
        uint256[] memory ids = all ? assignments : _one(assignments[which % assignments.length]);
        _call("mark", STRANGER, address(escrow), abi.encodeCall(escrow.mark, (ids)), NONE);
        for (uint256 i = 0; i < ids.length; ++i) {
            AssignmentView memory a = lens.assignmentOf(ids[i]);
            bool frozen = _frozen(Subjects.licence(a.licence)) || _frozen(Subjects.node(a.node));
            _check(a.marked == frozen, "marked without a freeze, or not with one");
        }
    }

    function pause(uint256 seed) external touchesNoMoney {
        (, uint40 until) = admission.lastPause();
        if (_now() < until && seed % 2 == 0) {
            _call("resume", address(this), address(admission), abi.encodeCall(admission.resume, ()), NONE);
            return;
        }
        _call(
            "pause",
            address(this),
            address(admission),
            abi.encodeCall(admission.pause, (uint40(_now() + _in(seed >> 8, 1, 2_000)))),
            abi.encodePacked(IAdmission.Admission_Paused.selector, IAdmission.Admission_Resting.selector)
        );
    }

    /// @dev New deposits in a token are forbidden, or allowed again.
    function forbid(uint256 seed) external touchesNoMoney {
        address which = seed % 4 == 0 ? address(token) : address(hostile[seed % hostile.length]);
        // One at a time: jobs would else become rare.
        if (_forbiddenToken != address(0)) admission.allowToken(_forbiddenToken);
        else admission.forbidToken(which);
        _forbiddenToken = _forbiddenToken == address(0) ? which : address(0);
        ++done["forbid"];
    }

    /// @dev A status of a subject, one that is in force, where there is one; see {_pick}.
    function _standing(uint256 seed) private view returns (uint256 subject, Status status) {
        subject = _subject(_pick(seed, PLACES, _isJudged));
        status = trust.statusOf(subject);
        // A freeze may stand behind a graver status.
        if (status == Status.None || (seed >> 16) % 4 == 0) status = Status(1 + ((seed >> 24) % 3));
    }

    function _isJudged(uint256 place) private view returns (bool) {
        return trust.statusOf(_subject(place)) != Status.None;
    }

    /// @dev Subjects of each kind as often as of another.
    function _subject(uint256 place) private view returns (uint256) {
        uint256 which = place / 4;
        if (place % 4 == 0) return Subjects.licence(1 + (which % NODES));
        if (place % 4 == 1) return Subjects.node(vm.addr(nodeKeys[which % NODES]));
        if (place % 4 == 2) return Subjects.csp(uint48(1 + (which % ACCOUNTS)));
        return Subjects.oracle(members(which % MEMBERS));
    }

    function _name(string memory action, uint256 subject) private pure returns (string memory) {
        return string.concat(action, vm.toString(uint256(Subjects.kindOf(subject))));
    }
}
