# SPDX-License-Identifier: Apache-2.0
"""`ape run deploy`: what `epochal deploy` does, on the network and with the account that ape is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option

from chain.client import Chain
from chain.transactions import Wallet
from cli.deploy import deploy_with

_FILE = click.Path(path_type=Path)


class ApeWallet(Wallet):
    """An account of ape's; ape asks for its passphrase."""

    def __init__(self, chain: Chain, account: Any) -> None:
        self._ape = account
        self.address = str(account.address)
        self.nonce = chain.w3.eth.get_transaction_count(self.address, "pending")

    def sign(self, transaction: dict[str, Any]) -> str:
        """See Wallet."""
        ecosystem = self._ape.provider.network.ecosystem
        unsigned = ecosystem.create_transaction(**{"from": self.address, **transaction})
        signed = self._ape.sign_transaction(unsigned)
        if signed is None:
            raise click.ClickException(f"{self.address} signed nothing")
        return "0x" + bytes(signed.serialize_transaction()).hex()


@click.command(cls=ConnectedProviderCommand, short_help="Deploy a network's contracts, give the roles, check all.")
@account_option()
@click.option("--settings", type=_FILE, help="TOML file of the network; see docs/deployment.md.")
@click.option("--folder", type=_FILE, help="Where the deployment is written down.  [default: deployments/CHAIN-ID]")
@click.option("--plan", "planning", is_flag=True, help="Tell what would be done; send nothing, write nothing.")
@click.option("--yes", is_flag=True, help="Don't ask before sending on a chain that isn't local.")
@click.option("--keep-admin", is_flag=True, help="The deployer goes on governing. Local chains only.")
def cli(provider: Any, account: Any, **given: Any) -> None:
    """Deploy a network's contracts, give the roles, and check who can do what."""
    chain = Chain(str(provider.http_uri))
    wallet = ApeWallet(chain, account)
    deploy_with(chain, wallet, given["settings"], given["folder"], given["planning"], given["yes"], given["keep_admin"])
