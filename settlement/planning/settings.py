"""What an operator decides about plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chain.transactions import GAS_CAP
from oracle.ground.errors import InvalidValue
from settlement.planning.actions import Kind

DAY = 86_400


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Which actions are worth their gas.

    kinds              those to plan; others are left to other keepers
    max_gas            the most that one transaction is to take, by the estimate; at most the chain's cap of 2^24
    batch_epochs       a running assignment is settled once it has unsettled time of so many epochs
    least_paid         by token (lower case): a running assignment's pay waits until it comes to this
    least_sent         by token: what a running job refunds, burns or owes the protocol, and what is burned of a token,
                       waits until it comes to this; without an entry, a running job's waits until the job is closed,
                       and a token's that is swapped first, until it is a hundredth of what one swap may take
    least_closed       by token: the least that is sent of a job that is closed
    evidence_patience  seconds for which a newest report's missing tree keeps jobs from being closed and seconds from
                       being released: what it may still pay would be lost
    """

    kinds: frozenset[Kind] = frozenset(Kind)
    max_gas: int = 12_000_000
    batch_epochs: int = 1
    least_paid: Mapping[str, int] = field(default_factory=dict)
    least_sent: Mapping[str, int] = field(default_factory=dict)
    least_closed: Mapping[str, int] = field(default_factory=dict)
    evidence_patience: int = 7 * DAY

    def __post_init__(self) -> None:
        if not 500_000 <= self.max_gas <= GAS_CAP:
            raise InvalidValue(
                f"max gas is {self.max_gas}: give 500,000 to {GAS_CAP:,}, which is the most that a chain takes"
            )
        if self.batch_epochs < 1:
            raise InvalidValue(f"batch epochs are {self.batch_epochs}: give at least 1")
        if self.evidence_patience < 0:
            raise InvalidValue(f"evidence patience is {self.evidence_patience} s: give at least 0")
        if any(least < 0 for each in (self.least_paid, self.least_sent, self.least_closed) for least in each.values()):
            raise InvalidValue("a least amount is negative: give at least 0")
