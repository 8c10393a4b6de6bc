# SPDX-License-Identifier: Apache-2.0
"""A server that keeps to Ratio1's Deeploy API as far as its public description goes, and faults on demand.

It shares no code with the adapter: signatures are recovered by eth_account, hashes made here. Effects happen in
`DeeployServer.world`; what Ratio1's oracles would write on chain is handed to `on_chain`.

Faults are queued for an endpoint and taken one for each request:
    drop-before, drop-after   the connection closes before the request is worked on, or after
    status=503                no more than that
    pending=0.2               status pending; the effect comes so many seconds later
    half                      a scale-up whose new node doesn't report; its oracles say nothing
    half-reported             partial_success, yet the new node did report
    timeout                   status timeout, effect done
    unconfirmed               done, but its oracles say nothing
    refuse=ERR05_…            status fail with that error
    everywhere                a deletion that knows no target_nodes, as older versions
    huge, garbage, redirect   answers that are none
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from eth_account import Account
from eth_account.messages import encode_defunct

TYPES = {
    "create_pipeline": "create pipeline",
    "update_pipeline": "update pipeline",
    "scale_up_job_workers": "scale up workers",
    "delete_pipeline": "delete pipeline",
    "send_instance_command": "send instance command",
    "send_app_command": "send app command",
    "get_apps": "get apps",
    "node_specs": None,
}
UNSIGNED = "address signature EE_SIGN EE_SENDER EE_HASH SIGN_CANON_V EE_ETH_SIGN EE_ETH_SENDER".split()
HALF_A_DAY = 12 * 3600


class Refusal(Exception):
    """The request is refused; its text is the answer's error."""


@dataclass
class World:
    """Jobs with owner and delegates, free cores of nodes that are online, apps with job and nodes."""

    jobs: dict[int, tuple[str, set[str]]] = field(default_factory=dict)
    nodes: dict[str, float] = field(default_factory=dict)
    apps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, job: int, app: str, *nodes: str) -> None:
        self.apps.setdefault(app, {"job": job, "alias": app, "nodes": set()})["nodes"] |= set(nodes)

    def nodes_of(self, app: str) -> set[str]:
        return set(self.apps[app]["nodes"]) if app in self.apps else set()


