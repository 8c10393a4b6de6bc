"""What the escrow has booked of assignments, and what turns their seconds into money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chain import bindings
from chain.client import Block, NoContract, RpcError
from chain.network import Network, named
from settlement.money import Rates, Statement, statement


@dataclass(frozen=True, slots=True)
class Seconds:
    """Cumulative seconds of one assignment, of its time up to when it is counted."""

    earned: int
    withheld: int
    unmeasured: int

    @staticmethod
    def of(opened_at: int, until: int, earned: int, accounted: int) -> Seconds:
        """From an account: `accounted` seconds of those from `opened_at` to `until` were measured."""
        return Seconds(earned, accounted - earned, max(0, until - opened_at - accounted))

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.earned - other.earned, self.withheld - other.withheld, self.unmeasured - other.unmeasured)

    def amounts(self, rates: Rates) -> Statement:
        """What they come to, once nothing of them is held."""
        return statement(rates, self.earned, self.withheld, self.unmeasured)


@dataclass(frozen=True, slots=True)
class Token:
    """How a token's amounts are written."""

    address: str
    symbol: str
    decimals: int

    def show(self, units: int) -> str:
        """An amount of its smallest unit, exactly."""
        sign, digits = "-" * (units < 0), f"{abs(units):0{self.decimals + 1}d}"
        whole, rest = digits[: len(digits) - self.decimals], digits[len(digits) - self.decimals :]
        return f"{sign}{int(whole):,}{'.' + rest if rest else ''} {self.symbol}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job's seconds are worth, and in which token."""

    rates: Rates
    token: Token


@dataclass(frozen=True, slots=True)
class Book:
    """What is booked of one assignment. through: up to when, UNIX seconds. claimed: earned seconds that were paid out.
    held: withheld seconds that aren't released yet."""

    payee: str
    seconds: Seconds
    through: int
    claimed: int
    held: int

    def paid_out(self, rates: Rates) -> int:
        """What went to the payee."""
        return rates.net(self.claimed)

    def claimable(self, rates: Rates) -> int:
        """What anyone can have paid to the payee now."""
        return rates.net(self.seconds.earned) - rates.net(self.claimed)


def terms_of(network: Network, job: int) -> Terms:
    """A job's terms. RpcError."""
    known = network.job(job)
    rates = Rates(known["price"], network.timing.epoch_length, network.protocol_share_ppm, known["cspSharePpm"])
    return Terms(rates, token_of(network, known["token"]))


def books_of(network: Network, assignments: Sequence[int], block: Block) -> dict[int, Book]:
    """The books of assignments in the state of a block, by id. RpcError."""
    function = network.lens.functions.assignmentsOf(list(assignments))
    found = [named(network.lens, "assignmentsOf", one) for one in network.chain.call(function, block)]
    return {
        one["id"]: Book(
            one["payee"],
            Seconds.of(one["openedAt"], one["through"], one["earned"], one["accounted"]),
            one["through"],
            one["claimed"],
            one["held"],
        )
        for one in found
    }


def token_of(network: Network, address: str) -> Token:
    """How a token is written. Symbol and decimals are optional in ERC-20: without them amounts are in units."""
    contract = network.chain.contract(address, bindings.abi("LocalToken"))
    try:
        symbol = network.chain.call(contract.functions.symbol())
        decimals = network.chain.call(contract.functions.decimals())
    except NoContract:
        return Token(address, "units", 0)
    except RpcError as error:
        if not error.reverted:
            raise
        return Token(address, "units", 0)
    shown = "".join(one for one in str(symbol) if one.isascii() and one.isprintable())[:12]
    return Token(address, shown or "units", decimals)
