"""Where a probe may connect to, and the addresses behind a name.

Whoever writes a job names its targets. Without a rule he could make an oracle call its operator's internal network.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import inf
from typing import Final

from oracle.ground.errors import EpochalError, InvalidValue

FRESH_SECONDS: Final = 60
"""How long an answer of the DNS is taken without asking again."""

RETRY_SECONDS: Final = 5
"""How long the DNS isn't asked again after it gave no answer."""

STALE_SECONDS: Final = 3600
"""How long a known address serves while the DNS doesn't answer."""

_LOOKUPS: Final = 64
_NAMES: Final = 200_000
_LATELY: Final = 300
# All other errors (EAI_AGAIN, no open file left) tell nothing of the name. The systems differ in which there are.
_NO_SUCH_NAME: Final = {
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
}
# Where no workload can be that others pay for, and where Python (which one, varies) takes addresses for global.
_NEVER: Final = tuple(
    ip_network(each)
    for each in (
        # They carry an IPv4 address inside, which may be an internal one.
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64 of local use
        "192.88.99.0/24",  # relays to 6to4
        # Services of the machine's host, which give whoever asks from inside what nobody outside may have.
        "168.63.129.16/32",  # Azure's WireServer: certificates, settings of the machine
        "192.0.0.0/24",  # of protocols, among them 192.0.0.192: metadata of older Oracle Cloud
        "2001::/23",  # of protocols
        # Networks of one's own.
        "fec0::/10",  # site-local: withdrawn, but routers still know it
        # Examples in documents: nobody's, so anybody's inside.
        "3fff::/20",
    )
)


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
    return not any(number in network for network in _NEVER)


class NameUnknown(EpochalError):
    """The DNS knows no address of that name."""


class OwnFault(EpochalError):
    """This machine could not make the probe; it tells nothing of the target."""


@dataclass(slots=True)
class _Known:
    """What the DNS told of a name `at` that moment of the steady clock, and when it is to be asked again."""

    addresses: list[str]
    problem: str
    at: float
    ask_at: float
    silent_since: float | None = None
    """From then on it has told nothing more."""


class Resolver:
    """Looks names up in threads of its own, each name once at a time, and remembers answers for a while.

    A name of which the DNS tells nothing for a time, or too slowly, keeps its last address for STALE_SECONDS. So a
    resolver that is down for a while is nobody's failure, and a name that is slow on purpose takes a thread, but
    keeps nobody waiting whose address is known.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, "epochal-dns")
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}
        self._told_at = -inf
        """When the DNS last told anything of any name."""

    def close(self) -> None:
        """Forget the lookups under way."""
        for task in self._asking.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, host: str, patience: float) -> list[str]:
        """Numeric addresses of a name, best first. After `patience` seconds an old answer will do.

        NameUnknown if the DNS says that it has none; also if it said nothing for STALE_SECONDS while it told others.
        OwnFault if it says nothing. Of a name asked for the first time it waits as long as the DNS takes: give it a
        timeout.
        """
        known = self._known.get(host)
        if known is not None and time.monotonic() < known.ask_at:
            return self._told(host, known)
        asking = self._asking.get(host)
        if asking is None:
            asking = self._asking[host] = asyncio.create_task(self._ask(host))
        if known is None:
            return self._told(host, await asyncio.shield(asking))
        done, _ = await asyncio.wait([asking], timeout=patience)
        return self._told(host, asking.result() if done else known)

    async def _ask(self, host: str) -> _Known:
        before, began = self._known.get(host), time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            found, problem = await loop.run_in_executor(self._threads, _look_up, host), ""
        except (OSError, UnicodeError) as error:
            found, problem = [], getattr(error, "strerror", None) or str(error)
            definite = isinstance(error, UnicodeError) or (
                isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME
            )
        else:
            definite = True
        finally:
            del self._asking[host]
        now = time.monotonic()
        if definite:
            self._told_at = now
            known = _Known(found, problem, now, now + FRESH_SECONDS)
        elif before is None:
            known = _Known([], problem, -inf, now + RETRY_SECONDS, began)
        else:
            since = began if before.silent_since is None else before.silent_since
            known = _Known(before.addresses, before.problem, before.at, now + RETRY_SECONDS, since)
        if len(self._known) >= _NAMES:
            self._known.clear()
        self._known[host] = known
        return known

    def _told(self, host: str, known: _Known) -> list[str]:
        now = time.monotonic()
        if now - known.at <= STALE_SECONDS:
            if known.addresses:
                return known.addresses
            raise NameUnknown(f"{host}: {known.problem or 'has no address'}; check the name in the job's target")
        silent = 0 if known.silent_since is None else now - known.silent_since
        if silent > STALE_SECONDS and now - self._told_at <= _LATELY:
            raise NameUnknown(f"{host}: its DNS tells nothing for {silent:.0f} s while that of others does; mend it")
        why = known.problem or "too slow"
        raise OwnFault(f"the DNS tells nothing of {host} ({why}); check the machine's resolver")


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(one[4][0]) for one in found))
