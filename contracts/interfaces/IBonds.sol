// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeLicense} from "./INodeLicense.sol";
import {IOracleRegistry} from "./IOracleRegistry.sol";
import {ITrustRegistry, Status} from "./ITrustRegistry.sol";

/// @notice What a network decides about bonds when it is deployed.
/// @param withdrawalDelay seconds between a request and its payment, see {IBonds.requestWithdrawal}
/// @param windowEpochs the longest policy window, in epochs, whose penalties a bond is sure to wait for
struct BondSettings {
    uint32 withdrawalDelay;
    uint16 windowEpochs;
}

/// @notice A bond as it stands. Amounts in the token's smallest unit.
/// @param balance all that is left of it
/// @param reserved the part of it that told penalties may still take: the sum of all reservations, cut to the balance
/// @param requested what is still to be paid of the request; slashable, reservable and takeable until then
/// @param availableAt UNIX seconds from which the request can be paid; zero when there is none
/// @param requester who asked for it; only the same holder is paid
/// @param liable the sum of all reservations: what goes beyond the balance would be taken of later deposits
struct BondView {
    uint112 balance;
    uint112 reserved;
    uint112 requested;
    uint40 availableAt;
    address requester;
    uint112 liable;
}

/// @title Bonds of licences and of oracles: deposited, reserved for penalties, slashed, withdrawn after a delay.
/// @notice There is one bond for each subject (a licence, or an oracle's member address, see {Subjects}) and token. A licence's bond
/// belongs to the licence and goes to its buyer with it, and so does what it is {BondView-liable} for; so a buyer looks at {bondOf} in
/// the transaction in which he pays, since a request that is due can be paid just before. Seconds that no report tells yet show nowhere. What is taken from a bond goes to the burner, never to a CSP, an
/// orchestrator or whoever called. Nobody governs this contract and nothing in it is paused.
/// @dev Any ERC-20 may be deposited: a token that misbehaves hurts only who chose it, since tokens share nothing here.
/// - A fee on the transfer is refused when it is deposited, and so is a transfer that says it is done and isn't.
/// - A token that takes balances away by itself leaves too little for whoever of its depositors asks last; what it adds, and what is
///   sent here without {deposit}, belongs to nobody and stays.
/// - A token that refuses a receiver: a holder names another one; what the burner can't receive waits here.
/// - A token that the burner has no way to burn stays in the burner.
/// The contract holds at least Σ balances + Σ waiting burns of each honest token, always.
interface IBonds {
    /// @notice A bond grew by `amount`.
    event BondDeposited(uint256 indexed subject, address indexed token, address indexed from, uint256 amount);
    /// @notice An assignment's penalty took `taken` from its licence's bond and reserves up to `reserved` of it now.
    event PenaltyUpdated(
        uint256 indexed licence,
        address indexed token,
        uint256 indexed assignment,
        uint256 taken,
        uint256 reserved
    );
    /// @notice A withdrawal was asked for, to be paid from `availableAt` (UNIX seconds) on; an amount of zero called the request off.
    event WithdrawalRequested(
        uint256 indexed subject,
        address indexed token,
        address indexed holder,
        uint256 amount,
        uint40 availableAt
    );
    /// @notice A bond was paid back in part or in full.
    event BondWithdrawn(uint256 indexed subject, address indexed token, address indexed to, uint256 amount);
    /// @notice The whole bond was taken.
    event BondSlashed(uint256 indexed subject, address indexed token, uint256 amount);
    /// @notice What had been taken from bonds went to the burner.
    event SentToBurn(address indexed token, uint256 amount);

    /// @notice A setting of the deployment breaks the named rule.
    error Bonds_SettingViolated(string rule);
    /// @notice Only licences and oracles have bonds.
    error Bonds_UnknownSubject(uint256 subject);
    /// @notice Only the escrow tells penalties.
    error Bonds_NotEscrow(address caller);
    /// @notice The token delivered another amount (a fee on transfer, say): choose a token that doesn't.
    error Bonds_WrongAmountReceived(uint256 received, uint256 amount);
    /// @notice The caller is neither the licence's holder nor the oracle member whose bond it is.
    error Bonds_NotHolder(uint256 subject, address caller);
    /// @notice The request is more than the bond.
    error Bonds_AmountExceedsBond(uint256 amount, uint256 balance);
    /// @notice The licence is linked to a node: unlink it, then request.
    error Bonds_Linked(uint256 licence, address node);
    /// @notice Nothing is requested of this bond, or all of it was paid: request first.
    error Bonds_NothingRequested(uint256 subject, address token);
    /// @notice Bonds aren't paid out to the contract that keeps them: there it would be nobody's.
    error Bonds_WrongRecipient(address to);
    /// @notice The former holder asked for it, not the caller: request anew.
    error Bonds_HolderChanged(address requester, address holder);
    /// @notice The request is paid from `availableAt` (UNIX seconds) on.
    error Bonds_TooEarly(uint40 availableAt);
    /// @notice The licence was linked, or the oracle a member, for so many seconds since the request, which is void by that: end the
    /// service, then request anew.
    error Bonds_ServedSince(uint256 subject, uint256 secs);
    /// @notice Something stands against the subject; the bond waits until it is lifted or expires. A final one is slashed.
    error Bonds_StatusForbids(uint256 subject, Status status);
    /// @notice All of the bond is reserved: wait until assignments release, or an appeal frees, what they hold.
    error Bonds_AllReserved(uint256 balance, uint256 reserved);
    /// @notice Nothing final stands against the subject.
    error Bonds_NotSlashable(uint256 subject);
    /// @notice The bond is empty.
    error Bonds_NothingToSlash(uint256 subject, address token);
    /// @notice Nothing of the token waits to be burned.
    error Bonds_NothingToBurn(address token);

