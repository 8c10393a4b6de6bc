"""What each error of the contracts means, and what to do next: templates for `operations.refusals`, by error."""

from __future__ import annotations

from typing import Final

from operations.refusal_words_inside import INSIDE

_CSP: Final = {
    "Admission_AccountRestricted": "{status:status} stands against account {account}; look at `epochal csp show "
    "{account}`, "
    "appeal it with the network's judge, or wait until it is lifted",
    "Admission_NoCredential": "{owner} has no {kinds:kinds} credential in force (the last one ended: "
    "{validUntil:time}); "
    "get a new one from a verifier of this network and bring it with `epochal csp credential present FILE`",
    "Admission_NoDeed": "{owner} holds no node licence, which this network asks of CSPs; buy or receive one first",
    "Admission_Paused": "new deposits are paused until {until:time}; try again after that, jobs that run are not "
    "touched",
    "Admission_TokenNotAllowed": "this network takes no new deposits in the token {token}; use one that `epochal csp "
    "show` lists",
    "Credentials_Distrusted": "the verifier {verifier} was removed for cause; get a credential from another verifier",
    "Credentials_Expired": "the credential ended at {expiry:time}; get a new one from the verifier",
    "Credentials_NotVerifier": "{verifier} is no verifier of {kind:kinds} credentials here, or signed something else "
    "than this "
    "file says; check that the file is for this network and chain, or get a credential from a registered verifier",
    "Credentials_NotYetIssued": "the credential says it was issued in the future ({issuedAt:time}); wait until then, "
    "or check "
    "the verifier's clock",
    "Credentials_Outdated": "the credential was issued at {issuedAt:time}, not after {standing:time}, when the last "
    "one was issued "
    "or it was revoked; if the last one still stands there is nothing to do, else get a newer one",
    "Credentials_UnknownKind": "{kind} is no kind of credential; 1 is KYC, 2 is KYB",
    "Credentials_WrongSignature": "the verifier's contract {verifier} didn't confirm the signature; ask the verifier",
    "CspAccounts_DelegationExpired": "what {delegate} may do for account {account} ended at {expiry:time}; its owner "
    "renews it with "
    "`epochal csp delegate`",
    "CspAccounts_ExpiryPassed": "a delegation must end in the future, not at {expiry:time}; give a later --until",
    "CspAccounts_LimitExceeded": "{delegate} may still spend {left:amount} of account {account}, and this takes "
    "{asked:amount}; its owner "
    "sets the limit with `epochal csp delegate --limit`",
    "CspAccounts_NotDelegate": "{delegate} may do nothing for account {account}, so a limit would mean nothing; give "
    "--may too",
    "CspAccounts_NotOffered": "account {account} isn't offered to {caller}; its owner offers it with `epochal csp "
    "transfer`",
    "CspAccounts_NotOwner": "{caller} doesn't own account {account}; use the owner's key (`epochal csp show "
    "{account}`)",
    "CspAccounts_NotPermitted": "{caller} neither owns account {account} nor may do this for it ({permission:may}); "
    "use the owner's "
    "key, or have the owner allow it with `epochal csp delegate`",
    "CspAccounts_UnknownAccount": "there is no account {account}; open one with `epochal csp open`, or check the "
    "number",
    "CspAccounts_UnknownPermissions": "{permissions} are no permissions; give any of create, grow, leave, place",
    "EscrowLens_UnknownJob": "there is no job {job} on this network; `epochal job list` shows which there are",
    "EscrowLens_UnknownAssignment": "there is no assignment {assignment} on this network; check the number and the "
    "network",
    "JobEscrow_AlreadyStopped": "job {job} ended at {stop:time}, and can't be changed any more; `epochal job exit "
    "{job}` closes it and "
    "brings what is left back, `epochal job create` makes another",
    "JobEscrow_JobClosed": "job {job} is closed already; `epochal job refund {job}` pays what it may still owe its "
    "owner",
    "JobEscrow_MoneyFrozen": "the money of {subject:subject} is frozen; it can be moved when the freeze is over",
    "JobEscrow_NotClosable": "nodes may still prove what they did for job {job}; it can be closed one settle window "
    "after the first "
    "final report that reaches its end (`epochal job show {job}` tells when), `epochal job exit {job} --wait` waits "
    "for it",
    "JobEscrow_NotMore": "the job has {slotsNow} slots until {endsAtNow:time}, and {slots} slots until {endsAt:time} "
    "isn't more; "
    "shrink or stop it instead, or give a larger number or a later end",
    "JobEscrow_SlotNotStarted": "an added slot {slot} starts with the next epoch, at {from:time}, when the job has "
    "ended; extend it too",
    "JobEscrow_UnknownJob": "there is no job {job} on this network; `epochal job list` shows which there are",
    "JobEscrow_UnknownSlot": "the job has {slots} slots, and {slot} isn't fewer; give a smaller number of at least 1",
    "JobEscrow_WrongAmountReceived": "the token delivered {received} units for {deposit}: it takes a fee or isn't "
    "plain; use another token",
    "JobRules_TermsViolated": "the job's terms break the rule: {rule}; change them",
    "Policy_Violated": "the job's policy breaks the rule: {rule}; change it",
    "ERC20InsufficientAllowance": "the escrow or sale may take {allowance:amount} and needs {needed:amount}; the "
    "tokens' owner allows "
    "just that: a CSP with `epochal csp approve`, or by running the command with its own key",
    "ERC20InsufficientBalance": "{sender} has {balance:amount} and needs {needed:amount}; send it tokens first",
    "ERC2612ExpiredSignature": "the permit ended at {deadline:time}; run the command again, it signs another",
    "ERC2612InvalidSigner": "the permit was signed by {signer}, not by {owner}; use the owner's key",
    "SafeERC20FailedOperation": "the token {token} refused the transfer: too few tokens or too little allowed, or it "
    "is paused or has "
    "blocked one of the addresses; look at what its issuer says",
    "AccessManagedUnauthorized": "{caller} doesn't hold the role for this; see who does with `epochal deploy --plan`",
}

