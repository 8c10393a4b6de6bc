"""One step of the journal: what every transaction needs at one time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chain.client import RpcError
from chain.errors import ContractReverted
from chain.journal.entry import Attempt, Entry, State
from chain.journal.fees import GWEI, Fee, FeeLimits, Market, first_offer, going_rate, raised_offer
from chain.journal.node import Look, Mined, Node
from chain.journal.records import Records
from chain.journal.signing import CANCEL_GAS, sign_transaction
from oracle.signing.signer import Signer

_MOST_FILLED = 4
"""Free nonces below ours that are filled: more aren't what a reorganisation leaves, and each costs money."""


class Pursuit:
    """What is done at `now` (UNIX seconds). Afterwards `changed` are the entries that changed, `look` is what the nodes
    said, `stuck` how many wait too long, `above_ceiling` whether some wait for the fees to fall, and `gap` what there
    is to say of nonces that were too high, "" for nothing."""

    look: Look

    def __init__(
        self,
        records: Records,
        node: Node,
        signer: Signer,
        limits: FeeLimits,
        checkpoint: Callable[[str], None],
        now: float,
    ) -> None:
        self.changed: dict[str, Entry] = {}
        self.stuck = 0
        self.above_ceiling = False
        self.gap = ""
        self._records = records
        self._node = node
        self._signer = signer
        self._limits = limits
        self._checkpoint = checkpoint
        self._now = now
        self._market_now: Market | None = None

    def run(self) -> None:
        """Look once, then care for all: those that have a nonce first, lowest first."""
        under_way = [entry for entry in self._records.open() if entry.state.under_way]
        attempts = {entry.position: self._records.attempts(entry) for entry in under_way}
        self.look = self._node.look([one.hash for tried in attempts.values() for one in tried])
        for entry in self._records.settled_from(self.look.used):
            self._guarded(entry, self._reopen)
        for entry in under_way:
            self._guarded(entry, lambda one: self._follow(one, attempts[one.position]))
        unused = [entry for entry in under_way if entry.nonce is not None and entry.nonce >= self.look.used]
        for entry in unused[:1]:
            self._guarded(entry, self._fill)
        for entry in self._records.open():
            if entry.state is State.PLANNED:
                self._guarded(entry, self._begin)

    def _guarded(self, entry: Entry, do: Callable[[Entry], None]) -> None:
        """One entry's trouble with the node doesn't keep the others waiting."""
        try:
            do(entry)
        except RpcError as error:
            current = self._records.find(entry.key) or entry
            self._put(current, replace(current, reason=f"{error}; tried again at the next step"))

    def _reopen(self, entry: Entry) -> None:
        """A settled one whose nonce is free again: a reorganisation went deeper than finality."""
        if entry.block is not None and self._node.replaced_block(entry.block, entry.block_hash):
            self._taken_out(entry)

    def _follow(self, entry: Entry, attempts: list[Attempt]) -> None:
        """One that has a nonce: where is it, and what does it need?"""
        nonce = attempts[-1].nonce
        look = self.look
        mined = next((look.mined[one.hash] for one in attempts if one.hash in look.mined), None)
        if mined is not None:
            self._in_block(entry, mined, next(one for one in attempts if one.hash == mined.hash))
            return
        if any(one.hash in look.unclear for one in attempts):
            if self._late(attempts[-1]):
                self.stuck += 1
                self._put(entry, replace(entry, reason="too few RPC endpoints agree on whether it is mined: waits"))
            return
        waits = ""
        if entry.state is State.MINED:
            entry = self._taken_out(entry)
            waits = entry.reason
        if nonce < look.used:
            again = self._node.look([one.hash for one in attempts])
            if again.mined or again.unclear:
                return  # it was mined between two answers: the next step's
            if nonce < look.used_final:
                self._free(entry)
            else:
                self._put(entry, replace(entry, reason=_taken(nonce) + "; this waits until that is final"))
            return
        newest = attempts[-1]
        late = not waits and self._late(newest)
        self.stuck += late or len(attempts) > 1
        # One behind another of ours waits for that alone.
        if late and nonce == look.used:
            replaced = self._replace(entry, newest)
            if not isinstance(replaced, str):
                self._send(*replaced)
                return
            waits = replaced or waits
        if entry.state is State.SIGNED or not self._node.knows(newest.hash):
            self._send(entry, newest, waits)
        else:
            self._put(entry, replace(entry, reason=waits))

    def _in_block(self, entry: Entry, mined: Mined, attempt: Attempt) -> None:
        """It is in a block: settled once that is final."""
        reason = entry.reason if entry.state is State.MINED and entry.hash == mined.hash else ""
        if not reason and attempt.cancels:
            reason = f"replaced by one that does nothing: {self._would_revert(entry)}"
        elif not reason and mined.reverted:
            reason = str(self._node.why_reverted(entry, mined))
        seen = replace(
            entry,
            state=State.MINED,
            hash=mined.hash,
            block=mined.block,
            block_hash=mined.block_hash,
            reverted=mined.reverted,
            spent=mined.spent,
            reason=reason,
        )
        if seen != entry:
            self._checkpoint("receipt")
            entry = self._put(entry, seen)
            self._checkpoint("mined")
        if self._node.settled(mined, self.look.finalized):
            self._checkpoint("finalized")
            end = State.DROPPED if attempt.cancels else State.FAILED if mined.reverted else State.FINAL
            self._put(entry, replace(entry, state=end))
            self._checkpoint("settled")

    def _taken_out(self, entry: Entry) -> Entry:
        """Its block is no longer in the chain: to be sent again."""
        reason = f"a reorganisation took it out of block {entry.block}"
        out = replace(entry, state=State.SENT, block=None, block_hash="", reverted=False, spent=0, reason=reason)
        out = self._put(entry, out, waits_since=self._now)
        self._checkpoint("reorged")
        return out

    def _free(self, entry: Entry) -> None:
        """Somebody else's transaction has its nonce for good, so no attempt of it can be mined: planned again."""
        assert entry.nonce is not None
        if self._is_filler(entry):
            self._put(entry, replace(entry, state=State.DROPPED, nonce=None, reason="its nonce is used"))
            return
        reason = _taken(entry.nonce) + "; this is sent again with another"
        planned = replace(entry, state=State.PLANNED, nonce=None, hash="", attempts=0, reason=reason)
        self._put(entry, planned, foreign=True)
        self._checkpoint("freed")

    def _fill(self, first: Entry) -> None:
        """A nonce below our lowest is free: a reorganisation took out somebody else's transaction. None of ours can be
        mined before one that does nothing has that nonce. Far below, ours was signed by what an endpoint made up."""
        nonce, waiting = self.look.used, self._records.attempts(first)
        if not waiting or nonce >= waiting[-1].nonce or not self._late(waiting[-1]):
            return
        if self._records.settled_from(nonce):
            return  # ours had it: the node is behind, or that one is taken out
        if waiting[-1].nonce - nonce > _MOST_FILLED:
            self._lower()
            return
        entry = self._records.add(f"nonce {nonce}", f"fill nonce {nonce}", self._signer.address, "0x", CANCEL_GAS)
        fee = first_offer(self._market(), self._limits)
        if fee is not None and entry.nonce is None:
            entry = self._put(entry, replace(entry, state=State.PLANNED))
            signed = self._sign(entry, nonce, CANCEL_GAS, fee, False, "signed", "persisted")
            if signed is not None:
                self._send(*signed)

    def _lower(self) -> None:
        """Plan again what has a nonce far above the next one. Its old attempts can't be mined before all nonces between
        are used, which is years or never."""
        next_nonce = self.look.used
        for entry in self._records.open():
            if entry.nonce is None or entry.nonce <= next_nonce:
                continue
            self.gap = self.gap or (
                f"nonce {entry.nonce} of {entry.label} ({entry.key}) is far above the next one, {next_nonce}: planned "
                "again from there, with all after it; an RPC endpoint told what isn't so, check them"
            )
            if self._is_filler(entry):
                self._put(entry, replace(entry, state=State.DROPPED, nonce=None, reason="its nonce is too high"))
            else:
                self._put(entry, replace(entry, state=State.PLANNED, nonce=None, hash="", attempts=0, reason=self.gap))
            self._checkpoint("freed")

    def _is_filler(self, entry: Entry) -> bool:
        return (entry.to, entry.data) == (self._signer.address, "0x")

    def _replace(self, entry: Entry, newest: Attempt) -> tuple[Entry, Attempt] | str:
        """Sign a dearer attempt in place of one that is stuck; or why it can't be, "" when its price is right."""
        market = self._market()
        fee = raised_offer(Fee(newest.max_fee, newest.max_priority), market, self._limits)
        if fee is None:
            return self._too_dear(market) if newest.max_fee < going_rate(market, self._limits) else ""
        try:
            gas, cancels = max(newest.gas, entry.gas or self._node.estimate(entry, "latest")), False
        except ContractReverted:
            gas, cancels = CANCEL_GAS, True  # others did it meanwhile: the nonce is used up as cheaply as can be
        return self._sign(entry, newest.nonce, gas, fee, cancels, "replacing", "replaced") or ""

    def _begin(self, entry: Entry) -> None:
        """Sign and send one that is planned, if it can succeed and may cost what it costs now."""
        ours = any(one.state in (State.SIGNED, State.SENT) for one in self._records.open())
        try:
            # Behind our own that aren't mined, it is to be tried as if they were.
            estimate = self._node.estimate(entry, "pending" if ours else "latest")
        except ContractReverted as error:
            self._put(entry, replace(entry, state=State.REFUSED, reason=str(error)))
            return
        self._checkpoint("estimated")
        gas = entry.gas or estimate
        market = self._market()
        fee = first_offer(market, self._limits)
        if fee is None:
            self._put(entry, replace(entry, reason=self._too_dear(market)))
            return
        balance, cost = self.look.balance, gas * fee.max_fee
        if balance < cost:
            self._put(entry, replace(entry, reason=f"{self._signer.address} has {balance} wei, needs {cost}"))
            return
        nonce = max(self.look.used, self._records.next_nonce())
        signed = self._sign(entry, nonce, gas, fee, False, "signed", "persisted")
        if signed is not None:
            self._send(*signed)

    def _sign(
        self, entry: Entry, nonce: int, gas: int, fee: Fee, cancels: bool, made: str, kept: str
    ) -> tuple[Entry, Attempt] | None:
        """A new attempt, kept before anybody sees it. None when the entry was cancelled meanwhile."""
        to, data = (self._signer.address, "0x") if cancels else (entry.to, entry.data)
        hash_, raw = sign_transaction(self._signer, self._node.chain.chain_id, nonce, to, data, gas, fee)
        attempt = Attempt(hash_, nonce, raw, fee.max_fee, fee.max_priority, gas, cancels, self._now)
        self._checkpoint(made)
        state = State.SIGNED if entry.state is State.PLANNED else entry.state
        signed = replace(entry, state=state, nonce=nonce, hash=hash_, attempts=entry.attempts + 1, reason="")
        if not self._records.put(signed, entry.state, attempt):
            return None
        self.changed[entry.key] = signed
        self._checkpoint(kept)
        return signed, attempt

    def _send(self, entry: Entry, attempt: Attempt, waits: str = "") -> None:
        """Hand an attempt to the node; `waits` is what else there is to say of it."""
        refused = self._node.send(attempt.raw)
        if refused is not None:
            self._put(entry, replace(entry, reason=waits or refused))
            return
        self._checkpoint("sent")
        self._put(entry, replace(entry, state=State.SENT, reason=waits))
        self._checkpoint("recorded")

    def _late(self, attempt: Attempt) -> bool:
        return self._now - attempt.since >= self._limits.stuck_seconds

    def _would_revert(self, entry: Entry) -> str:
        try:
            self._node.estimate(entry, "latest")
        except ContractReverted as error:
            return str(error)
        return "it would have reverted"

    def _market(self) -> Market:
        if self._market_now is None:
            self._market_now = self._node.market()
        return self._market_now

    def _too_dear(self, market: Market) -> str:
        self.above_ceiling = True
        price = going_rate(market, self._limits)
        return f"gas costs {price / GWEI:.9g} gwei, above the ceiling of {self._limits.max_fee_gwei}: waits"

    def _put(self, entry: Entry, changed: Entry, *, waits_since: float | None = None, foreign: bool = False) -> Entry:
        """Write an entry that changed; the entry as it stands."""
        if changed != entry and self._records.put(changed, entry.state, None, waits_since, foreign):
            self.changed[entry.key] = changed
        return changed


def _taken(nonce: int) -> str:
    return f"nonce {nonce} is used by a transaction that isn't this journal's: does another process use this key?"
