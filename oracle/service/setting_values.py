"""What a setting of the oracle may be: its declaration, and the rules of single values."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import urlsplit

from pydantic import Field
from pydantic.fields import FieldInfo

from chain.directory import check_endpoint
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import EpochalError
from oracle.service.settings import parse_listen
from oracle.telemetry.wire.urls import server_url


def setting(
    told: str, default: Any = ..., *, group: str, give: str, sample: object = None, hidden: bool = False
) -> Any:
    """A setting: what it is, the heading it stands under, what to give, and an example for one that has no default.

    hidden: its value may hold a secret, so no message shows it.
    """
    extra: Any = {"group": group, "give": give, "sample": sample, "hidden": hidden}
    return Field(default, description=told, json_schema_extra=extra)


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast("dict[str, Any]", field.json_schema_extra)


def group_of(field: FieldInfo) -> str:
    """The heading that the setting stands under."""
    return str(_extra(field)["group"])


def cure_of(field: FieldInfo) -> str:
    """What to give, as the end of a message."""
    return f"give {_extra(field)['give']}"


def sample_of(field: FieldInfo) -> Any:
    """The example of a setting without a default, else the default."""
    sample = _extra(field)["sample"]
    return field.default if sample is None else sample


def is_path(field: FieldInfo) -> bool:
    """Whether it is the path of a file or a folder."""
    parts = (field.annotation, *get_args(field.annotation))
    return any(getattr(part, "__origin__", part) is Path for part in parts)


def is_hidden(field: FieldInfo) -> bool:
    """Whether no message may show its value."""
    return bool(_extra(field)["hidden"])


# Rules. ValueError becomes a SettingsError that names the setting, the value and the cure.


def whole_number(value: object) -> object:
    """Refuses what Python would take for a whole number besides: a truth value, a fraction."""
    if isinstance(value, bool | float):
        raise ValueError("no whole number")
    return value


def split_list(value: object) -> object:
    """The parts of a text with commas, as an environment variable holds a list."""
    if isinstance(value, str):
        return tuple(part for part in (each.strip() for each in value.split(",")) if part)
    return value


def not_empty(value: object) -> object:
    """Refuses an empty path, which would be the working folder."""
    if value == "":
        raise ValueError("empty")
    return value


def listen_address(text: str) -> str:
    """HOST:PORT, or empty for none."""
    if text:
        _told(parse_listen, text)
    return text


def http_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """One or more different URLs of RPC endpoints. They may hold keys, also as user and password."""
    if not urls:
        raise ValueError("empty")
    for position, url in enumerate(urls, 1):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"URL {position} of {len(urls)} is neither http:// nor https://, or has no host")
    if len({url.rstrip("/") for url in urls}) != len(urls):
        raise ValueError("one URL is there twice")
    return urls


def endpoint_url(url: str) -> str:
    """A URL that is announced on chain."""
    return str(_told(check_endpoint, url))


def signer_url(url: str) -> str:
    """A remote signer's base URL."""
    _told(server_url, "it", url, ("http", "https"), "http://127.0.0.1:9000", "put a proxy with access rules before it")
    return url.rstrip("/")


def oracle_address(text: str) -> str:
    """An address, as EIP-55 text."""
    return checksummed(_told(raw_address, text))


def ip_address(text: str) -> str:
    """An IP address."""
    return str(ipaddress.ip_address(text))


def _told(rule: Any, *values: Any) -> Any:
    """The rule's answer; its error as pydantic wants it."""
    try:
        return rule(*values)
    except EpochalError as error:
        raise ValueError(str(error)) from error
