"""Which requests a proposer puts into a batch, by what members claim. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from oracle.committee.reallocation_messages import MAX_REQUESTS, Asked
from oracle.ground.breaches import Breach, Reason
from oracle.ground.keccak import keccak256

_Group = frozenset[bytes]
_T = TypeVar("_T")


def choose(own: bytes, claims: Mapping[bytes, Sequence[Breach]], quorum: int, turn: int, now: int) -> list[Asked]:
    """The requests of one batch: each is claimed by `own`, and as many members as a quorum has agree to it.

    A batch is signed whole or not at all, so the same members agree to all of its requests: who claims something and
    then doesn't sign holds up only what nobody else's word is needed for. Where there is a choice it is another one in
    each slot, so that no claims of a few can turn it their way for long.
    """
    told: dict[int, dict[Reason, dict[bytes, Breach]]] = {}
    for member, breaches in claims.items():
        for one in breaches:
            told.setdefault(one.assignment, {}).setdefault(one.reason, {})[member] = one
    groups: dict[_Group, list[Asked]] = {}
    for assignment, reasons in sorted(told.items()):
        options = [
            (Asked(assignment, reason, as_of), supporters)
            for reason, by_member in sorted(reasons.items())
            for as_of, supporters in _times(by_member, own, quorum, now)
        ]
        if options:
            asked, supporters = _pick(options, turn, assignment)
            groups.setdefault(supporters, []).append(asked)
    if not groups:
        return []
    _, found = _pick(sorted(groups.items(), key=lambda each: sorted(each[0])), turn, 0)
    return sorted(sorted(found, key=lambda one: _chance(turn, one.assignment))[:MAX_REQUESTS])


def _times(told: Mapping[bytes, Breach], own: bytes, quorum: int, now: int) -> list[tuple[int, _Group]]:
    """As of when an assignment may be closed, and who agrees to that: the proposer's own time if a quorum does, else
    those of others that it agrees to itself."""
    mine = told.get(own)
    if mine is None:
        return []
    found = []
    for as_of in sorted({one.as_of for one in told.values() if one.as_of <= now and mine.admits(one.as_of)}):
        supporters = frozenset(member for member, one in told.items() if one.admits(as_of))
        if len(supporters) >= quorum:
            found.append((as_of, supporters))
    return [each for each in found if each[0] == mine.as_of] or found


def _pick(options: Sequence[_T], turn: int, about: int) -> _T:
    return options[int.from_bytes(_chance(turn, about)) % len(options)]


def _chance(turn: int, about: int) -> bytes:
    """Bytes that look random, other ones in each slot."""
    return keccak256(turn.to_bytes(4, "big") + about.to_bytes(16, "big"))
