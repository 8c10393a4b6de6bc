# SPDX-License-Identifier: Apache-2.0
"""A test's folder says its kind, and its kind says what it may touch."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.services"]

TESTS = Path(__file__).resolve().parent
KINDS = ("unit", "property", "contract", "chain", "e2e")
WITHOUT_SOCKETS = ("unit", "property")
OUTSIDE_PYTEST = ("ape",)  # `ape test` collects these itself
SOCKET_CALLS = ("bind", "connect", "connect_ex", "sendto")

# No test fails because the machine was busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


class SocketRefused(AssertionError):
    """A unit or property test tried to use the network."""


def pytest_configure() -> None:
    """Have Ctrl-C work in what tests start, where a shell that runs them in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = folder_of(item)
        if folder in KINDS:
            item.add_marker(folder)
        elif folder not in OUTSIDE_PYTEST:
            raise pytest.UsageError(f"{item.path}: a test's kind is its folder. Cure: move it to one of {KINDS}.")
    # Those that take longest come first, so that the last to end leave no worker alone for minutes.
    items.sort(key=lambda item: KINDS.index(folder_of(item)) if folder_of(item) in KINDS else -1, reverse=True)


def pytest_collection_finish() -> None:
    """What is imported by now stays: to search it for garbage again and again takes a fifth of the unit tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


# Around the whole protocol, so that fixtures of every scope are held to the rule too.
@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if folder_of(item) in WITHOUT_SOCKETS:
        with no_sockets():
            return (yield)
    return (yield)


@contextmanager
def no_sockets() -> Iterator[None]:
    def refuse(self: socket.socket, *args: object, **kwargs: object) -> None:
        raise SocketRefused("unit and property tests open no sockets. Cure: move the test to chain/ or e2e/.")

    with pytest.MonkeyPatch.context() as patch:
        for name in SOCKET_CALLS:
            patch.setattr(socket.socket, name, refuse)
        yield
