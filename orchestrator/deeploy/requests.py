"""The requests of the Deeploy API, one class each. Pure.

`endpoint` is the path; `request_type` how the signed text names it, None where it has no name; `repeatable` whether
sending it twice does no more than once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.addresses import node_name

COMMANDS: Final = ("RESTART", "STOP")

Plugin = Mapping[str, Any]


class DeeployRequest(Protocol):
    """What all requests have."""

    endpoint: ClassVar[str]
    request_type: ClassVar[str | None]
    repeatable: ClassVar[bool]

    def body(self) -> dict[str, Any]:
        """The fields, without nonce, sender and signature."""


@dataclass(frozen=True, slots=True)
class CreatePipeline:
    """Deploy an app for a paid job, on nodes named or on a number of nodes that Deeploy chooses."""

    endpoint: ClassVar[str] = "create_pipeline"
    request_type: ClassVar[str | None] = "create pipeline"
    repeatable: ClassVar[bool] = False

    job: int
    alias: str
    project: str
    plugins: tuple[Plugin, ...]
    nodes: tuple[str, ...] = ()
    count: int = 0
    input_type: str = "void"
    tags: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    respond: bool = True

    def __post_init__(self) -> None:
        _job(self.job)
        _text("app_alias", self.alias)
        _targets(self.nodes, self.count)
        _plugins(self.plugins)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {
            "job_id": self.job,
            "app_alias": self.alias,
            "project_id": self.project,
            "target_nodes": list(self.nodes),
            "target_nodes_count": self.count,
            "plugins": list(self.plugins),
            "pipeline_input_type": self.input_type,
            "pipeline_input_uri": None,
            "chainstore_response": self.respond,
            "job_tags": list(self.tags),
            "spare_nodes": list(self.spares),
        }


@dataclass(frozen=True, slots=True)
class UpdatePipeline:
    """Stop an app everywhere and deploy it again with other settings. No way to move a replica: all of them stop.

    Tags and spares must be given: the API empties what is left out.
    """

    endpoint: ClassVar[str] = "update_pipeline"
    request_type: ClassVar[str | None] = "update pipeline"
    repeatable: ClassVar[bool] = False

    app: str
    job: int
    alias: str
    plugins: tuple[Plugin, ...]
    tags: tuple[str, ...]
    spares: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    respond: bool = True

    def __post_init__(self) -> None:
        _job(self.job)
        _text("app_id", self.app)
        _text("app_alias", self.alias)
        _plugins(self.plugins)
        for number, plugin in enumerate(self.plugins):
            if not plugin.get("instance_id"):
                raise InvalidValue(f"plugins[{number}] has no instance_id: name the running instance, see get_apps")
        if self.nodes:
            _targets(self.nodes, 0)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        fields: dict[str, Any] = {
            "app_id": self.app,
            "job_id": self.job,
            "app_alias": self.alias,
            "plugins": list(self.plugins),
            "chainstore_response": self.respond,
            "job_tags": list(self.tags),
            "spare_nodes": list(self.spares),
        }
        return {**fields, "target_nodes": list(self.nodes)} if self.nodes else fields


@dataclass(frozen=True, slots=True)
class ScaleUp:
    """Run a job on further nodes; those that run it go on. Each worker has `cpu` cores and `memory` (like "512m")."""

    endpoint: ClassVar[str] = "scale_up_job_workers"
    request_type: ClassVar[str | None] = "scale up workers"
    repeatable: ClassVar[bool] = False

    job: int
    app: str
    cpu: int | float
    memory: str
    nodes: tuple[str, ...] = ()
    count: int = 0
    respond: bool = True

    def __post_init__(self) -> None:
        _job(self.job)
        _text("app_id", self.app)
        _targets(self.nodes, self.count)
        if isinstance(self.cpu, bool) or not 0 < self.cpu <= 1024:
            raise InvalidValue(f"cpu is {self.cpu!r}: give cores above 0")
        _text("memory", self.memory)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {
            "job_id": self.job,
            "app_id": self.app,
            "target_nodes": list(self.nodes),
            "target_nodes_count": self.count,
            "node_res_req": {"cpu": self.cpu, "memory": self.memory},
            "chainstore_response": self.respond,
        }


@dataclass(frozen=True, slots=True)
class DeletePipeline:
    """Stop an app on these nodes; the chain learns nothing of it.

    Without nodes the API would stop it everywhere, so there is no request without them.
    """

    endpoint: ClassVar[str] = "delete_pipeline"
    request_type: ClassVar[str | None] = "delete pipeline"
    repeatable: ClassVar[bool] = True

    app: str
    nodes: tuple[str, ...]

    def __post_init__(self) -> None:
        _text("app_id", self.app)
        _targets(self.nodes, 0)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {"app_id": self.app, "target_nodes": list(self.nodes)}


@dataclass(frozen=True, slots=True)
class InstanceCommand:
    """RESTART or STOP one plugin instance on these nodes."""

    endpoint: ClassVar[str] = "send_instance_command"
    request_type: ClassVar[str | None] = "send instance command"
    repeatable: ClassVar[bool] = False

    app: str
    nodes: tuple[str, ...]
    plugin: str
    instance: str
    command: str

    def __post_init__(self) -> None:
        _targets(self.nodes, 0)
        _command(self.command)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {
            "app_id": self.app,
            "target_nodes": list(self.nodes),
            "plugin_signature": self.plugin,
            "instance_id": self.instance,
            "instance_command": self.command,
        }


@dataclass(frozen=True, slots=True)
class AppCommand:
    """RESTART or STOP an app on all its nodes."""

    endpoint: ClassVar[str] = "send_app_command"
    request_type: ClassVar[str | None] = "send app command"
    repeatable: ClassVar[bool] = False

    app: str
    command: str

    def __post_init__(self) -> None:
        _text("app_id", self.app)
        _command(self.command)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {"app_id": self.app, "instance_command": self.command}


@dataclass(frozen=True, slots=True)
class GetApps:
    """The sender's jobs on chain with the apps that are online for each."""

    endpoint: ClassVar[str] = "get_apps"
    request_type: ClassVar[str | None] = "get apps"
    repeatable: ClassVar[bool] = True

    project: str | None = None

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {} if self.project is None else {"project_id": self.project}


