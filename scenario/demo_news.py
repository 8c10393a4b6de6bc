"""What the chain tells while the demonstration runs: reports, and whom they paid."""

from __future__ import annotations

from collections.abc import Callable

from oracle.ground.clock import EpochClock
from scenario.healing.chain_view import ChainView, Opened
from scenario.network.watching import ChainWatch


class News:
    """Tells each thing once. To be used by one thread at a time."""

    def __init__(self, view: ChainView, clock: EpochClock, oracles: int, say: Callable[[str], None]) -> None:
        self._watch = ChainWatch(view.network)
        self._view = view
        self._clock, self._oracles, self._say = clock, oracles, say
        self._before: dict[int, Opened] = {}
        self._settled = -1

    def look(self) -> None:
        """Read the chain and tell what is new. RpcError when it doesn't answer."""
        for mined in self._watch.look():
            self._say(
                f"epoch {mined.epoch}: {mined.signatures} of {self._oracles} oracles signed root "
                f"0x{mined.root.hex()[:8]}…"
            )
        final = self._watch.final_epoch
        if final > self._settled:
            self._tell_settled(final)

    def _tell_settled(self, epoch: int) -> None:
        end, known = self._clock.end(epoch), self._view.assignments()
        over = [one for one in known.values() if one.opened_at < end]
        if not all(one.through >= min(end, one.end) and one.paid == one.earned for one in over):
            return
        shares = []
        for one in sorted(over, key=lambda each: (each.licence, each.id)):
            was = self._before.get(one.id)
            earned, accounted = one.earned - (was.earned if was else 0), one.accounted - (was.accounted if was else 0)
            if accounted and (was is None or was.through < one.through):
                part = f"{earned} s" if earned == accounted else f"{earned} of {accounted} s"
                shares.append(f"node-{one.licence} {part}")
        self._settled, self._before = epoch, known
        if shares:
            self._say(f"epoch {epoch}: final, settled and paid: {', '.join(shares)}")
