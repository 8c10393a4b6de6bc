"""URLs of servers that an oracle or a node connects to, checked before anything is tried."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from oracle.ground.errors import InvalidValue


def server_url(what: str, url: str, schemes: Sequence[str], example: str, user_goes: str) -> SplitResult:
    """The parts of a server's URL, with one of these schemes, a host, and no user: URLs come into logs and answers.

    InvalidValue, which shows no URL that may hold a password; `user_goes` says where user and password belong.
    """
    if "@" in url:
        raise InvalidValue(f"{what} holds a user or a password (not shown): take them out; {user_goes}")
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise InvalidValue(f"{what} is {url!r}: write it like {example}, with a port from 1 to 65535 if any")
    return parts
