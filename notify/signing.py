"""Signatures of webhooks, in the form of the Standard Webhooks specification: HMAC-SHA256 over id, time and body. Pure.

webhook-id: the notice's key, the same at every attempt
webhook-timestamp: UNIX seconds of the attempt
webhook-signature: v1,BASE64(HMAC-SHA256(secret, id + "." + timestamp + "." + body))
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from oracle.ground.errors import EpochalError, InvalidValue

PREFIX: Final = "whsec_"
TOLERANCE: Final = 300
"""Seconds by which a receiver should let the time be off: beyond it, somebody may be repeating what was overheard."""


class NotSigned(EpochalError):
    """The request isn't from who knows the secret, or it is too old."""


def secret_of(text: str) -> bytes:
    """The bytes of a secret: base64 of at least 24 bytes, after "whsec_". InvalidValue, which doesn't tell it."""
    try:
        raw = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raw = b""
    if not 24 <= len(raw) <= 64:
        raise InvalidValue(
            "the secret (not shown) isn't base64 of 24 to 64 bytes: make one with "
            '`python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"`'
        )
    return raw


def headers(secret: bytes, key: str, time: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt."""
    signed = base64.b64encode(_mac(secret, key, str(time), body)).decode()
    return {"webhook-id": key, "webhook-timestamp": str(time), "webhook-signature": f"v1,{signed}"}


def verify(secret: bytes, given: Mapping[str, str], body: bytes, now: int, tolerance: int = TOLERANCE) -> str:
    """What a receiver does: the id under which to know a repeat. `given` has header names in lower case. NotSigned."""
    try:
        key, time, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise NotSigned(f"the header {error} is missing; let only signed requests in") from error
    if not (time.isascii() and time.isdigit() and abs(now - int(time)) <= tolerance):
        raise NotSigned(f"webhook-timestamp is {time[:20]!r}, and now it is {now}: check both clocks")
    wanted = base64.b64encode(_mac(secret, key, time, body)).decode()
    for one in signatures.split(" "):
        version, _, told = one.partition(",")
        if version == "v1" and hmac.compare_digest(told.encode(), wanted.encode()):
            return key
    raise NotSigned("webhook-signature is of another secret, id, time or body")


def _mac(secret: bytes, key: str, time: str, body: bytes) -> bytes:
    return hmac.new(secret, f"{key}.{time}.".encode() + body, sha256).digest()
