// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Bonds} from "../../contracts/licences/Bonds.sol";
import {Burner} from "../../contracts/burn/Burner.sol";
import {IAttestations} from "../../contracts/interfaces/IAttestations.sol";
import {BondSettings, BondView} from "../../contracts/interfaces/IBonds.sol";
import {INodeLicense} from "../../contracts/interfaces/INodeLicense.sol";
import {IOracleRegistry} from "../../contracts/interfaces/IOracleRegistry.sol";
import {ITrustRegistry, Status} from "../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../contracts/libraries/Subjects.sol";
import {LocalToken} from "../../contracts/local/LocalToken.sol";
import {BondNeighbours} from "./fakes/BondNeighbours.sol";
import {HostileToken, SilentToken} from "./fakes/Tokens.sol";

/// @dev A world with one licence, one oracle and an honest token, and what the tests of bonds say in short.
abstract contract BondsFixture is Test {
    uint256 internal constant LICENCE = 7;
    /// @dev (windowEpochs 3 + 2) * 100 + 300 + 200 + 50, see {BondNeighbours.timing}
    uint32 internal constant DELAY = 1_050;
    uint256 internal constant BIG = 1_000_000;

    address internal constant HOLDER = address(0xA11CE);
    address internal constant BUYER = address(0xB0B);
    address internal constant MEMBER = address(0x0ACE);
    address internal constant ESCROW = address(0xE5C);
    address internal constant STRANGER = address(0x57A);

    uint256 internal immutable DEED = Subjects.licence(LICENCE);
    uint256 internal immutable ORACLE = Subjects.oracle(MEMBER);

    BondNeighbours internal _around = new BondNeighbours();
    Burner internal _burner = new Burner();
    LocalToken internal _token = new LocalToken();
    Bonds internal _bonds;

    function setUp() external {
        vm.warp(1_000_000);
        _around.give(LICENCE, HOLDER);
        _bonds = _deploy(ESCROW, BondSettings(DELAY, 3));
    }
    function _deploy(address escrow, BondSettings memory settings) internal returns (Bonds) {
        return
            new Bonds(
                IAttestations(address(_around)),
                INodeLicense(address(_around)),
                IOracleRegistry(address(_around)),
                escrow,
                ITrustRegistry(address(_around)),
                address(_burner),
                settings
            );
    }

    /// @dev Without IERC20's return values, which one token doesn't give.
    function _fund(address who, address token, uint256 amount) internal {
        HostileToken(token).mint(who, amount);
        vm.startPrank(who);
        SilentToken(token).approve(address(_bonds), amount);
        vm.stopPrank();
    }

    function _deposit(uint256 subject, address token, uint256 amount) internal {
        _fund(STRANGER, token, amount);
        vm.prank(STRANGER);
        _bonds.deposit(subject, token, amount);
    }

    function _update(address token, uint256 assignment, uint256 burned, uint256 reserved) internal {
        vm.prank(ESCROW);
        _bonds.update(LICENCE, token, assignment, burned, reserved);
    }

    function _request(address who, uint256 subject, address token, uint256 amount) internal {
        vm.prank(who);
        _bonds.requestWithdrawal(subject, token, amount);
    }

    function _requestAll(uint256 subject, address token) internal {
        _request(HOLDER, subject, token, _balance(subject, token));
    }

    function _withdraw(address who, uint256 subject, address to) internal {
        vm.prank(who);
        _bonds.withdraw(subject, address(_token), to);
    }

    function _slash(uint256 subject, address token) internal {
        _around.set(subject, Status.Blacklisted, true);
        _bonds.slash(subject, token);
    }

    function _slashIfAny(uint256 subject, address token) internal {
        if (_balance(subject, token) == 0) return;
        _slash(subject, token);
        _around.set(subject, Status.None, false);
    }

    function _balance(uint256 subject, address token) internal view returns (uint256) {
        return _bonds.bondOf(subject, token).balance;
    }

    function _reservations(uint256 licence, address token) internal view returns (uint256 sum) {
        for (uint256 i = 0; i < 3; ++i) {
            (, uint256 reserved) = _bonds.penaltyOf(licence, token, i);
            sum += reserved;
        }
    }

    function _expectBond(uint256 balance, uint256 reserved) internal view {
        BondView memory bond = _bonds.bondOf(DEED, address(_token));
        assertEq(bond.balance, balance);
        assertEq(bond.reserved, reserved);
    }
}
