"""Moving one replica while the others run on: scale up on the new node, have the chain confirm, delete on the old one.

Each step is written down before its request goes out, so a move that was killed anywhere goes on where it was. Nothing
is deleted before the chain, after this move began, listed the new node, and the API shows the app there.
`update_pipeline` has no part in it: it stops all replicas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.addresses import NodeAddresses
from orchestrator.deeploy.chain_reading import JobChain, NodeList
from orchestrator.deeploy.errors import NotConfirmed, OutcomeUnknown, StoppedTooMuch
from orchestrator.deeploy.polling import Patience, poll
from orchestrator.deeploy.progress import Move, Progress, Step
from orchestrator.deeploy.requests import DeeployRequest, GetApps
from orchestrator.deeploy.statuses import NOTHING_RUNS, Answer, Outcome, online_apps

_CONFIRMING: Final = Patience(5.0, 600.0)
_LOOKING: Final = Patience(5.0, 60.0)


class Api(Protocol):
    """What sends requests; `client.DeeployClient`."""

    async def ask(self, request: DeeployRequest) -> Answer:
        """See client.DeeployClient."""


class Moves(Protocol):
    """Where moves are written down; `records.Records`."""

    def load(self, key: str) -> Progress | None:
        """How far the move of that key has come; None if there is none."""

    def save(self, key: str, progress: Progress) -> None:
        """Write it down, so that it outlives this process."""


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """How long a move waits.

    confirming  for the chain's and the API's word that the new node runs the app
    looking     for a sign of a scale-up whose answer got lost, before it is sent again
    scale_ups   how often the scale-up is sent at most, over all runs
    """

    confirming: Patience = _CONFIRMING
    looking: Patience = _LOOKING
    scale_ups: int = 3


class Mover:
    """Carries moves out, one at a time or several at once: each has its own key."""

    def __init__(
        self,
        api: Api,
        chain: JobChain,
        moves: Moves,
        addresses: NodeAddresses,
        limits: MoveLimits | None = None,
        tell: Callable[[str, Progress], None] = lambda key, progress: None,
    ) -> None:
        """`tell` hears of each step that was reached."""
        self._api = api
        self._chain = chain
        self._moves = moves
        self._addresses = addresses
        self._limits = limits or MoveLimits()
        self._tell = tell

    async def carry_out(self, key: str, move: Move) -> Progress:
        """Bring the move of that key to its end; nothing is done for one that has ended.

        InvalidValue if the key is that of another move. NotConfirmed if the chain or the API doesn't show the new
        node in time: the old one still runs, and calling it again goes on. StoppedTooMuch, and client.DeeployClient's
        errors.
        """
        progress = await self._begun(key, move)
        if progress.step in (Step.PLANNED, Step.SCALING):
            progress = await self._scale_up(key, progress)
        if progress.step is Step.SCALED:
            progress = await self._confirm(key, progress)
        if progress.step in (Step.CONFIRMED, Step.DELETING):
            progress = await self._delete(key, progress)
        return progress

    async def _begun(self, key: str, move: Move) -> Progress:
        known = self._moves.load(key)
        if known is None:
            self._addresses.evm(move.new)  # InvalidValue now rather than halfway
            return self._reach(key, Progress(move, Step.PLANNED, await self._chain.head()))
        if known.move != move:
            raise InvalidValue(f"move {key} is {known.move}, not {move}: give another move a key of its own")
        return known

    async def _scale_up(self, key: str, progress: Progress) -> Progress:
        # After a crash, nobody knows whether the request went out.
        unknown = progress.step is Step.SCALING
        while not (unknown and await self._shows(progress)):
            if progress.scale_ups >= self._limits.scale_ups:
                raise NotConfirmed(
                    f"move {key}: {progress.move.app} was scaled up to {progress.move.new} {progress.scale_ups} times "
                    "and doesn't show there; the old node runs on. Choose another node, with a new key"
                )
            progress = self._reach(key, replace(progress, step=Step.SCALING, scale_ups=progress.scale_ups + 1))
            try:
                answer = (await self._api.ask(progress.move.scale_up())).or_refused(f"move {key}")
            except OutcomeUnknown:
                unknown = True
                continue
            # Whether the new node is among those of a partial success, the chain tells.
            unknown = answer.outcome in (Outcome.PARTLY, Outcome.TIMED_OUT) and progress.move.new not in answer.answered
            if not unknown:
                break
        return self._reach(key, replace(progress, step=Step.SCALED))

    async def _confirm(self, key: str, progress: Progress) -> Progress:
        confirmed = await poll(lambda: self._confirmed(progress), self._limits.confirming)
        if confirmed is not None:
            return self._reach(key, replace(progress, step=Step.CONFIRMED, block=confirmed.block))
        if not await self._seen(progress):
            self._reach(key, replace(progress, step=Step.SCALING))  # the next run looks, and may send it again
        raise self._unconfirmed(key, progress)

    async def _delete(self, key: str, progress: Progress) -> Progress:
        # Looked at once more: the list may have changed while this process was down.
        if await self._confirmed(progress) is None:
            raise self._unconfirmed(key, progress)
        move = progress.move
        progress = self._reach(key, replace(progress, step=Step.DELETING))
        answer = await self._api.ask(move.delete())
        nothing_ran = answer.outcome is Outcome.REFUSED and answer.code.endswith(NOTHING_RUNS)
        if not nothing_ran:
            answer.or_refused(f"move {key}")
        if others := sorted(answer.stopped - {move.old}):
            raise StoppedTooMuch(
                f"move {key}: deleting {move.app} on {move.old} stopped it on {', '.join(others)} too: does this API "
                "know target_nodes? Deploy the lost replicas again"
            )
        if not nothing_ran and await poll(lambda: self._gone(move), self._limits.looking) is None:
            raise NotConfirmed(f"move {key}: {move.app} still shows on {move.old} after its deletion. Run it again")
        return self._reach(key, replace(progress, step=Step.DONE, old_was_online=not nothing_ran))

    async def _confirmed(self, progress: Progress) -> NodeList | None:
        """The chain's list with the new node, if the API shows the app there too."""
        listed = await self._listed(progress)
        return listed if listed is not None and await self._online(progress.move) else None

    async def _shows(self, progress: Progress) -> bool:
        return await poll(lambda: self._seen(progress), self._limits.looking) is not None

    async def _seen(self, progress: Progress) -> bool | None:
        """True if the scale-up shows anywhere; None if not."""
        return True if await self._listed(progress) is not None or await self._online(progress.move) else None

    async def _listed(self, progress: Progress) -> NodeList | None:
        listed = await self._chain.nodes_since(progress.move.job, progress.since)
        wanted = self._addresses.evm(progress.move.new)
        return listed if listed is not None and wanted in listed.nodes else None

    async def _online(self, move: Move) -> bool:
        answer = (await self._api.ask(GetApps())).or_refused("get_apps")
        return move.new in online_apps(answer, move.job).get(move.app, ())

    async def _gone(self, move: Move) -> bool | None:
        answer = (await self._api.ask(GetApps())).or_refused("get_apps")
        return None if move.old in online_apps(answer, move.job).get(move.app, ()) else True

    def _unconfirmed(self, key: str, progress: Progress) -> NotConfirmed:
        move = progress.move
        return NotConfirmed(
            f"move {key}: neither is {move.new} confirmed as a node of job {move.job} by the chain since block "
            f"{progress.since}, or the API doesn't show {move.app} there; nothing was deleted. Run it again to go on"
        )

    def _reach(self, key: str, progress: Progress) -> Progress:
        self._moves.save(key, progress)
        self._tell(key, progress)
        return progress
