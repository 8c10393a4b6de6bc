"""The contracts of a network, in the order of their deployment, each with its constructor's arguments.

A constructor that reads another contract comes after it. Everything else may refer to what comes later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Final

from eth_utils.address import to_checksum_address

from chain.compiler import Artifact
from chain.deployment.plan import Plan, Ref, Step
from chain.deployment.settings import NetworkSettings, People
from oracle.signing.signer import LocalSigner, derive

# Key in the plan, and in a network's addresses -> the contract's name.
CONTRACTS: Final = {
    "authority": "Authority",
    "token": "LocalToken",
    "burner": "Burner",
    "swap_burner": "SwapBurner",
    "attestations": "Attestations",
    "trust": "TrustRegistry",
    "licences": "NodeLicense",
    "network_token": "NetworkToken",
    "rewards": "LicenceRewards",
    "sale": "LicenceSale",
    "registry": "OracleRegistry",
    "equivocations": "Equivocations",
    "bonds": "Bonds",
    "accounts": "CspAccounts",
    "credentials": "Credentials",
    "admission": "Admission",
    "escrow": "JobEscrow",
    "placements": "Placements",
    "reallocations": "Reallocations",
    "maintenance": "Maintenance",
    "oracle_pay": "OraclePay",
    "directory": "OracleDirectory",
    "lens": "Lens",
}


def plan_of(
    settings: NetworkSettings, people: People, deployer: str, first_nonce: int, artifacts: Mapping[str, Artifact]
) -> Plan:
    """What to deploy. The first of the settings' tokens is the network's `token`; without any a LocalToken is."""
    known = {"token": to_checksum_address(settings.tokens[0])} if settings.tokens else {}
    left_out = {*known, "burner" if settings.swap else "swap_burner"}
    steps = tuple(step for step in _steps(settings, people, deployer) if step.key not in left_out)
    return Plan(deployer, first_nonce, steps, artifacts, known)


def committee(settings: NetworkSettings) -> tuple[list[str], list[str], list[str]]:
    """Members, signers and operators of the first committee, in the order of the signers' addresses."""
    signers = settings.signers
    members = settings.members or tuple(local_member(one).address for one in signers)
    operators = settings.operators or members
    rows = sorted(zip(members, signers, operators, strict=True), key=lambda row: int(row[1], 16))
    columns = [[str(to_checksum_address(one)) for one in column] for column in zip(*rows, strict=True)]
    return columns[0], columns[1], columns[2]


def local_member(signer: str) -> LocalSigner:
    """The member of a signer on local networks that name none; everybody can derive its key."""
    return derive("Epochal local member", signer.lower())


def _steps(settings: NetworkSettings, people: People, deployer: str) -> list[Step]:
    members, signers, operators = committee(settings)
    licences = settings.licences
    tokens: Sequence[str | Ref] = [to_checksum_address(one) for one in settings.tokens] or [Ref("token")]
    schedules = [
        {"startEpoch": one.start_epoch, "stepEpochs": one.step_epochs, "cap": one.cap, "shares": one.shares}
        for one in licences.schedules
    ]
    refs = {key: Ref(key) for key in CONTRACTS}
    r = refs.__getitem__
    burner = r("swap_burner" if settings.swap else "burner")
    arguments: dict[str, tuple[object, ...]] = {
        "authority": (deployer,),
        "token": (),
        "burner": (),
        "swap_burner": _swapping(settings),
        "attestations": (r("authority"), astuple(settings.timing), signers),
        "trust": (
            r("authority"),
            {
                "freezeSpan": settings.trust.freeze_span,
                "yearlyFreeze": settings.trust.yearly_freeze,
                "appealSpan": settings.trust.appeal_span,
                "decisionSpan": settings.trust.decision_span,
            },
        ),
        "licences": (
            r("authority"),
            r("escrow"),
            r("trust"),
            {"relinkCooldown": licences.relink_cooldown, "supply": list(licences.supply)},
        ),
        "network_token": (settings.own_token.name, settings.own_token.symbol, settings.own_token.cap, r("rewards")),
        "rewards": (
            r("attestations"),
            r("licences"),
            r("trust"),
            r("network_token"),
            {"schedules": schedules, "genesisWallets": list(licences.genesis_wallets)},
        ),
        "sale": (
            r("authority"),
            r("licences"),
            people.treasury,
            licences.longest_pause,
            [{"price": price, "count": count} for price, count in licences.tiers],
            tokens,
        ),
        "registry": (r("authority"), r("attestations"), r("trust"), members, signers, operators),
        "equivocations": (r("attestations"), r("registry"), r("trust"), settings.equivocation_epochs),
        "bonds": (
            r("attestations"),
            r("licences"),
            r("registry"),
            r("escrow"),
            r("trust"),
            burner,
            {"withdrawalDelay": settings.bond_withdrawal_delay, "windowEpochs": settings.bond_window_epochs},
        ),
        "accounts": (r("escrow"),),
        "credentials": (r("authority"), r("trust")),
        "admission": (
            r("authority"),
            r("attestations"),
            r("accounts"),
            r("credentials"),
            r("trust"),
            r("licences"),
            {
                "credentialKinds": settings.credential_kinds,
                "deedRequired": settings.deed_required,
                "longestPause": settings.longest_pause,
            },
            tokens,
        ),
        "escrow": (
            {
                "attestations": r("attestations"),
                "licences": r("licences"),
                "placements": r("placements"),
                "accounts": r("accounts"),
                "admission": r("admission"),
                "trust": r("trust"),
                "bonds": r("bonds"),
                "burner": burner,
                "protocolSink": r("oracle_pay") if settings.oracle_pay else burner,
            },
            settings.appeal_epochs,
            settings.settle_window,
            settings.protocol_share_ppm,
        ),
        "placements": (r("escrow"), r("licences"), r("trust"), r("registry"), r("accounts"), r("reallocations")),
        "reallocations": (r("attestations"), r("placements"), r("escrow")),
        "maintenance": (r("attestations"), r("licences")),
        "oracle_pay": (
            r("attestations"),
            r("registry"),
            r("trust"),
            burner,
            tokens[0],
            settings.oracle_pay,
        ),
        "directory": (),
        "lens": (r("escrow"), r("credentials"), r("reallocations")),
    }
    return [Step(key, name, arguments[key]) for key, name in CONTRACTS.items()]


def _swapping(settings: NetworkSettings) -> tuple[object, ...]:
    swap = settings.swap
    if swap is None:
        return ()
    periods = {"minPeriod": swap.min_period, "maxPeriod": swap.max_period, "cooldown": swap.cooldown}
    return (Ref("authority"), swap.router, Ref("network_token"), {**periods, "maxSlippagePpm": swap.max_slippage_ppm})
