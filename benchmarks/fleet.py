# SPDX-License-Identifier: Apache-2.0
"""A fleet of nodes for load: their keys, and heartbeats and sessions signed ahead by processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final

from oracle.ground.typed_data import Domain, Heartbeat
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.wire import heartbeat, session
from oracle.telemetry.wire.session import Session

SEED: Final = "load"
NETWORK: Final = 46_724
"""Nodes of the whole licensed network."""
PROCESSES: Final = min(2, os.cpu_count() or 1)
_CHUNK: Final = 4_096


@dataclass(frozen=True, slots=True)
class Terms:
    """What a node has to know of an oracle before it beats: the answer of `GET /v1/challenge`."""

    oracle: str
    challenge: bytes
    session_key: bytes
    chain_id: int
    attestations: str

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Terms:
        """The terms in an oracle's answer."""
        challenge, key = (bytes.fromhex(answer[name].removeprefix("0x")) for name in ("challenge", "sessionKey"))
        return cls(answer["oracle"], challenge, key, answer["chainId"], answer["attestations"])

    @property
    def domain(self) -> Domain:
        return Heartbeat.domain(self.chain_id, self.attestations)


class Fleet:
    """`size` nodes, numbered from 0. Each node's work goes to one process, which keeps its key. A context manager."""

    def __init__(self, size: int, seed: str = SEED, processes: int = PROCESSES) -> None:
        self.size = size
        self._seed = seed
        # Not forked: the caller may have threads. Ctrl-C ends the children with their parent.
        context = get_context("spawn")
        self._processes = [
            # Signing ahead may wait for those whose latency is measured.
            ProcessPoolExecutor(1, mp_context=context, initializer=os.nice, initargs=(10,))
            for _ in range(processes)
        ]
        self.names: list[bytes] = self._each(_names, 0, size)
        """The nodes' addresses, 20 bytes each."""

    @property
    def addresses(self) -> list[str]:
        """The nodes' addresses as lower-case 0x text."""
        return ["0x" + name.hex() for name in self.names]

    def sign(self, terms: Terms, sequence: int, start: int = 0, stop: int | None = None) -> list[bytes]:
        """A signed heartbeat of each node from `start` up to, not including, `stop`; all with that sequence."""
        return self._each(_sign, start, self.size if stop is None else stop, terms, sequence)

    def sign_later(self, terms: Terms, sequence: int, start: int, stop: int) -> list[Future[list[bytes]]]:
        """As `sign`, without waiting: the heartbeats are those of the futures, one after the other."""
        return self._parts(_sign, start, stop, terms, sequence)

    def open(self, terms: Terms, start: int = 0, stop: int | None = None) -> list[tuple[bytes, Session]]:
        """(opening to send, session that exists once it is taken) of each of those nodes."""
        return self._each(_open, start, self.size if stop is None else stop, terms)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.shutdown(cancel_futures=True)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parts(self, work: Callable[..., Any], start: int, stop: int, *values: Any) -> list[Future[Any]]:
        parts = []
        while start < stop:
            chunk = start // _CHUNK
            end = min(stop, (chunk + 1) * _CHUNK)
            parts.append(self._processes[chunk % len(self._processes)].submit(work, self._seed, start, end, *values))
            start = end
        return parts

    def _each(self, work: Callable[..., Any], start: int, stop: int, *values: Any) -> list[Any]:
        return [one for part in self._parts(work, start, stop, *values) for one in part.result()]


def sealed(terms: Terms, sessions: list[Session], sequence: int) -> list[bytes]:
    """A sealed heartbeat under each of the sessions."""
    return [session.seal(one, terms.challenge, sequence) for one in sessions]


# What runs in the fleet's processes.

_signers: dict[int, LocalSigner] = {}


def _signer(seed: str, node: int) -> LocalSigner:
    signer = _signers.get(node)
    if signer is None:
        signer = _signers[node] = derive(seed, str(node))
    return signer


def _names(seed: str, start: int, stop: int) -> list[bytes]:
    return [bytes.fromhex(_signer(seed, node).address[2:]) for node in range(start, stop)]


def _sign(seed: str, start: int, stop: int, terms: Terms, sequence: int) -> list[bytes]:
    domain = terms.domain
    return [
        heartbeat.sign(_signer(seed, node), domain, terms.oracle, sequence, terms.challenge)
        for node in range(start, stop)
    ]


def _open(seed: str, start: int, stop: int, terms: Terms) -> list[tuple[bytes, Session]]:
    domain, key = terms.domain, terms.session_key
    return [
        session.open_session(_signer(seed, node), domain, terms.oracle, terms.challenge, key, os.urandom(32))
        for node in range(start, stop)
    ]
