"""What running a workload fails at, by what is to be done about it."""

from __future__ import annotations

from oracle.ground.errors import EpochalError


class CannotRun(EpochalError):
    """This workload can't run here as it is described; another try would end alike. The text says what would help."""


class TryAgain(EpochalError):
    """This workload could not be made ready now; another try may succeed."""
