# SPDX-License-Identifier: Apache-2.0
"""Servers that receive: one over HTTP that misbehaves as it is told, and a small SMTP server."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import wraps

from aiohttp import web


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test that is a coroutine."""

    @wraps(test)
    def run(*arguments: object, **fixtures: object) -> None:
        async def whole() -> None:
            await test(*arguments, **fixtures)

        asyncio.run(whole())

    return run


Behaviour = Callable[[web.Request, int], Awaitable[web.StreamResponse]]


@dataclass
class Taken:
    """A request as it came."""

    path: str
    key: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """Remembers what came. `behave` gets the request and how many came before it."""

    behave: Behaviour | None = None
    came: list[Taken] = field(default_factory=list)
    url: str = ""
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        number = len(self.came)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.came.append(Taken(request.path, headers.get("idempotency-key", ""), await request.read(), headers))
        if self.behave is not None:
            return await self.behave(request, number)
        return web.json_response({"status": "taken"}, status=202)


@asynccontextmanager
async def receiver(behave: Behaviour | None = None) -> AsyncIterator[Receiver]:
    one = Receiver(behave)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@dataclass
class MailBox:
    """An SMTP server (AUTH PLAIN, STARTTLS) that keeps what it takes. `refusals`: answers to the next RCPTs."""

    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    refusals: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    secured: bool = False
    port: int = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        let_in, secured = not self.user, False
        writer.write(b"220 mail.test\r\n")
        try:
            while line := (await reader.readline()).decode().strip():
                word = line.upper().split(" ")[0]
                if word == "EHLO":
                    offers = ["mail.test", *(["STARTTLS"] if self.tls and not secured else []), "AUTH PLAIN"]
                    told = [f"250{'-' if one != offers[-1] else ' '}{one}\r\n" for one in offers]
                    writer.write("".join(told).encode())
                elif word == "STARTTLS" and self.tls:
                    writer.write(b"220 go\r\n")
                    await writer.start_tls(self.tls)
                    secured = self.secured = True
                elif word == "AUTH":
                    _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                    let_in = (user, password) == (self.user, self.password)
                    writer.write(b"235 in\r\n" if let_in else b"535 wrong password\r\n")
                elif word == "RCPT" and self.refusals:
                    writer.write(self.refusals.pop(0).encode() + b"\r\n")
                elif word == "DATA" and let_in:
                    writer.write(b"354 go\r\n")
                    raw = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                    self.mails.append(message_from_bytes(raw, policy=policy.default))  # type: ignore[arg-type]
                    writer.write(b"250 taken\r\n")
                elif word == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n" if let_in or word in ("RSET", "NOOP") else b"530 who are you\r\n")
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def mail_box(**changes: object) -> AsyncIterator[MailBox]:
    one = MailBox(**changes)  # type: ignore[arg-type]
    server = await asyncio.start_server(one._serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
