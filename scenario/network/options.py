"""What a network on this machine is asked to be, and the times that follow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.deployment.settings import outlasted
from chain.network import Timing
from oracle.ground.policy import Policy
from scenario.market import INTENT
from scenario.network.faults import Fault
from scenario.network.guests import Guest
from scenario.options import BadOption

PRICE: Final = 100 * 10**6
POLICY: Final = Policy(target_ppm=950_000, floor_ppm=500_000, csp_share_ppm=800_000)
PROTOCOL_SHARE_PPM: Final = 150_000
APPEAL_EPOCHS: Final = 1
TICK: Final = 1
SHORTEST: Final = 14
"""Seconds of the shortest epoch: agreeing takes three turns of two seconds, and blocks come each second."""
_HELD_EPOCHS: Final = 100_000
_FIRST_BLOCKS: Final = 5


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """What `epochal network` is told.

    epochs: how many are measured. epoch_length: seconds. endpoints: RPC endpoints of each oracle. hold: go on until
    Ctrl-C. wind_up: wait until the withheld money is released, close the job, and burn. guests: members that somebody
    else runs. funded: addresses that get ether.

    Of the job: slots (0: one for each node), its policy, the hash of its intent. appeal_epochs: the network's.
    lead_seconds: from the start to the first epoch; 0: what deploying and starting so many processes takes.
    """

    out: Path
    oracles: int = 5
    nodes: int = 4
    epochs: int = 4
    epoch_length: int = 20
    faults: tuple[Fault, ...] = ()
    endpoints: int = 1
    hold: bool = False
    wind_up: bool = False
    guests: tuple[Guest, ...] = ()
    funded: tuple[str, ...] = ()
    slots: int = 0
    policy: Policy = POLICY
    intent: bytes = INTENT
    appeal_epochs: int = APPEAL_EPOCHS
    lead_seconds: int = 0

    def __post_init__(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise BadOption(f"--out {self.out}: is a file; give a folder")
        limits: tuple[tuple[str, int, int, int], ...] = (
            ("--oracles", self.oracles, 4, 21),
            ("--nodes", self.nodes, 1, 50),
            ("--epochs", self.epochs, 1, 10_000),
            ("--epoch-length", self.epoch_length, SHORTEST, 3600),
            ("--endpoints", self.endpoints, 1, 5),
        )
        for option, value, least, most in limits:
            if not least <= value <= most:
                raise BadOption(f"{option} {value}: give {least} to {most}")
        if self.guests and not self.hold:
            raise BadOption("--guest: give --hold too; a guest takes its time")
        for fault in self.faults:
            if not self.hold and max(int(fault.first), fault.last or 0) >= self.epochs:
                raise BadOption(f"--fault {fault.text}: begins or ends after the {self.epochs} epochs; raise --epochs")

    @property
    def funded_epochs(self) -> int:
        """Epochs that the job is funded for."""
        return _HELD_EPOCHS if self.hold else self.epochs

    @property
    def lead(self) -> int:
        """Seconds from the start to the first epoch."""
        return self.lead_seconds or 8 + 2 * self.oracles + self.nodes // 2

    def timing(self, genesis: int) -> Timing:
        """The network's spans: turns of a third of `agreement_span` that leave time for all members of five to lead."""
        length = self.epoch_length
        span = max(6, (length - _FIRST_BLOCKS) // 2)
        settle, activation = 3, 2
        review = outlasted(6, self.appeal_epochs * length, settle + span + activation)
        return Timing(
            genesis=genesis,
            epoch_length=length,
            settle_delay=settle,
            agreement_span=span,
            activation_delay=activation,
            review_delay=review,
            replacement_span=review - 1,
            # Long, so that epochs which fail one after the other don't end the job.
            stall_span=60 * length,
            attestable_span=60 * length,
            grace=3,
        )
