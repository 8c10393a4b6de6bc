# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy in front of an RPC endpoint that can be made to die, to lie, or to be behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

Answer = Callable[[str, list[Any], Any], Any]


class RpcProxy:
    """`change(method, params, answer)` gives the answer to send in place of the endpoint's; `dead` closes connections
    unanswered. `asked` are the methods of all requests that came by themselves, in their order."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.dead = False
        self.change: Answer | None = None
        self.asked: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not proxy.dead:
                    answer = proxy.answer(body)
                    with suppress(OSError):  # who asked may have had enough of waiting
                        self.send_response(200)
                        self.send_header("Content-Length", str(len(answer)))
                        self.end_headers()
                        self.wfile.write(answer)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def answer(self, body: bytes) -> bytes:
        asked = json.loads(body)
        with urlopen(Request(self.target, body, {"Content-Type": "application/json"})) as response:
            told = json.loads(response.read())
        if isinstance(asked, dict):
            self.asked.append(asked["method"])
            if self.change is not None:
                told = self.change(asked["method"], asked["params"], told)
        elif self.change is not None:
            by_id = {one["id"]: one for one in told}
            told = [self.change(one["method"], one["params"], by_id[one["id"]]) for one in asked]
        return json.dumps(told).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def proxies(target: str, count: int) -> Iterator[list[RpcProxy]]:
    """So many proxies in front of one endpoint."""
    opened = [RpcProxy(target) for _ in range(count)]
    try:
        yield opened
    finally:
        for proxy in opened:
            proxy.close()


def behind(height: int) -> Answer:
    """What a node tells that knows no block above `height`: of logs it leaves out what it doesn't know."""

    def change(method: str, params: list[Any], told: Any) -> Any:
        result = told.get("result")
        if method == "eth_getBlockByNumber" and result and int(result["number"], 16) > height:
            known = params[0] in ("finalized", "latest")
            return {**told, "result": {**result, "number": hex(height), "hash": "0x" + "07" * 32} if known else None}
        if method == "eth_getLogs":
            return {**told, "result": [log for log in result if int(log["blockNumber"], 16) <= height]}
        if method == "eth_call" and params[1] != "latest":
            return {"jsonrpc": "2.0", "id": told["id"], "error": {"code": -32000, "message": "header not found"}}
        return told

    return change
