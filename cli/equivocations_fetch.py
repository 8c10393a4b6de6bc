"""Asking oracles for what they keep of double signing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import click

from chain.network import Network
from operations.equivocations import Case, cases, keys_of
from operations.equivocations_told import choose
from oracle.ground.errors import EpochalError
from oracle.peers.client import PeerClient
from oracle.peers.errors import PeerError
from oracle.service.evidence_source import listed_urls


class NoOracle(EpochalError):
    """No oracle told anything: none is known, or none answers."""


def told_cases(network: Network, oracles: Sequence[str]) -> tuple[list[Case], list[str]]:
    """What these oracles (base URLs; none: those in the chain's directory) prove, and what is wrong with some of them,
    which is also told on standard error. NoOracle, RpcError.
    """
    urls = list(dict.fromkeys(oracles)) or listed_urls(network)
    if not urls:
        raise NoOracle("no oracle of the committee in force has announced an endpoint; give --oracle")
    told, problems = asyncio.run(_ask(urls))
    if not told:
        raise NoOracle(f"no oracle told of equivocations: {'; '.join(problems)}")
    keys = keys_of(network)
    chosen = choose(told, network.report_domain, keys)
    problems += chosen.problems
    for one in problems:
        click.echo(one, err=True)
    return cases(network, chosen.proofs, keys), problems


async def _ask(urls: Iterable[str]) -> tuple[dict[str, list[Any]], list[str]]:
    """Lists by URL, and why there is none from the others."""
    client = PeerClient()
    told: dict[str, list[Any]] = {}
    problems = []

    async def ask(url: str) -> list[Any] | PeerError:
        try:
            return await client.listed(url, "equivocations")
        except PeerError as error:
            return error

    try:
        asked = list(urls)
        for url, found in zip(asked, await asyncio.gather(*map(ask, asked)), strict=True):
            if isinstance(found, PeerError):
                problems.append(str(found))
            else:
                told[url] = found
    finally:
        await client.close()
    return told, problems
