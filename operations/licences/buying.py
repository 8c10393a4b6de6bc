"""Buying licences from the network's sale."""

from __future__ import annotations

from collections.abc import Sequence

from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.network import Network
from operations import paying, reading, tokens
from operations.licences import vouchers
from operations.licences.vouchers import VoucherFile
from operations.plans import Plan, PlannedCall
from operations.refusals import Refused, meaning
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.errors import InvalidValue
from oracle.ground.policy import PPM
from oracle.signing.signer import Signer


def token_of(network: Network, wanted: str | None) -> Token:
    """The token of an address or symbol, if the sale takes it. InvalidValue names those it takes."""
    token = tokens.find(network, wanted)
    if network.chain.call(network.sale.functions.tokenAllowed(token.address)):
        return token
    known = [one for one in tokens.allowed(network) if _taken(network, one)]
    listed = ", ".join(f"{one.symbol} ({one.address})" for one in known) or "none that the network's list names"
    raise InvalidValue(f"--token: the sale doesn't take {token.symbol} ({token.address}); it takes {listed}")


def buying(network: Network, signer: Signer, file: VoucherFile, count: int, wanted: str | None) -> Plan:
    """Buy so many licences at the price of now, allowing exactly that. InvalidValue, Refused, TooFewTokens."""
    vouchers.check(network, file)
    functions, voucher = network.sale.functions, file.voucher
    label = f"buy {count} licence{'s' if count > 1 else ''}"
    _refuse_early(network, signer.address, file, label)
    token = token_of(network, wanted)
    cost = int(reading.read(network, functions.quote(count), label))
    spent = int(network.chain.call(functions.spentBy(voucher.buyer))) + cost
    if spent > voucher.limit:
        raise InvalidValue(
            f"{label}: the voucher's limit is {token.show(voucher.limit)} without tax, and this comes to "
            f"{token.show(spent)}, what was bought before included; buy fewer, or ask its issuer for another voucher"
        )
    tax = cost * voucher.vatPpm // PPM
    total = cost + tax
    payment = paying.prepare(network, signer, token, signer.address, network.sale.address, total, permits=False)
    buy = functions.buy(token.address, count, total, voucher.values(), file.signature[:32], file.signature[32:])
    facts = (
        ("price", f"{token.show(cost)} for {count}"),
        ("tax", f"{token.show(tax)} ({voucher.vatPpm / 10_000:g} %)"),
        ("you pay", f"{token.show(total)}, {payment.told}"),
        ("left of limit", token.show(voucher.limit - spent)),
        ("invoice", "0x" + voucher.invoice.hex()),
    )
    title = f"Buy {count} licence{'s' if count > 1 else ''} for {token.show(total)}"
    return Plan(title, (*payment.calls, PlannedCall.of(label, buy)), facts, moves_money=True)


def bought(network: Network, receipts: Sequence[TxReceipt]) -> list[int]:
    """The licences that were minted in these transactions."""
    minted = network.licences.events.LicenceMinted()
    return [int(one["args"]["licence"]) for each in receipts for one in minted.process_receipt(each, errors=DISCARD)]


def _refuse_early(network: Network, buyer: str, file: VoucherFile, label: str) -> None:
    """What the sale would refuse for, before tokens are looked at: an approval would be sent for nothing."""
    functions, voucher = network.sale.functions, file.voucher
    now = network.chain.block("latest").timestamp
    paused = int(network.chain.call(functions.pausedUntil()))
    if now < paused:
        raise _refused(label, "LicenceSale_IsPaused", until=paused)
    if voucher.buyer.lower() != buyer.lower():
        raise _refused(label, "LicenceSale_NotBuyer", caller=buyer, buyer=voucher.buyer)
    if now > voucher.expiry:
        raise _refused(label, "LicenceSale_VoucherExpired", expiry=voucher.expiry)
    if network.chain.call(functions.invoiceUsed(voucher.invoice)):
        raise _refused(label, "LicenceSale_InvoiceUsed", invoice="0x" + voucher.invoice.hex())
    if not network.chain.call(functions.issuerRegistered(file.issuer)):
        raise _refused(label, "LicenceSale_NotIssuer", recovered=file.issuer)


def _refused(label: str, name: str, **values: object) -> Refused:
    return Refused(f"{label}: refused, since {meaning(name, values)} ({name})", name, values)


def _taken(network: Network, token: Token) -> bool:
    return bool(network.chain.call(network.sale.functions.tokenAllowed(token.address)))


def offered(network: Network) -> tuple[int, int, list[tuple[int, int]], int]:
    """Sold, offered, the tiers as (price in the tokens' smallest unit, count), and until when the sale is paused."""
    functions = network.sale.functions
    tiers = [(int(price), int(count)) for price, count in network.chain.call(functions.tiers())]
    paused = int(network.chain.call(functions.pausedUntil()))
    sold, all_of_them = (int(network.chain.call(one)) for one in (functions.sold(), functions.offered()))
    return sold, all_of_them, tiers, paused


def paused_text(until: int, now: int) -> str:
    """Whether the sale sells."""
    return f"paused until {times.show_time(until)}" if now < until else "open"
