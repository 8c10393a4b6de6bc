"""The observations that a member holds, when each came, and proofs of double signing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from oracle.committee.messages import Ref
from oracle.committee.observation import SignedObservation

MAX_CONTENTS: Final = 3
"""Different contents that are held of one author for one epoch: more prove nothing new, and are held only for a
proposal that names them. Else an author could sign others for each member, and no proposal could be judged by all."""


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Proof that `author` signed two different observations of one epoch for one set."""

    author: bytes
    committee: int
    first: Ref
    second: Ref

    def as_json(self) -> dict[str, Any]:
        """As `GET /v1/equivocations` lists it."""
        return {
            "author": "0x" + self.author.hex(),
            "epoch": self.first.epoch,
            "committee": self.committee,
            "observations": [
                {"contentHash": "0x" + ref.content_hash.hex(), "signature": "0x" + ref.signature.hex()}
                for ref in (self.first, self.second)
            ],
        }


@dataclass(slots=True)
class _Held:
    """One author's observations of one epoch: the first one stands; when it came, by this oracle's clock."""

    arrived: float
    contents: dict[bytes, SignedObservation] = field(default_factory=dict)

    @property
    def first(self) -> SignedObservation:
        return next(iter(self.contents.values()))


class Pool:
    """Observations by (epoch, committee, author) and by content."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], dict[bytes, _Held]] = {}
        self._contents: dict[tuple[int, bytes], SignedObservation] = {}
        self.equivocations: list[Equivocation] = []

    def add(
        self, author: bytes, observation: SignedObservation, now: float = -math.inf, needed: bool = False
    ) -> Equivocation | None:
        """Hold an observation that `author` is known to have signed; the proof, if it is his second for that epoch.

        `needed`: also where there are many of him already.
        """
        view = observation.view()
        held = self._held.setdefault((view.epoch, view.committee), {}).setdefault(author, _Held(now))
        content_hash = observation.content_hash
        if content_hash in held.contents or (len(held.contents) >= MAX_CONTENTS and not needed):
            return None
        held.contents[content_hash] = observation
        self._contents.setdefault((view.epoch, content_hash), observation)
        if len(held.contents) != 2:
            return None
        refs = [Ref(view.epoch, one, signed.signature) for one, signed in held.contents.items()]
        return Equivocation(author, view.committee, *refs)

    def of(self, epoch: int, committee: int, by: float = math.inf) -> dict[bytes, SignedObservation]:
        """By author, in their order, the observations that stand for an epoch and came by then."""
        held = self._held.get((epoch, committee), {})
        return {author: held[author].first for author in sorted(held) if held[author].arrived <= by}

    def epochs(self, committee: int) -> list[int]:
        """The epochs of which anything is held for that set, ascending."""
        return sorted(epoch for epoch, version in self._held if version == committee)

    def get(self, epoch: int, committee: int, author: bytes, content_hash: bytes) -> SignedObservation | None:
        """An author's observation by its content's hash, whether it stands or not."""
        held = self._held.get((epoch, committee), {}).get(author)
        return held.contents.get(content_hash) if held else None

    def content(self, epoch: int, content_hash: bytes) -> SignedObservation | None:
        """Anyone's observation with that content: oracles that saw the same have equal ones. Any thread may ask."""
        return self._contents.get((epoch, content_hash))

    def is_full(self, epoch: int, committee: int, author: bytes) -> bool:
        """Whether another content of that author would be dropped, unless it is needed."""
        held = self._held.get((epoch, committee), {}).get(author)
        return held is not None and len(held.contents) >= MAX_CONTENTS

    def forget(self, epoch: int) -> None:
        """Drop the observations of epochs up to `epoch`, whose report is final."""
        for key in [one for one in self._held if one[0] <= epoch]:
            del self._held[key]
        for content in [one for one in self._contents if one[0] <= epoch]:
            del self._contents[content]


def ref_of(observation: SignedObservation) -> Ref:
    """How messages name an observation."""
    return Ref(observation.view().epoch, observation.content_hash, observation.signature)
