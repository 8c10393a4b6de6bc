"""Both forms in which a Deeploy request is signed. Pure.

Newer form: SHA-256 of the request's canonical JSON, named in a few lines that a wallet can show, signed as an EIP-191
personal message. Older form: the whole request as text, signed likewise. Source: Ratio1's edge node and SDK; the
canonical hash equals the values that its own tests publish (tests/unit/test_deeploy_signing.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.signing.signer import Signer

NOT_SIGNED: Final = frozenset(
    (
        "address",
        "signature",
        "EE_SIGN",
        "EE_SENDER",
        "EE_HASH",
        "SIGN_CANON_V",
        "EE_ETH_SIGN",
        "EE_ETH_SENDER",
    )
)
"""Fields of a request that no signature covers."""

DEEPEST: Final = 32
"""Objects and lists inside each other, at most."""

_NEWER: Final = "Please sign this Deeploy request:"
_OLDER: Final = "Please sign this message for Deeploy: "
_PARITY: Final = 1 << 255


class Form(Enum):
    """How a request is signed."""

    NEWER = "newer"
    OLDER = "older"


def canonical(request: Mapping[str, Any]) -> str:
    """What is hashed: sorted keys, no spaces, characters as they are, NaN and infinities as null."""
    return json.dumps(_signed_part(request), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def request_hash(request: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical text: 64 hex digits."""
    return sha256(canonical(request).encode("utf-8")).hexdigest()


def newer_text(request_type: str, request: Mapping[str, Any]) -> str:
    """The lines to sign in the newer form; `request_type` is the endpoint's in words, like "scale up workers"."""
    lines = [_NEWER, "", f"Request type: {request_type}"]
    plugins = request.get("plugins")
    if isinstance(plugins, (list, tuple)):
        lines.append(f"Plugins: {len(plugins)}")
    lines += [f"Nodes: {node_count(request)}", f"Request hash: {request_hash(request)}"]
    return "\n".join(lines)


def node_count(request: Mapping[str, Any]) -> int:
    """Nodes that a request is for: those it names, else the number it gives, else 0."""
    named = request.get("target_nodes")
    if isinstance(named, (list, tuple)) and named:
        return len(named)
    count = request.get("target_nodes_count")
    return count if type(count) is int else 0


def older_text(request: Mapping[str, Any]) -> str:
    """The text to sign in the older form: sorted keys, one space of indent, none after a colon."""
    text = json.dumps(_signed_part(request), sort_keys=True, separators=(",", ":"), indent=1, ensure_ascii=False)
    return _OLDER + text


def personal_digest(text: str) -> bytes:
    """The 32-byte EIP-191 digest that `personal_sign` signs."""
    raw = text.encode("utf-8")
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode("ascii") + raw)


def personal_sign(text: str, signer: Signer) -> str:
    """The signature as wallets give it: 0x and the 65 bytes r, s, v (27 or 28).

    `oracle.signing.remote.SignsNoDigest` by a signer that signs no digests.
    """
    compact = signer.sign(personal_digest(text))
    packed = int.from_bytes(compact[32:], "big")
    full = compact[:32] + (packed & ~_PARITY).to_bytes(32, "big") + bytes((27 + (packed >> 255),))
    return "0x" + full.hex()


def text_to_sign(request: Mapping[str, Any], request_type: str | None, form: Form) -> str:
    """What the sender signs. Requests without a type in words exist in the older form only."""
    if form is Form.OLDER or request_type is None:
        return older_text(request)
    return newer_text(request_type, request)


def sign_request(
    request: Mapping[str, Any], request_type: str | None, nonce: int, signer: Signer, form: Form
) -> dict[str, Any]:
    """The request with its nonce (milliseconds since 1970), sender and signature; the newer form's hash too.

    InvalidValue for a request that JSON can't write.
    """
    signed: dict[str, Any] = {**plain(request), "nonce": hex(nonce)}
    signature = personal_sign(text_to_sign(signed, request_type, form), signer)
    if form is Form.NEWER and request_type is not None:
        signed["EE_HASH"] = request_hash(signed)
    return {**signed, "EE_ETH_SENDER": signer.address, "EE_ETH_SIGN": signature}


def plain(request: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON will carry it: lists, objects with keys of text, NaN and infinities as null."""
    value = _plain(request, "request", 0)
    assert isinstance(value, dict)
    return value


def _signed_part(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain(request).items() if key not in NOT_SIGNED}


def _plain(value: object, where: str, depth: int) -> object:
    if depth > DEEPEST:
        raise InvalidValue(f"{where}: more than {DEEPEST} objects and lists inside each other: use fewer")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidValue(f"{where}: holds half a surrogate pair: use text that UTF-8 can write") from None
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{where}[{index}]", depth + 1) for index, each in enumerate(value)]
    if isinstance(value, Mapping):
        found: dict[str, object] = {}
        for key, each in value.items():
            if not isinstance(key, str):
                raise InvalidValue(f"{where}: the key {key!r} is no text: use text")
            _plain(key, where, depth + 1)
            found[key] = _plain(each, f"{where}.{key}", depth + 1)
        return found
    raise InvalidValue(f"{where} is {value!r}: use text, numbers, true, false, null, lists and objects")
