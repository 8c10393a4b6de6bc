"""Who is of the committee, and where each member is reached: as the chain has it, looked up again now and then."""

from __future__ import annotations

from collections.abc import Callable

from chain.directory import endpoints_of
from chain.network import Network
from oracle.committee.committee import Committee
from oracle.service.logs import Event, logger
from oracle.service.metrics import DaemonMetrics, Series


class PeerBook:
    """Members of the set in force, of the one before it in its grace, and of an announced one; their endpoints."""

    def __init__(
        self, network: Network, own: bytes, endpoint: str | None, metrics: DaemonMetrics, now: Callable[[], float]
    ) -> None:
        """`own` is this oracle's address, `endpoint` where its settings say it is reached; `now` tells UNIX seconds."""
        self._now = now
        self._network = network
        self._own = own
        self._endpoint = endpoint
        self._metrics = metrics
        self._members: frozenset[bytes] = frozenset()
        self._urls: dict[bytes, str] = {}
        self._told_difference = ""
        self.committee: Committee | None = None
        """The set in force at the newest finalized block."""

    def is_member(self, address: bytes) -> bool:
        """Whether an address is of any of these sets."""
        return address in self._members

    def url(self, member: bytes) -> str | None:
        """Where a member is reached; None for one that announced nothing usable."""
        return self._urls.get(member)

    def others(self, own: bytes) -> list[bytes]:
        """The members besides `own` that can be reached, ascending."""
        return sorted(self._urls.keys() - {own})

    def refresh(self) -> None:
        """Look again. RpcError, and all stays as it was."""
        self._metrics.set(Series.CLOCK_OFFSET, self._now() - self._network.chain.block("latest").timestamp)
        # Of the newest block each endpoint has its own idea: what they must agree on is read where it is final.
        block = self._network.chain.finalized()
        calls = self._network.attestations.functions
        version, _, predecessor, _ = self._network.chain.call(calls.committeeInForce(), block)
        announced, _ = self._network.chain.call(calls.committeeAnnounced(), block)
        sets = {
            each: tuple(bytes.fromhex(one[2:]) for one in self._network.chain.call(calls.committee(each), block)[0])
            for each in {version, predecessor, announced} - {0}
        }
        members = frozenset(one for each in sets.values() for one in each)
        urls = endpoints_of(self._network, sorted(members), block)
        self._tell_changes(Committee(version, sets[version]))
        self._members, self._urls = members, urls
        if self._own in members:  # only members' endpoints were looked up
            self._compare(urls.get(self._own))

    def _tell_changes(self, committee: Committee) -> None:
        before, self.committee = self.committee, committee
        if committee == before:
            return
        if before is not None:
            logger().info(Event.COMMITTEE_CHANGED, version=committee.version, members=len(committee.members))
        if self._own not in committee.members:
            logger().warning(Event.NO_MEMBER, version=committee.version, oracle="0x" + self._own.hex())
        self._metrics.set(Series.MEMBER, self._own in committee.members)
        self._metrics.set(Series.COMMITTEE_VERSION, committee.version)
        self._metrics.set(Series.COMMITTEE_SIZE, len(committee.members))
        self._metrics.set(Series.PEERS, len(set(committee.members) - {self._own}))

    def _compare(self, announced: str | None) -> None:
        wanted = self._endpoint.rstrip("/") if self._endpoint else None
        difference = f"{announced} on chain, {wanted} in the settings" if wanted and announced != wanted else ""
        if difference and difference != self._told_difference:
            logger().warning(Event.ENDPOINT_DIFFERS, announced=announced, configured=wanted)
        self._told_difference = difference
