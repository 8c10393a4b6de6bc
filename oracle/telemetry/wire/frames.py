"""Many heartbeats in one body: signed and sealed ones, one after the other, with nothing between them.

Each says its own length: its first byte is its version, a byte at a place of that version counts its workloads.
"""

from __future__ import annotations

from typing import Final

from oracle.telemetry.wire import heartbeat, session
from oracle.telemetry.wire.workloads import ENTRY_SIZE

# Version -> (where the count stands, size without workloads)
_FORMS: Final = {
    heartbeat.VERSION: (heartbeat.COUNT_AT, heartbeat.MIN_SIZE),
    session.SEALED: (session.SEALED_COUNT_AT, session.SEALED_MIN_SIZE),
}


def split(body: bytes) -> list[bytes]:
    """The heartbeats of a body, in order; joined they are the body again.

    What begins like no heartbeat, or ends too early, is one last element, for `decode` to refuse. No error.
    """
    frames = _split_equal(body)
    if frames is not None:
        return frames
    frames = []
    start, end = 0, len(body)
    while start < end:
        form = _FORMS.get(body[start])
        if form is None or start + form[0] >= end:
            break
        stop = start + form[1] + ENTRY_SIZE * body[start + form[0]]
        if stop > end:
            break
        frames.append(body[start:stop])
        start = stop
    if start < end:
        frames.append(body[start:])
    return frames


def _split_equal(body: bytes) -> list[bytes] | None:
    """As `split` where all heartbeats are of one version and size, as those of a gateway mostly are; else None."""
    form = _FORMS.get(body[0]) if body else None
    if form is None or form[0] >= len(body):
        return None
    count_at, size = form
    size += ENTRY_SIZE * body[count_at]
    number, rest = divmod(len(body), size)
    if rest or body[::size] != body[:1] * number or body[count_at::size] != body[count_at : count_at + 1] * number:
        return None
    return [body[start : start + size] for start in range(0, len(body), size)]