class DeeployServer:
    """In a thread of its own, on a free port. `log` has the endpoint and request of all that were let in."""

    def __init__(self, on_chain: Callable[[int, list[str]], None], older: bool = True, old_shape: bool = False) -> None:
        self.world = World()
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.later: list[threading.Timer] = []
        self.reached = threading.Condition()
        self._on_chain = on_chain
        self._older, self._old_shape = older, old_shape
        self._nonces: dict[str, set[int]] = defaultdict(set)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="deeploy", daemon=True)

    def __enter__(self) -> DeeployServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self.later:
            timer.join(10)
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def fail(self, endpoint: str, *faults: str) -> None:
        self.faults[endpoint].extend(faults)

    def asked(self, endpoint: str) -> list[dict[str, Any]]:
        return [request for name, request in self.log if name == endpoint]

    def wait_for(self, endpoint: str, times: int = 1) -> None:
        """Until the endpoint let that many requests in."""
        with self.reached:
            assert self.reached.wait_for(lambda: len(self.asked(endpoint)) >= times, 20), f"{endpoint} wasn't asked"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        application = web.Application()
        application.router.add_post("/{endpoint}", self._handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        endpoint = http.match_info["endpoint"]
        if endpoint not in TYPES:
            return web.json_response({"detail": "Not Found"}, status=404)
        request = (await http.json())["request"]
        name, _, value = (self.faults[endpoint].popleft() if self.faults[endpoint] else "").partition("=")
        if name == "drop-before":
            return self._drop(http)
        if name in ("status", "huge", "garbage", "redirect"):
            return _no_answer(name, value)
        try:
            owner = self._let_in(endpoint, request)
            with self.reached:
                self.log.append((endpoint, request))
                self.reached.notify_all()
            if name == "refuse":
                raise Refusal(f"{value}: refused for the test")
            result = await asyncio.to_thread(getattr(self, "_" + endpoint), owner, request, name, value)
        except Refusal as refusal:
            result = {"status": "fail", "error": str(refusal), "request": request}
        if name == "drop-after":
            return self._drop(http)
        return web.json_response({"result": {**result, "auth": {}, "server_info": {"alias": "local"}}})

    @staticmethod
    def _drop(http: web.Request) -> web.StreamResponse:
        assert http.transport is not None
        http.transport.abort()
        return web.Response()

    def _let_in(self, endpoint: str, request: dict[str, Any]) -> str:
        """The owner for whom the sender speaks."""
        sender = request["EE_ETH_SENDER"]
        text = self._text(endpoint, request)
        signer = Account.recover_message(encode_defunct(text=text), signature=request["EE_ETH_SIGN"])
        if signer.lower() != sender.lower():
            raise Refusal(f"Invalid signature: recovered {signer} != {sender}")
        nonce = int(request["nonce"], 16)
        age = time.time() - nonce / 1000
        if age < 0:
            raise Refusal("Nonce is invalid(f)!")
        if age > HALF_A_DAY:
            raise Refusal("Nonce is expired!")
        if nonce in self._nonces[sender]:
            raise Refusal("Nonce is used!")
        self._nonces[sender].add(nonce)
        for owner, delegates in self.world.jobs.values():
            if sender == owner or sender in delegates:
                return owner
        raise Refusal(f"ERR09_DEEPLOY_ESCROW1: {sender} is neither owner nor delegate of an escrow")

    def _text(self, endpoint: str, request: dict[str, Any]) -> str:
        data = {key: value for key, value in request.items() if key not in UNSIGNED}
        told = request.get("EE_HASH")
        if told is None:
            if not self._older and TYPES[endpoint]:
                raise Refusal("Missing payload hash")
            dumped = json.dumps(data, sort_keys=True, separators=(",", ":"), indent=1, ensure_ascii=False)
            return "Please sign this message for Deeploy: " + dumped
        dumped = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if hashlib.sha256(dumped.encode()).hexdigest() != told:
            raise Refusal("Invalid payload hash")
        nodes = data.get("target_nodes")
        count = len(nodes) if nodes else data.get("target_nodes_count") or 0
        plugins = f"Plugins: {len(data['plugins'])}\n" if isinstance(data.get("plugins"), list) else ""
        return (
            f"Please sign this Deeploy request:\n\nRequest type: {TYPES[endpoint]}\n{plugins}Nodes: {count}\n"
            f"Request hash: {told}"
        )

    def _paid(self, owner: str, request: dict[str, Any]) -> int:
        job = request.get("job_id")
        if job not in self.world.jobs or self.world.jobs[job][0] != owner:
            raise Refusal("ERR10_DEEPLOY_PAYMENT1: The request job is not paid, or not sent by its owner.")
        return int(job)

    def _available(self, request: dict[str, Any], cores: float, busy: set[str]) -> list[str]:
        nodes = (
            request.get("target_nodes")
            or [node for node in sorted(self.world.nodes) if self.world.nodes[node] >= cores and node not in busy][
                : request["target_nodes_count"]
            ]
        )
        if not nodes or len(nodes) < request.get("target_nodes_count", 0):
            raise Refusal("ERR03_DEEPLOY_NODES2: not enough nodes")
        for node in nodes:
            if node not in self.world.nodes:
                raise Refusal(f"ERR02_DEEPLOY_NODES1: node {node} is not online")
            if self.world.nodes[node] < cores:
                raise Refusal(f"ERR06_DEEPLOY_TARGET_NODE_RESOURCES1: node {node} has too few cores")
        return list(nodes)

    def _create_pipeline(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        job = self._paid(owner, request)
        cores = sum(plugin.get("CONTAINER_RESOURCES", {}).get("cpu", 0) for plugin in request["plugins"])
        nodes = self._available(request, cores, set())
        nonce = request["nonce"]
        app = f"{request['app_alias'].lower()[:13]}_{hashlib.sha256(nonce.encode()).hexdigest()[:7]}"

        def effect() -> None:
            self.world.run(job, app, *nodes)
            self._on_chain(job, sorted(nodes))

        return {**self._deployed(fault, value, effect, nodes), "app_id": app, "request": {"app_alias": app}}

    def _scale_up_job_workers(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        job = self._paid(owner, request)
        app = request["app_id"]
        running = self.world.nodes_of(app)
        if not running or self.world.apps[app]["job"] != job:
            raise Refusal(f"ERR04_DEEPLOY_NODES3: No running workers found for provided job_id and owner '{owner}'.")
        nodes = self._available(request, request["node_res_req"]["cpu"], running)
        if fault == "half":
            return {"status": "partial_success", "status_details": _details(running), "job_id": job}

        def effect() -> None:
            self.world.run(job, app, *nodes)
            if fault != "unconfirmed":
                self._on_chain(job, sorted(running | set(nodes)))

        return {**self._deployed(fault, value, effect, sorted(running | set(nodes))), "job_id": job, "request": None}

    def _deployed(self, fault: str, value: str, effect: Callable[[], None], nodes: list[str]) -> dict[str, Any]:
        if fault == "pending":
            later = threading.Timer(float(value), effect)
            later.daemon = True
            later.start()
            self.later.append(later)
            return {"status": "pending", "status_details": {}}
        effect()
        told = {"timeout": "timeout", "half-reported": "partial_success"}.get(fault, "success")
        return {"status": told, "status_details": {} if fault == "timeout" else _details(set(nodes))}

    def _update_pipeline(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        job = self._paid(owner, request)
        nodes = request.get("target_nodes") or sorted(self.world.nodes_of(request["app_id"]))
        self.world.apps[request["app_id"]]["nodes"] = set(nodes)
        self._on_chain(job, sorted(nodes))
        return {"status": "success", "status_details": _details(set(nodes)), "app_id": request["app_id"]}

    def _delete_pipeline(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        app = request["app_id"]
        wanted = set() if fault == "everywhere" else set(request.get("target_nodes") or ())
        running = self.world.nodes_of(app) & set(self.world.nodes)
        stopped = sorted(running & wanted if wanted else running)
        if not stopped:
            raise Refusal(f"ERR04_DEEPLOY_NODES3: No instances found for provided app_id {app} and owner '{owner}'.")
        self.world.apps[app]["nodes"] -= set(stopped)
        targets = [{"APP_ID": app, "NODE": node, "PLUGIN_SIGNATURE": "CONTAINER_APP_RUNNER"} for node in stopped]
        return {"request": {"status": "success", "targets": targets, "app_id": app}}

    def _send_instance_command(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        return {"request": {"status": "command_delivered", "app_id": request["app_id"]}}

    def _send_app_command(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        nodes = sorted(self.world.nodes_of(request["app_id"]))
        if not nodes:
            raise Refusal("ERR04_DEEPLOY_NODES3: No instances found")
        targets = [[node, request["app_id"], "CONTAINER_APP_RUNNER", "car-1"] for node in nodes]
        return {"request": {"status": "command_delivered", "app_id": request["app_id"]}, "targets": targets}

    def _node_specs(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        specs = {node: {"node_is_online": node in self.world.nodes} for node in request["target_nodes"]}
        return {"status": "success", "nodes": specs}

    def _get_apps(self, owner: str, request: dict[str, Any], fault: str, value: str) -> dict[str, Any]:
        by_node: dict[str, dict[str, Any]] = defaultdict(dict)
        by_job: dict[str, Any] = {
            str(job): {"job_id": job, "chain_job": {"id": str(job)}, "online": defaultdict(dict)}
            for job, (whose, _) in self.world.jobs.items()
            if whose == owner
        }
        for app, told in self.world.apps.items():
            for node in told["nodes"] & set(self.world.nodes):
                details = {"is_deeployed": True, "owner": owner, "deeploy_specs": {"job_id": told["job"]}}
                by_node[node][app] = details
                if str(told["job"]) in by_job:
                    by_job[str(told["job"])]["online"][node][app] = details
        return {"status": "success", "apps": by_node if self._old_shape else by_job}


def _details(nodes: set[str]) -> dict[str, Any]:
    return {f"key_{node}": {"node": node, "details": {"ok": True}, "instance_id": "car-1"} for node in sorted(nodes)}


def _no_answer(name: str, value: str) -> web.StreamResponse:
    if name == "status":
        return web.Response(status=int(value), text="no")
    if name == "huge":
        return web.Response(body=b'{"result": "' + b"x" * 2_000_000 + b'"}')
    if name == "redirect":
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})
    return web.Response(text="<html>")
