"""What the job runs: a web server out of a root folder, which tells which assignment it serves."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from oracle.ground.policy import Policy
from orchestrator.wire.intent import Intent, from_document

IMAGE: Final = "page"
_SERVER: Final = """\
import http.server
import json
import os

PAGE = json.dumps({"assignment": os.environ["EPOCHAL_ASSIGNMENT"], "pid": os.getpid()}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
_POLICY_FIELDS: Final = (
    "evidence",
    "target_ppm",
    "floor_ppm",
    "csp_share_ppm",
    "outage_seconds",
    "answer_seconds",
    "cooldown_seconds",
)


def make_image(store: Path) -> None:
    """Put the server's root folder into a store of images."""
    folder = store / IMAGE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.py").write_text(_SERVER, encoding="utf-8")


def page_intent(slots: int, policy: Policy, targets: Sequence[int], spares: Sequence[int]) -> Intent:
    """The deployment intent of a job that serves the page. Its command names this machine's Python."""
    return from_document(
        {
            "version": 1,
            "name": "page",
            "service": "car",
            "replicas": slots,
            "resources": {"cpu_millis": 500, "memory_mb": 64, "storage_mb": 10},
            "policy": {name: getattr(policy, name) for name in _POLICY_FIELDS},
            "targets": list(targets),
            "spares": list(spares),
            "image": {"folder": IMAGE},
            "command": [sys.executable, "-I", "-S", "server.py"],
            "health": {"mode": "endpoint", "path": "/", "interval_seconds": 1, "timeout_seconds": 20},
            "restart": {"backoff_seconds": 1, "backoff_longest_seconds": 2},
        }
    )
