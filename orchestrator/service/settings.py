"""What `epochal orchestrator run` is told, checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.journal import FeeLimits
from orchestrator.placing.facts import Rules
from orchestrator.service.errors import SettingsError

STORE: Final = "orchestrator.sqlite"
JOURNAL: Final = "transactions.sqlite"


@dataclass(frozen=True, slots=True)
class OrchestratorSettings:
    """Settings in the order of the options of `epochal orchestrator run`. SettingsError for what can't work.

    data            folder for the store and the journal of transactions, made if it isn't there
    listen          HOST:PORT
    poll_seconds    how often nodes are asked to tell of themselves
    look_seconds    how often the chain is read
    silent_seconds  after which a node that isn't heard of isn't chosen
    accept_seconds  that a node has to accept a proposal
    prepare_seconds how long a prepared workload may take to be healthy, beside its intent's own time
    declined_seconds  for which a licence that declined or failed isn't asked again
    """

    data: Path
    listen: str = "127.0.0.1:8620"
    poll_seconds: int = 5
    look_seconds: int = 4
    silent_seconds: int = 30
    accept_seconds: int = 60
    prepare_seconds: int = 60
    declined_seconds: int = 300
    retry_seconds: int = 15
    max_fee_gwei: int = 200
    stuck_seconds: int = 60
    min_balance_wei: int = 0

    def __post_init__(self) -> None:
        for name in ("poll", "look", "silent", "accept", "prepare", "declined", "retry", "stuck"):
            value = getattr(self, f"{name}_seconds")
            if not 1 <= value <= 86_400:
                raise SettingsError(f"--{name}-seconds is {value}: give 1 to 86400")
        if self.silent_seconds < 2 * self.poll_seconds:
            raise SettingsError(
                f"--silent-seconds is {self.silent_seconds}: give at least twice --poll-seconds, "
                f"{2 * self.poll_seconds}"
            )
        if self.max_fee_gwei < 1:
            raise SettingsError(f"--max-fee-gwei is {self.max_fee_gwei}: give at least 1")
        self.address()

    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise SettingsError(f"--listen is {self.listen!r}: write HOST:PORT, as 0.0.0.0:8620")
        return host.strip("[]"), int(port)

    def rules(self) -> Rules:
        """How patient the orchestrator is."""
        return Rules(
            alive=self.silent_seconds,
            accept=self.accept_seconds,
            prepare=self.prepare_seconds,
            declined=self.declined_seconds,
            retry=self.retry_seconds,
        )

    def fees(self) -> FeeLimits:
        """How much it pays."""
        return FeeLimits(
            max_fee_gwei=self.max_fee_gwei,
            max_priority_gwei=min(2, self.max_fee_gwei),
            stuck_seconds=self.stuck_seconds,
            min_balance_wei=self.min_balance_wei,
        )
