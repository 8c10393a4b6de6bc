"""The parts of a deployment intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from oracle.ground.errors import InvalidValue
from orchestrator.wire.fields import Fields, number, shown, text

MOST: Final = 2**40
PORT_NAME: Final = r"[a-z][a-z0-9-]{0,30}"
ENV_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
HEALTH_MODES: Final = ("auto", "tcp", "endpoint", "delay")
RESTART_POLICIES: Final = ("always", "on-failure", "unless-stopped", "no")


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica takes, or a node has: thousandths of a core, and megabytes (2^20 bytes)."""

    cpu_millis: int
    memory_mb: int
    storage_mb: int

    @staticmethod
    def read(value: object, where: str) -> Resources:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Resources(*(f.number(name, 0, MOST) for name in ("cpu_millis", "memory_mb", "storage_mb")))
        f.done()
        return found

    def to_json(self) -> dict[str, int]:
        """As `read` takes it."""
        return asdict(self)

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpu_millis + other.cpu_millis, self.memory_mb + other.memory_mb, self.storage_mb + other.storage_mb
        )

    def fits(self, capacity: Resources) -> bool:
        """Whether a node of that capacity holds it."""
        return (
            self.cpu_millis <= capacity.cpu_millis
            and self.memory_mb <= capacity.memory_mb
            and self.storage_mb <= capacity.storage_mb
        )


NOTHING: Final = Resources(0, 0, 0)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a workload's health is told.

    mode      "auto": by endpoint where `path` is given, else by TCP; "tcp": the port takes connections; "endpoint":
              GET of `path` answers 2xx or 3xx; "delay": it is healthy once it ran for `delay_seconds`
    port      name of the port asked
    timeout_seconds  after which a workload that never was healthy has failed
    """

    mode: str = "auto"
    path: str = ""
    port: str = "main"
    delay_seconds: int = 0
    interval_seconds: int = 5
    timeout_seconds: int = 300

    @staticmethod
    def read(value: object, where: str) -> HealthCheck:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = HealthCheck(
            mode=f.one_of("mode", HEALTH_MODES, "auto"),
            path=f.text("path", r"(/[!-~]*)?", "", "use a path that begins with /, of printable ASCII", 1024),
            port=f.text("port", PORT_NAME, "main", "use the name of one of the intent's ports"),
            delay_seconds=f.number("delay_seconds", 0, 86_400, 0),
            interval_seconds=f.number("interval_seconds", 1, 3_600, 5),
            timeout_seconds=f.number("timeout_seconds", 1, 86_400, 300),
        )
        f.done()
        if found.mode == "endpoint" and not found.path:
            raise InvalidValue(f'{where}.path is missing: give it where mode is "endpoint"')
        return found


@dataclass(frozen=True, slots=True)
class Restart:
    """What happens when a workload ends by itself: up to `max_restarts` (0: as often as it takes) with a pause that
    doubles from `backoff_seconds` to `backoff_longest_seconds`, counted anew once it ran for `reset_seconds`."""

    policy: str = "always"
    max_restarts: int = 5
    backoff_seconds: int = 10
    backoff_longest_seconds: int = 600
    reset_seconds: int = 300

    @staticmethod
    def read(value: object, where: str) -> Restart:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Restart(
            policy=f.one_of("policy", RESTART_POLICIES, "always"),
            max_restarts=f.number("max_restarts", 0, 1_000_000, 5),
            backoff_seconds=f.number("backoff_seconds", 0, 86_400, 10),
            backoff_longest_seconds=f.number("backoff_longest_seconds", 0, 86_400, 600),
            reset_seconds=f.number("reset_seconds", 0, 86_400, 300),
        )
        f.done()
        if found.backoff_seconds > found.backoff_longest_seconds:
            raise InvalidValue(
                f"{where}.backoff_seconds is {found.backoff_seconds}: use at most backoff_longest_seconds, "
                f"{found.backoff_longest_seconds}"
            )
        return found


@dataclass(frozen=True, slots=True)
class CarImage:
    """A root folder: `dir://` and an absolute path, or a name in the node's image store. `digest` is the SHA-256 (hex)
    of the folder's canonical listing; "": not checked."""

    folder: str
    digest: str = ""

    @staticmethod
    def read(value: object, where: str) -> CarImage:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        cure = "give dir:///an/absolute/path without .., or a name in the node's image store"
        folder = f.text("folder", r"dir:///.+|[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", cure=cure)
        digest = f.text("digest", r"([0-9a-f]{64})?", "", "give the 64 lower-case hex digits of a SHA-256")
        f.done()
        if ".." in folder.split("/"):
            raise InvalidValue(f"{where}.folder is {shown(folder)}: {cure}")
        return CarImage(folder, digest)


