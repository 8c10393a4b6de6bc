"""`epochal deploy`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from chain.client import Chain
from chain.deployment import presets, verifying
from chain.deployment.contracts import local_member
from chain.deployment.errors import UnfitSettings
from chain.deployment.journal import Folder
from chain.deployment.presets import Oracle
from chain.deployment.run import LOCAL_CHAINS, Order, preview
from chain.deployment.run import deploy as run
from chain.deployment.settings import People
from chain.deployment.wallets import SignerWallet
from chain.transactions import LiveSender, Wallet
from cli.deploy_file import Told, read
from oracle.signing.keys import load_key
from oracle.signing.signer import LocalSigner, Signer
from scenario.market import oracle_signers

__all__ = ["deploy", "deploy_with"]

_FILE = click.Path(path_type=Path)
_FARTHEST = 366 * 86_400  # seconds from a chain's time to a genesis that isn't a slip of the pen
_LEAD = 120  # seconds from the first run to a local network's genesis, unless the settings tell it
# The first account of every anvil, which everybody knows.
_LOCAL_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")


@click.command(
    short_help="Deploy a network's contracts, give the roles, check all.",
    epilog="\b\nExamples:\n"
    "  epochal deploy --rpc http://127.0.0.1:8545                        a local network, governed by its deployer\n"
    "  epochal deploy --rpc URL --settings ratio1.toml --key-env DEPLOYER --plan\n"
    "  epochal deploy --rpc URL --settings ratio1.toml --keystore deployer.json --password-file secret",
)
@click.option("--rpc", required=True, metavar="URL", help="The chain.")
@click.option("--settings", type=_FILE, help="TOML file of the network.  [default, on local chains: a small network]")
@click.option("--folder", type=_FILE, help="Where the deployment is written down.  [default: deployments/CHAIN-ID]")
@click.option("--key-env", metavar="NAME", help="Environment variable with the deployer's private key.")
@click.option("--keystore", type=_FILE, help="Ethereum keystore file with it.")
@click.option("--password-file", type=_FILE, help="File whose first line is the keystore's password.")
@click.option("--plan", "planning", is_flag=True, help="Tell what would be done; send nothing, write nothing.")
@click.option("--yes", is_flag=True, help="Don't ask before sending on a chain that isn't local.")
@click.option("--keep-admin", is_flag=True, help="The deployer goes on governing, without a delay. Local chains only.")
def deploy(rpc: str, **given: Any) -> None:
    """Deploy a network's contracts in one go, give the roles, and check who can do what.

    It may be run again: it goes on where it was broken off, and on a finished network it only checks. Everything is
    written down in a folder: addresses.json, which all commands read, and the contracts' ABIs.
    """
    chain = Chain(rpc)
    wallet = SignerWallet(chain, _signer(chain.chain_id, given))
    deploy_with(chain, wallet, given["settings"], given["folder"], given["planning"], given["yes"], given["keep_admin"])


def deploy_with(
    chain: Chain,
    wallet: Wallet,
    settings: Path | None,
    folder: Path | None,
    planning: bool = False,
    yes: bool = False,
    keep_admin: bool = False,
) -> None:
    """What the command does, with a deployer's wallet of any kind."""
    is_local = chain.chain_id in LOCAL_CHAINS
    if keep_admin and not is_local:
        raise UnfitSettings(f"--keep-admin is for local chains; {chain.where} is chain {chain.chain_id}")
    files = Folder(folder or Path("deployments") / str(chain.chain_id))
    begun = files.read()
    if settings is not None:
        told = read(settings, begun.genesis if begun else None)
    elif is_local:
        told, keep_admin = _small(wallet.address, begun.genesis if begun else int(time.time()) + _LEAD), True
    else:
        raise UnfitSettings(f"--settings is missing: chain {chain.chain_id} isn't local, so nothing is assumed")
    if begun is None and settings is not None:
        _to_come(told.settings.timing.genesis, chain.block("latest").timestamp)
        verifying.check_outside(chain, told.settings)
    order = Order(told.settings, told.people, wallet, keep_admin, files)
    order.check()
    click.echo("compiling the contracts (minutes the first time, then seconds)", err=True)
    if planning or not (is_local or yes):
        for line in preview(chain, order):
            click.echo(line)
    if planning:
        return
    if not (is_local or yes):
        click.confirm(f"Send this to chain {chain.chain_id} at {chain.where}?", abort=True)
    done = run(LiveSender(chain, patience=600.0), order, click.echo)
    for line in done.powers:
        click.echo(line)
    click.echo(
        f"{done.deployed} contracts deployed, {done.granted} settings of roles changed; {done.wires} wires and all "
        f"roles are as planned; see {files.addresses}"
    )


def _to_come(genesis: int, now: int) -> None:
    if not now < genesis <= now + _FARTHEST:
        raise UnfitSettings(
            f"genesis is {genesis}, but the chain's time is {now}; give a UNIX time to come, within a year"
        )


def _small(deployer: str, genesis: int) -> Told:
    """The network of a local chain: keys of its oracles can be derived by everybody."""
    oracles = [_oracle(one.address) for one in oracle_signers(5)]
    return Told(presets.local(genesis, 600, oracles), People.one(deployer))


def _oracle(signer: str) -> Oracle:
    member = local_member(signer).address
    return Oracle(signer, member, member)


def _signer(chain_id: int, given: dict[str, Any]) -> Signer:
    ways = given["key_env"], given["keystore"], given["password_file"]
    if chain_id in LOCAL_CHAINS and not any(ways):
        return LocalSigner(_LOCAL_KEY)
    return load_key(*ways, os.environ)
