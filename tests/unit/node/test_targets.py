# SPDX-License-Identifier: Apache-2.0
"""What an operator writes about workloads, and one look at those that need no network."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from node.checks import look
from node.targets import Target, parse_file, parse_target
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import pack, parse_assignment
from oracle.telemetry.wire.workloads import Health


def test_parse_assignment__either_form__same_id() -> None:
    assert parse_assignment("7/0/1") == parse_assignment(str(pack(7, 0, 1))) == pack(7, 0, 1)


@pytest.mark.parametrize("text", ["", "7/0", "7/0/0", "7/0/-1", "7/0/1/1", "²", "9" * 41, f"{2**64}/0/1", "0x1"])
def test_parse_assignment__no_id__refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_assignment(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "http", "http:", "http://", "http://h:0/", "https://[::1", "tcp://h", "tcp://h:1/path", "tcp://h:99999"),
        *("exec:", "exec: ", "exec:'open", "pidfile:", "file:x"),
    ],
)
def test_parse_target__nothing_to_look_at__refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_target(text)


def test_parse_file__texts_and_objects__targets() -> None:
    content = '{"7/0/1": "tcp://h:1", "7/1/1": {"target": "exec:a b", "every": 2}}'
    assert parse_file(content) == {
        pack(7, 0, 1): Target("tcp", "tcp://h:1"),
        pack(7, 1, 1): Target("exec", "a b", 2.0, 2.0),
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[]", "it holds no object"),
        ('{"7/0/1": 5}', "7/0/1: it names no target"),
        ('{"7/0/1": {"target": "exec:a", "evry": 5}}', "7/0/1: 'evry' is unknown"),
        ('{"7/0/1": {"target": "exec:a", "every": true}}', "7/0/1: every is True"),
        ('{"7/0/1": {"target": "exec:a", "every": NaN}}', "7/0/1: every is nan"),
        ('{"7/0/1": {"target": "exec:a", "every": 2, "timeout": 3}}', "7/0/1: timeout is 3"),
        (json.dumps({"7/0/1": "exec:a", str(pack(7, 0, 1)): "exec:a"}), "is named twice"),
        (json.dumps({f"7/{i}/1": "exec:a" for i in range(65)}), "more than 64 workloads"),
    ],
    ids=lambda text: text[:20],
)
def test_parse_file__mistake__named(content: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        parse_file(content)


def health(target: str, timeout: float = 5.0) -> Health:
    http = cast(aiohttp.ClientSession, None)
    environment = {"PATH": os.environ["PATH"]}
    return asyncio.run(look(parse_target(target, 10.0, timeout), http, environment))


def test_look__commands__by_their_end(tmp_path: Path) -> None:
    assert health("exec:true") is Health.HEALTHY
    assert health("exec:false") is Health.UNHEALTHY
    assert health("exec:/no/such/program") is Health.UNHEALTHY
    script = "import os, time, sys; print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True); time.sleep(60)"
    (tmp_path / "slow.py").write_text(script)
    pid = tmp_path / "pid"
    assert health(f"exec:{sys.executable} {tmp_path / 'slow.py'} {pid}", 1.0) is Health.UNHEALTHY
    assert health(f"pidfile:{pid}") is Health.STOPPED  # it was killed


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{}\n", Health.HEALTHY),
        ("999999999\n", Health.STOPPED),
        ("-1\n", Health.UNHEALTHY),
        ("", Health.UNHEALTHY),
        ("9" * 30, Health.UNHEALTHY),
    ],
)
def test_look__pidfile__by_the_process(tmp_path: Path, content: str, found: Health) -> None:
    (tmp_path / "pid").write_text(content.format(os.getpid()))
    assert health(f"pidfile:{tmp_path / 'pid'}") is found
    assert health(f"pidfile:{tmp_path / 'none'}") is Health.STOPPED
    assert cast(Any, health(f"pidfile:{tmp_path}")) is Health.UNHEALTHY
