"""What was deployed so far, in a folder: whoever runs the deployment again goes on from there.

deployment.json    whose plan it is, and each contract that is there, written anew before and after each
abi/<Name>.json    ABIs of the contracts
addresses.json     what every command reads (`--network`); written last: whoever finds it finds a whole network
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chain.compiler import Artifact
from chain.deployment.errors import WrongDeployment


@dataclass(frozen=True, slots=True)
class Done:
    """A contract: what it is, where, from which init code; and a block in which it is there, 0 before it was sent."""

    contract: str
    address: str
    init_hash: str
    block: int


@dataclass(slots=True)
class Journal:
    """A deployment's state.

    chain_id, chain_start    the chain, and its block 0, by which chains of one id are told apart
    deployer, first_nonce    what addresses follow from
    genesis                  of the network; kept, since it may have been worked out from the time of the first run
    first_block              the first block that may hold events of the contracts
    """

    chain_id: int
    chain_start: str
    deployer: str
    first_nonce: int
    genesis: int
    first_block: int
    contracts: dict[str, Done] = field(default_factory=dict)


class Folder:
    """Where the files of one network's deployment are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "deployment.json"
        self.addresses = path / "addresses.json"

    def read(self) -> Journal | None:
        """The state that was written last; None before the first."""
        try:
            told = json.loads(self.state.read_text(encoding="utf-8"))
            done = {key: Done(**one) for key, one in told.pop("contracts").items()}
            return Journal(**told, contracts=done)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WrongDeployment(
                f"{self.state}: is no state of a deployment ({error}); restore it, or use another --folder"
            ) from error

    def write(self, journal: Journal) -> None:
        """Keep the state."""
        _replace(self.state, json.dumps(asdict(journal), indent=2) + "\n")

    def write_abi(self, artifact: Artifact) -> None:
        """Keep a contract's ABI."""
        _replace(self.path / "abi" / f"{artifact.name}.json", json.dumps(artifact.abi, indent=1) + "\n")

    def write_addresses(self, addresses: dict[str, Any]) -> None:
        """Say that the network is whole, and where."""
        _replace(self.addresses, json.dumps(addresses, indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; leave it alone where it says this already."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
