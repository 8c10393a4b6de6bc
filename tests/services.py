# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests: an MQTT broker, PostgreSQL and Prometheus, each on a free port with files of its own.

`make services` puts their programs under .services; without it those on PATH are used. Where there are neither, a
test is skipped with the cure, or fails if $EPOCHAL_REQUIRE_SERVICES is set, as in CI. Whatever a test does with its
server, no process outlives the `with` block.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
import pytest

from tests.project import ROOT

COMMANDS = ROOT / ".services" / "bin"
REQUIRED = "EPOCHAL_REQUIRE_SERVICES"
START_SECONDS = 30.0
NOBODY = 65534
"""PostgreSQL refuses to be run by root: this user runs it then."""


class ServiceFailed(AssertionError):
    """A server of a test did not start, or ended by itself."""


def program(name: str) -> Path:
    """The program's path. Skips the test that asks if there is none, or fails it where servers are required."""
    elsewhere = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    on_path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    for candidate in (COMMANDS / name, on_path and Path(on_path), *elsewhere):
        if candidate and candidate.exists():
            return candidate
    reason = f"needs {name}, which is neither under .services nor on PATH. Cure: make services, or install it."
    if os.environ.get(REQUIRED):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A process that `start` runs and that can be killed, stopped and started again; its port stays the same."""

    command: list[str]
    port: int
    log: Path
    user: int | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and return when it listens. ServiceFailed with the end of its log if it doesn't."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user is not None else None,
                cwd="/",
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                said = self.log.read_text(errors="replace")[-2000:]
                raise ServiceFailed(f"{self.command[0]} does not listen on port {self.port}; it said:\n{said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as a supervisor would; kill it if that takes too long."""
        if self.process and self.process.poll() is None:
            # For PostgreSQL: don't wait for clients. The others take it as SIGTERM.
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, at once."""
        if self.process:
            self.process.kill()
            self.process.wait()


# MQTT


@dataclass
class Broker(Server):
    """Mosquitto. `url` is what oracles and nodes are given: mqtt://… or mqtts://…"""

    url: str = ""


MOSQUITTO = """\
per_listener_settings false
persistence false
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 100000
log_type error
log_type warning
log_type notice
"""


def mosquitto_config(port: int, options: str = "") -> str:
    """A configuration for tests: one listener on `port`, anonymous unless `options` say otherwise."""
    access = "" if "password_file" in options else "allow_anonymous true\n"
    return f"{MOSQUITTO}listener {port} 127.0.0.1\n{access}{options}"


@contextlib.contextmanager
def mosquitto(folder: Path, options: str = "", *, config: str | None = None, tls: bool = False) -> Iterator[Broker]:
    """A broker of its own, with its files in `folder`.

    `options` are lines added to the configuration; `config` is a whole one instead, in which {port} is replaced. `tls`
    makes the URL mqtts://, the configuration must say how.
    """
    port = free_port()
    path = folder / "mosquitto.conf"
    text = mosquitto_config(port, options) if config is None else config.replace("{port}", str(port))
    # As root it would become another user, who may not read the test's files.
    path.write_text(text + ("\nuser root\n" if os.geteuid() == 0 else "\n"))
    broker = Broker(
        [str(program("mosquitto")), "-c", str(path)],
        port,
        folder / "mosquitto.log",
        url=f"{'mqtts://localhost' if tls else 'mqtt://127.0.0.1'}:{port}",
    )
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def mosquitto_passwords(users: Mapping[str, str]) -> str:
    """A password file's text, as mosquitto_passwd would write it."""
    lines = []
    for user, password in users.items():
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
        lines.append(f"{user}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}")
    return "\n".join(lines) + "\n"


# PostgreSQL


@dataclass
class Postgres(Server):
    """A PostgreSQL server; `fresh` gives each test a database of its own."""

    made: int = field(default=0)

    def start(self) -> None:
        """As any server; it listens a moment before it lets anybody in."""
        super().start()
        wait_for_postgres(self)

    def url(self, database: str = "postgres", **options: str) -> str:
        """postgresql://postgres@127.0.0.1:port/database, with `options` as its query."""
        query = "?" + urlencode(options) if options else ""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}{query}"

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        self.made += 1
        with psycopg.connect(self.url(), autocommit=True) as session:
            session.execute(f"CREATE DATABASE test_{self.made}".encode())
        return self.url(f"test_{self.made}")


@contextlib.contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[Postgres]:
    """A new server. `durable`: syncs to the disk at each commit, as a benchmark must; no process's death needs that."""
    user = NOBODY if os.geteuid() == 0 else None
    # Not a test's own folder: the other user could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="epochal-postgres-"))
    try:
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(0o700)
        if user is not None:
            os.chown(data, user, user)
        initdb, postgres = for_user(user, folder)
        made = subprocess.run(
            [str(initdb), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if made.returncode:
            raise ServiceFailed(f"initdb failed: {made.stderr[-2000:]}")
        port = free_port()
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "32MB"}
        if not durable:
            options |= {"fsync": "off", "full_page_writes": "off"}
        command = [str(postgres), "-D", str(data), "-p", str(port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        server = Postgres(command, port, folder / "postgres.log", user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def for_user(user: int | None, folder: Path) -> tuple[Path, Path]:
    """initdb and postgres where that user may run them: under a closed home folder they are copied to `folder`."""
    initdb, postgres = program("initdb").resolve(), program("postgres").resolve()
    if user is None:
        return initdb, postgres
    with contextlib.suppress(OSError):
        command = [str(initdb), "--version"]
        tried = subprocess.run(
            command, user=user, group=user, extra_groups=[], cwd="/", capture_output=True, check=False
        )
        if tried.returncode == 0:
            return initdb, postgres
    copy = folder / "program"
    shutil.copytree(postgres.parents[1], copy, symlinks=True)
    return copy / "bin" / initdb.name, copy / "bin" / postgres.name


def wait_for_postgres(server: Postgres) -> None:
    """Until it lets us in; ServiceFailed if it doesn't in time."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.url(), connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise ServiceFailed(f"PostgreSQL lets nobody in: {error}") from error
            time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for all tests of a process; take `postgres.fresh()` for a database of your own."""
    with postgres_server() as server:
        yield server


# Prometheus


@contextlib.contextmanager
def prometheus(folder: Path, config: str) -> Iterator[Server]:
    """A Prometheus server with that configuration (YAML); it answers on http://127.0.0.1:{port}."""
    path, port = folder / "prometheus.yml", free_port()
    path.write_text(config)
    server = Server(
        [
            str(program("prometheus")),
            f"--config.file={path}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
        ],
        port,
        folder / "prometheus.log",
    )
    server.start()
    try:
        wait_for_prometheus(server)
        yield server
    finally:
        server.kill()


def wait_for_prometheus(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{server.port}/-/ready", timeout=5) as answer:
            if answer.status == 200:
                return
        if time.monotonic() > deadline:
            raise ServiceFailed(f"Prometheus is not ready; it said:\n{server.log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Path of promtool, which checks rules and unit-tests alerts."""
    return program("promtool")
