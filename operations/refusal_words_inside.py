"""What errors mean that governance, oracles, keepers and orchestrators meet: the rest of `operations.refusal_words`."""

from __future__ import annotations

from typing import Final

_SETTING: Final = "a setting breaks the rule: {rule}; change it"
_FOREIGN_CALLER: Final = "{caller} may not call this, one of the network's contracts does; use the command made for it"
_SIGNATURE: Final = "a signature is malformed; have it signed again"
_STALE: Final = "fetch the report's evidence again, and settle with the newest final report"

_GOVERNING: Final = {
    "AccessManagedInvalidAuthority": "{authority} is no AccessManager; give the network's",
    "AccessManagedRequiredDelay": "{caller} must schedule this and wait {delay:span}; schedule it first",
    "AccessManagerAlreadyScheduled": "this is scheduled already; wait for its time",
    "AccessManagerBadConfirmation": "the confirmation isn't the caller's; use the key that renounces",
    "AccessManagerExpired": "what was scheduled has expired; schedule it again",
    "AccessManagerInvalidInitialAdmin": "{initialAdmin} can't be the first admin; give another address",
    "AccessManagerLockedFunction": "the function can't be given to a role",
    "AccessManagerLockedRole": "role {roleId} can't be changed",
    "AccessManagerNotReady": "what was scheduled isn't due yet; wait for its time",
    "AccessManagerNotScheduled": "this wasn't scheduled; schedule it first",
    "AccessManagerUnauthorizedAccount": "{msgsender} doesn't hold role {roleId}; use a key that does",
    "AccessManagerUnauthorizedCall": "{caller} doesn't hold the role for this call of {target}; use a key that does",
    "AccessManagerUnauthorizedCancel": "{msgsender} may not cancel what {caller} scheduled; use that key",
    "AccessManagerUnauthorizedConsume": "{target} may not do this; check the deployment's addresses",
    "Admission_AllowedBefore": "deposits in {token} are allowed already; there is nothing to do",
    "Admission_NoCode": "there is no contract at {token}; check the token's address",
    "Admission_NotPaused": "new deposits aren't paused; there is nothing to resume",
    "Admission_PauseSpan": "a pause can't end at {until:time}, only after now and by {latest:time}; give such an end",
    "Admission_Resting": "after a pause comes a rest, until {until:time}; pause after that",
    "Admission_TooManyTokens": "{most} tokens are allowed, the most there may be; forbid one first",
    "Credentials_NotDistrusted": "{verifier} wasn't removed for cause, so its credentials stand; check the address",
    "NetworkToken_CapExceeded": "{minted} would be minted, more than the cap of {cap}",
    "LicenceSale_PauseTooLong": "a pause of {span:span} is longer than {longest:span}; give a shorter one",
    "TrustRegistry_AppealedBefore": "{status:status} of {subject:subject} was appealed before; the judge's word stands",
    "TrustRegistry_Final": "{status:status} of {subject:subject} is final; nothing can be done",
    "TrustRegistry_FreezeCap": "{asked:span} of freeze are more than the {left:span} that are left; give a shorter one",
    "TrustRegistry_FreezeSpan": "a freeze can't end at {until:time}, only after now and by {latest:time}; give such "
    "an end",
    "TrustRegistry_InForce": "{status:status} of {subject:subject} is in force until {until:until}; nothing to do",
    "TrustRegistry_AppealsOpen": "until {heardFrom:time} anyone may still speak against {status:status} of "
    "{subject:subject}; reject after that",
    "TrustRegistry_AnotherAppeal": "the open appeal of {status:status} of {subject:subject} is to be decided by "
    "{decideBy:time}; name that time",
    "TrustRegistry_NoAppeal": "there is no open appeal of {status:status} of {subject:subject}; check the subject",
    "TrustRegistry_NoEvidence": "no evidence was named; give its hash",
    "TrustRegistry_NotInForce": "{status:status} of {subject:subject} isn't in force; nothing to do",
    "TrustRegistry_Proven": "what stands against {subject:subject} was proved on chain; only an appeal can lift that",
    "TrustRegistry_ReservedReason": "reason {reason} is reserved for proofs; give another",
    "TrustRegistry_UnknownKind": "{kind} is no kind of subject; 1 licence, 2 node, 3 CSP account, 4 oracle, 5 owner",
}

