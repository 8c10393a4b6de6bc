// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {BondSettings, BondView, IBonds} from "../interfaces/IBonds.sol";
import {INodeLicense} from "../interfaces/INodeLicense.sol";
import {IOracleRegistry} from "../interfaces/IOracleRegistry.sol";
import {ITrustRegistry, Status} from "../interfaces/ITrustRegistry.sol";
import {Subjects} from "../libraries/Subjects.sol";
import {Timing} from "../libraries/Timing.sol";

/// @title Bonds
/// @dev Guarded are the functions that move tokens. {update} and {slash} are not: they only shift what is held between a bond and the
/// waiting burns, and a token's call-back that reaches them through the escrow must not make a settlement fail.
contract Bonds is IBonds, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @dev `reserved` is the sum of all assignments' reservations since the last slash. Each is for all that is told, whatever others
    /// reserve and whatever the balance, so that none can crowd another out, and a later deposit is reserved too.
    struct Bond {
        uint112 balance;
        uint112 reserved;
        uint32 slashes;
        mapping(uint256 assignment => Penalty) penalties;
    }

    /// @dev One slot. What was reserved before the bond's last slash is gone: it counts only while `slashes` are the bond's.
    struct Penalty {
        uint112 burned;
        uint112 reserved;
        uint32 slashes;
    }

    /// @param served seconds that the subject had served when it asked
    struct Request {
        address requester;
        uint40 availableAt;
        uint40 served;
        uint112 amount;
    }

    /// @inheritdoc IBonds
    uint32 public immutable withdrawalDelay;
    /// @inheritdoc IBonds
    INodeLicense public immutable licences;
    /// @inheritdoc IBonds
    IOracleRegistry public immutable registry;
    /// @inheritdoc IBonds
    address public immutable escrow;
    /// @inheritdoc IBonds
    ITrustRegistry public immutable trust;
    /// @inheritdoc IBonds
    address public immutable burner;

    /// @inheritdoc IBonds
    mapping(address token => uint256) public burnable;

    // slither-disable-next-line uninitialized-state -- it doesn't see what is written through a storage pointer
    mapping(uint256 subject => mapping(address token => Bond)) private _bonds;
    mapping(uint256 subject => mapping(address token => Request)) private _requests;

    /// @param attestations the network's spans, of which the delay must be long enough; it must exist, the others needn't yet
    constructor(
        IAttestations attestations,
        INodeLicense licences_,
        IOracleRegistry registry_,
        address escrow_,
        ITrustRegistry trust_,
        address burner_,
        BondSettings memory settings
    ) {
        require(
            escrow_ != address(0) && burner_ != address(0),
            Bonds_SettingViolated("escrow and burner are not zero")
        );
        Timing memory t = attestations.timing();
        require(settings.windowEpochs != 0, Bonds_SettingViolated("windowEpochs >= 1"));
        require(
            settings.withdrawalDelay >=
                (uint256(settings.windowEpochs) + 2) * t.epochLength + t.stallSpan + t.attestableSpan + t.reviewDelay,
            Bonds_SettingViolated(
                "withdrawalDelay >= (windowEpochs + 2) * epochLength + stallSpan + attestableSpan + reviewDelay"
            )
        );
        withdrawalDelay = settings.withdrawalDelay;
        licences = licences_;
        registry = registry_;
        escrow = escrow_;
        trust = trust_;
        burner = burner_;
    }

    /// @inheritdoc IBonds
    function deposit(uint256 subject, address token, uint256 amount) external nonReentrant {
        _holderOf(subject);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = Math.saturatingSub(IERC20(token).balanceOf(address(this)), before);
        // slither-disable-next-line incorrect-equality -- more than was asked for is as strange as less
        require(received == amount, Bonds_WrongAmountReceived(received, amount));
        // Read after the transfer: a call-back may have reached {update} or {slash} meanwhile.
        Bond storage bond = _bonds[subject][token];
        bond.balance = (uint256(bond.balance) + amount).toUint112();
        emit BondDeposited(subject, token, msg.sender, amount);
    }

    /// @inheritdoc IBonds
    function update(uint256 licence, address token, uint256 assignment, uint256 burned, uint256 reserved) external {
        require(msg.sender == escrow, Bonds_NotEscrow(msg.sender));
        Bond storage bond = _bonds[Subjects.licence(licence)][token];
        Penalty storage penalty = bond.penalties[assignment];
        (uint256 balance, uint256 total, uint32 slashes) = (bond.balance, bond.reserved, bond.slashes);
        (uint256 told, uint256 own) = (penalty.burned, penalty.slashes == slashes ? penalty.reserved : 0);
        burned = Math.max(Math.min(burned, type(uint112).max), told);
        unchecked {
            // own <= total, by the note on {Bond}; all fits 112 bits, since what is taken is bounded by the balance and what
            // is reserved by the sum's room. `burnable` can't overflow: it is a sum of what balances lose.
            uint256 others = total - own;
            uint256 taken = Math.min(burned - told, balance);
            reserved = Math.min(reserved, type(uint112).max - others);
            if (burned == told && reserved == own) return;
            (bond.balance, bond.reserved) = (uint112(balance - taken), uint112(others + reserved));
            (penalty.burned, penalty.reserved, penalty.slashes) = (uint112(burned), uint112(reserved), slashes);
            if (taken != 0) burnable[token] += taken;
            emit PenaltyUpdated(licence, token, assignment, taken, reserved);
        }
    }

    /// @inheritdoc IBonds
    function requestWithdrawal(uint256 subject, address token, uint256 amount) external {
        require(msg.sender == _holderOf(subject), Bonds_NotHolder(subject, msg.sender));
        if (amount == 0) {
            delete _requests[subject][token];
            emit WithdrawalRequested(subject, token, msg.sender, 0, 0);
            return;
        }
        uint112 balance = _bonds[subject][token].balance;
        require(amount <= balance, Bonds_AmountExceedsBond(amount, balance));
        if (Subjects.kindOf(subject) == Subjects.LICENCE) {
            address node = licences.nodeOf(Subjects.idOf(subject));
            require(node == address(0), Bonds_Linked(Subjects.idOf(subject), node));
        }
        uint40 availableAt = (block.timestamp + withdrawalDelay).toUint40();
        _requests[subject][token] = Request(
            msg.sender,
            availableAt,
            _servedSeconds(subject).toUint40(),
            uint112(amount)
        );
        emit WithdrawalRequested(subject, token, msg.sender, amount, availableAt);
    }

    /// @inheritdoc IBonds
    function withdraw(uint256 subject, address token, address to) external nonReentrant {
        require(msg.sender == _holderOf(subject), Bonds_NotHolder(subject, msg.sender));
        require(to != address(this), Bonds_WrongRecipient(to));
        Request memory request = _requests[subject][token];
        require(request.amount != 0, Bonds_NothingRequested(subject, token));
        require(request.requester == msg.sender, Bonds_HolderChanged(request.requester, msg.sender));
        require(block.timestamp >= request.availableAt, Bonds_TooEarly(request.availableAt));
        uint256 since = Math.saturatingSub(_servedSeconds(subject), request.served);
        require(since == 0, Bonds_ServedSince(subject, since));
        Status status = trust.statusOf(subject);
        require(status == Status.None, Bonds_StatusForbids(subject, status));

        Bond storage bond = _bonds[subject][token];
        (uint112 balance, uint112 reserved) = (bond.balance, bond.reserved);
        uint112 amount = uint112(Math.min(request.amount, Math.saturatingSub(balance, reserved)));
        require(amount != 0, Bonds_AllReserved(balance, reserved));
        bond.balance = balance - amount;
        if (amount == request.amount) delete _requests[subject][token];
        else _requests[subject][token].amount = request.amount - amount;
        emit BondWithdrawn(subject, token, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IBonds
    function slash(uint256 subject, address token) external {
        require(trust.slashable(subject), Bonds_NotSlashable(subject));
        Bond storage bond = _bonds[subject][token];
        uint256 amount = bond.balance;
        require(amount != 0, Bonds_NothingToSlash(subject, token));
        (bond.balance, bond.reserved) = (0, 0);
        ++bond.slashes;
        burnable[token] += amount;
        delete _requests[subject][token];
        emit BondSlashed(subject, token, amount);
    }

    /// @inheritdoc IBonds
    function sendToBurn(address token) external nonReentrant {
        uint256 amount = burnable[token];
        require(amount != 0, Bonds_NothingToBurn(token));
        burnable[token] = 0;
        emit SentToBurn(token, amount);
        IERC20(token).safeTransfer(burner, amount);
    }

    /// @inheritdoc IBonds
    function bondOf(uint256 subject, address token) external view returns (BondView memory) {
        Bond storage bond = _bonds[subject][token];
        Request memory request = _requests[subject][token];
        (uint112 balance, uint112 reserved) = (bond.balance, bond.reserved);
        if (reserved > balance) reserved = balance;
        return BondView(balance, reserved, request.amount, request.availableAt, request.requester, bond.reserved);
    }

    /// @inheritdoc IBonds
    function penaltyOf(
        uint256 licence,
        address token,
        uint256 assignment
    ) external view returns (uint256 burned, uint256 reserved) {
        Bond storage bond = _bonds[Subjects.licence(licence)][token];
        Penalty memory penalty = bond.penalties[assignment];
        return (penalty.burned, penalty.slashes == bond.slashes ? penalty.reserved : 0);
    }

    /// @dev Who may withdraw the subject's bond; reverts when the subject has none.
    function _holderOf(uint256 subject) private view returns (address) {
        uint256 id = Subjects.idOf(subject);
        if (Subjects.kindOf(subject) == Subjects.LICENCE) return licences.ownerOf(id);
        require(subject == Subjects.oracle(address(uint160(id))) && id != 0, Bonds_UnknownSubject(subject));
        return address(uint160(id));
    }

    /// @dev Seconds in which the subject was linked or a member, so far: while they stand still, it serves nothing.
    function _servedSeconds(uint256 subject) private view returns (uint256) {
        uint256 id = Subjects.idOf(subject);
        if (Subjects.kindOf(subject) == Subjects.LICENCE) return licences.linkedSeconds(id);
        return registry.membershipSeconds(address(uint160(id)));
    }
}
