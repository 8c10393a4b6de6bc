"""Does what plans say, each thing once, over a journal of transactions."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chain.client import RpcError
from chain.events import ChainUnsettled
from chain.journal import Entry, JournalStatus, State, TransactionJournal
from chain.network import Network
from settlement.keeping.calls import call_of
from settlement.keeping.conduct import Conduct
from settlement.keeping.reading import Seen, StateReader
from settlement.keeping.trees import KeptTrees
from settlement.planning import Action, Plan, PlanSettings, plan

_LOG = logging.getLogger(__name__)
TRANSIENT = (RpcError, ChainUnsettled)
"""Errors of a round after which the next one may do."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to. planned: entries that it wrote down. changed: entries that came further. idle: whether
    nothing is left to do, and nothing under way."""

    plan: Plan
    planned: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    status: JournalStatus
    idle: bool


class Executor:
    """One keeper. All it remembers is in the journal: killed at any moment, the next one goes on where it was.

    A transaction is named by what it does and the state that it starts from. So the same is never sent twice, whoever
    plans it again; and what somebody else did meanwhile is dropped before it is signed.
    """

    def __init__(
        self,
        network: Network,
        journal: TransactionJournal,
        reader: StateReader,
        trees: KeptTrees,
        settings: PlanSettings,
        conduct: Conduct,
    ) -> None:
        self.network = network
        self.journal = journal
        self._reader = reader
        self._trees = trees
        self._settings = settings
        self._conduct = conduct
        # Since when there is something to do of a sort, and since when something was tried in vain; UNIX seconds.
        self._since: dict[str, float] = {}
        self._vain: dict[str, float] = {}

    def look(self, now: float, pending: bool = False) -> tuple[Seen, Plan]:
        """The state, and what it asks for; `now` in UNIX seconds. TRANSIENT errors."""
        seen = self._reader.read(pending)
        trees = self._trees.of(list(zip(seen.snapshot.final, seen.roots, strict=True)), now)
        return seen, plan(seen.snapshot, trees, self._settings)

    def round(self, now: float) -> Round:
        """Follow what is under way, look, and begin what is due at `now` (UNIX seconds). TRANSIENT errors: nothing is
        lost, call again."""
        if any(entry.state is State.PLANNED for entry in self.journal.pending()):
            self._drop_unwanted(self.look(now, pending=True)[1])
        changed = {entry.key: entry for entry in self.journal.step(now)}
        _, found = self.look(now)
        due = self._due(found, now)
        planned: list[Entry] = []
        if due:
            # What waits in the node's pool, of ours or of another keeper's, may do some of it.
            wanted = {one.key for one in self.look(now, pending=True)[1].actions}
            for action in due:
                if action.key in wanted:
                    planned.append(self._write(action))
            if planned:
                changed |= {entry.key: entry for entry in self.journal.step(now)}
        pending = self.journal.pending()
        idle = not pending and not any(self._to_do(one, now) for one in found.actions)
        return Round(found, tuple(planned), tuple(changed.values()), self.journal.status, idle)

    def _due(self, found: Plan, now: float) -> list[Action]:
        lanes = {one.lane for one in found.actions}
        self._since = {lane: self._since.get(lane, now) for lane in lanes}
        free = self._conduct.most_open - len(self.journal.pending())
        due = []
        for action in found.actions:
            waits = self._conduct.wait(self.journal.address, action.lane)
            if now >= self._since[action.lane] + waits and self._to_do(action, now):
                due.append(action)
        return due[: max(0, free)]

    def _to_do(self, action: Action, now: float) -> bool:
        """Whether it isn't under way, nor was tried in vain a moment ago."""
        entry = self._newest(action)
        if entry is None:
            return True
        if not entry.state.settled:
            return False
        if entry.state is State.DROPPED and entry.nonce is None:
            return True  # somebody else was about to do it, and didn't
        # It is wanted all the same: it was refused, it failed, it had no effect, or the same is to be done anew.
        since = self._vain.setdefault(entry.key + entry.state, now)
        return now >= since + self._conduct.retry_seconds

    def _newest(self, action: Action) -> Entry | None:
        found, number = self.journal.entry(action.key), 2
        while found is not None and (later := self.journal.entry(f"{action.key} #{number}")) is not None:
            found, number = later, number + 1
        return found

    def _write(self, action: Action) -> Entry:
        to, data = call_of(self.network, action)
        newest = self._newest(action)
        if newest is None:
            return self.journal.plan(action.key, action.label, to, data)
        self._vain.pop(newest.key + newest.state, None)
        if newest.state in (State.REFUSED, State.DROPPED) and (again := self.journal.again(newest.key)) is not None:
            return again
        number = int(newest.key.partition(" #")[2] or "1") + 1
        return self.journal.plan(f"{action.key} #{number}", action.label, to, data)

    def _drop_unwanted(self, found: Plan) -> None:
        """What was written down and not signed, for fees or since the process died, and somebody did meanwhile."""
        wanted = {one.key for one in found.actions}
        for entry in self.journal.pending():
            if (
                entry.state is State.PLANNED
                and entry.key.partition(" #")[0] not in wanted
                and self.journal.cancel(entry.key)
            ):
                _LOG.info("%s: somebody did it meanwhile", entry.label)
