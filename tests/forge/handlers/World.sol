// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentView, JobView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {JobTerms} from "../../../contracts/interfaces/IJobEscrow.sol";
import {Kind} from "../../../contracts/interfaces/INodeLicense.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
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
    ReentrantToken
} from "../fakes/Tokens.sol";
import {Town} from "../Town.sol";
import {Draws} from "./Draws.sol";

// solhint-disable max-states-count

/// @dev The cast of all handlers, what they remember of it (the ghosts), and how an action is taken: by {_call}, which knows the
/// errors that it may meet. Whatever else happens is a fault, and the first fault is kept for the invariants.
abstract contract World is Town, Draws {
    uint256 internal constant MOST_JOBS = 6;
    uint256 internal constant MOST_ASSIGNMENTS = 20;
    uint256 internal constant NODES = 5;
    uint256 internal constant PEOPLE = 4;
    uint256 internal constant ACCOUNTS = 3;
    uint256 internal constant MEMBERS = 6;
    uint256 internal constant PURSE = 1e24;
    uint32 public constant MOST_SLOTS = 5;
    bytes internal constant ANY = hex"ffffffff";
    bytes internal constant NONE = "";

    /// @dev A report as its committee keeps it: first the leaves of assignments, then those of oracles.
    struct Published {
        uint64 epoch;
        uint256 count;
        uint256[] ids;
        uint64[] earned;
        uint64[] accounted;
        bytes32[] nodes;
    }

    address internal constant ORCHESTRATOR = address(0x0C);
    address internal constant STRANGER = address(0x57A6E);
    address internal constant DELEGATE = address(0xDE1E);
    address internal constant BONDER = address(0xB0DE);
    address internal constant RECIPIENT = address(0x2EC1);

    uint256[] internal nodeKeys;
    mapping(address signer => uint256) internal keyOf;
    HostileToken[] public hostile;
    uint256[] public assignments;
    mapping(uint64 job => JobTerms) internal termsOf;
    mapping(uint256 assignment => AssignmentView) private _seen;

    // Reports: places in `reports`, counted from 1; zero is none.
    Published[] internal reports;
    uint256 internal candidate;
    uint256 internal newest;
    uint256 internal previous;
    uint256 internal candidateFinalAt;
    uint64 public lastEpoch;
    bool public everFinal;

    string public fault;
    uint256 public bondsBurned;
    uint256 public swept;
    mapping(string action => uint256) public done;

    /// @dev Each action begins and ends with a look at which report is final.
    modifier act() {
        _watch();
        _;
        _watch();
    }

    constructor(uint96 payPerEpoch) {
        _found(0, payPerEpoch);
        for (uint256 i = 0; i < oracleKeys.length; ++i) keyOf[vm.addr(oracleKeys[i])] = oracleKeys[i];
        for (uint256 i = 0; i < NODES; ++i) {
            nodeKeys.push(1 + (uint256(keccak256(abi.encode("node", i))) >> 8));
            _link(licences.mint(address(uint160(0xA000 + i)), Kind.Standard));
        }
        hostile.push(new BlockingToken());
        hostile.push(new FalseToken());
        hostile.push(new ReentrantToken());
        hostile.push(new GreedyToken());
        hostile.push(new PausableToken());
        hostile.push(new FeeToken());
        hostile.push(new BombToken());
        hostile.push(new MuteToken());
        hostile.push(new RebasingToken());
        for (uint256 i = 0; i < hostile.length; ++i) admission.allowToken(address(hostile[i]));
        for (uint256 i = 0; i < PEOPLE; ++i) {
            address person = people(i);
            token.mint(person, PURSE);
            vm.prank(person);
            token.approve(address(escrow), type(uint256).max);
            for (uint256 j = 0; j < hostile.length; ++j) {
                hostile[j].mint(person, PURSE);
                vm.prank(person);
                hostile[j].approve(address(escrow), type(uint256).max);
            }
            if (i < ACCOUNTS) {
                vm.prank(person);
                accounts.open();
            }
        }
        token.mint(BONDER, PURSE);
        vm.prank(BONDER);
        token.approve(address(bonds), type(uint256).max);
    }

    // Read by the invariants

    /// @dev Those who own CSP accounts, or may one day.
    function people(uint256 i) public pure returns (address) {
        return address(uint160(0xC5B1 + i));
    }

    function members(uint256 i) public pure returns (address) {
        return address(uint160(0x3E3B00 + i));
    }

    function count() external view returns (uint256) {
        return assignments.length;
    }

    function clean(uint64 job) public view returns (bool) {
        return termsOf[job].token == address(token);
    }

    // Shared by the handlers

    /// @dev Takes an action as somebody; a revert with an error that isn't among the expected selectors is a fault.
    function _call(
        string memory action,
        address who,
        address target,
        bytes memory data,
        bytes memory expected
    ) internal returns (bool ok) {
        bytes memory why;
        if (who != address(this)) vm.prank(who);
        // solhint-disable-next-line avoid-low-level-calls
        (ok, why) = target.call(data);
        if (ok) ++done[action];
        else if (!_listed(why, expected)) _fault(string.concat(action, " reverted: ", vm.toString(why)));
    }

    /// @dev Takes an action that nobody may: that it goes through is a fault.
    function _forbidden(string memory action, address who, address target, bytes memory data) internal {
        if (who != address(this)) vm.prank(who);
        // solhint-disable-next-line avoid-low-level-calls
        (bool ok, ) = target.call(data);
        ++done[action];
        if (ok) _fault(string.concat(action, " went through"));
    }

    function _fault(string memory what) internal {
        if (bytes(fault).length == 0) fault = what;
    }

    function _check(bool good, string memory what) internal {
        if (!good) _fault(what);
    }

    function _now() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function _pass(uint256 secs) internal {
        vm.warp(_now() + secs);
        _watch();
    }

    function _jobId(uint64 seed) internal view returns (uint64) {
        return 1 + (seed % escrow.jobCount());
    }

    /// @dev A job that runs, see {_pick}.
    function _runningJob(uint64 draw) internal view returns (uint64) {
        return uint64(1 + _pick(draw, escrow.jobCount(), _isRunning));
    }

    /// @dev An assignment that is open, see {_pick}.
    function _openAssignment(uint256 draw) internal view returns (uint256) {
        return assignments[_pick(draw, assignments.length, _isOpen)];
    }

    function _job(uint64 seed) internal view returns (bool found, JobView memory j) {
        found = escrow.jobCount() != 0;
        if (found) j = lens.jobOf(_jobId(seed));
    }

    function _frozen(uint256 subject) internal view returns (bool) {
        (uint40 until, , ) = trust.standingOf(subject, Status.Frozen);
        return _now() < until;
    }

    function _waits(AssignmentView memory a) internal view returns (bool) {
        return a.marked && !_stalled() && (_frozen(Subjects.licence(a.licence)) || _frozen(Subjects.node(a.node)));
    }

    function _stalled() internal view returns (bool) {
        (, , uint40 finalAt) = attestations.pendingReport();
        if (finalAt != 0) return false;
        (, , finalAt) = attestations.lastFinal();
        return _now() >= uint256(finalAt) + SETTLE_WINDOW && _now() >= uint256(attestations.lastProgress()) + 4_000;
    }

    /// @dev What a payee gets for so many cumulative seconds, worked out anew.
    function _net(uint256 price, uint256 secs) internal pure returns (uint256) {
        return (((price * secs) / EPOCH) * (1_000_000 - PROTOCOL_PPM)) / 1_000_000;
    }

    function _one(uint256 id) internal pure returns (uint256[] memory one) {
        one = new uint256[](1);
        one[0] = id;
    }

    /// @dev No counter of an assignment ever falls, nor what was released; parties and times never change.
    function _look(uint256 id) internal {
        AssignmentView memory a = lens.assignmentOf(id);
        AssignmentView storage b = _seen[id];
        uint256 released = uint256(a.accounted) - a.earned - a.held;
        uint256 releasedBefore = uint256(b.accounted) - b.earned - b.held;
        if (
            a.earned < b.earned ||
            a.accounted < b.accounted ||
            a.through < b.through ||
            a.claimed < b.claimed ||
            released < releasedBefore ||
            (b.payee != address(0) && (a.payee != b.payee || a.node != b.node || a.openedAt != b.openedAt)) ||
            (b.closedAt != 0 && a.closedAt != b.closedAt)
        ) _fault("a counter fell");
        _seen[id] = a;
    }

    /// @dev The state of all money of assignments and jobs but for who is marked.
    function _moneyHash() internal view returns (bytes32 hash) {
        for (uint256 i = 0; i < assignments.length; ++i) {
            AssignmentView memory a = lens.assignmentOf(assignments[i]);
            hash = keccak256(abi.encode(hash, a.earned, a.accounted, a.claimed, a.held, a.through, a.stop));
        }
        for (uint64 job = 1; job <= escrow.jobCount(); ++job) {
            JobView memory j = lens.jobOf(job);
            hash = keccak256(abi.encode(hash, j.refundable, j.burnable, j.protocolDue, j.paid, j.funded, j.stop));
        }
    }

    /// @dev Quorums or less of a set's signers, the last ones of its list.
    function _signatures(
        uint32 version,
        bytes32 digest,
        uint256 howMany
    ) internal view returns (uint256 bits, bytes memory signatures) {
        (address[] memory signers, ) = attestations.committee(version);
        for (uint256 i = signers.length - howMany; i < signers.length; ++i) {
            (bytes32 s, bytes32 vs) = vm.signCompact(keyOf[signers[i]], digest);
            signatures = bytes.concat(signatures, s, vs);
            bits |= 1 << i;
        }
    }

    function _quorum(uint32 version) internal view returns (uint256 quorum) {
        (, quorum) = attestations.committee(version);
    }

    function _link(uint256 licence) internal {
        address holder = licences.ownerOf(licence);
        address node = vm.addr(nodeKeys[licence - 1]);
        bytes32 consent = keccak256(
            abi.encode(
                keccak256("NodeConsent(uint256 licence,address holder,address node,uint256 nonce,uint64 deadline)"),
                licence,
                holder,
                node,
                licences.consentNonce(node),
                type(uint64).max
            )
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(
            nodeKeys[licence - 1],
            _typed("Epochal NodeLicense", address(licences), consent)
        );
        vm.prank(holder);
        licences.link(licence, node, type(uint64).max, r, vs);
    }

    /// @dev Which reports are the last two final ones; they rise strictly, waited their delay, and were signed by a quorum.
    function _watch() internal {
        (uint64 epoch, bytes32 root, uint40 finalAt) = attestations.lastFinal();
        if (finalAt == 0 || (everFinal && epoch == lastEpoch && candidate == 0)) return;
        (, , uint40 pendingUntil) = attestations.pendingReport();
        if (candidate != 0 && pendingUntil != 0) return;
        _check(!everFinal || epoch > lastEpoch, "an epoch not after the last one became final");
        _check(candidate != 0 && reports[candidate - 1].nodes[0] == root, "a report from nowhere became final");
        _check(_now() >= candidateFinalAt, "a report became final before its delay");
        if (candidate == 0) return;
        (everFinal, lastEpoch) = (true, epoch);
        (previous, newest, candidate) = (newest, candidate, 0);
    }

    function _isRunning(uint256 place) private view returns (bool) {
        JobView memory j = lens.jobOf(uint64(1 + place));
        return j.startsAt <= _now() && _now() < j.stop;
    }

    function _isOpen(uint256 place) private view returns (bool) {
        AssignmentView memory a = lens.assignmentOf(assignments[place]);
        return a.closedAt == 0 && _now() < a.stop;
    }

    function _listed(bytes memory why, bytes memory expected) private pure returns (bool) {
        if (keccak256(expected) == keccak256(ANY)) return true;
        bytes4 selector = bytes4(why);
        for (uint256 i = 0; i + 4 <= expected.length; i += 4) {
            bytes4 one = bytes4(bytes.concat(expected[i], expected[i + 1], expected[i + 2], expected[i + 3]));
            if (one == selector) return true;
        }
        return false;
    }
}
