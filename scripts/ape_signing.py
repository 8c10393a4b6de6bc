# SPDX-License-Identifier: Apache-2.0
"""An account of ape's as a signer of the project's: for scripts that ape runs."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option

from oracle.ground.typed_data import Domain, TypedStruct

_APES = {"addresses": "addresses", "account": "csp_account"}  # --network and --account are options of ape's
_KEY_OPTIONS = {"key_env", "keystore", "password_file"}


class ApeSigner:
    """Signs with an account of ape's; ape asks for its passphrase."""

    def __init__(self, account: Any) -> None:
        self._account = account

    @property
    def address(self) -> str:
        """See Signer."""
        return str(self._account.address)

    def sign(self, digest: bytes) -> bytes:
        """See Signer."""
        signed = self._account.sign_raw_msghash(digest)
        if signed is None:
            raise click.ClickException(f"{self.address} signed nothing")
        s = int.from_bytes(bytes(signed.s), "big") | (int(signed.v) - 27) << 255
        return bytes(signed.r).rjust(32, b"\0") + s.to_bytes(32, "big")

    def sign_typed(self, message: TypedStruct, domain: Domain) -> bytes:
        """See Signer."""
        return self.sign(message.digest(domain))


def as_ape_command(command: click.Command) -> click.Command:
    """A command of `epochal` for ape: its chain is the network's that ape is told, its key the account's."""
    has_chain = any(one.name == "rpcs" for one in command.params)
    needs_key = any(one.name in _KEY_OPTIONS for one in command.params)
    run: Callable[..., Any] = command.callback  # type: ignore[assignment]

    def called(provider: Any, account: Any = None, **given: Any) -> Any:
        if has_chain:
            given["rpcs"] = (str(provider.http_uri),)
        if needs_key:
            given.update(dict.fromkeys(_KEY_OPTIONS))
            given["signer"] = ApeSigner(account)
        if "csp_account" in given:
            given["account"] = given.pop("csp_account")
        return run(**given)

    kept = [_renamed(one) for one in command.params if one.name not in (*_KEY_OPTIONS, "rpcs")]
    made = ConnectedProviderCommand(
        command.name, callback=called, params=kept, help=command.help, short_help=command.short_help
    )
    return account_option()(made) if needs_key else made


def as_ape_group(group: click.Group) -> click.Group:
    """A group of them."""
    made = click.Group(group.name, help=group.help, short_help=group.short_help)
    for name, one in group.commands.items():
        made.add_command(as_ape_group(one) if isinstance(one, click.Group) else as_ape_command(one), name)
    return made


def _renamed(parameter: click.Parameter) -> click.Parameter:
    """A parameter under a name that isn't ape's own."""
    if parameter.name not in _APES:
        return parameter
    made = copy(parameter)
    made.name = _APES[parameter.name]
    if isinstance(made, click.Option):
        made.opts = ["--" + made.name.replace("_", "-")]
    return made
