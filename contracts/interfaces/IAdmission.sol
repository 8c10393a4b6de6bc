// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ICredentials} from "./ICredentials.sol";
import {ICspAccounts} from "./ICspAccounts.sol";
import {JobTerms} from "./IJobEscrow.sol";
import {IJobRules} from "./IJobRules.sol";
import {ITrustRegistry, Status} from "./ITrustRegistry.sol";

/// @notice Whom a network admits.
/// @param credentialKinds bits of the kinds of credential of which an account's owner needs one (1 KYC, 2 KYB); 0: none
/// @param deedRequired whether an account's owner must hold a licence
/// @param longestPause the longest pause of new deposits, in seconds, at most 90 days; 0: there are none
struct AdmissionSettings {
    uint8 credentialKinds;
    bool deedRequired;
    uint32 longestPause;
}

/// @title Admission: whose money may come in, and in which tokens.
/// @notice Everything that governance decides about new deposits stands here; money that is in never asks it anything.
/// Allow only ERC-20 tokens that move exactly the amount asked for and keep balances as they are: the escrow refuses deposits
/// that arrive short, but no check of a deposit helps against a token that changes later.
/// A status stands against an account, and whoever owns one may open another; to keep a person out, impose it on the owner and have
/// {ICredentials.heed} see it: then no account of that address is admitted where a credential is asked for. Where none is, nobody can
/// be kept out: an address costs nothing.
interface IAdmission is IJobRules {
    /// @notice New deposits in the token are allowed.
    event TokenAllowed(address indexed token);
    /// @notice New deposits in the token are forbidden; what is in, stays as it is.
    event TokenForbidden(address indexed token);
    /// @notice New deposits wait until `until` (UNIX seconds).
    event DepositsPaused(uint40 until);
    /// @notice The pause was ended before its time.
    event DepositsResumed();
    /// @notice Other settings hold from now on.
    event SettingsChanged(AdmissionSettings settings);

    /// @notice A setting breaks the named rule.
    error Admission_SettingViolated(string rule);
    /// @notice There is no contract at the token's address.
    error Admission_NoCode(address token);
    /// @notice Deposits in the token are allowed already.
    error Admission_AllowedBefore(address token);
    /// @notice Deposits in the token aren't allowed.
    error Admission_TokenNotAllowed(address token);
    /// @notice No more tokens can be allowed.
    error Admission_TooManyTokens(uint256 most);
    /// @notice New deposits are paused until `until` (UNIX seconds).
    error Admission_Paused(uint40 until);
    /// @notice A pause must end after now and not after `latest` (UNIX seconds).
    error Admission_PauseSpan(uint40 until, uint256 latest);
    /// @notice After a pause comes a rest as long, until `until` (UNIX seconds).
    error Admission_Resting(uint256 until);
    /// @notice New deposits aren't paused.
    error Admission_NotPaused();
    /// @notice Something stands against the account.
    error Admission_AccountRestricted(uint48 account, Status status);
    /// @notice The owner has no credential of the kinds (bits) now; the last one expired at `validUntil` (UNIX seconds). Or the owner
    /// is barred, see {ICredentials.barred}.
    error Admission_NoCredential(address owner, uint8 kinds, uint40 validUntil);
    /// @notice The owner holds no licence.
    error Admission_NoDeed(address owner);

    /// @notice Allows new deposits in a token. Restricted.
    function allowToken(address token) external;

    /// @notice Forbids new deposits in a token. Restricted.
    function forbidToken(address token) external;

    /// @notice Changes whom the network admits; a pause under way keeps its end. Restricted.
    function changeSettings(AdmissionSettings calldata settings_) external;

    /// @notice Pauses new deposits. Restricted; meant for the guardian. The next pause can begin only after a rest as long as
    /// this one was.
    /// @param until when the pause expires; UNIX seconds
    function pause(uint40 until) external;

    /// @notice Ends the pause. Restricted; meant for the guardian.
    function resume() external;

    /// @notice {requireAccountAdmitted} for the terms' token, and {examine} of the terms.
    /// @return owner the account's owner, who is to pay
    /// @return hash what a node accepts
    /// @return funded slot-seconds
    /// @return deposit in the token's smallest unit, rounded up
    function admitJob(
        uint48 account,
        JobTerms calldata terms
    ) external view returns (address owner, bytes32 hash, uint256 funded, uint256 deposit);

    /// @notice Reverts, with the reason, unless the account may put money into the network now.
    /// @param owner the account's owner
    function requireAdmitted(uint48 account, address owner, address token) external view;

    /// @notice {requireAdmitted} for the account's owner at this time: for screens.
    function requireAccountAdmitted(uint48 account, address token) external view;

    /// @notice Whether new deposits in the token are allowed, paused or not.
    function tokenAllowed(address token) external view returns (bool);

    /// @notice All tokens in which new deposits are allowed; at most 32.
    function tokens() external view returns (address[] memory);

    /// @notice Whom the network admits.
    function settings() external view returns (AdmissionSettings memory);

    /// @notice The last pause (UNIX seconds, its end exclusive); zeros when there was none.
    function lastPause() external view returns (uint40 from, uint40 until);

    /// @notice Whose accounts are whose.
    function accounts() external view returns (ICspAccounts);

    /// @notice Who was identified.
    function credentials() external view returns (ICredentials);

    /// @notice What stands against accounts.
    function trust() external view returns (ITrustRegistry);

    /// @notice The deeds.
    function licences() external view returns (IERC721);
}
