# SPDX-License-Identifier: Apache-2.0
"""The daemon's log, as a process that logs writes it."""

from __future__ import annotations

import json
import subprocess
import sys

from oracle.service.logs import Event
from tests.project import ROOT

PROGRAM = """
import logging, sys
from oracle.service.logs import Event, configure, logger
key = "a-key-" + 'of"quotes'
configure(sys.argv[1], "info", (key,))
log = logger().bind(oracle="0xaa")
log.debug(Event.VOTE_RECEIVED)
log.info(Event.VOTED, epoch=12, url=f"https://x/{key}/y")
logging.getLogger("epochal.telemetry").warning("the roster stays: %s", key)
logging.getLogger("urllib3").info("GET https://x/other")
try:
    [][len(key)]
except IndexError:
    log.exception(Event.BUG, part="round")
"""


def logged(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stdout
    assert "of" + '"quotes' not in done.stderr
    assert 'of\\"quotes' not in done.stderr
    return done.stderr


def test_log__json__is_an_object_a_line_without_secrets() -> None:
    voted, note, bug = map(json.loads, logged("json").splitlines())
    assert list(voted)[:3] == ["time", "level", "event"]
    assert (voted["event"], voted["epoch"], voted["oracle"]) == ("voted", 12, "0xaa")
    assert voted["url"] == "https://x/(not shown)/y"
    assert (note["event"], note["part"], note["level"]) == ("note", "epochal.telemetry", "warning")
    assert note["text"] == "the roster stays: (not shown)"
    assert bug["event"] == "bug"
    assert "IndexError" in bug["exception"]


def test_log__text__shows_a_traceback_without_the_values_of_variables() -> None:
    text = logged("text")
    assert "voted" in text
    assert "IndexError" in text
    assert "urllib3" not in text
    assert len(text.splitlines()) < 12


def test_events__their_names__are_stable_and_told() -> None:
    for event in Event:
        assert event == event.name.lower()
        assert event.told.endswith(".")
