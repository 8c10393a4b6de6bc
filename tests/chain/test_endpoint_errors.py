# SPDX-License-Identifier: Apache-2.0
"""An RPC endpoint's URL often holds a key. Errors come into logs, so they show where it is and no more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chain.client import Chain, ChainUnavailable, RpcError
from tests.services import free_port


class Endpoint(BaseHTTPRequestHandler):
    """Knows the chain id, in whose file it says what comes next."""

    good = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if "401" in self.path or not type(self).good:
            self.send_error(401)
            return
        body = self.path.encode() if "html" in self.path else b'{"jsonrpc": "2.0", "id": 0, "result": "0x1"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(Endpoint, "good", True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_chain__no_good_endpoint__error_names_its_host_alone(port: int) -> None:
    for url, told in (
        (f"http://127.0.0.1:{free_port()}/v3/SECRET", "Connection refused"),
        (f"http://me:SECRET@127.0.0.1:{port}/v3/401/SECRET?key=SECRET", "status 401"),
        (f"http://127.0.0.1:{port}/html/SECRET", "JSON"),
    ):
        with pytest.raises(ChainUnavailable, match=told) as refused:
            Chain(url, timeout=5)
        assert str(refused.value).startswith("http://127.0.0.1:")
        assert "SECRET" not in str(refused.value)
    with pytest.raises(ChainUnavailable) as refused:
        Chain("SECRET")
    assert "SECRET" not in str(refused.value)


def test_chain__endpoint_refuses_later__error_shows_no_key(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(f"http://127.0.0.1:{port}/v3/SECRET", timeout=5)
    monkeypatch.setattr(Endpoint, "good", False)
    for ask in (chain.finalized, lambda: chain.batch([("eth_blockNumber", [])])):
        with pytest.raises(RpcError, match="no answer \\(status 401\\)") as refused:
            ask()
        assert "SECRET" not in str(refused.value)
