"""One probe: a connection, and over HTTP one request and the status line of its answer.

No redirect is followed, no body read, no connection kept. It connects to a numeric address that the rule permits,
and to no other: a name that changes its address in between changes nothing.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from oracle.ground.errors import EpochalError
from oracle.telemetry.probes.addresses import AddressRule, NameUnknown, OwnFault, Resolver

LONGEST_TARGET: Final = 2048
LONGEST_LINE: Final = 1024
"""Bytes of an answer in which its status line must end."""

_ADDRESSES_TRIED: Final = 2
_LATE: Final = 0.5
# What this machine lacks says nothing of the target.
_OWN_FAULTS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_PORTS: Final = {"http": 80, "https": 443, "tcp": None}


class InvalidTarget(EpochalError):
    """A target that can't be probed: the job's author has to write it anew."""


class Failure(StrEnum):
    """Why a probe got no answer that counts."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    STATUS = "status"
    NO_ANSWER = "no_answer"
    DNS = "dns"
    TLS = "tls"
    FORBIDDEN_ADDRESS = "forbidden_address"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one probe; `failure` is None if it was answered. `detail` says it in words."""

    failure: Failure | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a workload answers: http://, https:// with a path, or tcp:// with a port."""

    scheme: str
    host: str
    port: int
    path: str = "/"

    @classmethod
    def parse(cls, text: str) -> Target:
        """From a URL. InvalidTarget with what is wrong."""
        if len(text) > LONGEST_TARGET or not text.isascii() or not text.isprintable() or " " in text:
            raise InvalidTarget(
                f"target {text[:80]!r}: write a URL of at most {LONGEST_TARGET} printable ASCII characters"
            )
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise InvalidTarget(f"target {text[:80]!r}: {error}; write it like https://example.org/health") from error
        if parts.scheme not in _PORTS:
            raise InvalidTarget(f"target {text[:80]!r}: begin it with http://, https:// or tcp://")
        if not parts.hostname or parts.username is not None or parts.fragment:
            raise InvalidTarget(f"target {text[:80]!r}: give a host, and neither a user nor a fragment")
        if not _is_host(parts.hostname):
            raise InvalidTarget(f"target {text[:80]!r}: its host is neither a name of the DNS nor an address")
        if parts.scheme == "tcp" and (parts.path or parts.query):
            raise InvalidTarget(f"target {text[:80]!r}: a tcp:// target is a host and a port, nothing more")
        port = _PORTS[parts.scheme] if port is None else port
        if not port:
            raise InvalidTarget(f"target {text[:80]!r}: give its port, 1 to 65535")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, parts.hostname, port, path)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return _NAME.fullmatch(host) is not None
    return True


async def attempt(target: Target, rule: AddressRule, resolver: Resolver, tls: ssl.SSLContext, limit: float) -> Outcome:
    """Probe once, within `limit` seconds. OwnFault where the cause is this machine."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(limit):
            addresses = await _addresses(target.host, resolver, limit / 3)
    except NameUnknown as error:
        return Outcome(Failure.DNS, str(error))
    except TimeoutError as error:
        raise OwnFault(f"the DNS told nothing of {target.host} in {limit:g} s; check the machine's resolver") from error
    try:
        async with asyncio.timeout_at(began + limit):
            permitted = [each for each in addresses if rule.permits(each)][:_ADDRESSES_TRIED]
            if not permitted:
                return Outcome(Failure.FORBIDDEN_ADDRESS, f"{target.host} is {', '.join(addresses[:3])}")
            outcome = Outcome()
            for place, address in enumerate(permitted):
                share = (began + limit - loop.time()) / (len(permitted) - place)
                outcome = await _ask(target, address, tls, share)
                if outcome.failure not in (Failure.TIMEOUT, Failure.REFUSED, Failure.UNREACHABLE):
                    break
    except TimeoutError:
        outcome = Outcome(Failure.TIMEOUT, f"no answer within {limit:g} s")
    if outcome.failure is Failure.TIMEOUT and loop.time() > began + limit + _LATE:
        raise OwnFault("this process was too busy to notice the answer in time")
    return outcome


async def _addresses(host: str, resolver: Resolver, patience: float) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        return await resolver.addresses(host, patience)


async def _ask(target: Target, address: str, tls: ssl.SSLContext, limit: float) -> Outcome:
    secure = target.scheme == "https"
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(
                address,
                target.port,
                limit=LONGEST_LINE,
                ssl=tls if secure else None,
                server_hostname=target.host if secure else None,
            )
            try:
                return Outcome() if target.scheme == "tcp" else await _request(target, reader, writer)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return Outcome(Failure.TIMEOUT, f"{address} did not answer within {limit:.3g} s")
    except ssl.SSLError as error:
        return Outcome(Failure.TLS, f"{address}: {error.reason or error}")
    except ConnectionRefusedError:
        return Outcome(Failure.REFUSED, f"{address} refuses connections on port {target.port}")
    except ConnectionError as error:
        return Outcome(Failure.NO_ANSWER, f"{address} broke the connection off ({error.strerror or error})")
    except OSError as error:
        if error.errno in _OWN_FAULTS:
            raise OwnFault(f"can't open a connection ({error.strerror}); raise the limit of open files") from error
        return Outcome(Failure.UNREACHABLE, f"{address} can't be reached ({error.strerror or error})")


async def _request(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Outcome:
    writer.write(
        f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: epochal-probe\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n".encode()
    )
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        return Outcome(Failure.NO_ANSWER, f"no status line in the first {LONGEST_LINE} bytes: not HTTP/1.1")
    except asyncio.IncompleteReadError:
        return Outcome(Failure.NO_ANSWER, "the connection closed before a status line came")
    found = _STATUS_LINE.match(line)
    if not found:
        return Outcome(Failure.NO_ANSWER, "the answer doesn't begin with a status line of HTTP/1.1")
    status = int(found[1])
    return Outcome() if 200 <= status < 400 else Outcome(Failure.STATUS, f"status {status}")
