"""Whether the machine's clock is kept in sync, as the kernel says: chrony, ntpd and timesyncd tell it there."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """`struct timex` of Linux, as far as its beginning is read here, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


@dataclass(frozen=True, slots=True)
class ClockSync:
    """What the kernel says: in sync or not, and how far off the clock may be at most, in seconds."""

    in_sync: bool
    at_most: float


def clock_sync() -> ClockSync | None:
    """The kernel's word; None where it can't be asked (not Linux, or forbidden in this container)."""
    if sys.platform != "linux":
        return None
    told = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))  # modes 0: asks, changes nothing
    if state < 0:
        return None
    return ClockSync(state != _TIME_ERROR and not told.status & _STA_UNSYNC, told.maxerror / 1_000_000)


def trouble(largest: float) -> str | None:
    """Why the clock can't be trusted to `largest` seconds, or None; None too where the kernel can't be asked."""
    told = clock_sync()
    if told is None:
        return None
    if not told.in_sync:
        return "the clock isn't in sync: start chrony or systemd-timesyncd"
    if told.at_most > largest:
        return f"the clock may be off by {told.at_most:.1f} s, more than {largest:g} s: check its time servers"
    return None
