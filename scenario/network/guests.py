"""Members of a network's committee that somebody else runs."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.telemetry.wire.urls import server_url
from scenario.options import BadOption


@dataclass(frozen=True, slots=True)
class Guest:
    """An oracle's address, and the URL to which nodes send it their heartbeats."""

    address: str
    heartbeats: str


def parse_guest(text: str) -> Guest:
    """A guest written as ADDRESS=URL; BadOption."""
    address, _, url = text.partition("=")
    try:
        server_url("the URL", url, ("http", "https"), "http://127.0.0.1:8600", "nodes sign what they send")
        return Guest(checksummed(raw_address(address)), url)
    except InvalidValue as error:
        raise BadOption(f"--guest {text}: {error}; give ADDRESS=URL") from error


def parse_funded(text: str) -> str:
    """An address that is given ether; BadOption."""
    try:
        return checksummed(raw_address(text))
    except InvalidValue as error:
        raise BadOption(f"--fund {text}: {error}") from error
