// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "./IAttestations.sol";
import {INetworkToken} from "./INetworkToken.sol";
import {INodeLicense, Kind} from "./INodeLicense.sol";
import {ITrustRegistry, Status} from "./ITrustRegistry.sol";
import {Curve, Schedule} from "../libraries/Schedules.sol";

/// @notice What a deployment decides about rewards.
/// @param schedules of the kinds standard, master and genesis, in that order
/// @param genesisWallets among whom the reward of genesis licences is split, 1 to 16 when there is such a reward; fixed for good
struct RewardSettings {
    Schedule[3] schedules;
    address[] genesisWallets;
}

/// @notice A licence's seconds as they are booked.
/// @param through up to when it is settled, UNIX seconds; zero before its first settlement
/// @param accounted seconds in which the licence's node was measured
/// @param earned seconds of these in which it was available
/// @param claimed earned seconds for which the reward was paid
struct Availability {
    uint40 through;
    uint40 accounted;
    uint40 earned;
    uint40 claimed;
}

/// @title What licences get of the network's token for being available.
/// @notice The committee's reports carry a leaf of kind 2 for each licence: its cumulative seconds. Settling books them within
/// bounds; claiming mints S(earned) − S(claimed), where S is the schedule of the licence's kind over the licence's *own* seconds.
/// So the path of settlements and claims doesn't matter, and whatever a committee signs, a licence gets no more than its time
/// allows and its cap.
/// @dev Assumes of the token that a mint below its cap doesn't fail, and of the licences that a kind is for good and supplies
/// hold. Doesn't protect from one box that poses as many nodes: the price of a licence does.
interface ILicenceRewards {
    /// @notice Leaves of a report were applied, from that of licence `first` on.
    event LicencesSettled(uint64 indexed epoch, uint256 indexed first, uint256 leaves);
    /// @notice A reward was minted; all seconds up to `earned` are paid now. A genesis licence's is split: one event a wallet.
    /// @param amount in the token's smallest unit
    event RewardPaid(uint256 indexed licence, address indexed recipient, uint256 amount, uint40 earned);
    /// @notice A licence was left out of a claim: it is frozen, or its holder is a contract that has to claim itself.
    event RewardWaits(uint256 indexed licence, Status status);

    /// @notice A setting of the deployment breaks the named rule.
    error LicenceRewards_SettingViolated(string rule);
    /// @notice The leaf isn't in the epoch's final report.
    error LicenceRewards_LeafNotInReport(uint64 epoch, bytes32 leaf);
    /// @notice The caller is neither the licence's holder nor one of the holder's ERC-721 operators.
    error LicenceRewards_NotHolder(uint256 licence, address caller);
    /// @notice The reward of a genesis licence goes to wallets fixed at deployment, to no other recipient.
    error LicenceRewards_FixedRecipients(uint256 licence);
    /// @notice The recipient is zero.
    error LicenceRewards_ZeroRecipient();

    /// @notice Applies one leaf of a final report. Anyone may call.
    /// @dev Newly accounted are at most the seconds from `through`, and from the start of the kind's schedule, to the end of the
    /// report's epoch; in all at most the seconds for which the licence has been linked. Newly earned are at most the newly
    /// accounted, and what an appeal raises at most what was accounted and not earned. What exceeds a bound is void and never
    /// reverts; an older leaf, or a leaf of no licence or of a kind without reward, does nothing.
    /// The start is a bound, no filter: seconds counted before it stand in a leaf too, so the committee starts a licence's leaf
    /// from {startsAt} of its kind on.
    /// @param epoch one of the last two final reports
    /// @param earned the leaf's cumulative earned seconds
    /// @param accounted the leaf's cumulative accounted seconds
    /// @param proof the leaf's Merkle proof
    function settle(uint64 epoch, uint256 licence, uint64 earned, uint64 accounted, bytes32[] calldata proof) external;

    /// @notice Applies consecutive leaves of a final report, proved by the range's two edges. Anyone may call.
    /// @param treeIndex tree index of the first leaf
    /// @param leaves licence (128 bits), earned (64 bits), accounted (64 bits), in the tree's order
    /// @param proof see {LeafProof}
    function settleRange(uint64 epoch, uint256 treeIndex, uint256[] calldata leaves, bytes32[] calldata proof) external;

    /// @notice Mints the rewards of licences to whoever holds each now; those of genesis licences to their wallets. Anyone may
    /// call. Leaves out, with {RewardWaits}, frozen licences, and those held by a contract (an account with code) unless that
    /// contract or an operator of its calls: a custodian couldn't pass on what strangers push to it, so it stays with the
    /// licence. No licence keeps another waiting.
    /// @return amount minted in all, in the token's smallest unit
    function claim(uint256[] calldata ids) external returns (uint256 amount);

    /// @notice Mints the rewards of the caller's licences, or of those whose holder made the caller an ERC-721 operator, to a
    /// recipient. Frozen ones wait; genesis ones can't.
    /// @return amount minted in all, in the token's smallest unit
    function claimTo(uint256[] calldata ids, address recipient) external returns (uint256 amount);

    /// @notice What a claim would mint for the licence if nothing stands against it, in the token's smallest unit.
    function claimable(uint256 licence) external view returns (uint256);

    /// @notice The licence's booked seconds, from which a leaf that returns to the tree starts.
    function availabilityOf(uint256 licence) external view returns (Availability memory);

    /// @notice The same of many licences, for those who build the tree.
    function availabilitiesOf(uint256[] calldata ids) external view returns (Availability[] memory);

    /// @notice What one licence of a kind gets for `secs` seconds of its availability, in the token's smallest unit.
    function emission(Kind kind, uint256 secs) external view returns (uint256);

    /// @notice From when on (UNIX seconds) a kind's seconds count; zero when it gets nothing.
    function startsAt(Kind kind) external view returns (uint40);

    /// @notice A kind's schedule as it is kept, with what is left for all its licences.
    function curveOf(Kind kind) external view returns (Curve memory);

    /// @notice Among whom the reward of genesis licences is split: equal shares; units that
    /// don't divide go to the last ones.
    function genesisWallets() external view returns (address[] memory);

    /// @notice Where reports become final.
    function attestations() external view returns (IAttestations);

    /// @notice The licences.
    function licences() external view returns (INodeLicense);

    /// @notice Who knows what stands against licences.
    function trust() external view returns (ITrustRegistry);

    /// @notice What rewards are minted in.
    function token() external view returns (INetworkToken);
}