    /// @notice Adds to a bond, out of the caller's pocket; anyone may, for any subject. Who deposits for a subject that is
    /// {slashable} loses it. Reverts as ERC-721 does when the licence doesn't exist.
    /// @param subject a licence, or an oracle's member address, a member already or not
    /// @param token any ERC-20, see the contract's notes; the caller has approved this contract for `amount`
    /// @param amount in the token's smallest unit
    function deposit(uint256 subject, address token, uint256 amount) external;

    /// @notice Tells an assignment's cumulative penalties. Escrow only; never reverts: what the bond lacks isn't owed.
    /// @dev A rise of `burned` is taken at once, and from all of the bond, whoever reserved it: all that is taken is burned, so a
    /// reservation needs no shelter from another, and none can shelter the bond. Only where the balance lacks, the rest of that
    /// rise is forgiven for good: no later deposit pays for it. `reserved` is what is kept from being withdrawn from now on, of what is
    /// deposited later too, whatever others reserve. What is
    /// taken is the sum of all assignments' `burned`, in whatever order and steps they were told, or the whole bond.
    /// @param licence whose bond it is
    /// @param token the bond's and the job's ERC-20
    /// @param burned what was withheld for good comes to, in the token's smallest unit; never falls: a lower one changes nothing
    /// @param reserved what is withheld and may still be appealed comes to
    function update(uint256 licence, address token, uint256 assignment, uint256 burned, uint256 reserved) external;

    /// @notice Asks for a part of a bond, to be paid by {withdraw} after {withdrawalDelay}. The licence's holder, or the oracle member
    /// itself. Until it is paid it is as slashable and reservable as the rest. A new request replaces the former and its
    /// delay starts again; zero calls it off. A licence must be unlinked; a member must be out of the committee, or {withdraw} refuses.
    /// @dev Why the delay suffices. A penalty is reserved when seconds are settled as withheld, so a bond has to stay for as long as
    /// seconds served before the request can be settled. The request is void when the licence was linked, or the
    /// oracle a member, for a second since: so all that was ever served was served before it. The window of
    /// those seconds is over `windowEpochs` epochs later. Had no report that covers it become final, the network's last
    /// progress ({IAttestations.lastProgress}) would be at most an epoch after the window; after stallSpan + attestableSpan more the seconds
    /// are the CSP's if it closes the job (of one that runs on they can be attested later still: a network that was silent for that
    /// long has no hold on bonds), but for a report that was submitted in the last moment and waits its review. One more epoch bounds the
    /// escrow's settle window, in which anyone settles, and a former committee's grace. Hence, checked at deployment:
    ///
    ///     withdrawalDelay >= (windowEpochs + 2) * epochLength + stallSpan + attestableSpan + reviewDelay
    ///
    /// It must be no shorter than an equivocation proof is valid either, which the deployment checks. What is reserved
    /// by then waits for its appeal, however long that takes: {withdraw} never pays what is reserved.
    /// @param amount in the token's smallest unit, at most the bond's balance
    function requestWithdrawal(uint256 subject, address token, uint256 amount) external;

    /// @notice Pays what was requested and isn't reserved; the rest of the request stays. The caller is the holder who requested it and
    /// holds the licence now. Waits while the subject is frozen, suspended or blacklisted.
    /// @param to who gets the tokens; the holder chooses, so that a token which refuses the holder doesn't keep the bond
    function withdraw(uint256 subject, address token, address to) external;

    /// @notice Takes a whole bond, reservations included, once a blacklisting, or a suspension for equivocation, is past its appeal.
    /// Anyone may call; the caller gets nothing.
    function slash(uint256 subject, address token) external;

    /// @notice Sends all that was taken from bonds in this token to the burner. Anyone may call.
    function sendToBurn(address token) external;

    /// @notice A bond as it stands.
    function bondOf(uint256 subject, address token) external view returns (BondView memory);

    /// @notice An assignment's penalty, in the token's smallest unit.
    /// @return burned as it was told at most; events say what the bond had of it
    /// @return reserved of the bond for it now, if others' penalties leave that much
    function penaltyOf(
        uint256 licence,
        address token,
        uint256 assignment
    ) external view returns (uint256 burned, uint256 reserved);

    /// @notice What was taken from bonds in this token and waits for {sendToBurn}.
    function burnable(address token) external view returns (uint256);

    /// @notice Seconds between a request and its payment.
    function withdrawalDelay() external view returns (uint32);

    /// @notice Licences whose holders withdraw their bonds.
    function licences() external view returns (INodeLicense);

    /// @notice Oracles' membership.
    function registry() external view returns (IOracleRegistry);

    /// @notice Who tells penalties.
    function escrow() external view returns (address);

    /// @notice Who says what stands against a subject.
    function trust() external view returns (ITrustRegistry);

    /// @notice Who gets what is taken.
    function burner() external view returns (address);
}
