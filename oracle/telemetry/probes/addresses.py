"""Where a probe may connect to, and the addresses behind a name.

Whoever writes a job names its targets. Without a rule he could make an oracle call its operator's internal network.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from oracle.ground.errors import EpochalError, InvalidValue

FRESH_SECONDS: Final = 60
"""How long an answer of the DNS is taken without asking again."""

STALE_SECONDS: Final = 3600
"""How long a known address serves while the DNS is too slow to answer."""

_LOOKUPS: Final = 64
_NAMES: Final = 200_000
# They carry an IPv4 address inside: 6to4, Teredo, NAT64.
_WRAPPED: Final = tuple(ip_network(each) for each in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48"))


class AddressRule:
    """Which addresses may be connected to: global ones, and those in `allowed` networks, but none in `refused`.

    Networks are written as "10.0.0.0/8". InvalidValue for what is no network.
    """

    def __init__(self, allowed: Iterable[str] = (), refused: Iterable[str] = ()) -> None:
        self._allowed = [_network(each) for each in allowed]
        self._refused = [_network(each) for each in refused]

    def permits(self, address: str) -> bool:
        """Whether a probe may connect to that numeric address."""
        try:
            number = ip_address(address)
        except ValueError:
            return False
        if isinstance(number, IPv6Address) and number.ipv4_mapped is not None:
            number = number.ipv4_mapped
        if any(number in network for network in self._refused):
            return False
        return any(number in network for network in self._allowed) or _is_global(number)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidValue(f'network is {text!r} ({error}); write it like "10.0.0.0/8"') from error


def _is_global(number: IPv4Address | IPv6Address) -> bool:
    if not number.is_global or number.is_multicast or number.is_reserved:
        return False
    return not any(number in network for network in _WRAPPED)


class NameUnknown(EpochalError):
    """The DNS knows no address of that name, or doesn't say."""


@dataclass(slots=True)
class _Answer:
    addresses: list[str] = field(default_factory=list)
    problem: str = ""
    at: float = 0.0


class Resolver:
    """Looks names up in threads of its own, each name once at a time, and remembers answers for a while.

    A name whose DNS has become slow keeps its last address for STALE_SECONDS. So one that is slow on purpose takes a
    thread, but keeps nobody waiting whose address is known.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, "epochal-dns")
        self._known: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Task[_Answer]] = {}

    def close(self) -> None:
        """Forget the lookups under way."""
        for task in self._asking.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, host: str, patience: float) -> list[str]:
        """Numeric addresses of a name, best first. After `patience` seconds an old answer will do.

        NameUnknown if there is none. Without an old answer it waits as long as the DNS takes: give it a timeout.
        """
        known = self._known.get(host)
        if known is not None and time.monotonic() - known.at <= FRESH_SECONDS:
            return _told(host, known)
        asking = self._asking.get(host)
        if asking is None:
            asking = self._asking[host] = asyncio.create_task(self._ask(host))
        if known is None or not known.addresses or time.monotonic() - known.at > STALE_SECONDS:
            return _told(host, await asyncio.shield(asking))
        done, _ = await asyncio.wait([asking], timeout=patience)
        return _told(host, asking.result() if done else known)

    async def _ask(self, host: str) -> _Answer:
        loop = asyncio.get_running_loop()
        answer = _Answer()
        try:
            answer.addresses = await loop.run_in_executor(self._threads, _look_up, host)
        except (OSError, UnicodeError) as error:
            answer.problem = getattr(error, "strerror", None) or str(error)
        finally:
            del self._asking[host]
        answer.at = time.monotonic()
        if len(self._known) >= _NAMES:
            self._known.clear()
        self._known[host] = answer
        return answer


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _told(host: str, answer: _Answer) -> list[str]:
    if not answer.addresses:
        raise NameUnknown(f"{host}: {answer.problem or 'has no address'}; check the name in the job's target")
    return answer.addresses
