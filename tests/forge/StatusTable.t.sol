// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdmission} from "../../contracts/interfaces/IAdmission.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {IBonds} from "../../contracts/interfaces/IBonds.sol";
import {ICspAccounts} from "../../contracts/interfaces/ICspAccounts.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {RewardSettings} from "../../contracts/interfaces/ILicenceRewards.sol";
import {INetworkToken} from "../../contracts/interfaces/INetworkToken.sol";
import {INodeLicense} from "../../contracts/interfaces/INodeLicense.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {IPlacements} from "../../contracts/interfaces/IPlacements.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Permissions} from "../../contracts/libraries/Permissions.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {LicenceRewards} from "../../contracts/rewards/LicenceRewards.sol";
import {NetworkToken} from "../../contracts/rewards/NetworkToken.sol";
import {Street} from "./Street.sol";

// solhint-disable max-states-count

/// @dev What a status of a licence, a node, a CSP or an oracle does to everything that anyone can do: the table of docs/statuses.md, cell
/// by cell. A cell says yes, no (refused, with this very error) or waits (not paid now, with this very error or nothing but an event).
contract StatusTableTest is Street {
    enum Subject {
        Licence,
        Node,
        Csp,
        Oracle
    }

    enum Stand {
        None,
        Frozen,
        Suspended,
        Blacklisted,
        FrozenAndSuspended
    }

    enum Action {
        Create,
        Grow,
        Stop,
        Shrink,
        Close,
        Refund,
        RefundInStall,
        Assign,
        AssignByOffer,
        CloseByAnyone,
        Settle,
        Release,
        Claim,
        ClaimTo,
        ClaimInStall,
        ClaimReward,
        ClaimOraclePay,
        Link,
        Unlink,
        Transfer,
        WithdrawBond,
        WithdrawOracleBond,
        SlashEarly,
        SlashLate,
        SlashOracleEarly,
        SlashOracleLate,
        NewCommittee,
        EmergencyCommittee,
        NewKey
    }

    uint256 private constant ACTIONS = 29;
    uint256 private constant SERVING = 1;
    uint256 private constant IDLE = 2;
    uint256 private constant UNLINKED = 3;
    address private constant CSP = address(0xC5B);
    address private constant STRANGER = address(0x57A);
    bytes32 private constant EVIDENCE = "evidence";

    LicenceRewards private rewards;
    NetworkToken private enl;
    uint48 private account;
    uint64 private running;
    uint64 private ended;
    uint256 private serving;
    address private seated;
    address private retired = address(0x3E3BFF);
    mapping(Action action => mapping(Subject subject => bytes5)) private table;
    mapping(Action action => mapping(Subject subject => bool)) private named;

    /// @dev Columns: none, frozen, suspended, blacklisted, frozen and suspended. y yes, n no, w waits. Subjects that aren't named
    /// with an action change nothing: they have what the subject None has, which is yes but for the last rows.
    function _fill() private {
        _row(Action.Create, Subject.Csp, "ynnnn");
        _row(Action.Grow, Subject.Csp, "ynnnn");
        _row(Action.Refund, Subject.Csp, "ywyyw");
        _row(Action.Assign, Subject.Licence, "ynnnn");
        _row(Action.Assign, Subject.Node, "ynnnn");
        _row(Action.Assign, Subject.Csp, "ynnnn");
        _row(Action.AssignByOffer, Subject.Licence, "ynnnn");
        _row(Action.AssignByOffer, Subject.Node, "ynnnn");
        _row(Action.AssignByOffer, Subject.Csp, "ynnnn");
        _row(Action.CloseByAnyone, Subject.Licence, "nnyyy");
        _row(Action.CloseByAnyone, Subject.Node, "nnyyy");
        _row(Action.CloseByAnyone, Subject.Csp, "nnyyy");
        _row(Action.Claim, Subject.Licence, "ywyyw");
        _row(Action.Claim, Subject.Node, "ywyyw");
        _row(Action.ClaimTo, Subject.Licence, "ywyyw");
        _row(Action.ClaimTo, Subject.Node, "ywyyw");
        _row(Action.ClaimReward, Subject.Licence, "ywyyw");
        _row(Action.ClaimOraclePay, Subject.Oracle, "ywyyw");
        _row(Action.Link, Subject.Licence, "ynnnn");
        _row(Action.Link, Subject.Node, "ynnnn");
        _row(Action.Transfer, Subject.Licence, "ynnnn");
        _row(Action.WithdrawBond, Subject.Licence, "ywwww");
        _row(Action.WithdrawOracleBond, Subject.Oracle, "ywwww");
        _row(Action.SlashLate, Subject.Licence, "nnnyn");
        _row(Action.SlashOracleLate, Subject.Oracle, "nnnyn");
        _row(Action.NewCommittee, Subject.Oracle, "yynnn");
    }

    function setUp() external {
        vm.warp(1_700_000_000);
        _found(0, 1e6);
        _fill();
        seated = _members(1)[0];
        token.mint(address(oraclePay), 1e12);
        _openRewards();
        _admitRetired();
        account = _open(CSP);
        _mintLinked(2);
        assertEq(_mint(), UNLINKED);
        running = _create(account, 3, 60_000);
        vm.prank(CSP);
        escrow.shrinkJob(running, 2);
        serving = _assign(running, 0, SERVING);
        _bond(Subjects.licence(UNLINKED), _holder(UNLINKED));
        _bond(Subjects.oracle(retired), retired);

        _at(4 * EPOCH);
        _say(serving, 500, 800);
        draft.push(Leaf(LICENCE, SERVING, 900, 1_000));
        draft.push(Leaf(DUTY, uint160(seated), 900, 1_000));
        _report(3);
        _settle(0);
        (Leaf memory leaf, bytes32[] memory proof) = _leaf(1);
        rewards.settle(3, SERVING, leaf.earned, leaf.accounted, proof);
        (leaf, proof) = _leaf(2);
        oraclePay.settle(3, seated, leaf.earned, leaf.accounted, proof);

        _at(14 * EPOCH);
        ended = _create(account, 1, EPOCH);
        _at(16 * EPOCH);
        _say(serving, 1_500, 2_000);
        _report(15);
        vm.warp(_now() + SETTLE_WINDOW);
    }

    function test_table__licence__is_as_written() external {
        _assertColumn(Subject.Licence);
    }

    function test_table__node__is_as_written() external {
        _assertColumn(Subject.Node);
    }

    function test_table__csp__is_as_written() external {
        _assertColumn(Subject.Csp);
    }

    function test_table__oracle__is_as_written() external {
        _assertColumn(Subject.Oracle);
    }

    /// @dev Two statuses weigh as the graver, but a freeze goes on holding money back: the one cell that isn't the maximum.
    function test_freeze__ended_under_a_suspension__pays() external {
        trust.freeze(Subjects.licence(SERVING), _now() + 500, 7, EVIDENCE);
        trust.suspend(Subjects.licence(SERVING), 7, EVIDENCE);
        assertEq(this.act(Action.Claim), 0);
        vm.warp(_now() + 500);
        assertEq(this.act(Action.Claim), _net(500), "marked, and no longer frozen");
    }

    /// @dev Does the action; returns what it moved, which is zero only for a payment that waits.
    function act(Action action) external returns (uint256) {
        assertEq(msg.sender, address(this));
        if (action <= Action.RefundInStall) return _actOfCsp(action);
        if (action <= Action.ClaimInStall) return _actOfAssignment(action);
        return _actOfOthers(action);
    }

    function _actOfCsp(Action action) private returns (uint256) {
        if (action == Action.Create) return _create(account, 1, 500);
        if (action == Action.Close) {
            escrow.closeJob(ended);
            return 1;
        }
        if (action == Action.Refund || action == Action.RefundInStall) {
            uint256 had = token.balanceOf(CSP);
            escrow.withdrawRefund(running);
            return token.balanceOf(CSP) - had;
        }
        vm.prank(CSP);
        if (action == Action.Grow) escrow.growJob(running, 3, uint40(genesis + 70_000));
        else if (action == Action.Stop) escrow.stopJob(running);
        else escrow.shrinkJob(running, 1);
        return 1;
    }

    function _actOfAssignment(Action action) private returns (uint256) {
        if (action == Action.Assign) return _assign(running, 1, IDLE);
        if (action == Action.AssignByOffer) return _assignByOffer(running, 1, IDLE);
        if (action == Action.CloseByAnyone) {
            vm.prank(STRANGER);
            placements.closeAssignment(serving);
            return _view(serving).closedAt;
        }
        if (action == Action.Settle) {
            uint256 earned = _view(serving).earned;
            _settle(0);
            return _view(serving).earned - earned;
        }
        if (action == Action.Release) {
            uint256 held = _view(serving).held;
            escrow.releaseHeld(_list(serving));
            return held - _view(serving).held;
        }
        escrow.mark(_list(serving));
        address recipient = action == Action.ClaimTo ? STRANGER : _holder(SERVING);
        uint256 had = token.balanceOf(recipient);
        if (action == Action.ClaimTo) {
            vm.prank(_holder(SERVING));
            escrow.claimTo(_list(serving), recipient);
        } else {
            _claim(serving);
        }
        return token.balanceOf(recipient) - had;
    }

    function _actOfOthers(Action action) private returns (uint256) {
        if (action == Action.ClaimReward) return rewards.claim(_list(SERVING));
        if (action == Action.ClaimOraclePay) {
            address[] memory members = new address[](1);
            members[0] = seated;
            oraclePay.claim(members);
            return token.balanceOf(seated);
        }
        if (action == Action.Link) {
            _link(UNLINKED);
        } else if (action == Action.Unlink) {
            vm.prank(_holder(IDLE));
            licences.unlink(IDLE);
        } else if (action == Action.Transfer) {
            vm.prank(_holder(UNLINKED));
            licences.transferFrom(_holder(UNLINKED), STRANGER, UNLINKED);
        } else if (action == Action.WithdrawBond) {
            vm.prank(_holder(UNLINKED));
            bonds.withdraw(Subjects.licence(UNLINKED), address(token), STRANGER);
        } else if (action == Action.WithdrawOracleBond) {
            vm.prank(retired);
            bonds.withdraw(Subjects.oracle(retired), address(token), STRANGER);
        } else if (action == Action.SlashEarly || action == Action.SlashLate) {
            bonds.slash(Subjects.licence(UNLINKED), address(token));
        } else if (action == Action.SlashOracleEarly || action == Action.SlashOracleLate) {
            bonds.slash(Subjects.oracle(retired), address(token));
        } else if (action == Action.NewCommittee) {
            registry.scheduleCommittee(_members(ORACLES), 100);
        } else if (action == Action.EmergencyCommittee) {
            registry.replaceCommittee(_members(ORACLES));
        } else {
            _bindKey(seated, 0xF2E5, 1);
        }
        return 1;
    }

    // The table

    function _row(Action action, Subject subject, bytes5 cells) private {
        table[action][subject] = cells;
        named[action][subject] = true;
    }

    function _cell(Action action, Subject subject, Stand stand) private view returns (bytes1) {
        if (named[action][subject]) return table[action][subject][uint8(stand)];
        bool never =
            action == Action.CloseByAnyone || (action >= Action.SlashEarly && action <= Action.SlashOracleLate);
        return never ? bytes1("n") : bytes1("y");
    }

    function _assertColumn(Subject subject) private {
        uint256 from = vm.snapshotState();
        for (uint8 a = 0; a < ACTIONS; ++a) {
            for (uint8 s = 0; s <= uint8(Stand.FrozenAndSuspended); ++s) {
                _assertCell(Action(a), subject, Stand(s));
                vm.revertToState(from);
            }
        }
    }

    function _assertCell(Action action, Subject subject, Stand stand) private {
        if (action == Action.RefundInStall || action == Action.ClaimInStall) {
            vm.warp(uint256(attestations.lastProgress()) + _timing().stallSpan);
        }
        _impose(subject, stand);
        if (action == Action.SlashLate || action == Action.SlashOracleLate) {
            vm.warp(_now() + _trustSettings().appealSpan);
        }
        bytes1 cell = _cell(action, subject, stand);
        string memory place = string.concat(
            "action ",
            vm.toString(uint8(action)),
            ", subject ",
            vm.toString(uint8(subject)),
            ", stand ",
            vm.toString(uint8(stand))
        );
        bytes memory expected = cell == "y" ? bytes("") : _refusal(action, subject, stand);
        try this.act(action) returns (uint256 moved) {
            assertEq(expected, "", string.concat("went through: ", place));
            if (cell == "y") assertGt(moved, 0, string.concat("moved nothing: ", place));
            else assertEq(moved, 0, string.concat("didn't wait: ", place));
        } catch (bytes memory reason) {
            assertEq(reason, expected, place);
            assertGt(expected.length, 0, place);
        }
    }

    /// @dev The very error; empty for a claim that waits without one.
    function _refusal(Action action, Subject subject, Stand stand) private view returns (bytes memory) {
        Status gravest = stand == Stand.FrozenAndSuspended ? Status.Suspended : Status(uint8(stand));
        uint256 csp = Subjects.csp(account);
        if (action == Action.Create || action == Action.Grow) {
            return abi.encodeWithSelector(IAdmission.Admission_AccountRestricted.selector, account, gravest);
        }
        if (action == Action.Refund) return abi.encodeWithSelector(IJobEscrow.JobEscrow_MoneyFrozen.selector, csp);
        if (action == Action.Assign || action == Action.AssignByOffer) {
            uint256 barred = subject == Subject.Csp ? csp : _subjectOf(subject, IDLE);
            return abi.encodeWithSelector(IPlacements.Placements_SubjectBarred.selector, barred, gravest);
        }
        if (action == Action.CloseByAnyone) {
            return
                abi.encodeWithSelector(
                    ICspAccounts.CspAccounts_NotPermitted.selector,
                    account,
                    STRANGER,
                    Permissions.PLACE
                );
        }
        if (action == Action.ClaimTo) {
            return abi.encodeWithSelector(IJobEscrow.JobEscrow_MoneyFrozen.selector, Subjects.licence(SERVING));
        }
        if (action == Action.Link || action == Action.Transfer) {
            return
                abi.encodeWithSelector(
                    INodeLicense.NodeLicense_Barred.selector,
                    _subjectOf(subject, UNLINKED),
                    gravest
                );
        }
        uint256 bonded =
            action == Action.WithdrawBond || action <= Action.SlashLate
                ? Subjects.licence(UNLINKED)
                : Subjects.oracle(retired);
        if (action == Action.WithdrawBond || action == Action.WithdrawOracleBond) {
            if (action == Action.WithdrawOracleBond) bonded = Subjects.oracle(retired);
            return abi.encodeWithSelector(IBonds.Bonds_StatusForbids.selector, bonded, gravest);
        }
        if (action >= Action.SlashEarly && action <= Action.SlashOracleLate) {
            return abi.encodeWithSelector(IBonds.Bonds_NotSlashable.selector, bonded);
        }
        if (action == Action.NewCommittee) {
            return abi.encodeWithSelector(IOracleRegistry.OracleRegistry_Barred.selector, seated, gravest);
        }
        return "";
    }

    function _subjectOf(Subject subject, uint256 licence) private pure returns (uint256) {
        return subject == Subject.Licence ? Subjects.licence(licence) : Subjects.node(_node(licence));
    }

    /// @dev All subjects of the kind that take part in anything above.
    function _impose(Subject subject, Stand stand) private {
        if (subject == Subject.Csp) {
            _imposeOn(Subjects.csp(account), stand);
        } else if (subject == Subject.Oracle) {
            _imposeOn(Subjects.oracle(seated), stand);
            _imposeOn(Subjects.oracle(retired), stand);
        } else {
            for (uint256 licence = SERVING; licence <= UNLINKED; ++licence) {
                _imposeOn(_subjectOf(subject, licence), stand);
            }
        }
    }

    function _imposeOn(uint256 subject, Stand stand) private {
        if (stand == Stand.Frozen || stand == Stand.FrozenAndSuspended) {
            trust.freeze(subject, _now() + 1_000, 7, EVIDENCE);
        }
        if (stand == Stand.Suspended || stand == Stand.FrozenAndSuspended) trust.suspend(subject, 7, EVIDENCE);
        if (stand == Stand.Blacklisted) trust.blacklist(subject, 7, EVIDENCE);
    }

    // The scene

    function _openRewards() private {
        address at = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        enl = new NetworkToken("Epochal", "EPO", 1e30, at);
        RewardSettings memory s;
        s.schedules[0].stepEpochs = 10;
        s.schedules[0].cap = 1e18;
        s.schedules[0].shares = abi.encodePacked(uint64(1e18));
        rewards = new LicenceRewards(
            IAttestations(address(attestations)),
            INodeLicense(address(licences)),
            ITrustRegistry(address(trust)),
            INetworkToken(address(enl)),
            s
        );
        assertEq(address(rewards), at);
    }

    /// @dev A member of no committee, so that its bond can be withdrawn.
    function _admitRetired() private {
        (bytes32 r, bytes32 vs) = _keyConsent(retired, 0x5EED, 0);
        registry.admit(retired, vm.addr(0x5EED), retired, type(uint64).max, r, vs);
    }

    function _bindKey(address member, uint256 key, uint256 nonce) private {
        (bytes32 r, bytes32 vs) = _keyConsent(member, key, nonce);
        vm.prank(member);
        registry.rotateSigner(vm.addr(key), type(uint64).max, r, vs);
    }

    function _keyConsent(address member, uint256 key, uint256 nonce) private view returns (bytes32 r, bytes32 vs) {
        bytes32 consent = keccak256(
            abi.encode(
                keccak256("SignerConsent(address member,address signer,uint256 nonce,uint64 deadline)"),
                member,
                vm.addr(key),
                nonce,
                type(uint64).max
            )
        );
        return vm.signCompact(key, _typed("Epochal OracleRegistry", address(registry), consent));
    }

    /// @dev A bond whose withdrawal was asked for, and is due by the time that the table is tried.
    function _bond(uint256 subject, address holder) private {
        token.mint(address(this), 1e6);
        token.approve(address(bonds), 1e6);
        bonds.deposit(subject, address(token), 1e6);
        vm.prank(holder);
        bonds.requestWithdrawal(subject, address(token), 1e6);
    }
}
