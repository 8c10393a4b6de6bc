"""`epochal licence voucher` and `issuer`: who may buy licences, said by a registered issuer."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click

from cli.signing_options import open_sending, show_json, signing_options, tell
from operations import tokens
from operations.licences import files, vouchers
from oracle.ground import amounts, times
from oracle.ground.errors import InvalidValue

_FILE = click.Path(path_type=Path)


@click.command(short_help="For the registrar: take an issuer's vouchers.")
@click.argument("issuer", metavar="ADDRESS")
@click.option("--drop", is_flag=True, help="Take them no more.")
@signing_options
def issuer(issuer: str, drop: bool, **given: Any) -> None:
    """Have the sale take the vouchers that ADDRESS signs. The key is the network's registrar's."""
    address = files.address("ADDRESS", issuer)
    network, sending = open_sending(given)
    line = f"the sale takes {'no vouchers' if drop else 'vouchers'} of {address}"
    sending.run(
        {"do": "licence issuer", "at": network.sale.address, "issuer": address, "drop": drop},
        lambda: vouchers.registering(network, address, not drop),
        lambda outcome: tell(outcome, given["as_json"], [line], issuer=address, registered=not drop),
    )


@click.command(short_help="For issuers: sign a buyer's voucher.")
@click.argument("buyer", metavar="ADDRESS")
@click.option("--limit", required=True, metavar="AMOUNT", help="What the buyer may spend in all, without tax.")
@click.option("--token", metavar="TOKEN", help="In whose units.  [default: the network's first]")
@click.option("--tax", metavar="PERCENT", default="0", show_default=True, help="Value-added tax upon the price.")
@click.option("--until", required=True, metavar="TIME", help="When it ends, like 2027-01-01T00:00Z or +7d.")
@click.option("--invoice", metavar="0xHASH", help="The invoice's id, used once.  [default: a random one]")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Where to write it.")
@signing_options
def voucher(buyer: str, out: Path, **given: Any) -> None:
    """Sign, with a registered issuer's key, that ADDRESS may buy licences. Nothing is sent."""
    address = files.address("ADDRESS", buyer)
    network, sending = open_sending(given)
    token = tokens.find(network, given["token"])
    now = network.chain.block("latest").timestamp
    end = times.parse_time("--until", given["until"], now, network.timing.epoch_length)
    invoice = _invoice(given["invoice"])
    limit, tax = token.parse("--limit", given["limit"]), _percent(given["tax"])
    made = vouchers.issued(network, sending.signer, address, invoice, limit, tax, end)
    made.save(out)
    if given["as_json"]:
        show_json({"file": str(out), "buyer": address, "invoice": "0x" + invoice.hex(), "expiry": end})
    else:
        click.echo(f"{out}: voucher of {address} for {token.show(limit)} until {times.show_time(end)}; send it there")


def _invoice(text: str | None) -> bytes:
    if text is None:
        return secrets.token_bytes(32)
    try:
        return files.raw(text, 32)
    except ValueError as error:
        raise InvalidValue(f"--invoice is {text!r}: give 0x and 64 hex digits, each used once") from error


def _percent(text: str) -> int:
    ppm = amounts.parse("--tax", text.removesuffix("%").strip(), 4)
    if ppm > 1_000_000:
        raise InvalidValue(f"--tax is {text}: give a percentage from 0 to 100")
    return ppm
