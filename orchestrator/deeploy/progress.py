"""A move and how far it has come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.addresses import node_name
from orchestrator.deeploy.requests import DeletePipeline, ScaleUp


@dataclass(frozen=True, slots=True)
class Move:
    """One replica of an app from `old` to `new` (0xai_ names); each worker has `cpu` cores and `memory`, like "512m".

    InvalidValue for a move that can't be one.
    """

    job: int
    app: str
    old: str
    new: str
    cpu: int | float
    memory: str

    def __post_init__(self) -> None:
        if node_name(self.old) == node_name(self.new):
            raise InvalidValue(f"move of {self.app}: old and new node are both {self.old}: give two")
        self.scale_up()
        self.delete()

    def scale_up(self) -> ScaleUp:
        """The first request."""
        return ScaleUp(self.job, self.app, self.cpu, self.memory, (self.new,))

    def delete(self) -> DeletePipeline:
        """The last request: on the old node, and nowhere else."""
        return DeletePipeline(self.app, (self.old,))


class Step(Enum):
    """How far a move has come. Each is written down before what follows it is done.

    PLANNED    nothing was sent
    SCALING    the scale-up may have been sent
    SCALED     the scale-up was taken; the chain has the word
    CONFIRMED  the chain lists the new node
    DELETING   the deletion may have been sent
    DONE       the old node was told to stop
    """

    PLANNED = "planned"
    SCALING = "scaling"
    SCALED = "scaled"
    CONFIRMED = "confirmed"
    DELETING = "deleting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """A move's state.

    since    the chain's newest finalized block when it was planned: only later lists count
    scale_ups  how often the scale-up was sent
    block    where the chain confirmed it; 0 while it hasn't
    old_was_online  False if the old node ran nothing that could be stopped: should it come back, it must be told again
    """

    move: Move
    step: Step
    since: int
    scale_ups: int = 0
    block: int = 0
    old_was_online: bool = True

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it."""
        return {**asdict(self), "step": self.step.value}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Progress:
        """What `to_json` gave."""
        fields = dict(document)
        return Progress(Move(**fields.pop("move")), Step(fields.pop("step")), **fields)
