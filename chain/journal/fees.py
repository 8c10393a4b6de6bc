"""What to offer for gas (EIP-1559): by the chain's recent blocks, and never above the operator's ceiling. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from oracle.ground.errors import InvalidValue

GWEI: Final = 10**9
LEAST_TIP: Final = GWEI // 100
"""Wei per gas. Empty blocks show no tips, and pools refuse none at all."""


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """How much an operator pays.

    max_fee_gwei       ceiling of the price of gas, tip and all; above it transactions wait
    max_priority_gwei  ceiling of the tip offered at first
    stuck_seconds      after which a transaction that isn't mined is replaced by a dearer one
    min_balance_wei    below it the status says so
    """

    max_fee_gwei: int = 200
    max_priority_gwei: int = 2
    stuck_seconds: float = 60
    min_balance_wei: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.max_priority_gwei <= self.max_fee_gwei:
            raise InvalidValue(
                f"fees: priority {self.max_priority_gwei} gwei and ceiling {self.max_fee_gwei} gwei; give a priority "
                "of at least 1 and a ceiling not below it"
            )
        if self.stuck_seconds <= 0 or self.min_balance_wei < 0:
            raise InvalidValue(
                f"stuck after {self.stuck_seconds} s, balance at least {self.min_balance_wei} wei: give more than 0 s "
                "and at least 0 wei"
            )

    @property
    def ceiling(self) -> int:
        """Wei per gas."""
        return self.max_fee_gwei * GWEI


@dataclass(frozen=True, slots=True)
class Market:
    """The next block's base fee and the usual tip of recent ones, wei per gas."""

    base_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Fee:
    """An offer in wei per gas."""

    max_fee: int
    max_priority: int


def going_rate(market: Market, limits: FeeLimits) -> int:
    """The price at which the next block should take a transaction, wei per gas."""
    return market.base_fee + _tip(market, limits)


def first_offer(market: Market, limits: FeeLimits) -> Fee | None:
    """Enough for a base fee that doubles, within the ceiling; None while even the next block is above it."""
    tip = _tip(market, limits)
    if market.base_fee + tip > limits.ceiling:
        return None
    return Fee(min(limits.ceiling, 2 * market.base_fee + tip), tip)


def raised_offer(old: Fee, market: Market, limits: FeeLimits) -> Fee | None:
    """An offer that pools take in place of `old`: an eighth more in both parts, or the first offer if that is dearer.

    None when that is above the ceiling. The tip passes its own ceiling only where `old` can't be mined otherwise:
    pools want both parts raised.
    """
    offer = first_offer(market, limits)
    if offer is None or _eighth_more(old.max_fee) > limits.ceiling:
        return None
    max_fee = max(offer.max_fee, _eighth_more(old.max_fee))
    tip = max(offer.max_priority, _eighth_more(old.max_priority))
    if tip > limits.max_priority_gwei * GWEI and old.max_fee >= going_rate(market, limits):
        return None
    return Fee(max_fee, min(tip, max_fee))


def _tip(market: Market, limits: FeeLimits) -> int:
    return min(max(market.tip, LEAST_TIP), limits.max_priority_gwei * GWEI)


def _eighth_more(value: int) -> int:
    return (value * 9 + 7) // 8
