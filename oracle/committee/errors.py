"""What keeps a committee from agreeing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle.ground.errors import EpochalError
from oracle.ground.errors import Malformed as Malformed

if TYPE_CHECKING:
    from oracle.committee.appeal import Appeal
    from oracle.committee.observation import SignedObservation


class Disagreement(EpochalError):
    """A proposal that this oracle doesn't come to itself. It alerts; it never changes its mind silently."""


class Omission(Disagreement):
    """A proposal that leaves out what this oracle received in time: those observations and appeals."""

    def __init__(self, text: str, observations: Sequence[SignedObservation], appeals: Sequence[Appeal]) -> None:
        super().__init__(text)
        self.observations = tuple(observations)
        self.appeals = tuple(appeals)


class NotAgreed(EpochalError):
    """Too few observations or signatures for a report. The epoch stays unreported; a later one carries its seconds."""
