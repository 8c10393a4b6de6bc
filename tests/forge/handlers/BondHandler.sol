// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BondView, IBonds} from "../../../contracts/interfaces/IBonds.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {World} from "./World.sol";

/// @dev Bonds of licences and oracles: put in by one who pays for all, withdrawn by holders, slashed and burned by anyone.
abstract contract BondHandler is World {
    function bond(uint256 seed, uint256 amount) external act {
        uint256 subject = bonded(seed % (NODES + MEMBERS));
        bytes memory data = abi.encodeCall(bonds.deposit, (subject, address(token), _in(amount, 1, 1e20)));
        _call("bond", BONDER, address(bonds), data, NONE);
    }

    function askForBond(uint256 seed, uint256 amount) external act {
        uint256 subject = _choose(seed, _isUnasked);
        uint256 balance = bonds.bondOf(subject, address(token)).balance;
        // At times more than there is, or nothing, which takes a request back.
        amount %= balance + balance / 8 + 2;
        bytes memory data = abi.encodeCall(bonds.requestWithdrawal, (subject, address(token), amount));
        _call(
            "askForBond",
            _holder(subject),
            address(bonds),
            data,
            abi.encodePacked(IBonds.Bonds_AmountExceedsBond.selector, IBonds.Bonds_Linked.selector)
        );
        _forbidden("askForForeignBond", STRANGER, address(bonds), data);
    }

    /// @dev Nothing leaves while a status stands, before the delay, or what is reserved.
    function withdrawBond(uint256 seed) external act {
        uint256 subject = _choose(seed, _isAsked);
        BondView memory b = bonds.bondOf(subject, address(token));
        // Few would else be due before they serve again.
        if (b.requested != 0 && _now() < b.availableAt && (seed >> 16) % 4 == 0) _pass(b.availableAt - _now());
        bytes memory data = abi.encodeCall(bonds.withdraw, (subject, address(token), BONDER));
        uint256 before = token.balanceOf(BONDER);
        bool good = _call(
            "withdrawBond",
            _holder(subject),
            address(bonds),
            data,
            abi.encodePacked(
                IBonds.Bonds_NothingRequested.selector,
                IBonds.Bonds_HolderChanged.selector,
                IBonds.Bonds_TooEarly.selector,
                IBonds.Bonds_ServedSince.selector,
                IBonds.Bonds_StatusForbids.selector,
                IBonds.Bonds_AllReserved.selector
            )
        );
        if (!good) return;
        uint256 amount = token.balanceOf(BONDER) - before;
        _check(amount <= b.balance - b.reserved && _now() >= b.availableAt, "a bond left too soon, or reserved");
        _check(trust.statusOf(subject) == Status.None, "a bond left in spite of a status");
    }

    function slash(uint256 seed) external act {
        uint256 subject = _choose(seed, _isSlashable);
        bool due = trust.slashable(subject);
        uint256 balance = bonds.bondOf(subject, address(token)).balance;
        uint256 waiting = bonds.burnable(address(token));
        bytes memory data = abi.encodeCall(bonds.slash, (subject, address(token)));
        bytes memory expected = abi.encodePacked(
            due ? IBonds.Bonds_NothingToSlash.selector : IBonds.Bonds_NotSlashable.selector
        );
        if (!_call("slash", STRANGER, address(bonds), data, expected)) return;
        _check(due && balance != 0, "slashed without a reason");
        _check(bonds.burnable(address(token)) == waiting + balance, "a slashed bond went astray");
    }

    function burnBonds(uint256) external act {
        uint256 waiting = bonds.burnable(address(token));
        bytes memory data = abi.encodeCall(bonds.sendToBurn, (address(token)));
        bytes memory expected = abi.encodePacked(IBonds.Bonds_NothingToBurn.selector);
        if (_call("burnBonds", STRANGER, address(bonds), data, waiting == 0 ? expected : NONE)) bondsBurned += waiting;
    }

    /// @dev All subjects that have bonds.
    function bonded(uint256 i) public pure returns (uint256) {
        return i < NODES ? Subjects.licence(i + 1) : Subjects.oracle(members(i - NODES));
    }

    /// @dev A subject that may have a bond, see {_pick}.
    function _choose(uint256 seed, function(uint256) view returns (bool) wanted) private view returns (uint256) {
        return bonded(_pick(seed, NODES + MEMBERS, wanted));
    }

    function _isUnasked(uint256 place) private view returns (bool) {
        BondView memory b = bonds.bondOf(bonded(place), address(token));
        return b.balance != 0 && b.requested == 0 && (place >= NODES || licences.nodeOf(1 + place) == address(0));
    }

    function _isAsked(uint256 place) private view returns (bool) {
        return bonds.bondOf(bonded(place), address(token)).requested != 0;
    }

    function _isSlashable(uint256 place) private view returns (bool) {
        return trust.slashable(bonded(place)) && bonds.bondOf(bonded(place), address(token)).balance != 0;
    }

    function _holder(uint256 subject) private view returns (address) {
        uint256 id = Subjects.idOf(subject);
        return Subjects.kindOf(subject) == Subjects.LICENCE ? licences.ownerOf(id) : address(uint160(id));
    }
}