@dataclass(frozen=True, slots=True)
class NodeSpecs:
    """Whether nodes are online, and their cores, memory and disk."""

    endpoint: ClassVar[str] = "node_specs"
    request_type: ClassVar[str | None] = None
    repeatable: ClassVar[bool] = True

    nodes: tuple[str, ...]

    def __post_init__(self) -> None:
        _targets(self.nodes, 0)

    def body(self) -> dict[str, Any]:
        """See DeeployRequest."""
        return {"target_nodes": list(self.nodes)}


def _job(job: int) -> None:
    if type(job) is not int or job <= 0:
        raise InvalidValue(f"job_id is {job!r}: give the job's whole number on chain, above 0")


def _text(name: str, value: str) -> None:
    if not value:
        raise InvalidValue(f"{name} is empty: give it")


def _targets(nodes: tuple[str, ...], count: int) -> None:
    if bool(nodes) == bool(count) or count < 0:
        raise InvalidValue(f"nodes are {list(nodes)} and their number is {count}: give one of both")
    for each in nodes:
        node_name(each)
    if len(set(nodes)) != len(nodes):
        raise InvalidValue(f"nodes are {list(nodes)}: name each once")


def _plugins(plugins: tuple[Plugin, ...]) -> None:
    if not plugins:
        raise InvalidValue("plugins are empty: give at least one")
    for number, plugin in enumerate(plugins):
        if not isinstance(plugin.get("plugin_signature"), str):
            raise InvalidValue(f"plugins[{number}] has no plugin_signature: give it")


def _command(command: str) -> None:
    if command not in COMMANDS:
        raise InvalidValue(f"instance_command is {command!r}: use {' or '.join(COMMANDS)}")
