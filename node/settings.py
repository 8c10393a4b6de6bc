"""What the node agent and the gateway are told, checked before anything starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from node.errors import SettingsError as SettingsError
from node.running.settings import RunningSettings
from node.targets import Target, parse_workloads, split_command
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.median import fault_bound
from oracle.telemetry.wire.answers import MAX_BEATS

HTTP_SCHEMES = ("http", "https")
MQTT_SCHEMES = ("mqtt", "mqtts")


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """How to be let in by an MQTT broker: user and password, and the file of the authorities that vouch for it.

    None: without; the system's authorities.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of one agent, in the order of the options of `epochal node run`.

    `oracles` are URLs: of an oracle or a gateway (http, https), or of a broker and the oracle behind it
    (mqtt://host:1883/0x…, mqtts). `chain_id` and `attestations` (a 0x address) name the network that heartbeats are
    signed for. The key comes from the environment variable `key_env` (0x and 64 hex digits) or from the JSON
    `keystore` with the password in the first line of `password_file`. `tick` is the time between heartbeats
    in seconds; None asks each oracle for its own. `workloads` are "ASSIGNMENT=TARGET". `running`: what it runs for an
    orchestrator, None: nothing. SettingsError for anything
    that can't work.
    """

    oracles: tuple[str, ...]
    chain_id: int
    attestations: str
    key_env: str | None = None
    keystore: Path | None = None
    password_file: Path | None = None
    tick: float | None = None
    sealed: bool = False
    workloads: tuple[str, ...] = ()
    workloads_file: Path | None = None
    on_fenced: str | None = None
    receipts: Path | None = None
    mqtt_username: str | None = None
    mqtt_password_env: str | None = None
    mqtt_ca_file: Path | None = None
    running: RunningSettings | None = None

    def __post_init__(self) -> None:
        _check_oracles(self.oracles, HTTP_SCHEMES + MQTT_SCHEMES)
        if type(self.chain_id) is not int or self.chain_id <= 0:
            raise SettingsError(f"--chain-id is {self.chain_id!r}: give the network's whole number above 0")
        try:
            raw_address(self.attestations)
        except EpochalError as error:
            raise SettingsError(f"--attestations: {error}") from error
        if self.tick is not None and not (math.isfinite(self.tick) and 0 < self.tick <= 86_400):
            raise SettingsError(f"--tick is {self.tick}: give seconds above 0, at most 86400")
        if (self.key_env is None) == (self.keystore is None):
            raise SettingsError("the node's key: give either --key-env NAME or --keystore FILE")
        if (self.keystore is None) != (self.password_file is None):
            raise SettingsError("--keystore and --password-file belong together: give both or neither")
        if self.workloads and self.workloads_file is not None:
            raise SettingsError("--workload and --workloads are both given: name all workloads in one place")
        self.targets()
        if self.on_fenced is not None:
            try:
                split_command("--on-fenced", self.on_fenced)
            except InvalidValue as error:
                raise SettingsError(str(error)) from error
        if (self.mqtt_username is None) != (self.mqtt_password_env is None):
            raise SettingsError("--mqtt-username and --mqtt-password-env belong together: give both or neither")

    def targets(self) -> dict[int, Target]:
        """What to look at for each assignment that --workload names."""
        return parse_workloads("--workload", self.workloads)

    def broker_access(self, environment: Mapping[str, str]) -> BrokerAccess:
        """How brokers let this node in. SettingsError if the password's variable is not set."""
        password = None
        if self.mqtt_password_env is not None:
            password = environment.get(self.mqtt_password_env)
            if not password:
                raise SettingsError(
                    f"--mqtt-password-env {self.mqtt_password_env}: the variable is not set: put the password in it"
                )
        return BrokerAccess(self.mqtt_username, password, self.mqtt_ca_file)

    def secrets(self) -> tuple[str, ...]:
        """Environment variables that no program which the agent starts may see."""
        return tuple(name for name in (self.key_env, self.mqtt_password_env) if name is not None)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Settings of one gateway, in the order of the options of `epochal node gateway`.

    It listens on `host`:`port` (0: any free one), relays to the oracles at these URLs, waits up to `batch_ms`
    milliseconds for more heartbeats to send along, and holds at most `queue` of them for each oracle.
    """

    oracles: tuple[str, ...]
    listen: str = "127.0.0.1:8700"
    batch_ms: float = 20.0
    queue: int = 20_000

    def __post_init__(self) -> None:
        _check_oracles(self.oracles, HTTP_SCHEMES)
        self.address()
        if not (math.isfinite(self.batch_ms) and 0 <= self.batch_ms <= 1000):
            raise SettingsError(f"--batch-ms is {self.batch_ms}: give milliseconds from 0 to 1000")
        if not MAX_BEATS <= self.queue <= 1_000_000:
            raise SettingsError(f"--queue is {self.queue}: give {MAX_BEATS} to 1000000 heartbeats")

    def address(self) -> tuple[str, int]:
        """(host, port) to listen on."""
        try:
            parts = urlsplit(f"//{self.listen}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or port is None or parts.path or parts.username is not None:
            raise SettingsError(f"--listen is {self.listen!r}: give host:port, such as 127.0.0.1:8700")
        return host, port


@dataclass(frozen=True, slots=True)
class AppealSettings:
    """Settings of one run of `epochal node appeal`, in the order of its options.

    `receipts` is the folder that the agent kept them in; `oracles` are the URLs at which oracles take appeals; `epochs`
    those to appeal for, none: the newest that receipts are kept of; `committee_size` is how many oracles the committee
    has, None: as many as there are URLs.
    """

    receipts: Path
    oracles: tuple[str, ...]
    epochs: tuple[int, ...] = ()
    committee_size: int | None = None

    def __post_init__(self) -> None:
        _check_oracles(self.oracles, HTTP_SCHEMES)
        for epoch in self.epochs:
            if not 0 <= epoch < 2**64:
                raise SettingsError(f"--epoch is {epoch}: give the number of an epoch, from 0 up")
        if self.committee_size is not None and not 1 <= self.committee_size <= 255:
            raise SettingsError(f"--committee-size is {self.committee_size}: give the number of oracles, 1 to 255")

    @property
    def needed(self) -> int:
        """f + 1: how many oracles must have acknowledged a tick for it to count."""
        return fault_bound(self.committee_size or len(self.oracles)) + 1


def _check_oracles(urls: tuple[str, ...], schemes: tuple[str, ...]) -> None:
    if not urls:
        raise SettingsError("--oracle is missing: name the URL of each oracle, one option apiece")
    for url in urls:
        _check_url(url, schemes)
    if len({url.rstrip("/") for url in urls}) != len(urls):
        raise SettingsError("--oracle names one URL twice: name each oracle once")


def _check_url(url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        example = "http://127.0.0.1:8600" + (" or mqtts://broker.example/0x…" if "mqtt" in schemes else "")
        raise SettingsError(f"--oracle is {url!r}: give a URL such as {example}")
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(f"--oracle is {url!r}: give the base URL alone, without query, fragment or user")
    if parts.scheme in MQTT_SCHEMES:
        _check_broker(url, parts)


def _check_broker(url: str, parts: SplitResult) -> None:
    try:
        raw_address(parts.path.strip("/"))
    except EpochalError as error:
        raise SettingsError(f"--oracle is {url!r}: end a broker's URL with its oracle's address ({error})") from error
