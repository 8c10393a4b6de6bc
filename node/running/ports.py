"""Ports for a workload: it shares the host's network, so each name gets a free port of the node's range."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping

from node.running.errors import TryAgain

LOWEST = 1024
"""Ports below belong to the host."""


def choose(
    wished: Mapping[str, int],
    before: Mapping[str, int],
    taken: Collection[int],
    offered: range,
    is_free: Callable[[int], bool],
) -> dict[str, int]:
    """A port for each name, all different. TryAgain if none is free.

    In order of preference: the one it had `before`, the one `wished` (0: any), the first free one that is `offered`.
    `taken` are those of other workloads. The same input gives the same ports.
    """
    found: dict[str, int] = {}

    def usable(port: int) -> bool:
        return LOWEST <= port <= 65_535 and port not in taken and port not in found.values() and is_free(port)

    for name in sorted(wished):
        candidates = (before.get(name, 0), wished[name], *offered)
        port = next((port for port in candidates if usable(port)), None)
        if port is None:
            raise TryAgain(f"port {name!r}: none of {offered.start} to {offered.stop - 1} is free: widen --ports")
        found[name] = port
    return found


def is_free(port: int) -> bool:
    """Whether a TCP server could listen there now, on all of the host's IPv4 addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        # As servers do, so that connections that are closing don't count.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("0.0.0.0", port))  # noqa: S104  nothing listens
        except OSError:
            return False
    return True


def port_environment(ports: Mapping[str, int]) -> dict[str, str]:
    """PORT (that of "main") and PORT_<NAME> for each."""
    named = {f"PORT_{name.upper().replace('-', '_')}": str(port) for name, port in ports.items()}
    return named | ({"PORT": str(ports["main"])} if "main" in ports else {})
