# SPDX-License-Identifier: Apache-2.0
"""A network on a private anvil as a CSP meets it: commands in this process or as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from chain.deployment.presets import Oracle, local
from chain.network import Network, deploy
from chain.transactions import Call, LiveSender, Wallet
from cli import main as entry
from oracle.signing.signer import LocalSigner, derive
from scenario.market import oracle_signers
from tests.project import ROOT

EPOCH = 600
PURSE = 10**20
INTENT = {
    "version": 1,
    "name": "web",
    "service": "car",
    "replicas": 2,
    "resources": {"cpu_millis": 500, "memory_mb": 256, "storage_mb": 100},
    "policy": {"target_ppm": 980_000, "floor_ppm": 900_000},
    "image": {"folder": "web"},
    "command": ["/bin/serve"],
}


@dataclass(frozen=True)
class Said:
    """How a command ended: its exit status, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CspWorld:
    """A deployed network, people with keys, and a folder of a user's."""

    def __init__(self, chain: Chain, folder: Path, **changes: Any) -> None:
        self.chain, self.folder = chain, folder
        self.state = folder / "state"
        self.sender = LiveSender(chain)
        self.keys: dict[str, bytes] = {}
        self.admin = self.person("admin")
        genesis = chain.block("latest").timestamp
        oracles = [
            Oracle(one.address, derive("csp", f"member {i}").address, "") for i, one in enumerate(oracle_signers(5))
        ]
        settings = local(genesis, EPOCH, [replace(one, operator=one.member) for one in oracles])
        address = self.admin.address
        self.network: Network = deploy(self.sender, self.admin, replace(settings, **changes), address, address)
        self.file = folder / "addresses.json"
        self.network.addresses.save(self.file)
        (folder / "web.json").write_text(json.dumps(INTENT))
        orchestrator = derive("csp", "orchestrator").address
        lines = ('intent = "web.json"', f'orchestrator = "{orchestrator}"', 'price = "1.50"', 'lasts = "1h"')
        (folder / "web.toml").write_text("\n".join(lines))

    def person(self, name: str, purse: int = PURSE) -> Wallet:
        """Someone with coin for gas; commands find the key in the environment as KEY_NAME."""
        signer = derive("csp", name)
        assert isinstance(signer, LocalSigner)
        self.keys[f"KEY_{name.upper()}"] = signer._key.secret
        self.chain.rpc("anvil_setBalance", signer.address, hex(purse))
        return Wallet(self.chain, signer._key.secret)

    def do(self, who: Wallet, function: Any) -> Any:
        wallet = Wallet(self.chain, bytes(who._account.key))  # commands used its nonces meanwhile
        (receipt,) = self.sender.send([Call.of(function.fn_name, wallet, function)])
        return receipt

    def mint(self, to: str, units: int) -> None:
        self.do(self.admin, self.network.token.functions.mint(to, units))

    def environment(self) -> dict[str, str]:
        return {
            **{name: "0x" + key.hex() for name, key in self.keys.items()},
            "EPOCHAL_NETWORK": str(self.file),
            "EPOCHAL_RPC": self.chain.url,
            "EPOCHAL_STATE": str(self.state),
        }

    def start(self, *arguments: str, extra: Mapping[str, str] | None = None, code: str = "") -> subprocess.Popen[str]:
        """A command as a process of its own; `code` runs before it."""
        program = f"{code}\nfrom cli.main import main\nmain()"
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, **self.environment(), **(extra or {}), "PYTHONPATH": str(ROOT)},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tokens_of(self, owner: str) -> int:
        return int(self.network.token.functions.balanceOf(owner).call())


class Terminal:
    """Runs commands in this process, as a shell would."""

    def __init__(self, world: CspWorld, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._world, self._patch, self._capture = world, patch, capture

    def __call__(self, *arguments: str, **environment: str) -> Said:
        with self._patch.context() as patch:
            for name, value in {**self._world.environment(), **environment}.items():
                patch.setenv(name, value)
            patch.chdir(self._world.folder)
            patch.setattr(sys, "argv", ["epochal", *arguments])
            patch.setattr(sys, "stdin", Path(os.devnull).open())  # noqa: SIM115
            self._capture.readouterr()
            with pytest.raises(SystemExit) as ended:
                entry.main()
        out, err = self._capture.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    def done(self, *arguments: str, **environment: str) -> Said:
        """One that must succeed."""
        said = self(*arguments, **environment)
        assert said.status == 0, said
        return said

    def refused(self, cure: str, *arguments: str, status: int | None = None, **environment: str) -> str:
        """One that must fail, in one line that holds `cure`."""
        said = self(*arguments, **environment)
        assert said.status in ((1, 2) if status is None else (status,)), said
        last = said.err.strip().splitlines()[-1]
        assert cure in last, last
        assert "Traceback" not in said.err
        return last


@contextmanager
def csp_world(folder: Path, *extra: str, **changes: Any) -> Iterator[CspWorld]:
    with Anvil(*extra) as anvil:
        yield CspWorld(Chain(anvil.url), folder, **changes)
