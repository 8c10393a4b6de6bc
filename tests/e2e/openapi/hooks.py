# SPDX-License-Identifier: Apache-2.0
"""What schemathesis can't guess: bytes that a node really signed, and the node that the oracle knows.

Loaded by the `schemathesis` command (SCHEMATHESIS_HOOKS), which runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.request import urlopen

import schemathesis
from hypothesis import strategies as st

from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.wire import heartbeat, session
from oracle.telemetry.wire.workloads import Health

NODE = derive("openapi", "node")


def _terms() -> dict[str, Any]:
    with urlopen(os.environ["EPOCHAL_URL"] + "/v1/challenge") as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def _signed(workloads: dict[int, Health]) -> bytes:
    terms = _terms()
    domain = Heartbeat.domain(terms["chainId"], terms["attestations"])
    challenge = bytes.fromhex(terms["challenge"][2:])
    return heartbeat.sign(NODE, domain, terms["oracle"], time.time_ns(), challenge, workloads)


def _opening() -> bytes:
    terms = _terms()
    domain = Heartbeat.domain(terms["chainId"], terms["attestations"])
    challenge, key = (bytes.fromhex(terms[name][2:]) for name in ("challenge", "sessionKey"))
    return session.open_session(NODE, domain, terms["oracle"], challenge, key, os.urandom(32))[0]


_REPORTS = st.dictionaries(st.integers(0, 2**128 - 1), st.sampled_from(Health), max_size=3)
schemathesis.openapi.media_type("application/vnd.epochal.heartbeats", _REPORTS.map(_signed))
schemathesis.openapi.media_type("application/vnd.epochal.session", st.builds(_opening))


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Ask for the present epoch of the known node, where an address is asked for."""
    if path_parameters and "node" in path_parameters and str(path_parameters.get("epoch")) == "0":
        path_parameters["node"] = NODE.address
    return path_parameters
