"""From a deployment intent to what Deeploy is asked to create: the documents of its CAR, WAR and native plugins. Pure.

What Deeploy has no field for is refused here rather than dropped: an intent must not lose a part of its meaning.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.requests import CreatePipeline
from orchestrator.wire.intent import Intent
from orchestrator.wire.intent_parts import Restart

CAR: Final = "CONTAINER_APP_RUNNER"
WAR: Final = "WORKER_APP_RUNNER"

_VCS_BACKOFF: Final = 300
_USUAL: Final = Restart()


@dataclass(frozen=True, slots=True)
class Runners:
    """What Deeploy needs and an intent doesn't say.

    images      an intent's image folder -> the container image that holds the same, like "registry/name:tag"
    base_image  the container image in which a "war" is built and run
    user, token  for repositories that aren't public
    """

    images: Mapping[str, str] = field(default_factory=dict)
    base_image: str = "node:22"
    user: str | None = None
    token: str | None = field(default=None, repr=False)


def create_pipeline(
    intent: Intent, job: int, project: str, nodes: tuple[str, ...], spares: tuple[str, ...], runners: Runners
) -> CreatePipeline:
    """The request that deploys an intent for a job on chain; without `nodes`, on as many as it has replicas.

    InvalidValue, naming the field, for what Deeploy can't do.
    """
    if nodes and len(nodes) != intent.replicas:
        raise InvalidValue(f"nodes are {len(nodes)}, intent.replicas is {intent.replicas}: give as many, or none")
    # Deeploy speaks of storage by the job's type alone, which is the chain's.
    return CreatePipeline(
        job,
        intent.name,
        project,
        plugins(intent, runners),
        nodes,
        0 if nodes else intent.replicas,
        "void" if intent.pipeline is None else intent.pipeline.source_type,
        intent.tags,
        spares,
    )


def plugins(intent: Intent, runners: Runners) -> tuple[dict[str, Any], ...]:
    """The plugin documents of an intent; InvalidValue as of `create_pipeline`."""
    if intent.service == "car":
        return (_car(intent, runners),)
    if intent.service == "war":
        return (_war(intent, runners),)
    return _native(intent)


def resources(intent: Intent) -> tuple[int | float, str]:
    """Cores and memory of each replica as Deeploy writes them: 0.5 and "512m"."""
    cores, rest = divmod(intent.resources.cpu_millis, 1000)
    return (cores if not rest else intent.resources.cpu_millis / 1000), f"{intent.resources.memory_mb}m"


def _car(intent: Intent, runners: Runners) -> dict[str, Any]:
    assert intent.image is not None
    image = runners.images.get(intent.image.folder)
    if image is None:
        raise InvalidValue(
            f"intent.image.folder is {intent.image.folder!r}: Deeploy runs container images, name the one that "
            "holds the same in the settings' [images]"
        )
    return {
        "plugin_signature": CAR,
        "IMAGE": image,
        "CONTAINER_START_COMMAND": list(intent.command),
        **_container(intent),
    }


def _war(intent: Intent, runners: Runners) -> dict[str, Any]:
    assert intent.source is not None
    return {
        "plugin_signature": WAR,
        "IMAGE": runners.base_image,
        "VCS_DATA": {
            "PROVIDER": "github",
            "USERNAME": runners.user,
            "TOKEN": runners.token,
            "REPO_URL": intent.source.repository,
            "BRANCH": intent.source.branch,
            "POLL_INTERVAL": intent.source.poll_seconds,
            "RATE_LIMIT_BACKOFF": _VCS_BACKOFF,
        },
        "BUILD_AND_RUN_COMMANDS": [shlex.join(words) for words in (*intent.build, intent.command)],
        **_container(intent),
    }


def _native(intent: Intent) -> tuple[dict[str, Any], ...]:
    assert intent.pipeline is not None
    if not intent.pipeline.plugins:
        raise InvalidValue("intent.pipeline.plugins is empty: Deeploy runs plugins, give at least one")
    if intent.pipeline.source_config:
        raise InvalidValue("intent.pipeline.data_source.config is given: Deeploy takes a data source's type alone")
    documents = []
    for plugin in intent.pipeline.plugins:
        if clash := {"plugin_signature", "plugin_name"} & set(plugin.config):
            raise InvalidValue(f"intent.pipeline.plugins: config has {sorted(clash)}: use other keys")
        documents.append({"plugin_signature": plugin.signature, "plugin_name": plugin.instance, **plugin.config})
    return tuple(documents)


def _container(intent: Intent) -> dict[str, Any]:
    """What CAR and WAR have in common."""
    _only_usual_restarts(intent.restart)
    cores, memory = resources(intent)
    for name, port in intent.ports.items():
        if not port:
            raise InvalidValue(f"intent.ports.{name} is 0: containers have a network of their own, name a port")
    health = intent.health
    return {
        "CONTAINER_RESOURCES": {"cpu": cores, "memory": memory},
        "EXPOSED_PORTS": {
            str(port): {"is_main_port": name == "main", "host_port": None} for name, port in intent.ports.items()
        },
        "ENV": {**intent.env, **_port_variables(intent.ports)},
        "RESTART_POLICY": intent.restart.policy,
        "IMAGE_PULL_POLICY": "always",
        "HEALTH_CHECK": {
            "MODE": health.mode,
            "PATH": health.path or None,
            "PORT": intent.ports[health.port],
            "DELAY": health.delay_seconds,
            "INTERVAL": health.interval_seconds,
            "TIMEOUT": health.timeout_seconds,
        },
    }


def _port_variables(ports: Mapping[str, int]) -> dict[str, str]:
    """PORT and PORT_<NAME>, which our own nodes set."""
    named = {f"PORT_{name.upper().replace('-', '_')}": str(port) for name, port in ports.items()}
    return {"PORT": str(ports["main"]), **named}


def _only_usual_restarts(restart: Restart) -> None:
    for name in ("max_restarts", "backoff_seconds", "backoff_longest_seconds", "reset_seconds"):
        given, usual = getattr(restart, name), getattr(_USUAL, name)
        if given != usual:
            raise InvalidValue(f"intent.restart.{name} is {given}: Deeploy has {usual} and no setting for it")