_ORACLES: Final = {
    "Attestations_AnotherPending": "pending is the report of epoch {epoch} with root {root}; name it if it is meant",
    "Attestations_EpochNotOver": "epoch {epoch} isn't over before {endsAt:time}; wait until then",
    "Attestations_EpochOutOfOrder": "epoch {epoch} isn't after the last final one, {lastFinal}; report a later one",
    "Attestations_NothingPending": "no report is pending; wait for the next",
    "Attestations_ReportPending": "the report of epoch {epoch} waits to be final until {finalAt:time}; wait for it",
    "Attestations_VetoedBefore": "a report of epoch {epoch} was vetoed before; another needs the committee's next turn",
    "Attestations_WrongParent": "the report isn't built on the last final one; build it again",
    "Attestations_ZeroRoot": "the report's root is zero; build it again",
    "Committee_DuplicateSignature": "{signer} signed twice; give each signature once",
    "Committee_ForeignSigner": "{signer} is no member of the committee; leave its signature out",
    "Committee_MalformedSignatures": "{bytesGiven} bytes of signatures for {membersNamed} members; give 64 for each",
    "Committee_MalleableSignature": "signature {index} is malformed; have it signed again",
    "Committee_NotInForce": "committee {version} isn't in force, {inForce} is; have that one sign",
    "Committee_QuorumNotReached": "{given} signatures are fewer than {quorum}; gather more",
    "Committee_SignaturesUnordered": "the signature of {signer} isn't in its place; order them by member",
    "Committee_SignersUnordered": "the signers aren't in rising order at {index} ({signer}); sort them",
    "Committee_SizeOutOfRange": "{signers} members are too few or too many; choose another number",
    "Committee_TakeoverTooSoon": "a committee can take over from epoch {earliest} on, not from {fromEpoch}; name a "
    "later one",
    "Committee_UnknownMember": "the set {members} names members beyond the committee's {size}; check it",
    "Committee_UnknownVersion": "there is no committee {version}; check the number",
    "Equivocations_EpochNotOver": "epoch {epoch} isn't over before {endsAt:time}; prove it after that",
    "Equivocations_ForeignSigner": "{signer} is no member of committee {committee}; check the statements",
    "Equivocations_CommitteeRetired": "committee {committee} is in force no more, and its keys proved something until "
    "{latest:time}; nothing to do",
    "Equivocations_NotInForce": "committee {committee} was in force from {since:time} to {until:time}, not then; check "
    "the epoch",
    "Equivocations_ProvedBefore": "this was proved of {member} for epoch {epoch} before; nothing to do",
    "Equivocations_SameContent": "both statements say the same, so nothing is proved; give two that differ",
    "Equivocations_SignersDiffer": "{first} signed one statement and {second} the other; give two of one oracle",
    "Equivocations_TooLate": "epoch {epoch} is too long ago; epochs from {earliest} on can be proved",
    "OracleDirectory_EndpointLength": "the endpoint is {length} bytes long; give a shorter one, not an empty one",
    "OracleDirectory_StaleSequence": "announcement {sequence} isn't after the one that stands, {standing}; sign a "
    "later one",
    "OracleDirectory_WrongSigner": "{recovered} signed, not {oracle}; use the oracle's key",
    "OraclePay_LeafNotInReport": "the leaf isn't in the report of epoch {epoch}; " + _STALE,
    "OraclePay_NotAllowed": "{caller} may not do this; use the member's or operator's key",
    "OracleRegistry_AddressTaken": "{taken} is a member's address already; use another",
    "OracleRegistry_Barred": "{status:status} stands against {member}; appeal it, or wait until it is lifted",
    "OracleRegistry_ConsentExpired": "the signer's consent ended at {deadline:time}; have it sign a new one",
    "OracleRegistry_DuplicateMember": "{member} is named twice; name it once",
    "OracleRegistry_FirstCommitteeDiffers": "the first committee isn't the one that was deployed; check the settings",
    "OracleRegistry_Leaving": "{member} asked to leave, from epoch {fromEpoch} on; name another member",
    "OracleRegistry_LengthsDiffer": "{members} members, {signers} signers and {operators} operators; give as many of "
    "each",
    "OracleRegistry_NothingToAnnounce": "the committee hasn't changed; nothing to announce",
    "OracleRegistry_KeysWait": "new keys were given too soon after the last ones; announce them from {dueAt:time} on",
    "OracleRegistry_TakeoverNear": "the next committee takes over at epoch {takeover} already; wait for it",
    "OracleRegistry_UnknownIndex": "there is no member {index} of {size}; check the number",
    "OracleRegistry_UnknownMember": "{member} is no oracle here; check the address",
    "OracleRegistry_UnknownVersion": "there is no committee {version}; check the number",
    "OracleRegistry_WrongConsent": "{recovered} signed the consent, not {signer}; use the signer's key",
    "OracleRegistry_ZeroAddress": "an address is zero; give a real one",
}

