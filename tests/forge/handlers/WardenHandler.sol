// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdmission} from "../../../contracts/interfaces/IAdmission.sol";
import {AssignmentView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {Appeal, ITrustRegistry, Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {World} from "./World.sol";

/// @dev The warden of trust, the guardian who pauses admission, and those who appeal. None of it moves money.
abstract contract WardenHandler is World {
    // Five kinds, and of each as many as make its four, five, three or six members equally likely.
    uint256 private constant PLACES = 5 * 60;
    uint40 private constant NEVER = type(uint40).max;

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

    /// @dev What stands against an action on a status now; {NONE} when nothing does.
    struct Case {
        uint256 subject;
        Status status;
        uint40 until;
        uint40 finalFrom;
        Appeal appealed;
    }

    function judge(uint256 seed) external touchesNoMoney {
        Case memory c = _case(
            _subject(seed),
            [Status.Frozen, Status.Frozen, Status.Suspended, Status.Blacklisted][(seed >> 16) % 4]
        );
        bytes memory data = abi.encodeCall(trust.blacklist, (c.subject, 7, bytes32(seed | 1)));
        bytes memory expected = NONE;
        if (c.status == Status.Frozen) {
            uint256 span = _in(seed >> 24, 1, 2_000);
            data = abi.encodeCall(trust.freeze, (c.subject, uint40(_now() + span), 7, bytes32("x")));
            if (span > trust.freezeLeft(c.subject)) expected = _error(ITrustRegistry.TrustRegistry_FreezeCap.selector);
        } else if (c.status == Status.Suspended) {
            data = abi.encodeCall(trust.suspend, (c.subject, 7, bytes32("x")));
        }
        bool rests = c.until == 0 && _now() < c.finalFrom;
        if (_inForce(c) || rests) expected = _error(ITrustRegistry.TrustRegistry_InForce.selector);
        if (_call("judge", address(this), address(trust), data, expected)) {
            ++done[string.concat("judge", vm.toString(uint256(Subjects.kindOf(c.subject))))];
            ++done[_name("impose", c)];
        }
        _forbidden("judgeAlone", STRANGER, address(trust), data);
    }

    function lift(uint256 seed) external touchesNoMoney {
        Case memory c = _standing(seed);
        bytes[3] memory calls = [
            abi.encodeCall(trust.liftFreeze, (c.subject)),
            abi.encodeCall(trust.liftSuspension, (c.subject)),
            abi.encodeCall(trust.liftBlacklist, (c.subject))
        ];
        bytes memory expected = _isProven(c) ? _error(ITrustRegistry.TrustRegistry_Proven.selector) : NONE;
        expected = _against(c, expected);
        if (_call("lift", address(this), address(trust), calls[uint8(c.status) - 1], expected))
            ++done[_name("lift", c)];
    }

    /// @dev Somebody appeals, or an appeal is decided.
    function appeal(uint256 seed) external touchesNoMoney {
        Case memory c = _standing(seed);
        bytes memory expected = NONE;
        if (c.appealed == Appeal.Rejected) expected = _error(ITrustRegistry.TrustRegistry_AppealedBefore.selector);
        bytes memory data = abi.encodeCall(trust.appeal, (c.subject, c.status, bytes32("statement")));
        bool opened = _call("appeal", STRANGER, address(trust), data, _against(c, expected));
        if (opened) ++done[_name("appeal", c)];
        if ((seed >> 24) % 2 != 0) _decide(_case(c.subject, c.status), (seed >> 32) % 2 == 0);
    }

    function _decide(Case memory c, bool granted) private {
        uint40 decideBy = c.until == NEVER ? c.finalFrom : c.until;
        bytes memory expected = NONE;
        if (!granted && c.status != Status.Frozen && _now() + trust.settings().decisionSpan < decideBy) {
            expected = _error(ITrustRegistry.TrustRegistry_AppealsOpen.selector);
        }
        if (c.appealed != Appeal.Open) expected = _error(ITrustRegistry.TrustRegistry_NoAppeal.selector);
        bytes memory data = abi.encodeCall(
            trust.decideAppeal,
            (c.subject, c.status, decideBy, granted, bytes32("decision"))
        );
        if (_call("decide", address(this), address(trust), data, _against(c, expected))) {
            ++done[granted ? "granted" : "rejected"];
        }
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
    function _standing(uint256 seed) private view returns (Case memory) {
        uint256 subject = _subject(_pick(seed, PLACES, _isJudged));
        Status status = trust.statusOf(subject);
        // A freeze may stand behind a graver status.
        if (status == Status.None || (seed >> 16) % 4 == 0) status = Status(1 + ((seed >> 24) % 3));
        return _case(subject, status);
    }

    function _case(uint256 subject, Status status) private view returns (Case memory c) {
        (c.subject, c.status) = (subject, status);
        (c.until, c.finalFrom, c.appealed) = trust.standingOf(subject, status);
    }

    /// @dev What stands against touching a status that must be in force and not final, else what is told otherwise.
    function _against(Case memory c, bytes memory otherwise) private view returns (bytes memory) {
        if (!_inForce(c)) return _error(ITrustRegistry.TrustRegistry_NotInForce.selector);
        if (_now() >= c.finalFrom) return _error(ITrustRegistry.TrustRegistry_Final.selector);
        return otherwise;
    }

    function _inForce(Case memory c) private view returns (bool) {
        return _now() < c.until;
    }

    /// @dev Only a suspension for equivocation ever becomes final.
    function _isProven(Case memory c) private pure returns (bool) {
        return c.status == Status.Suspended && c.finalFrom != NEVER;
    }

    function _isJudged(uint256 place) private view returns (bool) {
        return trust.statusOf(_subject(place)) != Status.None;
    }

    /// @dev Subjects of each kind as often as of another.
    function _subject(uint256 place) private view returns (uint256) {
        uint256 which = place / 5;
        if (place % 5 == 0) return Subjects.licence(1 + (which % NODES));
        if (place % 5 == 1) return Subjects.node(vm.addr(nodeKeys[which % NODES]));
        if (place % 5 == 2) return Subjects.csp(uint48(1 + (which % ACCOUNTS)));
        if (place % 5 == 3) return Subjects.owner(people(which % PEOPLE));
        return Subjects.oracle(members(which % MEMBERS));
    }

    function _error(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    function _name(string memory action, Case memory c) private pure returns (string memory) {
        return string.concat(action, ["", "Freeze", "Suspension", "Blacklist"][uint8(c.status)]);
    }
}