_LICENCES: Final = {
    "NodeLicense_AlreadyLinked": "licence {licence} is linked to {node}; unlink it first",
    "NodeLicense_AssignmentOpen": "{open} assignments of licence {licence} are open; `epochal licence leave "
    "{licence}` ends them, or the orchestrator or the CSP does",
    "NodeLicense_Barred": "{status:status} stands against {subject:subject}; appeal it, or wait until it is lifted",
    "NodeLicense_ConsentExpired": "the node's consent ended at {deadline:time}; have the node sign a new one",
    "NodeLicense_CoolingDown": "licence {licence} was linked lately and can be linked again from {relinkableAt:time} "
    "on; wait until then",
    "NodeLicense_Exhausted": "all {supply} licences of this kind are minted; buy one from a holder",
    "NodeLicense_NodeTaken": "the node {node} is linked to licence {licence} already; unlink that one first, or use "
    "another node",
    "NodeLicense_NotHolder": "{caller} doesn't hold licence {licence}; use the holder's key",
    "NodeLicense_NotLinked": "licence {licence} is linked to no node; link one first",
    "NodeLicense_WrongConsent": "the consent was signed by {recovered}, not by the node {node}, or for another "
    "holder, nonce, licence or "
    "chain; have the node sign a new one",
    "ERC721NonexistentToken": "there is no licence {tokenId}; check the number and the network",
    "ERC721IncorrectOwner": "{sender} doesn't hold licence {tokenId}, {owner} does; use the holder's key",
    "ERC721InsufficientApproval": "{operator} may not move licence {tokenId}; use the holder's key, or have the "
    "holder approve it",
    "ERC721InvalidReceiver": "{receiver} can't hold a licence: it is zero, or a contract that takes none; give "
    "another address",
    "LicenceSale_CostExceeded": "it costs {total:amount} with the tax, more than the most you gave, "
    "{maxTotal:amount}; give more, or buy fewer",
    "LicenceSale_InvoiceUsed": "the voucher was used already (invoice {invoice}); ask its issuer for another",
    "LicenceSale_IsPaused": "the sale is paused until {until:time}; try again after that",
    "LicenceSale_LimitExceeded": "the voucher's limit is {limit:amount}, and this comes to {spent:amount}; buy "
    "fewer, or get another voucher",
    "LicenceSale_NotBuyer": "the voucher is for {buyer}, not for {caller}; use that key",
    "LicenceSale_NotIssuer": "the voucher was signed by {recovered}, who is no issuer here, or for another network; "
    "ask a registered issuer",
    "LicenceSale_NothingToBuy": "no licence was asked for; give a number of at least 1",
    "LicenceSale_NotPaused": "the sale isn't paused; nothing to do",
    "LicenceSale_Resting": "the sale was paused lately, and can be again from {until:time} on; wait",
    "LicenceSale_SoldOut": "{count} licences were asked for and {left} are left; buy fewer",
    "LicenceSale_TokenNotAllowed": "the sale doesn't take the token {token}; use another",
    "LicenceSale_VoucherExpired": "the voucher ended at {expiry:time}; ask its issuer for another",
    "LicenceSale_WrongAmountReceived": "the token delivered {received} units for {total}: it takes a fee or isn't "
    "plain; use another token",
    "LicenceRewards_FixedRecipients": "the reward of licence {licence} goes to fixed wallets; there is nothing to "
    "redirect",
    "LicenceRewards_LeafNotInReport": "the leaf isn't in the report of epoch {epoch}; fetch the evidence of that "
    "report again",
    "LicenceRewards_NotHolder": "{caller} doesn't hold licence {licence}; use the holder's key",
    "LicenceRewards_ZeroRecipient": "the recipient is the zero address; give another",
    "Bonds_AllReserved": "{reserved:amount} of the bond's {balance:amount} are reserved for what is still judged; "
    "wait until it is released",
    "Bonds_AmountExceedsBond": "the bond is {balance:amount}, less than {amount:amount}; ask for less",
    "Bonds_WrongRecipient": "{to} keeps the bonds, nobody could take it out again; name another address",
    "Bonds_HolderChanged": "{requester} asked for the bond, but {holder} holds the licence now; the holder asks again",
    "Bonds_Linked": "licence {licence} is linked to {node}; unlink it before its bond is taken back",
    "Bonds_NotHolder": "{caller} doesn't hold {subject:subject}; use the holder's key",
    "Bonds_NothingRequested": "no withdrawal of this token was requested for {subject:subject}; request one first",
    "Bonds_ServedSince": "{subject:subject} served {secs} s since the withdrawal was requested; request it again",
    "Bonds_StatusForbids": "{status:status} stands against {subject:subject}; its bond stays until that is lifted",
    "Bonds_TooEarly": "the bond can be withdrawn from {availableAt:time} on; wait until then",
    "Bonds_UnknownSubject": "{subject:subject} isn't one that can have a bond; check the number",
    "Bonds_WrongAmountReceived": "the token delivered {received} units for {amount}: it takes a fee or isn't plain; "
    "use another token",
    "Maintenance_Empty": "the maintenance would end ({to:time}) before it begins ({from:time}); give a later end",
    "Maintenance_InThePast": "maintenance must be declared beforehand: {from:time} is before {time:time}; give a "
    "later start",
    "Maintenance_NotHolderOrNode": "{caller} neither holds licence {licence} nor is its node; use one of these keys",
    "Maintenance_NotShorter": "a window can only be shortened, to between {earliest:time} and {end:time}, not to "
    "{to:time}",
    "Maintenance_Overlaps": "it overlaps the maintenance from {from:time} to {to:time}; shorten that, or give other "
    "times",
    "Maintenance_Started": "the maintenance of licence {licence} from {from:time} on has begun; shorten it instead",
    "Maintenance_TooLong": "{secs:span} is longer than the network allows, {longest:span}; give a shorter span",
    "Maintenance_TooMany": "licence {licence} has {most} windows declared, the most there may be; cancel one, or "
    "wait until one is over",
    "Maintenance_UnknownWindow": "licence {licence} has no maintenance that begins at {from:time}; check the time",
    "JobEscrow_AlreadyClosed": "assignment {assignment} is closed already; there is nothing to do",
    "JobEscrow_LeafNotInReport": "the leaf isn't in the report of epoch {epoch}; fetch the evidence of that report "
    "again",
    "JobEscrow_NotAllowed": "{caller} may not do this, only the payee may; use its key, and another recipient",
    "JobEscrow_PaymentRefused": "the token refused to pay {amount:amount} to {recipient}; name another recipient",
    "JobEscrow_UnknownAssignment": "there is no assignment {assignment}; check job, slot and generation",
    "Attestations_NotFinal": "the report of epoch {epoch} isn't final, or no longer one of the last two; wait for "
    "the next, or settle with "
    "the newest",
}

WORDS: Final[dict[str, str]] = {**INSIDE, **_CSP, **_LICENCES}
"""Templates as `operations.refusals` fills them, by error."""
