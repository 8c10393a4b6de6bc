"""What seconds come to in money: the contracts' arithmetic in Python, for plans, statements and tests. Pure.

Amounts are in the token's smallest unit. Each is floor(price x cumulative seconds / epoch length), or a floored share
of it, so the path of settlements doesn't matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.policy import PPM


@dataclass(frozen=True, slots=True)
class Rates:
    """price of one slot for one epoch; epoch length in seconds; the protocol's share of the earned and the CSP's share
    of the withheld, both in millionths."""

    price: int
    epoch_length: int
    protocol_share_ppm: int
    csp_share_ppm: int

    def gross(self, seconds: int) -> int:
        """What seconds cost, rounded down."""
        return self.price * seconds // self.epoch_length

    def net(self, earned: int) -> int:
        """The payee's part of one assignment's earned seconds, rounded down."""
        return self.gross(earned) * (PPM - self.protocol_share_ppm) // PPM

    def burned(self, earned: int, released: int) -> int:
        """The burned part of a job's earned and released seconds: the protocol's share of the one, and what the CSP
        doesn't get of the other, each rounded down."""
        protocol = self.gross(earned) * self.protocol_share_ppm // PPM
        return protocol + self.gross(released) * (PPM - self.csp_share_ppm) // PPM

    def deposit(self, slots: int, seconds: int) -> int:
        """What funds a job of so many slots and seconds, rounded up."""
        return -(-self.price * slots * seconds // self.epoch_length)


@dataclass(frozen=True, slots=True)
class Statement:
    """Where the money of one assignment's settled seconds went once nothing of it is held.

    paid to the payee; refunded to the CSP (unmeasured seconds and its share of the withheld); burned (the protocol's
    share and the burn share); withheld: the gross amount of withheld seconds, for information, since it is part of
    refunded and burned. Each is rounded down.
    """

    paid: int
    withheld: int
    refunded: int
    burned: int


def statement(rates: Rates, earned: int, withheld: int, unmeasured: int) -> Statement:
    """The statement of cumulative seconds.

    The contracts round a job's burned amounts as wholes and refund the rest, so the sums over its assignments may lack
    some units of the burned and of the refunded, and never have one too many; `paid` is exact.
    """
    refunded = rates.gross(unmeasured) + rates.gross(withheld) * rates.csp_share_ppm // PPM
    return Statement(rates.net(earned), rates.gross(withheld), refunded, rates.burned(earned, withheld))
