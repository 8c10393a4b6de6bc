"""What the agent looks at to tell the health of a workload, as its operator writes it.

    ASSIGNMENT=TARGET     7/0/1=http://127.0.0.1:8080/health

ASSIGNMENT is an id in decimal or job/slot/generation. TARGET is http://…, https://…, tcp://host:port, exec:COMMAND
(started without a shell) or pidfile:PATH.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from node.errors import SettingsError
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import parse_assignment, show_assignment
from oracle.telemetry.wire.workloads import MAX_WORKLOADS

EVERY = 10.0
TIMEOUT = 5.0
"""Seconds between two looks at a workload, and for one."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to look at: `kind` is http, tcp, exec or pidfile, and `where` the rest of it.

    `where` is the URL, the command or the path; (host, port) follow from it for tcp. Seconds: `every`, `timeout`.
    """

    kind: str
    where: str
    every: float = EVERY
    timeout: float = TIMEOUT


def parse_target(text: str, every: float = EVERY, timeout: float = TIMEOUT) -> Target:
    """The target that the text names. InvalidValue for anything that can't be looked at."""
    for name, seconds, most in (("every", every, 3600), ("timeout", timeout, every)):
        if not (math.isfinite(seconds) and 0.05 <= seconds <= most):
            raise InvalidValue(f"{name} is {seconds} s: give 0.05 to {most:g} s")
    kind, colon, rest = text.partition(":")
    if kind in ("http", "https", "tcp") and colon:
        return Target("tcp" if kind == "tcp" else "http", _checked_url(text, kind), every, timeout)
    if kind == "exec" and rest:
        split_command("exec", rest)
        return Target("exec", rest, every, timeout)
    if kind == "pidfile" and rest:
        return Target("pidfile", rest, every, timeout)
    raise InvalidValue(f"target is {text!r}: give http://…, https://…, tcp://host:port, exec:COMMAND or pidfile:PATH")


def parse_workloads(option: str, given: Iterable[str]) -> dict[int, Target]:
    """Assignment -> target of texts "ASSIGNMENT=TARGET". SettingsError, naming the option, for a wrong one."""
    found: dict[int, Target] = {}
    for text in given:
        name, equals, where = text.partition("=")
        if not equals:
            raise SettingsError(f"{option} is {text!r}: give ASSIGNMENT=TARGET, such as 7/0/1=tcp://127.0.0.1:80")
        try:
            _add(found, name, parse_target(where))
        except InvalidValue as error:
            raise SettingsError(f"{option} {text}: {error}") from error
    return found


def parse_file(content: str) -> dict[int, Target]:
    """Assignment -> target of a JSON object; InvalidValue for a wrong one.

    A value is the target's text or an object of `target`, and `every` and `timeout` in seconds if they differ from the
    usual.
    """
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"it is no JSON ({error}); write {{}} for no workloads") from error
    if not isinstance(entries, dict):
        raise InvalidValue('it holds no object: write {"7/0/1": "http://127.0.0.1:8080/health"}')
    found: dict[int, Target] = {}
    for name, entry in entries.items():
        try:
            _add(found, name, _entry(entry))
        except InvalidValue as error:
            raise InvalidValue(f"{name}: {error}") from error
    return found


def split_command(name: str, command: str) -> list[str]:
    """The words of a command that is started without a shell. InvalidValue if it has none or open quotes."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidValue(f"{name} is {command!r}: its quotes don't match ({error})") from error
    if not words:
        raise InvalidValue(f"{name} is empty: name a program and its arguments")
    return words


def _entry(entry: Any) -> Target:
    if isinstance(entry, str):
        return parse_target(entry)
    if not isinstance(entry, dict) or not isinstance(entry.get("target"), str):
        raise InvalidValue('it names no target: write "tcp://…" or {"target": "tcp://…", "every": 5, "timeout": 2}')
    unknown = sorted(entry.keys() - {"target", "every", "timeout"})
    if unknown:
        raise InvalidValue(f"{unknown[0]!r} is unknown: an entry has target, every and timeout")
    every, timeout = (entry.get(key) for key in ("every", "timeout"))
    for name, value in (("every", every), ("timeout", timeout)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InvalidValue(f"{name} is {value!r}: give seconds")
    pause = float(every if every is not None else EVERY)
    return parse_target(entry["target"], pause, float(timeout if timeout is not None else min(TIMEOUT, pause)))


def _add(found: dict[int, Target], name: str, target: Target) -> None:
    assignment = parse_assignment(name)
    if assignment in found:
        raise InvalidValue(f"assignment {show_assignment(assignment)} is named twice: one target each")
    if len(found) == MAX_WORKLOADS:
        raise InvalidValue(f"these are more than {MAX_WORKLOADS} workloads, all that a heartbeat can carry")
    found[assignment] = target


def _checked_url(text: str, kind: str) -> str:
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and parts.port != 0
        alone = not (parts.path or parts.query) and parts.port is not None
    except ValueError:
        good = alone = False
    if not good or (kind == "tcp" and not alone):
        raise InvalidValue(f"target is {text!r}: give tcp://host:port or a whole http URL")
    return text
