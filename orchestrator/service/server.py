"""The orchestrator's HTTP interface; docs/orchestrator.md lists it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from chain.client import RpcError
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.typed_data import Domain
from oracle.signing.compact import InvalidSignature
from orchestrator.service.asking import Asking
from orchestrator.service.errors import NotAllowed, NotReady, SettingsError, Unknown
from orchestrator.service.showing import detail_json, job_json, nodes_json
from orchestrator.wire.polling import MAX_POLL, Poll, open_poll
from orchestrator.wire.reallocation import KEY_HEADER, PATH, read_notice
from orchestrator.wire.wishes import open_move, open_update

_LOG: Final = logging.getLogger("epochal.orchestrator")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_STATUS: Final = (
    (InvalidValue, 400),
    (InvalidSignature, 403),
    (NotAllowed, 403),
    (Unknown, 404),
    (NotReady, 503),
    (RpcError, 503),
)


class Server:
    """Serves one orchestrator. `hurry` is called when there is something to send at once; `health` tells how it is."""

    def __init__(
        self, asking: Asking, domain: Domain, hurry: Callable[[], None], health: Callable[[], dict[str, Any]]
    ) -> None:
        """`domain` is that of messages to orchestrators."""
        self.answered: Counter[int] = Counter()
        """Answers by HTTP status."""
        self._asking = asking
        self._domain = domain
        self._hurry = hurry
        self._health = health
        app = web.Application(client_max_size=MAX_POLL, middlewares=[self._guarded])
        app.add_routes(
            [
                web.post("/v1/poll", self._poll),
                web.post("/v1/intents", self._add_intent),
                web.get(r"/v1/intents/0x{hash:[0-9a-f]{64}}", self._intent),
                web.get("/v1/jobs", self._jobs),
                web.get(r"/v1/jobs/{job:[0-9]{1,20}}", self._job),
                web.post(r"/v1/jobs/{job:[0-9]{1,20}}/update", self._update),
                web.post(r"/v1/jobs/{job:[0-9]{1,20}}/move", self._move),
                web.post(r"/v1/jobs/{job:[0-9]{1,20}}/look", self._look),
                web.post(PATH, self._reallocation),
                web.get("/v1/nodes", self._nodes),
                web.get("/health", self._healthy),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the URL (port 0: any free one). SettingsError if it can't."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                f"--listen {host}:{port}: can't listen there ({error.strerror}); use another"
            ) from error
        bound = self._runner.addresses[0]
        return f"http://{host}:{bound[1]}"

    async def stop(self) -> None:
        """Answer what is under way and stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPRequestEntityTooLarge:
            response = _refusal(413, f"the body is larger than {MAX_POLL} bytes: send less")
        except web.HTTPException as error:
            response = _refusal(
                error.status, f"{request.method} {request.path}: {error.reason}; see docs/orchestrator.md"
            )
        except EpochalError as error:
            status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
            response = _refusal(status, str(error))
        except Exception:
            _LOG.exception("%s %s", request.method, request.path)
            response = _refusal(500, "a bug of the orchestrator's: see its log")
        self.answered[response.status] += 1
        return response

    # Nodes

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        poll = open_poll(await request.read(), self._domain)
        answer = await asyncio.to_thread(self._take, poll)
        if poll.acceptances:
            self._hurry()
        return _json(200, answer)

    def _take(self, poll: Poll) -> dict[str, Any]:
        asking = self._asking
        licence = asking.licence(poll.licence)
        if licence.node != poll.node:
            licence = asking.fresh_licence(poll.licence)  # it may have been linked since
        return asking.desk.take_poll(poll, licence, _now()).to_json()

    async def _nodes(self, _: web.Request) -> web.StreamResponse:
        now = _now()
        return _json(200, nodes_json(self._asking.desk.world(now), now))

    # CSPs

    async def _add_intent(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        intent = await asyncio.to_thread(self._asking.add_intent, body, _now())
        return _json(201, {"hash": "0x" + intent.hash.hex()})

    async def _intent(self, request: web.Request) -> web.StreamResponse:
        intent = self._asking.intent(bytes.fromhex(request.match_info["hash"]))
        return web.Response(body=intent.canonical(), content_type="application/json")

    async def _update(self, request: web.Request) -> web.StreamResponse:
        asked, signer = open_update(await request.read(), self._domain)
        _require_job(request, asked.job)
        await asyncio.to_thread(self._asking.update, asked, signer, _now())
        return _json(202, {"status": "taken"})

    async def _move(self, request: web.Request) -> web.StreamResponse:
        asked, signer = open_move(await request.read(), self._domain)
        _require_job(request, asked.job)
        await asyncio.to_thread(self._asking.move, asked, signer, _now())
        return _json(202, {"status": "taken"})

    async def _look(self, request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(self._asking.look, _now())
        self._hurry()
        return await self._job(request)

    async def _jobs(self, _: web.Request) -> web.StreamResponse:
        world = self._asking.desk.world(_now())
        return _json(200, [job_json(world, job) for _, job in sorted(world.jobs.items())])

    async def _job(self, request: web.Request) -> web.StreamResponse:
        id_, now, desk = int(request.match_info["job"]), _now(), self._asking.desk
        with desk.lock:
            world = desk.world(now)
            job = world.jobs.get(id_)
            if job is None:
                raise Unknown(f"job {id_} isn't this orchestrator's, or not known yet: POST /v1/jobs/{id_}/look")
            return _json(200, detail_json(world, job, desk.store.events(id_), desk.rules, now))

    # Requests for another node

    async def _reallocation(self, request: web.Request) -> web.StreamResponse:
        notice = read_notice(await request.read())
        key = request.headers.get(KEY_HEADER, "")
        if key != notice.key:
            raise InvalidValue(f"{KEY_HEADER} is {key[:80]!r}: send the request's id, {notice.key}")
        answer = await asyncio.to_thread(self._asking.deliver, notice, _now())
        self._hurry()
        return _json(202, answer.to_json())

    async def _healthy(self, _: web.Request) -> web.StreamResponse:
        told = self._health()
        return _json(200 if told["ok"] else 503, told)


def _now() -> int:
    return int(time.time())


def _require_job(request: web.Request, job: int) -> None:
    if int(request.match_info["job"]) != job:
        raise InvalidValue(f"the path names job {request.match_info['job']}, the body job {job}: use one")


def _refusal(status: int, why: str) -> web.Response:
    return _json(status, {"error": why})


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=json.dumps(value).encode(), content_type="application/json")
