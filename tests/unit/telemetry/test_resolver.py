# SPDX-License-Identifier: Apache-2.0
"""Whose fault it is when the DNS tells nothing."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from oracle.telemetry.probes import addresses
from oracle.telemetry.probes.addresses import (
    FRESH_SECONDS,
    RETRY_SECONDS,
    STALE_SECONDS,
    AddressRule,
    NameUnknown,
    OwnFault,
    Resolver,
)
from oracle.telemetry.probes.attempt import Target, attempt

AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Dns:
    """What the DNS says from now on, and the steady clock, which goes only by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.says: dict[str, list[str] | Exception] = {}
        self.asked = 0
        self.now = 1000.0
        monkeypatch.setattr(addresses, "_look_up", self.look_up)
        monkeypatch.setattr(addresses, "time", SimpleNamespace(monotonic=lambda: self.now))

    def look_up(self, host: str) -> list[str]:
        self.asked += 1
        told = self.says[host]
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Dns:
    return Dns(monkeypatch)


def with_resolver(story: Callable[[Resolver], object]) -> None:
    async def run() -> None:
        resolver = Resolver()
        try:
            await story(resolver)  # type: ignore[misc]
        finally:
            resolver.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "silence", [AGAIN, socket.gaierror(socket.EAI_FAIL, "failure"), OSError(errno.EMFILE, "files")]
)
def test_addresses__dns_tells_nothing_for_a_while__known_address_serves_then_it_is_our_fault(
    dns: Dns, silence: OSError
) -> None:
    async def story(resolver: Resolver) -> None:
        dns.says["a.example"] = ["192.0.2.1"]
        await resolver.addresses("a.example", 1)
        told_at = dns.now
        dns.says["a.example"] = silence
        dns.now += FRESH_SECONDS + 1
        while dns.now <= told_at + STALE_SECONDS:
            assert await resolver.addresses("a.example", 1) == ["192.0.2.1"]
            dns.now += 60
        with pytest.raises(OwnFault, match=r"a\.example"):
            await resolver.addresses("a.example", 1)

    with_resolver(story)


def test_addresses__dns_tells_nothing__asked_again_soon_and_not_each_time(dns: Dns) -> None:
    async def story(resolver: Resolver) -> None:
        dns.says["a.example"] = AGAIN
        for _ in range(5):
            with pytest.raises(OwnFault, match="Temporary failure"):
                await resolver.addresses("a.example", 1)
        assert dns.asked == 1
        dns.says["a.example"] = ["192.0.2.1"]
        dns.now += RETRY_SECONDS
        assert await resolver.addresses("a.example", 1) == ["192.0.2.1"]

    with_resolver(story)


def test_addresses__dns_says_there_is_none__known_address_is_gone(dns: Dns) -> None:
    async def story(resolver: Resolver) -> None:
        dns.says["a.example"] = ["192.0.2.1"]
        await resolver.addresses("a.example", 1)
        dns.says["a.example"] = UNKNOWN
        dns.now += FRESH_SECONDS + 1
        with pytest.raises(NameUnknown, match="not known"):
            await resolver.addresses("a.example", 1)

    with_resolver(story)


def test_addresses__only_this_names_dns_is_silent_for_long__it_is_the_names_fault(dns: Dns) -> None:
    async def story(resolver: Resolver) -> None:
        dns.says = {"a.example": AGAIN, "b.example": ["192.0.2.2"]}
        began = dns.now
        while dns.now <= began + STALE_SECONDS:
            await resolver.addresses("b.example", 1)
            with pytest.raises(OwnFault):
                await resolver.addresses("a.example", 1)
            dns.now += 30
        await resolver.addresses("b.example", 1)
        with pytest.raises(NameUnknown, match="while that of others does"):
            await resolver.addresses("a.example", 1)
        # Where nobody's does any more, it is this machine's again.
        dns.says["b.example"] = AGAIN
        dns.now += STALE_SECONDS
        with pytest.raises(OwnFault):
            await resolver.addresses("a.example", 1)

    with_resolver(story)


def test_attempt__dns_hangs_and_nothing_is_known__is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_look_up", lambda host: time.sleep(0.3) or ["192.0.2.1"])

    async def story(resolver: Resolver) -> None:
        with pytest.raises(OwnFault, match=r"told nothing of a\.example in 0\.05 s"):
            await attempt(Target.parse("http://a.example"), AddressRule(), resolver, ssl.create_default_context(), 0.05)

    with_resolver(story)
