// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAttestations} from "./IAttestations.sol";
import {IOracleRegistry} from "./IOracleRegistry.sol";
import {ITrustRegistry} from "./ITrustRegistry.sol";

/// @notice A member's pay as it stands. Seconds are cumulative, amounts in the token's smallest unit.
/// @param through the time up to which its duty is settled, UNIX seconds; the genesis before any settlement
/// @param earned seconds that are paid
/// @param accounted seconds that were measured
/// @param paid what it was paid
/// @param owed what it is owed now
/// @param recipient who gets it
struct DutyView {
    uint40 through;
    uint40 earned;
    uint40 accounted;
    uint256 paid;
    uint256 owed;
    address recipient;
}

/// @title Oracle pay: a set price for each attested second of duty, out of the protocol's share.
/// @notice The pot is this contract's balance; the protocol's share comes in by plain transfers. A member has earned floor(payPerEpoch ×
/// earned seconds / epoch length), however often it was settled; what the pot lacks stays owed. Seconds come from leaves of
/// kind 3 (id: the member's address) and are bounded by the time that the member was in committees in force.
/// @dev Tokens are trusted to be plain ERC-20. Committees attest their own duty: if all of one lie, they pay themselves at most the full price
/// for the time of their membership since `through`, and only what is in the pot.
interface IOraclePay {
    /// @notice A member's duty was settled with the report of `epoch`; both counts are cumulative seconds.
    event DutySettled(address indexed member, uint64 indexed epoch, uint40 earned, uint40 accounted);
    /// @notice A member was paid; `amount` in the token's smallest unit.
    event OraclePaid(address indexed member, address indexed recipient, uint256 amount);
    /// @notice The token refused to pay the recipient; the amount stays owed.
    event PaymentRefused(address indexed member, address indexed recipient, uint256 amount);
    /// @notice The recipient gets the member's pay from now on; zero: the member itself does.
    event RecipientSet(address indexed member, address indexed recipient);
    /// @notice What isn't needed for pay was sent to the burner.
    event Swept(address indexed token, uint256 amount);

    /// @notice Only the contract itself may do this.
    error OraclePay_NotAllowed(address caller);
    /// @notice A setting of the deployment breaks the named rule.
    error OraclePay_SettingViolated(string rule);
    /// @notice The leaf isn't in the report's tree.
    error OraclePay_LeafNotInReport(uint64 epoch, bytes32 leaf);

    /// @notice Settles a member's leaf of a final report. Anyone may. Seconds beyond a bound are void; an older leaf does nothing. Newly
    /// accounted are at most the seconds between `through` and the end of the report's epoch, all accounted at most
    /// {IOracleRegistry-membershipSeconds}; newly earned at most the newly accounted and those that were accounted but not earned.
    /// @param epoch of a final report
    /// @param member the leaf's id
    /// @param earned cumulative earned seconds of the leaf
    /// @param accounted cumulative accounted seconds of the leaf
    function settle(uint64 epoch, address member, uint64 earned, uint64 accounted, bytes32[] calldata proof) external;

    /// @notice Pays members what they are owed, in this order, as far as the pot reaches. Anyone may call. Frozen members wait; suspended and
    /// blacklisted ones get what they earned; a recipient that the token refuses doesn't stop the others.
    function claim(address[] calldata members) external;

    /// @notice Pays a member out of the pot. The contract itself only: a payment is a call of its own, which undoes itself when it fails.
    function deliver(address recipient, uint256 amount) external;

    /// @notice Has the caller's pay go to `recipient`; zero: to the caller itself.
    function setRecipient(address recipient) external;

    /// @notice Sends what isn't needed for pay to the burner: of the pay token what exceeds {reserve}, of others all. Anyone may call.
    /// @return amount in the token's smallest unit
    function sweep(address token_) external returns (uint256 amount);

    /// @notice What the pot keeps, in the token's smallest unit: what members are owed, what they can still prove for all
    /// their time in committees up to now, and what the committee in force can earn in one further epoch.
    function reserve() external view returns (uint256);

    /// @notice A member's pay as it stands.
    function dutyOf(address member) external view returns (DutyView memory);

    /// @notice The price of one epoch of duty, in the token's smallest unit.
    function payPerEpoch() external view returns (uint96);

    /// @notice What members are paid in.
    function token() external view returns (IERC20);

    /// @notice Who gets what isn't needed.
    function burner() external view returns (address);

    /// @notice Reports whose leaves are settled here.
    function attestations() external view returns (IAttestations);

    /// @notice Who was a member for how long.
    function registry() external view returns (IOracleRegistry);

    /// @notice Who is frozen.
    function trust() external view returns (ITrustRegistry);
}
