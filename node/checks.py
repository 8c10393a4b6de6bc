"""One look at a workload: is it there, and does it answer as it should?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from node.targets import Target, split_command
from oracle.telemetry.wire.workloads import Health

_REAP = 1.0
"""Seconds that a killed command may take to be gone."""


async def look(target: Target, http: aiohttp.ClientSession, environment: Mapping[str, str]) -> Health:
    """What the workload's health is now; UNHEALTHY for no answer within the target's timeout.

    STOPPED means that nothing is there: the connection is refused, the process is gone. `environment` is what a
    command gets. Never raises for what the workload does.
    """
    try:
        async with asyncio.timeout(target.timeout):
            if target.kind == "http":
                return await _http(target.where, http)
            if target.kind == "tcp":
                return await _tcp(target.where)
            if target.kind == "exec":
                return await _exec(target.where, environment)
            return await asyncio.to_thread(_pidfile, Path(target.where))
    except TimeoutError:
        return Health.UNHEALTHY


async def _http(url: str, http: aiohttp.ClientSession) -> Health:
    """HEALTHY for a status from 200 to 399. Redirects are not followed, certificates are checked."""
    try:
        async with http.get(url, allow_redirects=False) as response:
            return Health.HEALTHY if 200 <= response.status < 400 else Health.UNHEALTHY
    except aiohttp.ClientConnectorError as error:
        return Health.STOPPED if isinstance(error.os_error, ConnectionRefusedError) else Health.UNHEALTHY
    except (aiohttp.ClientError, OSError, ValueError):
        return Health.UNHEALTHY


async def _tcp(url: str) -> Health:
    """HEALTHY when it takes a connection."""
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except ConnectionRefusedError:
        return Health.STOPPED
    except (OSError, ValueError):
        return Health.UNHEALTHY
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Health.HEALTHY


async def _exec(command: str, environment: Mapping[str, str]) -> Health:
    """HEALTHY when the command ends with 0. It gets a process group of its own, which is killed when it takes too
    long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *split_command("exec", command),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return Health.UNHEALTHY
    try:
        return Health.HEALTHY if await process.wait() == 0 else Health.UNHEALTHY
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REAP):
                    await process.wait()


def _pidfile(path: Path) -> Health:
    """HEALTHY when the process whose number the file's first line holds is there, whoever's it is."""
    try:
        pid = int(path.read_text(encoding="ascii").split("\n", 1)[0])
        if pid > 0:
            os.kill(pid, 0)
            return Health.HEALTHY
    except (FileNotFoundError, ProcessLookupError):
        return Health.STOPPED
    except PermissionError as error:
        # Another user's process is there all the same; a file that can't be read tells nothing.
        return Health.UNHEALTHY if error.filename else Health.HEALTHY
    except (OSError, ValueError, OverflowError):
        pass
    return Health.UNHEALTHY
