# SPDX-License-Identifier: Apache-2.0
"""Recovering a signer always gives the same: what one oracle has recovered, the others needn't."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from oracle.committee import messages, observation
from oracle.committee import round as rounds
from oracle.signing import compact


@contextmanager
def remembered_signers() -> Iterator[None]:
    """Meanwhile each signature is recovered once. All oracles of a simulation share this process's time."""
    remembering = lru_cache(maxsize=65_536)(compact.recover)
    places = (messages, observation, rounds)
    before = [place.recover for place in places]
    for place in places:
        place.recover = remembering  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for place, recover in zip(places, before, strict=True):
            place.recover = recover  # type: ignore[attr-defined]
