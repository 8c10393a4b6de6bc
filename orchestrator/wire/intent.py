"""The deployment intent: what a job is to run, where and how. Its hash is in the job on chain.

The hash is of the document as it was given (in canonical form), so a field left out stays out: what a default means is
said here, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.policy import Policy, from_json
from orchestrator.wire.canonical import decode, encode
from orchestrator.wire.fields import Fields, number, text
from orchestrator.wire.intent_parts import (
    CarImage,
    HealthCheck,
    Pipeline,
    Resources,
    Restart,
    Source,
    argv,
    read_env,
    read_ports,
)

MAX_SIZE: Final = 65_536
"""Bytes of a document in canonical form."""
MAX_REPLICAS: Final = 10_000
NAME: Final = r"[a-z0-9-]{1,63}"
TAG: Final = r"[a-z0-9][a-z0-9._:/-]{0,62}"
SERVICES: Final = ("car", "war", "native")


@dataclass(frozen=True, slots=True)
class Intent:
    """A validated intent.

    service    "car": a root folder that is there already; "war": built and kept up to date from a repository;
               "native": a pipeline run by a command
    replicas   the job's slots when it is created
    resources  of each replica
    targets    licences that are to serve, in order of preference; empty: any
    spares     licences that step in, in order of preference; empty: any
    tags       each must be among a node's
    ports      port's name -> port in the workload's own network, 0 where the node says by PORT_<NAME>; "main" is there
    env        further environment
    image      of a "car"; source and build (commands) of a "war"; pipeline of a "native"
    command    argv that runs it
    document   as it was given
    hash       of the document in canonical form: what the job on chain stores
    """

    name: str
    service: str
    replicas: int
    resources: Resources
    policy: Policy
    command: tuple[str, ...]
    targets: tuple[int, ...] = ()
    spares: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=lambda: {"main": 0})
    env: Mapping[str, str] = field(default_factory=dict)
    health: HealthCheck = field(default_factory=HealthCheck)
    restart: Restart = field(default_factory=Restart)
    image: CarImage | None = None
    source: Source | None = None
    build: tuple[tuple[str, ...], ...] = ()
    pipeline: Pipeline | None = None
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    hash: bytes = field(default=bytes(32), compare=False)

    def canonical(self) -> bytes:
        """The document's canonical bytes."""
        return encode(dict(self.document), "intent")


def parse(data: bytes | str) -> Intent:
    """The intent in JSON text; InvalidValue for anything it can't be, naming field, value and cure."""
    return from_document(decode(data, "intent", longest=4 * MAX_SIZE))


def from_document(document: Mapping[str, Any]) -> Intent:
    """The intent in a decoded document; errors as of `parse`."""
    canonical = encode(dict(document), "intent")
    if len(canonical) > MAX_SIZE:
        raise InvalidValue(f"intent has {len(canonical)} bytes: give at most {MAX_SIZE}; large files go into the image")
    f = Fields(dict(document), "intent")
    f.number("version", 1, 1)
    name = f.text("name", NAME, cure="use 1 to 63 of a-z, 0-9 and -")
    service = f.one_of("service", SERVICES)
    given: dict[str, Any] = {
        "replicas": f.number("replicas", 1, MAX_REPLICAS),
        "resources": Resources.read(f.take("resources"), "intent.resources"),
        "targets": f.list_of("targets", _licence, []),
        "spares": f.list_of("spares", _licence, []),
        "tags": f.list_of("tags", read_tag, [], most=64),
        "ports": read_ports(f.mapping("ports", {"main": 0}, most=16), "intent.ports"),
        "env": read_env(f.mapping("env", {}, most=256), "intent.env"),
        "health": HealthCheck.read(f.take("health", {}), "intent.health"),
        "restart": Restart.read(f.take("restart", {}), "intent.restart"),
        "command": argv(f.take("command"), "intent.command"),
    }
    # Oracles ask the workload themselves, where it answers anybody.
    evidence = "health" if given["health"].mode == "delay" else "probe"
    given["policy"] = from_json(json.dumps(f.mapping("policy")), "intent.policy", evidence)
    if service == "car":
        given["image"] = CarImage.read(f.take("image"), "intent.image")
    elif service == "war":
        given["source"] = Source.read(f.take("source"), "intent.source")
        given["build"] = f.list_of("build", argv, [], most=64)
    else:
        given["pipeline"] = Pipeline.read(f.take("pipeline"), "intent.pipeline")
    f.done()
    intent = Intent(name=name, service=service, document=dict(document), hash=keccak256(canonical), **given)
    _check_together(intent)
    return intent


def read_tag(value: object, where: str) -> str:
    """A tag of a node or an intent."""
    return text(value, where, TAG, "use a-z, 0-9 and . _ : / -, beginning with a letter or digit")


def _licence(value: object, where: str) -> int:
    return number(value, where, 1, 2**256 - 1)


def _check_together(intent: Intent) -> None:
    both = (*intent.targets, *intent.spares)
    for licence in both:
        if both.count(licence) > 1:
            raise InvalidValue(f"intent.targets and intent.spares: licence {licence} is named twice: name it once")
    if intent.health.port not in intent.ports:
        known = ", ".join(sorted(intent.ports))
        raise InvalidValue(f"intent.health.port is {intent.health.port!r}: use one of intent.ports, {known}")