@dataclass(frozen=True, slots=True)
class Source:
    """A Git repository whose branch is looked at every `poll_seconds`."""

    repository: str
    branch: str = "main"
    poll_seconds: int = 60

    @staticmethod
    def read(value: object, where: str) -> Source:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        repository = f.text("repository", r"[!-~]+", cure="give a URL without spaces", longest=2048)
        cure = "give a branch's name"
        branch = f.text("branch", r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,254}", "main", cure)
        poll_seconds = f.number("poll_seconds", 15, 86_400, 60)
        f.done()
        schemes = ("https", "http", "ssh", "git", "file")
        try:
            scheme = urlsplit(repository).scheme
        except ValueError:
            scheme = ""
        if scheme not in schemes:
            told = ", ".join(f"{one}://" for one in schemes)
            raise InvalidValue(f"{where}.repository is {shown(repository)}: give a URL of {told}")
        return Source(repository, branch, poll_seconds)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin of a pipeline."""

    signature: str
    instance: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def read(value: object, where: str) -> Plugin:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Plugin(
            f.text("signature", r"[!-~]{1,128}", cure="give the plugin's signature"),
            f.text("instance", r"[!-~]{1,128}", cure="give the instance's id"),
            f.mapping("config", {}),
        )
        f.done()
        return found


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A direct pipeline: one source of data and the plugins that use it."""

    name: str
    source_type: str
    source_config: Mapping[str, Any] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()

    @staticmethod
    def read(value: object, where: str) -> Pipeline:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        name = f.text("name", r"[!-~]{1,128}", cure="give the pipeline's name")
        source = Fields(f.take("data_source", {"type": "Void"}), f"{where}.data_source")
        kind = source.text("type", r"[!-~]{1,128}", cure="give the kind of data source")
        config = source.mapping("config", {})
        source.done()
        plugins = f.list_of("plugins", Plugin.read, [], most=64)
        f.done()
        return Pipeline(name, kind, config, plugins)


def argv(value: object, where: str) -> tuple[str, ...]:
    """A command as its words, the program first."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 256 or not value[0]:
        raise InvalidValue(f"{where} is {shown(value)}: give a list of 1 to 256 words, the program first")
    return tuple(text(word, f"{where}[{index}]") for index, word in enumerate(value))


def read_ports(given: Mapping[str, Any], where: str) -> dict[str, int]:
    """Ports by name; InvalidValue."""
    ports = {
        text(name, f"{where}: a port's name", PORT_NAME, "use a-z, 0-9 and -, beginning with a letter"): number(
            port, f"{where}.{name}", 0, 65_535
        )
        for name, port in given.items()
    }
    if "main" not in ports:
        raise InvalidValue(f"{where} has no main: name the port that is probed main")
    fixed = [port for port in ports.values() if port]
    if len(set(fixed)) < len(fixed):
        raise InvalidValue(f"{where} is {shown(ports)}: two names have one port: use different ones")
    return ports


def read_env(given: Mapping[str, Any], where: str) -> dict[str, str]:
    """Environment variables; InvalidValue."""
    for name, value in given.items():
        text(name, f"{where}: a variable's name", ENV_NAME, "use letters, digits and _, no digit first")
        text(value, f"{where}.{name}", longest=32_768)
        if name == "PORT" or name.startswith(("PORT_", "EPOCHAL_")):
            raise InvalidValue(f"{where}.{name}: the node sets this one itself: use another name")
    return dict(given)
