"""Deploys a network on the local chain of deploy/compose, and leaves what its oracles and nodes need in a folder.

    python -m scenario.compose http://chain:8545 /network

Nothing is done where the folder has it already: containers come and go, the chain stays. For a local chain only: all
keys can be derived by everybody.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eth_account import Account

from chain.client import Chain
from chain.directory import announcement
from chain.endpoint import ChainUnavailable
from chain.network import NetworkSettings
from chain.transactions import LiveSender, Wallet
from oracle.ground.errors import EpochalError, UserError
from scenario.market import KYC, JobSpec, Market, deployed, node_key, oracle_key, oracle_signers
from scenario.network.options import APPEAL_EPOCHS, POLICY, PRICE, PROTOCOL_SHARE_PPM, NetworkOptions
from scenario.network.world import gas_key

ORACLES: Final = 5
NODES: Final = 2
EPOCH_LENGTH: Final = 120
EPOCHS: Final = 100_000
_LOCAL: Final = 31_337
_PURSE: Final = 10**20
_LEAD: Final = 90
"""Seconds until epoch 0: what deploying at a block a second takes, and a margin."""
_MARGIN: Final = 20
"""Seconds that licences and a job take at most, at a block a second."""
_PATIENCE: Final = 60
_PASSWORD: Final = "a key that everybody can derive"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Place:
    """Where oracle `number` (from 1) is reached: one URL for nodes, one for peers."""

    heartbeats: Callable[[int], str] = lambda number: f"http://oracle-{number}:8600"
    peers: Callable[[int], str] = lambda number: f"http://oracle-{number}:8610"


def prepare(url: str, folder: Path, place: Place | None = None, lead: int = _LEAD) -> bool:
    """Deploy, announce the oracles, license and place the nodes; False where `folder` has a network already.

    Returns once the nodes are placed: after the first epoch has begun, `lead` seconds from now, or later if it takes
    longer. UserError for a chain that is no local one, EpochalError for what fails on it.
    """
    done = folder / "addresses.json"
    if done.exists():
        return False
    place = place or Place()
    chain = _when_it_answers(url)
    if chain.chain_id != _LOCAL:
        raise UserError(f"{chain.where} is chain {chain.chain_id}: keys that everybody knows are for chain {_LOCAL}")
    genesis = int(time.time()) + lead
    options = NetworkOptions(folder, ORACLES, NODES, EPOCHS // 10, EPOCH_LENGTH)
    signers = oracle_signers(ORACLES)
    settings = NetworkSettings(
        options.timing(genesis),
        tuple(one.address for one in signers),
        APPEAL_EPOCHS,
        2,
        PROTOCOL_SHARE_PPM,
        credential_kinds=KYC,
    )
    ends_at = genesis + EPOCHS * EPOCH_LENGTH
    sender = LiveSender(chain)
    network = deployed(sender, settings)
    starts_at = max(genesis, chain.block("latest").timestamp + _MARGIN)
    market = Market(sender, network, JobSpec(PRICE, NODES, starts_at, ends_at, POLICY))
    nodes = market.license_nodes([f"node-{index + 1}" for index in range(NODES)])
    number, _ = market.create_job()
    wallets = [Wallet(chain, gas_key(index + 1)) for index in range(ORACLES)]
    chain.batch([("anvil_setBalance", [one.address, hex(_PURSE)]) for one in wallets])
    sender.send(
        [
            announcement(market.network, wallet, signer, place.peers(index + 1), 1, 200_000)
            for index, (wallet, signer) in enumerate(zip(wallets, signers, strict=True))
        ]
    )
    _keys(folder)
    (folder / "attestations").write_text(market.network.addresses.attestations + "\n", encoding="ascii")
    while chain.block("latest").timestamp < starts_at:
        time.sleep(0.2)
    sender.send([market.assign(number, slot, 1, node, market.terms_hash()) for slot, node in enumerate(nodes)])
    market.network.addresses.save(done)  # last: whoever finds it finds all
    return True


def _keys(folder: Path) -> None:
    """Key files of oracles and nodes, and the password of all."""
    keys = {f"node-{index + 1}": node_key(f"node-{index + 1}") for index in range(NODES)}
    for index in range(ORACLES):
        keys |= {f"oracle-{index + 1}": oracle_key(index), f"gas-{index + 1}": gas_key(index + 1)}
    for name, key in keys.items():
        # A strong derivation would protect nothing here and take seconds.
        encrypted = Account.encrypt(key, _PASSWORD, kdf="pbkdf2", iterations=1_000)
        (folder / f"{name}.json").write_text(json.dumps(encrypted), encoding="utf-8")
    (folder / "password").write_text(_PASSWORD + "\n", encoding="ascii")
    for path in folder.iterdir():
        path.chmod(0o600)


def _when_it_answers(url: str) -> Chain:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return Chain(url)
        except ChainUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m scenario.compose RPC_URL FOLDER")
    try:
        print("deployed" if prepare(sys.argv[1], Path(sys.argv[2])) else "the network is there already")
    except EpochalError as error:
        sys.exit(f"epochal: {error}")
