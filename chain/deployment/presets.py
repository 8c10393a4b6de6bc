"""Settings of whole networks: one for a machine of one's own, one with the figures of Ratio1's network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chain.deployment.settings import DAY, Delays, Licences, NetworkSettings, OwnToken, Schedule, Swap, Timing

HOUR: Final = 3_600
_USD: Final = 10**6  # tokens of 6 decimals
_KYC_AND_KYB: Final = 3

# Price in dollars and number of licences, in the order of sale.
RATIO1_TIERS: Final = (
    (500, 89),
    (750, 144),
    (1_000, 233),
    (1_500, 377),
    (2_000, 610),
    (2_500, 987),
    (3_000, 1_597),
    (3_500, 2_584),
    (4_000, 4_181),
    (5_000, 6_765),
    (7_000, 10_946),
    (9_500, 17_711),
)
RATIO1_TOKEN_CAP: Final = 161_803_398 * 10**18
RATIO1_BURN_PPM: Final = 150_000
Schedules = tuple[Schedule, Schedule, Schedule]


@dataclass(frozen=True, slots=True)
class Oracle:
    """A member of the first committee: its signing key's address, its cold address, and who operates it."""

    signer: str
    member: str
    operator: str


def local(genesis: int, epoch_length: int, oracles: Sequence[Oracle]) -> NetworkSettings:
    """A network to try: a LocalToken to pay with, no credentials, licences for whoever mints them, two tiers."""
    return NetworkSettings(
        timing=Timing.for_epochs(genesis, epoch_length, 2),
        appeal_epochs=2,
        settle_window=max(1, epoch_length // 10),
        protocol_share_ppm=50_000,
        licences=Licences(supply=(10_000, 100, 1), tiers=((10 * _USD, 100), (20 * _USD, 900))),
        signers=tuple(one.signer for one in oracles),
        members=tuple(one.member for one in oracles),
        operators=tuple(one.operator for one in oracles),
    )


def ratio1(
    genesis: int,
    oracles: Sequence[Oracle],
    tokens: Sequence[str],
    schedules: Schedules,
    genesis_wallets: Sequence[str],
    swap: Swap | None,
    test_network: bool = False,
) -> NetworkSettings:
    """Ratio1's figures: epochs of a day (4 hours on a test network), heartbeats each 10 s, 46,724 licences and one.

    tokens            of 6 decimals, as USDC
    schedules         standard linear, master logistic, genesis flat; `settlement.emission` has them
    genesis_wallets   the five among whom the genesis licence's reward is split
    swap              where 15 % of the pay is swapped into the network's own token and burned
    """
    length = 4 * HOUR if test_network else DAY
    return NetworkSettings(
        timing=Timing.for_epochs(genesis, length, 3),
        appeal_epochs=3,
        settle_window=length // 4,
        protocol_share_ppm=RATIO1_BURN_PPM,
        tokens=tuple(tokens),
        licences=Licences(
            relink_cooldown=DAY,
            supply=(sum(count for _, count in RATIO1_TIERS), 500, 1),
            schedules=schedules,
            genesis_wallets=tuple(genesis_wallets),
            tiers=tuple((price * _USD, count) for price, count in RATIO1_TIERS),
        ),
        own_token=OwnToken("R1", "R1", RATIO1_TOKEN_CAP),
        credential_kinds=_KYC_AND_KYB,
        bond_window_epochs=30,
        swap=swap,
        signers=tuple(one.signer for one in oracles),
        members=tuple(one.member for one in oracles),
        operators=tuple(one.operator for one in oracles),
    )


def delays_for(timing: Timing) -> Delays:
    """Governance waits two epochs; an emergency replacement waits half of the span that it must fit."""
    return Delays(governance=2 * timing.epoch_length, replacement=timing.replacement_span // 2)
