"""Where evidence comes from: the oracles that serve it, or a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from chain.directory import endpoints_of
from chain.network import Network
from oracle.committee.verifying import Claim
from oracle.ground.errors import EpochalError, UserError
from oracle.peers.client import PeerClient
from oracle.peers.errors import PeerError


class EvidenceMissing(EpochalError):
    """No oracle that was asked has the evidence."""


class EvidenceUnreadable(UserError):
    """The file can't be read."""


class EvidenceSource:
    """Fetches bundles by their hash. What came is that of the hash, whoever gave it."""

    def __init__(self, network: Network, oracles: Sequence[str] = ()) -> None:
        """`oracles`: base URLs to ask, in that order; none: those that the chain's directory has of the members."""
        self._network = network
        self._given = tuple(oracles)
        self._listed: dict[int, list[str]] = {}

    def fetch(self, claim: Claim) -> tuple[bytes, str]:
        """(bundle, URL that gave it). EvidenceMissing with each one's reason; RpcError; WrongDeployment for a network
        without a directory."""
        urls = self._given or tuple(self._directory(claim.committee))
        if not urls:
            raise EvidenceMissing(
                f"no oracle of set {claim.committee}, or of the one in force, has announced an endpoint; give "
                "--oracle, or the evidence as a file"
            )
        return asyncio.run(_first(urls, claim))

    def _directory(self, version: int) -> list[str]:
        if version not in self._listed:
            self._listed[version] = listed_urls(self._network, version)
        return self._listed[version]


def listed_urls(network: Network, version: int | None = None) -> list[str]:
    """Base URLs that the chain's directory has now, of members of the set in force and of the set `version`.

    RpcError; WrongDeployment for a network without a directory.
    """
    chain, calls = network.chain, network.attestations.functions
    newest = chain.block("latest")
    versions = {chain.call(calls.committeeInForce(), newest)[0]} | ({version} if version is not None else set())
    members = {one for each in sorted(versions) for one in chain.call(calls.committee(each), newest)[0]}
    return list(endpoints_of(network, sorted(bytes.fromhex(one[2:]) for one in members), newest).values())


async def _first(urls: Iterable[str], claim: Claim) -> tuple[bytes, str]:
    client = PeerClient()
    reasons = []
    try:
        for url in urls:
            try:
                return await client.evidence(url, claim.evidence), url
            except PeerError as error:
                reasons.append(str(error))
    finally:
        await client.close()
    raise EvidenceMissing(f"no oracle gave the evidence of epoch {claim.epoch}: {'; '.join(reasons)}")


def read_evidence(path: Path) -> bytes:
    """A bundle in a file. EvidenceUnreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvidenceUnreadable(f"{path}: {error.strerror}; give a file with a report's evidence") from error
