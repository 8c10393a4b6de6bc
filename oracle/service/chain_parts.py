"""What a daemon reads its chain with, opened from its settings: the chain, the network, its events, the reader."""

from __future__ import annotations

from dataclasses import dataclass

from chain.client import Block, Chain
from chain.events import EventLog
from chain.network import Network
from oracle.committee.anchor import AnchorReader
from oracle.committee.schedule import Schedule
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.service.errors import SettingsError
from oracle.service.patient import Patient


@dataclass(frozen=True, slots=True)
class ChainParts:
    """One network, as one oracle sees it."""

    network: Network
    events: EventLog
    reader: AnchorReader
    clock: EpochClock
    schedule: Schedule
    head: Block
    """The newest finalized block when it was opened."""

    @staticmethod
    def open(patient: Patient) -> ChainParts:
        """Connect. SettingsError, WrongDeployment or EventLogUnusable for what a person has to mend.

        ChainUnavailable or RpcError while the chain doesn't answer.
        """
        settings = patient.settings
        addresses = patient.addresses
        chain = Chain(settings.rpc, agree=settings.rpc_agree)
        settings.check_chain(chain.chain_id)
        network = Network(chain, addresses)
        try:
            clock = network.clock(settings.tick)
        except InvalidValue as error:
            raise SettingsError(f"tick: {error}; all oracles of a network have the same") from error
        settings.state.mkdir(parents=True, exist_ok=True)
        events = EventLog.of(network, settings.chain_path)
        schedule = Schedule(clock, network.timing.settle_delay, network.timing.agreement_span)
        try:
            head = chain.finalized()
        except BaseException:
            events.close()
            raise
        return ChainParts(network, events, AnchorReader(network, events), clock, schedule, head)
