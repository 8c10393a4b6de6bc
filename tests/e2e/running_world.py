# SPDX-License-Identifier: Apache-2.0
"""A small orchestrator that speaks the poll protocol, and workloads for the agent to run."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from oracle.ground.ids import pack
from oracle.ground.typed_data import Acceptance
from oracle.signing.compact import recover
from orchestrator.wire import intent as intents
from orchestrator.wire.polling import Poll, PollAnswer, Proposal, Running, Work, open_poll
from orchestrator.wire.terms import terms_hash
from orchestrator.wire.typed_data import NodePoll
from tests.e2e.node_world import CHAIN, NODE, Process, agent

PLACEMENTS = "0x" + "33" * 20
TOKEN = "0x" + "44" * 20
LICENCE = 9
ASSIGNMENT = pack(7, 0, 1)

SERVER = """
import http.server, json, os, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/env":
            return super().do_GET()
        body = json.dumps(dict(os.environ) | {"pid": os.getpid()}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Orchestrator:
    """Says what the test sets, and keeps what the node says. It can be stopped and started again on its port."""

    def __init__(self) -> None:
        self.work: list[Work] = []
        self.proposals: list[Proposal] = []
        self.intents: dict[str, dict[str, Any]] = {}
        self.polls: list[Poll] = []
        self.faults: list[str] = []
        self.port = 0
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/poll", self._poll), web.get("/v1/intents/{hash}", self._intent)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.url = site.name
        self.port = int(site.name.rsplit(":", 1)[1])

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _poll(self, request: web.Request) -> web.Response:
        poll = open_poll(await request.read(), NodePoll.domain(CHAIN, PLACEMENTS))
        if poll.node != NODE or abs(poll.time - time.time()) > 60:
            self.faults.append(f"{poll.node} at {poll.time}")
        if self.polls and poll.time <= self.polls[-1].time:
            # An agent that is started again within the second is refused once, as by any orchestrator.
            return web.json_response({"error": "its time doesn't rise"}, status=409)
        self.polls.append(poll)
        answer = PollAnswer(int(time.time()), 1, tuple(self.proposals), tuple(self.work))
        return web.json_response(answer.to_json())

    async def _intent(self, request: web.Request) -> web.Response:
        return web.json_response(self.intents[request.match_info["hash"]])

    def order(self, intent: dict[str, Any], order: str = "run", assignment: int = ASSIGNMENT, *peers: str) -> None:
        """Want this there, in place of what was wanted of that assignment."""
        self.work = [work for work in self.work if work.assignment != assignment]
        self.work.append(Work(assignment, order, intent, peers))

    def propose(self, intent: dict[str, Any], price: int, generation: int = 1) -> Proposal:
        found = intents.from_document(intent)
        self.intents["0x" + found.hash.hex()] = intent
        expiry = int(time.time()) + 600
        terms = terms_hash(TOKEN, price, found.policy.hash(), found.hash)
        proposal = Proposal(7, 0, generation, terms, expiry, price, TOKEN, found.hash, found.policy)
        self.proposals.append(proposal)
        return proposal

    def state(self, assignment: int = ASSIGNMENT) -> Running | None:
        """What the node said last of that assignment."""
        last = self.polls[-1].running if self.polls else ()
        return next((one for one in last if one.assignment == assignment), None)

    def is_healthy(self, assignment: int = ASSIGNMENT) -> bool:
        state = self.state(assignment)
        return state is not None and state.healthy

    def is_(self, state: str, assignment: int = ASSIGNMENT) -> bool:
        found = self.state(assignment)
        return found is not None and found.state == state


@asynccontextmanager
async def orchestrator() -> AsyncIterator[Orchestrator]:
    """One that runs."""
    found = Orchestrator()
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
        assert not found.faults


def intent(service: str = "car", **fields: Any) -> dict[str, Any]:
    """A deployment intent of a server in an image named web."""
    document: dict[str, Any] = {
        "version": 1,
        "name": "web",
        "service": service,
        "replicas": 1,
        "resources": {"cpu_millis": 500, "memory_mb": 128, "storage_mb": 20},
        "policy": {},
        "command": [sys.executable, "server.py"],
        "health": {"mode": "endpoint", "path": "/page.txt", "interval_seconds": 1},
        "restart": {"backoff_seconds": 1, "backoff_longest_seconds": 2},
    }
    if service == "car":
        document["image"] = {"folder": "web"}
    return {**document, **fields}


def image(folder: Path, page: str = "hello", name: str = "web") -> Path:
    """An image of a server with that page, in the store `folder`/images."""
    root = folder / "images" / name
    root.mkdir(parents=True, exist_ok=True)
    (root / "server.py").write_text(SERVER)
    (root / "page.txt").write_text(page)
    return folder / "images"


def runner(
    folder: Path, orchestrated: Orchestrator, *options: str, oracles: tuple[str, ...] = ("http://127.0.0.1:1",)
) -> AbstractAsyncContextManager[Process]:
    """An agent that runs workloads for this orchestrator."""
    given = ["--orchestrator", orchestrated.url, "--licence", str(LICENCE), "--placements", PLACEMENTS]
    given += ["--capacity", "cpu=2000,memory=1024,storage=1000", "--runs", str(folder / "runs"), "--host", "127.0.0.1"]
    if (folder / "images").is_dir():
        given += ["--images", str(folder / "images")]
    if not any(option in options for option in ("--least-price", "--any-price")):
        given.append("--any-price")
    return agent(list(oracles), *given, *options)


async def get(port: int, path: str) -> str:
    """What the workload answers there."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as response:
        return await response.text()


def accepted_by(one: Poll, proposal: Proposal) -> bool:
    """Whether the poll brings the node's valid acceptance of the proposal."""
    domain = Acceptance.domain(CHAIN, PLACEMENTS)
    wanted = proposal.acceptance(LICENCE)
    return any(
        each.acceptance == wanted and "0x" + recover(wanted.digest(domain), each.signature).hex() == NODE
        for each in one.acceptances
    )


def processes(runs: Path) -> dict[int, str]:
    """Processes that belong to this folder of runs, guards and workloads: number and command line."""
    mark = json.loads((runs / "state.json").read_text())["mark"].encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if b"EPOCHAL_RUNS=" + mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found
