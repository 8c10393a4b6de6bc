"""Where the contracts of a network are, as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the contracts of one network are, on one chain. Those that a network was deployed without are empty.

    token         in which jobs pay; the first of several
    burner        who gets what is to be burned; the same as swap_burner where there is one
    directory     the OracleDirectory
    first_block   the first block that may hold events of theirs; 0 where that isn't known
    """

    chain_id: int
    authority: str
    attestations: str
    licences: str
    escrow: str
    burner: str
    token: str
    directory: str = ""
    first_block: int = 0
    trust: str = ""
    registry: str = ""
    equivocations: str = ""
    bonds: str = ""
    accounts: str = ""
    credentials: str = ""
    admission: str = ""
    swap_burner: str = ""
    placements: str = ""
    reallocations: str = ""
    maintenance: str = ""
    oracle_pay: str = ""
    network_token: str = ""
    rewards: str = ""
    sale: str = ""
    lens: str = ""

    def by_key(self) -> dict[str, str]:
        """The contracts that there are, by name."""
        told = asdict(self)
        return {one.name: told[one.name] for one in fields(self) if one.type == "str" and told[one.name]}

    @staticmethod
    def of(chain_id: int, first_block: int, contracts: Mapping[str, str]) -> Addresses:
        """Those of a plan."""
        burner = {"burner": contracts["swap_burner"]} if "swap_burner" in contracts else {}
        return Addresses(chain_id=chain_id, first_block=first_block, **contracts, **burner)

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=2) + "\n")
        part.replace(path)

    @staticmethod
    def load(path: Path) -> Addresses:
        """Read what `save` wrote."""
        return Addresses(**json.loads(path.read_text()))
