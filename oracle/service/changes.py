"""What is told when it changes, and not again while it stays: peers and endpoints that go and come back, for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chain.client import Chain
from oracle.peers.outbox import Peer
from oracle.service.logs import Event, logger


class Changes:
    """Remembers how things were the last time they were looked at."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def peers(self, peers: Mapping[bytes, Peer]) -> None:
        """Peers that take messages, or don't any more."""
        for address, peer in peers.items():
            if peer.reachable is None or not self._is_news(f"peer {address.hex()}", peer.reachable, True):
                continue
            if peer.reachable:
                logger().info(Event.PEER_REACHED, peer="0x" + address.hex())
            else:
                logger().warning(Event.PEER_LOST, peer="0x" + address.hex(), reason=peer.last_error)

    def endpoints(self, chain: Chain) -> None:
        """RPC endpoints that answer, or don't any more, and those that contradict each other."""
        for index, one in enumerate(chain.endpoints):
            if self._is_news(f"endpoint {index}", one.healthy, True):
                if one.healthy:
                    logger().info(Event.RPC_BACK, endpoint=one.where)
                else:
                    logger().warning(Event.RPC_LOST, endpoint=one.where, reason=one.error)
        if self._is_news("disagreements", chain.disagreements, 0):
            logger().error(Event.RPC_DISAGREEMENT, endpoints=[one.where for one in chain.endpoints])

    def clock(self, trouble: str | None) -> None:
        """The machine's clock, if it can't be trusted."""
        if self._is_news("clock", trouble, None) and trouble:
            logger().warning(Event.CLOCK_WRONG, reason=trouble)

    def balance(self, low: bool, balance: int | None) -> None:
        """What the paying key has, once it is too little."""
        if self._is_news("balance", low, False) and low:
            logger().warning(Event.BALANCE_LOW, wei=balance)

    def ready(self, reasons: list[str]) -> None:
        """What keeps the oracle from working, and that nothing does any more."""
        # The words of an error that goes on differ from try to try: that it goes on is no news.
        if self._is_news("ready", bool(reasons), False):
            if reasons:
                logger().warning(Event.WAITING, reason="; ".join(reasons))
            else:
                logger().info(Event.READY)

    def _is_news(self, key: str, value: Any, usual: Any) -> bool:
        before = self._known.get(key, usual)
        self._known[key] = value
        return bool(value != before)
