// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAttestations} from "../interfaces/IAttestations.sol";
import {DutyView, IOraclePay} from "../interfaces/IOraclePay.sol";
import {IOracleRegistry} from "../interfaces/IOracleRegistry.sol";
import {ITrustRegistry} from "../interfaces/ITrustRegistry.sol";
import {Freezing} from "../libraries/Freezing.sol";
import {LeafProof} from "../libraries/LeafProof.sol";
import {Subjects} from "../libraries/Subjects.sol";

/// @title OraclePay
contract OraclePay is IOraclePay, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using Freezing for ITrustRegistry;

    uint8 private constant KIND_ORACLE = 3;

    /// @inheritdoc IOraclePay
    IAttestations public immutable attestations;
    /// @inheritdoc IOraclePay
    IOracleRegistry public immutable registry;
    /// @inheritdoc IOraclePay
    ITrustRegistry public immutable trust;
    /// @inheritdoc IOraclePay
    address public immutable burner;
    /// @inheritdoc IOraclePay
    IERC20 public immutable token;
    /// @inheritdoc IOraclePay
    uint96 public immutable payPerEpoch;

    uint40 private immutable GENESIS;
    uint32 private immutable EPOCH_LENGTH;

    /// @dev Seconds but for `paid`, `through` UNIX ones.
    /// @param forfeited seconds of membership up to `through` that weren't earned: the pot needs no money for them
    struct Duty {
        uint40 through;
        uint40 earned;
        uint40 accounted;
        uint40 forfeited;
        address recipient;
        uint256 paid;
    }

    mapping(address member => Duty) private _duties;
    uint256 private _forfeitedByAll;
    uint256 private _paidToAll;

    /// @param attestations_ whose reports are settled; deployed before
    /// @param registry_ who was a member for how long
    /// @param trust_ who is frozen
    /// @param burner_ who gets what isn't needed
    /// @param token_ what members are paid in
    /// @param payPerEpoch_ the price of one epoch of duty, in the token's smallest unit
    constructor(
        IAttestations attestations_,
        IOracleRegistry registry_,
        ITrustRegistry trust_,
        address burner_,
        IERC20 token_,
        uint96 payPerEpoch_
    ) {
        require(
            burner_ != address(0) && address(token_) != address(0),
            OraclePay_SettingViolated("burner and token are not zero")
        );
        attestations = attestations_;
        registry = registry_;
        trust = trust_;
        burner = burner_;
        token = token_;
        payPerEpoch = payPerEpoch_;
        GENESIS = attestations_.timing().genesis;
        EPOCH_LENGTH = attestations_.timing().epochLength;
    }

    /// @inheritdoc IOraclePay
    function settle(uint64 epoch, address member, uint64 earned, uint64 accounted, bytes32[] calldata proof) external {
        bytes32 leaf = LeafProof.hash(KIND_ORACLE, uint160(member), earned, accounted);
        require(
            MerkleProof.processProofCalldata(proof, leaf) == attestations.finalRoot(epoch),
            OraclePay_LeafNotInReport(epoch, leaf)
        );
        uint256 served = registry.membershipSeconds(member);
        Duty memory duty = _duty(member);
        uint256 earnedBefore = duty.earned;
        _account(duty, earned, accounted, GENESIS + (uint256(epoch) + 1) * EPOCH_LENGTH, served);

        // Of the time since `through` no more than all of it can have been served.
        uint256 servedThrough = Math.saturatingSub(served, block.timestamp - duty.through);
        uint256 forfeited = Math.max(
            Math.saturatingSub(servedThrough, duty.earned),
            Math.saturatingSub(uint256(duty.forfeited) + earnedBefore, duty.earned)
        );
        _forfeitedByAll = _forfeitedByAll + forfeited - duty.forfeited;
        duty.forfeited = forfeited.toUint40();
        _duties[member] = duty;
        emit DutySettled(member, epoch, duty.earned, duty.accounted);
    }

    /// @inheritdoc IOraclePay
    function claim(address[] calldata members) external nonReentrant {
        for (uint256 i = 0; i < members.length; ++i) {
            if (!trust.isFrozen(Subjects.oracle(members[i]))) _pay(members[i]);
        }
    }

    /// @inheritdoc IOraclePay
    function deliver(address recipient, uint256 amount) external {
        require(msg.sender == address(this), OraclePay_NotAllowed(msg.sender));
        token.safeTransfer(recipient, amount);
    }

    /// @inheritdoc IOraclePay
    function setRecipient(address recipient) external {
        _duties[msg.sender].recipient = recipient;
        emit RecipientSet(msg.sender, recipient);
    }

    /// @inheritdoc IOraclePay
    function sweep(address token_) external nonReentrant returns (uint256 amount) {
        amount = IERC20(token_).balanceOf(address(this));
        if (token_ == address(token)) amount = Math.saturatingSub(amount, reserve());
        emit Swept(token_, amount);
        IERC20(token_).safeTransfer(burner, amount);
    }

    /// @inheritdoc IOraclePay
    function dutyOf(address member) external view returns (DutyView memory) {
        Duty memory duty = _duty(member);
        return
            DutyView({
                through: duty.through,
                earned: duty.earned,
                accounted: duty.accounted,
                paid: duty.paid,
                owed: _worth(duty.earned) - duty.paid,
                recipient: duty.recipient == address(0) ? member : duty.recipient
            });
    }

    /// @inheritdoc IOraclePay
    /// @dev No member's earned and forfeited seconds exceed those of its membership, so this covers all that is owed.
    function reserve() public view returns (uint256) {
        uint256 provable = registry.totalMembershipSeconds() - _forfeitedByAll;
        return _worth(provable) - _paidToAll + registry.memberCount() * payPerEpoch;
    }

    /// @dev Adds a leaf's cumulative seconds within their bounds; never reverts.
    /// @param until the end of the report's epoch, UNIX seconds
    /// @param served seconds of membership up to now
    function _account(Duty memory duty, uint256 earned, uint256 accounted, uint256 until, uint256 served) private pure {
        uint256 withheld = duty.accounted - duty.earned;
        uint256 told = Math.saturatingSub(accounted, duty.accounted);
        uint256 room = Math.min(Math.saturatingSub(until, duty.through), Math.saturatingSub(served, duty.accounted));
        uint256 newAccounted = Math.min(told, room);

        // What the leaf earned of the time that it accounts is cut to that time; only what goes beyond, an appeal, comes out of
        // what was accounted but not earned.
        uint256 newEarned = Math.saturatingSub(earned, duty.earned);
        uint256 raised = Math.min(Math.saturatingSub(newEarned, told), withheld);
        newEarned = Math.min(Math.min(newEarned, told), newAccounted) + raised;

        // All of these stay below `until`, the end of an epoch that is over.
        duty.earned += uint40(newEarned);
        duty.accounted += uint40(newAccounted);
        if (until > duty.through) duty.through = uint40(until);
    }

    // slither-disable-next-line costly-loop,reentrancy-no-eth -- a payment that fails takes back its own, and changed nothing else
    function _pay(address member) private {
        Duty storage duty = _duties[member];
        uint256 owed = _worth(duty.earned) - duty.paid;
        uint256 amount = Math.min(owed, token.balanceOf(address(this)));
        // slither-disable-next-line incorrect-equality -- nothing to pay, or nothing to pay it with
        if (amount == 0) return;
        address recipient = duty.recipient == address(0) ? member : duty.recipient;
        duty.paid += amount;
        _paidToAll += amount;
        // A call of its own, so that a token that fails leaves nothing behind, whatever it did meanwhile.
        try this.deliver(recipient, amount) {
            emit OraclePaid(member, recipient, amount);
        } catch {
            duty.paid -= amount;
            _paidToAll -= amount;
            emit PaymentRefused(member, recipient, amount);
        }
    }

    function _duty(address member) private view returns (Duty memory duty) {
        duty = _duties[member];
        // slither-disable-next-line incorrect-equality -- zero says that nothing was ever settled
        if (duty.through == 0) duty.through = GENESIS;
    }

    function _worth(uint256 secs) private view returns (uint256) {
        return (secs * payPerEpoch) / EPOCH_LENGTH;
    }
}
