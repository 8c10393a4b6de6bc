"""The paths that an oracle answers, and what they ask for."""

from __future__ import annotations

import re
from typing import Final

OBSERVATION: Final = re.compile(r"/v1/observations/(0|[1-9][0-9]{0,18})/(?:0x)?([0-9a-f]{64})")
_BY_HASH: Final = re.compile(r"/v1/(appeals|evidence)/(?:0x)?([0-9a-f]{64})")
_PLAIN: Final = {
    "/v1/messages": "POST",
    "/v1/appeals": "POST",
    "/v1/oracle": "GET",
    "/v1/reports": "GET",
    "/v1/equivocations": "GET",
}


def method_of(path: str) -> str | None:
    """The method that a path is for; None for no path of ours."""
    return _PLAIN.get(path) or ("GET" if asked_by_hash(path) else None)


def asked_by_hash(path: str) -> re.Match[str] | None:
    """Of what is asked for by its hash: an epoch or what it is, and the hash in hex."""
    return OBSERVATION.fullmatch(path) or _BY_HASH.fullmatch(path)


def etag(key: bytes) -> str:
    """The ETag of what has the hash `key`."""
    return f'"{key.hex()}"'
