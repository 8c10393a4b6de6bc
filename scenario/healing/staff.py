"""Those who place, run and settle, as processes: the orchestrator, agents with workloads, the keeper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from node.running.supervisor import MARK, kill_marked
from scenario.healing.workload import make_image
from scenario.market import Serving, key_of
from scenario.network.fleet import MAX_FEE_GWEI, STUCK_SECONDS, Member
from scenario.network.options import PRICE, TICK
from scenario.network.world import World
from scenario.processes import CommandProcess, NodeProcess

_ORCHESTRATOR_KEY: Final = "EPOCHAL_ORCHESTRATOR_KEY"
_KEEPER_KEY: Final = "EPOCHAL_KEEPER_KEY"
_CAPACITY: Final = "cpu=500,memory=64,storage=10"
"""Of a node: one page."""
_FIRST_PORT: Final = 31_000
_PORTS: Final = 20
"""Of each node, so that nodes which share a machine don't reach for the same one."""


class Orchestrator(Member):
    """The reference orchestrator, `epochal orchestrator run`."""

    def __init__(self, world: World, port: int) -> None:
        super().__init__("orchestrator", world.options.out / "logs" / "orchestrator.log")
        self._world, self._port = world, port
        self.url = f"http://127.0.0.1:{port}"
        self.address = world.market.orchestrator.address

    def _make(self) -> CommandProcess:
        out = self._world.options.out
        arguments = ["orchestrator", "run", "--data", str((out / "state" / self.name).absolute())]
        arguments += ["--network", str(self._world.addresses_file.absolute()), "--rpc", self._world.chain.url]
        arguments += ["--listen", f"127.0.0.1:{self._port}", "--key-env", _ORCHESTRATOR_KEY]
        arguments += ["--poll-seconds", "1", "--look-seconds", "1", "--silent-seconds", "5", "--accept-seconds", "8"]
        arguments += ["--declined-seconds", "5", "--retry-seconds", "2", "--stuck-seconds", str(STUCK_SECONDS)]
        return CommandProcess(self.name, arguments, _variable(_ORCHESTRATOR_KEY, "orchestrator"), self.log)


class KeeperDaemon(Member):
    """A keeper that settles, pays, closes, and brings requests to the orchestrator: `epochal keeper run`."""

    def __init__(self, world: World, orchestrator: Orchestrator, oracles: Sequence[str]) -> None:
        """`oracles`: URLs at which they serve evidence."""
        super().__init__("keeper", world.options.out / "logs" / "keeper.log")
        self._world, self._orchestrator, self._oracles = world, orchestrator, tuple(oracles)

    def _make(self) -> CommandProcess:
        out = self._world.options.out
        arguments = ["keeper", "run", "--state", str((out / "state" / self.name).absolute())]
        arguments += ["--network", str(self._world.addresses_file.absolute()), "--rpc", self._world.chain.url]
        arguments += ["--tick", str(TICK), "--every", "1", "--stagger", "0", "--retry", "3", "--key-env", _KEEPER_KEY]
        arguments += ["--stuck", str(STUCK_SECONDS), "--max-fee-gwei", str(MAX_FEE_GWEI)]
        arguments += ["--orchestrator", f"{self._orchestrator.address}={self._orchestrator.url}"]
        for url in self._oracles:
            arguments += ["--oracle", url]
        return CommandProcess(self.name, arguments, _variable(_KEEPER_KEY, "keeper"), self.log)


class Worker(Member):
    """A node whose agent runs workloads. It is killed with all that it runs."""

    def __init__(self, world: World, serving: Serving, oracles: Sequence[str], orchestrator: str) -> None:
        super().__init__(serving.name, world.options.out / "logs" / f"{serving.name}.log")
        self.serving = serving
        self.orchestrator = orchestrator
        """URL that its agent is told at its next start."""
        self._world, self._oracles = world, oracles
        self._runs = world.options.out / "state" / serving.name / "runs"
        self._images = world.options.out / "images"
        make_image(self._images)

    def close(self) -> None:
        """SIGKILL to the agent, then to the guards of its workloads and the workloads."""
        super().close()
        self._end_workloads()

    def runs(self) -> list[str]:
        """What it would run, as it wrote it down: assignments as job/slot/generation."""
        held = self._state()["workloads"]
        return sorted(name for name, each in held.items() if each["verdict"] != "fenced")

    def _end_workloads(self) -> None:
        if mark := self._state()["mark"]:
            kill_marked(MARK, mark)

    def _state(self) -> dict[str, Any]:
        path = self._runs / "state.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"mark": "", "workloads": {}}

    def _make(self) -> CommandProcess:
        world, licence = self._world, self.serving.licence
        low = _FIRST_PORT + _PORTS * licence
        further = ["--orchestrator", self.orchestrator, "--placements", world.network.addresses.placements]
        further += ["--licence", str(licence), "--capacity", _CAPACITY, "--host", "127.0.0.1"]
        further += ["--runs", str(self._runs.absolute()), "--images", str(self._images.absolute())]
        further += ["--least-price", f"{world.network.addresses.token}={PRICE}", "--ports", f"{low}-{low + _PORTS - 1}"]
        return NodeProcess(
            self.name,
            self.serving.key,
            self._oracles,
            world.chain.chain_id,
            world.network.addresses.attestations,
            TICK,
            self.log,
            self.log.parents[1] / "receipts" / self.name,
            further,
        )


def log_of(member: Member) -> str:
    """All that a process has printed."""
    path: Path = member.log
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _variable(name: str, label: str) -> dict[str, str]:
    return {name: "0x" + key_of(label).hex()}
