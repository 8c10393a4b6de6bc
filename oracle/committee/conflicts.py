"""Whose observations of an assignment are left out: oracles whose operator pays for it or is paid for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from oracle.ground.median import fault_bound, measured_needs
from oracle.ground.uptime import Uptime

Conflicts = Mapping[int, frozenset[bytes]]
"""By assignment, the members (20-byte signers) with a part in it; assignments without any aren't in."""
NO_CONFLICTS: Final[Conflicts] = MappingProxyType({})
_NOBODY: Final = bytes(20)


def conflicts(operators: Mapping[bytes, Iterable[bytes]], parties: Iterable[tuple[int, bytes, bytes]]) -> Conflicts:
    """Who has a part in which assignment. All addresses of 20 bytes; zeros are nobody's.

    operators: by signer, the member's own address and its operator's. parties: assignments, each with the owner of the
    CSP's account and the licence's holder.
    """
    runs: dict[bytes, set[bytes]] = {}
    for signer, addresses in operators.items():
        for address in addresses:
            if address != _NOBODY:
                runs.setdefault(address, set()).add(signer)
    none: frozenset[bytes] = frozenset()
    found = {
        key: frozenset(runs.get(csp, none)) | frozenset(runs.get(holder, none))
        for key, csp, holder in parties
        if csp in runs or holder in runs
    }
    return MappingProxyType(found)


def heard(seen: Sequence[tuple[bytes, Uptime]], conflicted: frozenset[bytes], members: int) -> list[Uptime]:
    """Which observations of one assignment count, given with their authors in order of those.

    With 2f + 1 others that observed anything the conflicted don't count. Else up to f of these do, the first by their
    addresses: the median bears as many liars, and a liar who claims to be blind shall not leave a node unmeasured.
    """
    present = [(author, each) for author, each in seen if each.observed]
    others = [each for author, each in present if author not in conflicted]
    if len(others) >= measured_needs(members):
        return others
    return others + [each for author, each in present if author in conflicted][: fault_bound(members)]