_PLACING: Final = {
    "JobEscrow_JobNotRunning": "job {job} runs from {startsAt:time} to {stop:time}, not now; place nodes in that time",
    "JobEscrow_SlotTaken": "the slot's assignment {assignment} is still open; close it first",
    "JobEscrow_TimeOutOfBounds": "an assignment can end from {earliest:time} to {latest:time}, not at {time:time}",
    "Placements_AcceptanceExpired": "the node's acceptance ended at {expiry:time}; ask the node for a new one",
    "Placements_LicenceCoolingDown": "licence {licence} failed in this slot and can't come back before {until:time}; "
    "name another",
    "Placements_NotHolderOrNode": "{caller} neither holds licence {licence} nor is its node; use one of these keys",
    "Placements_NotOrchestrator": "{caller} isn't the job's orchestrator, {orchestrator} is; use that key",
    "Placements_NotReallocations": _FOREIGN_CALLER,
    "Placements_OfferCapacityReached": "{open} assignments by this offer are open, of {capacity}; ask for an "
    "acceptance",
    "Placements_OfferExpired": "the node's offer ended at {expiry:time}; ask for a new one",
    "Placements_OfferOtherPolicy": "the node's offer is for another policy; ask for an acceptance",
    "Placements_OfferOtherToken": "the node's offer is for the token {offered}, not {token}; ask for an acceptance",
    "Placements_OfferPriceUnmet": "the job pays {price} and the node wants {minPrice}; name another node, or raise "
    "the price",
    "Placements_OfferRevoked": "the node revoked its offer (nonce {nonce}, now {current}); ask for a new one",
    "Placements_OfferToAnother": "the offer is for the orchestrator {orchestrator}, not {caller}; use that key",
    "Placements_SlotForfeited": "no other node was named for slot {slot} of job {job} by {deadline:time}; the CSP "
    "can reopen the slot",
    "Placements_SubjectBarred": "{status:status} stands against {subject:subject}; name another node",
    "Placements_TooManyConflicts": "{conflicted} reports conflict, more than {bearable}; wait for the next committee",
    "Placements_WrongAcceptance": "{recovered} signed the acceptance, not the licence's node {node}, or something "
    "else was signed; "
    "ask the node for a new one",
    "Placements_WrongOffer": "{recovered} signed the offer, not the licence's node {node}; ask for a new one",
    "Placements_WrongTerms": "the terms shown aren't the job's; read the job again",
    "Reallocations_AlreadyClosed": "assignment {assignment} ended at {closedAt:time}; nothing to do",
    "Reallocations_AsOfBeforeEpoch": "{asOf:time} isn't after the epoch's start, {startsAt:time}; name a later time",
    "Reallocations_AsOfBeforeOpening": "{asOf:time} is before the assignment opened, {openedAt:time}; name a later "
    "time",
    "Reallocations_AsOfInFuture": "{asOf:time} is in the future (now {time:time}); name an earlier time",
    "Reallocations_CoolingDown": "slot {slot} of job {job} had another node lately; wait until {until:time}",
    "Reallocations_EpochNotCurrent": "epoch {epoch} lasts from {startsAt:time} to {endsAt:time}, not now; sign for "
    "this epoch",
    "Reallocations_Expired": "the request ended at {expiry:time}; have the committee sign again",
    "Reallocations_JobStopped": "job {job} ended at {stop:time}; nothing to do",
    "Reallocations_NotForfeited": "slot {slot} of job {job} isn't forfeited, so it needs no reopening; nothing to do",
    "Reallocations_NotInBatch": "the request isn't in the batch that was signed; take it from the batch again",
    "Reallocations_NotOutcast": "nothing stands against licence {licence} and its node; name another reason",
    "Reallocations_NotSelf": _FOREIGN_CALLER,
    "Reallocations_ReasonNotInPolicy": "the job's policy doesn't ask for another node for reason {reason}; nothing "
    "to do",
    "Reallocations_Replayed": "this request was made before; nothing to do",
    "Reallocations_TooSoon": "assignment {assignment} can be asked about from {earliest:time} on; wait until then",
    "Reallocations_UnknownAssignment": "there is no assignment {assignment}; check job, slot and generation",
    "Reallocations_WrongSigner": "{recovered} signed, not {member}; gather the signatures again",
    "Reallocations_WrongTerms": "the terms shown aren't the job's; read the job again",
    "Reallocations_ZeroId": "the request's id is zero; take it from the batch again",
}

