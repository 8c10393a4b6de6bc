"""The oracles and nodes of a network as processes that can be killed, paused and started anew with other settings."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scenario.market import Serving, oracle_key
from scenario.network.options import TICK
from scenario.network.relay import Relay, address_of
from scenario.network.world import World, gas_key
from scenario.processes import CommandProcess, NodeProcess, OracleProcess

KEY, GAS_KEY = "ORACLE_KEY", "ORACLE_GAS_KEY"
# Below the ports that systems give to outgoing connections, which could take one while its oracle is dead.
_PORTS: Final = range(20_000, 30_000)
MAX_FEE_GWEI: Final = 200
STUCK_SECONDS: Final = 3


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports on the loopback address")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where an oracle listens on the loopback address."""

    heartbeats: int
    peers: int
    health: int

    @staticmethod
    def of(count: int) -> list[Ports]:
        """Ports of `count` oracles."""
        ports = iter(free_ports(3 * count))
        return [Ports(next(ports), next(ports), next(ports)) for _ in range(count)]


class Member:
    """A process of the network with what is wrong with it now: faults overlap, so each is counted."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.process: CommandProcess | None = None
        self._dead = 0
        self._paused = 0

    def _make(self) -> CommandProcess:
        raise NotImplementedError

    @property
    def well(self) -> bool:
        """Whether no fault keeps the process from running."""
        return not self._dead and not self._paused

    @property
    def ended_by_itself(self) -> int | None:
        """The exit status of a process that nobody killed; None while all is as it should be."""
        process = self.process
        return process.status if process is not None and not self._dead else None

    def start(self) -> None:
        """Start it, unless a fault keeps it down."""
        if not self._dead:
            self.process = self._make()
            if self._paused:
                self.process.pause()

    def kill(self) -> None:
        """SIGKILL; `revive` undoes it."""
        self._dead += 1
        self.close()

    def revive(self) -> None:
        """Undo one `kill`."""
        self.process = None  # whoever looks on meanwhile mustn't take the killed one for one that ended by itself
        self._dead -= 1
        self.start()

    def pause(self) -> None:
        """SIGSTOP; `resume` undoes it."""
        self._paused += 1
        if self.process is not None and not self._dead:
            self.process.pause()

    def resume(self) -> None:
        """Undo one `pause`."""
        self._paused -= 1
        if self.process is not None and not self._dead and not self._paused:
            self.process.resume()

    def restart(self) -> None:
        """SIGKILL and start anew."""
        self.close()
        self.start()

    def close(self) -> None:
        """End the process, whatever state it is in."""
        if self.process is not None:
            self.process.close()


class Node(Member):
    """A node's agent."""

    def __init__(self, world: World, serving: Serving, oracles: Sequence[str]) -> None:
        super().__init__(serving.name, world.options.out / "logs" / f"{serving.name}.log")
        self._world, self._serving, self._oracles = world, serving, oracles

    def _make(self) -> CommandProcess:
        network = self._world.network
        return NodeProcess(
            self.name,
            self._serving.key,
            self._oracles,
            network.chain.chain_id,
            network.addresses.attestations,
            TICK,
            self.log,
            self.log.parents[1] / "receipts" / self.name,
        )


class Oracle(Member):
    """An oracle; `rehearsals` and `offset` are what its settings tell it to do wrong, from the next start on."""

    def __init__(self, world: World, number: int, ports: Ports, endpoint: str, rpcs: Sequence[Relay]) -> None:
        super().__init__(f"oracle-{number}", world.options.out / "logs" / f"oracle-{number}.log")
        self.number = number
        self.ports = ports
        self.endpoint = endpoint
        self.rpcs = tuple(rpcs)
        self.rehearsals: list[str] = []
        self.offset = 0.0
        self._signer_key = oracle_key(number - 1)
        self._out = world.options.out
        self._addresses = world.addresses_file
        self.address = world.oracles[number - 1].address.lower()

    @property
    def heartbeats_url(self) -> str:
        """Where nodes send their heartbeats."""
        return f"http://127.0.0.1:{self.ports.heartbeats}"

    @property
    def peer_url(self) -> str:
        """Where it listens for peers, without a relay before it."""
        return f"http://127.0.0.1:{self.ports.peers}"

    @property
    def health_url(self) -> str:
        """Where it tells its operator how it is."""
        return f"http://127.0.0.1:{self.ports.health}"

    def settings(self) -> dict[str, object]:
        """What its settings file holds."""
        told: dict[str, object] = {
            "deployment": str(self._addresses.absolute()),
            "rpc": [relay.url for relay in self.rpcs],
            "state": str((self._out / "state" / self.name).absolute()),
            "heartbeat_listen": f"127.0.0.1:{self.ports.heartbeats}",
            "peer_listen": f"127.0.0.1:{self.ports.peers}",
            "health_listen": f"127.0.0.1:{self.ports.health}",
            "endpoint": self.endpoint,
            "bind_from": address_of(self.number),
            "key_env": KEY,
            "gas_key_env": GAS_KEY,
            "max_fee_gwei": MAX_FEE_GWEI,
            "stuck_seconds": STUCK_SECONDS,
            "tick": TICK,
            "compact_after": 0,
        }
        if len(self.rpcs) > 1:
            told["rpc_agree"] = 1 if len(self.rpcs) == 2 else 2
        if self.rehearsals:
            told["rehearsal"] = self.rehearsals[-1]
        if self.offset:
            told["rehearsal_clock_offset"] = self.offset
        return told

    def _make(self) -> CommandProcess:
        config = self._out / f"{self.name}.toml"
        config.write_text(to_toml(self.settings()), encoding="utf-8")
        keys = {KEY: self._signer_key, GAS_KEY: gas_key(self.number)}
        return OracleProcess(self.name, config.absolute(), keys, self.log)


def to_toml(settings: Mapping[str, object]) -> str:
    """Settings as TOML; strings, numbers and lists of strings look in it as they do in JSON."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
