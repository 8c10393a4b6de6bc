"""What running workloads is told, checked before anything starts."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from node.errors import SettingsError
from node.running.accepting import Rules
from node.running.offers import read_offers
from node.running.ports import LOWEST
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError
from orchestrator.wire.intent import read_tag
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import HOST
from orchestrator.wire.typed_data import StandingOffer

SCHEMES = ("https", "http", "ssh", "git", "file")
_CAPACITY = {"cpu": "cpu_millis", "memory": "memory_mb", "storage": "storage_mb"}


@dataclass(frozen=True, slots=True)
class RunningSettings:
    """Settings of one agent's workloads; texts as `epochal node run` takes them. SettingsError for what can't work.

    orchestrator   URL; `licence` that the node is linked to; `placements` the network's contract (0x address)
    capacity       "cpu=MILLICORES,memory=MB,storage=MB" for all workloads together
    runs, images   folder of running workloads; of images, None: no "car" from here
    host           where workloads are reached: name or address
    least_prices   "0xTOKEN=AMOUNT" in the token's smallest unit; or `any_price`
    policies       0x hashes of the only ones taken; none: any
    tags           of this node
    ports          "LOW-HIGH", offered to workloads
    offers         JSON file of standing offers, see `node.running.offers`
    git_schemes    ways to repositories; `cgroup` a delegated folder of cgroup v2; `run_as` a user's name
    """

    orchestrator: str
    licence: int
    placements: str
    capacity: str
    runs: Path
    host: str
    images: Path | None = None
    least_prices: tuple[str, ...] = ()
    any_price: bool = False
    policies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ports: str = "31000-31999"
    git_schemes: tuple[str, ...] = ("https",)
    offers: Path | None = None
    cgroup: Path | None = None
    run_as: str | None = None

    def __post_init__(self) -> None:
        _check_url(self.orchestrator)
        if not 1 <= self.licence < 2**256:
            raise SettingsError(f"--licence is {self.licence}: give the number of the node's licence, from 1 up")
        try:
            raw_address(self.placements)
            for tag in self.tags:
                read_tag(tag, f"--tag {tag}")
        except EpochalError as error:
            raise SettingsError(f"--placements or --tag: {error}") from error
        if not re.fullmatch(HOST, self.host):
            raise SettingsError(f"--host is {self.host!r}: give the name or address where workloads are reached")
        self.resources()
        self.rules()
        self.port_range()
        self.user()
        self.standing_offers()
        if unknown := set(self.git_schemes) - set(SCHEMES):
            raise SettingsError(f"--git-scheme is {sorted(unknown)[0]!r}: use one of {', '.join(SCHEMES)}")
        if self.images is not None and not self.images.is_dir():
            raise SettingsError(f"--images {self.images}: is no folder: name the one with the images")
        if self.cgroup is not None and not (self.cgroup / "cgroup.procs").is_file():
            raise SettingsError(f"--cgroup {self.cgroup}: is no folder of cgroup v2: name one that is delegated to you")

    def resources(self) -> Resources:
        """The capacity."""
        found: dict[str, int] = {}
        for part in self.capacity.split(","):
            name, _, number = part.strip().partition("=")
            if name not in _CAPACITY or not re.fullmatch(r"[0-9]{1,12}", number) or _CAPACITY[name] in found:
                break
            found[_CAPACITY[name]] = int(number)
        if len(found) != len(_CAPACITY) or self.capacity.count(",") != 2:
            raise SettingsError(f"--capacity is {self.capacity!r}: give cpu=MILLICORES,memory=MB,storage=MB")
        return Resources(**found)

    def rules(self) -> Rules:
        """What placements are taken."""
        prices = {}
        for text in self.least_prices:
            token, _, amount = text.partition("=")
            if not re.fullmatch(r"0x[0-9a-fA-F]{40}", token) or not re.fullmatch(r"[0-9]{1,29}", amount):
                raise SettingsError(f"--least-price is {text!r}: give 0xTOKEN=AMOUNT in the token's smallest unit")
            prices[token.lower()] = int(amount)
        if bool(prices) == self.any_price:
            raise SettingsError("give either --least-price 0xTOKEN=AMOUNT, one for each token taken, or --any-price")
        for text in self.policies:
            if not re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
                raise SettingsError(f"--policy is {text!r}: give a policy's hash, 0x and 64 hex digits")
        hashes = frozenset(bytes.fromhex(text[2:]) for text in self.policies)
        return Rules(prices, self.any_price, hashes or None)

    def standing_offers(self) -> tuple[StandingOffer, ...]:
        """What the file of offers holds; nothing without one."""
        return read_offers(self.offers, self.licence) if self.offers is not None else ()

    def port_range(self) -> range:
        """The ports offered to workloads."""
        found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", self.ports)
        if not found or not LOWEST <= int(found[1]) <= int(found[2]) <= 65_535:
            raise SettingsError(f"--ports is {self.ports!r}: give LOW-HIGH from {LOWEST} to 65535, such as 31000-31999")
        return range(int(found[1]), int(found[2]) + 1)

    def user(self) -> tuple[int, int] | None:
        """(user id, group id) that workloads run as; None: the agent's own."""
        if self.run_as is None:
            return None
        if os.geteuid() != 0:
            raise SettingsError(f"--run-as {self.run_as}: only an agent of root's can start workloads as another user")
        try:
            found = pwd.getpwnam(self.run_as)
        except KeyError as error:
            raise SettingsError(f"--run-as {self.run_as}: there is no such user: make one for workloads") from error
        return found.pw_uid, found.pw_gid


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(f"--orchestrator is {url!r}: give its base URL, such as https://orchestrator.example")