_MONEY: Final = {
    "Bonds_NotEscrow": _FOREIGN_CALLER,
    "Bonds_NotSlashable": "{subject:subject} has no bond that can be taken; nothing to do",
    "Bonds_NothingToBurn": "there is nothing of {token} to burn; nothing to do",
    "Bonds_NothingToSlash": "{subject:subject} has no bond in {token}; nothing to do",
    "Burner_NotBurned": "the token {token} didn't burn, {left} are left; another burner is needed",
    "Burner_NothingToBurn": "there is nothing of {token} to burn; nothing to do",
    "CspAccounts_NotEscrow": _FOREIGN_CALLER,
    "NodeLicense_NotEscrow": _FOREIGN_CALLER,
    "NetworkToken_NotMinter": _FOREIGN_CALLER,
    "LeafProof_MalformedRange": "the range at {treeIndex} is malformed; " + _STALE,
    "LeafProof_WrongLength": "the proof has {given} hashes, which can't be; " + _STALE,
    "LeafProof_WrongRoot": "the leaves don't lead to the report's root; " + _STALE,
    "SwapBurner_AmountTooLow": "a swap takes all that is there, at most {most}; give at least that, not {amount}",
    "SwapBurner_AmountTooSmall": "{amount} is too little to swap; wait until there is more",
    "SwapBurner_CoolingDown": "the last swap was lately; swap from {swappableAt:time} on",
    "SwapBurner_EmptyPair": "the pair {pair} has no liquidity; wait until it has",
    "SwapBurner_HasRoute": "the token {token} has a route, so it is swapped, not burned as it is",
    "SwapBurner_NothingToSwap": "there is nothing of {token} to swap; nothing to do",
    "SwapBurner_NoAveragePrice": "there is no average price of {token} yet; observe it, and wait",
    "SwapBurner_NoPair": "there is no pair for {token}; governance sets another route",
    "SwapBurner_NoRoute": "there is no route for {token}; governance sets one",
    "SwapBurner_ObservedRecently": "the price was observed lately; observe it from {observableAt:time} on",
    "SwapBurner_TooLittleReceived": "the swap would give {received}, less than {least}; try again later",
    "ERC20InvalidApprover": "{approver} can't allow tokens; use another address",
    "ERC20InvalidReceiver": "{receiver} can't receive tokens; give another address",
    "ERC20InvalidSender": "{sender} can't send tokens; use another address",
    "ERC20InvalidSpender": "{spender} can't spend tokens; give another address",
    "ERC721InvalidApprover": "{approver} can't approve this licence; use its holder's key",
    "ERC721InvalidOperator": "{operator} can't be an operator; give another address",
    "ERC721InvalidOwner": "{owner} can't hold licences; give another address",
    "ERC721InvalidSender": "{sender} can't send licences; use its holder's key",
    "AddressEmptyCode": "there is no contract at {target}; check the address and the network",
    "ECDSAInvalidSignature": _SIGNATURE,
    "ECDSAInvalidSignatureLength": _SIGNATURE,
    "ECDSAInvalidSignatureS": _SIGNATURE,
    "FailedCall": "a call inside it failed without a reason; check the addresses that you gave",
    "InsufficientBalance": "the contract has {balance} wei and needs {needed}; it can't do this now",
    "InvalidAccountNonce": "{account} has used this signature's nonce (now {currentNonce}); sign again",
    "InvalidShortString": "a text is malformed; give another",
    "ReentrancyGuardReentrantCall": "a token or receiver called back in the midst of it; use another",
    "SafeCastOverflowedUintDowncast": "{value} is too large for {bits} bits; give less",
    "Schedules_Violated": _SETTING,
    "StringTooLong": "the text {str} is too long; give a shorter one",
    "StringsInsufficientHexLength": "{value} doesn't fit {length} digits; give less",
    "Timing_Violated": _SETTING,
}

_SETTINGS: Final = """
    Admission Bonds CspAccounts Equivocations JobEscrow LicenceRewards LicenceSale NetworkToken NodeLicense OraclePay
    SwapBurner TrustRegistry
""".split()

INSIDE: Final[dict[str, str]] = {
    **_GOVERNING,
    **_ORACLES,
    **_PLACING,
    **_MONEY,
    **{f"{one}_SettingViolated": _SETTING for one in _SETTINGS},
}
