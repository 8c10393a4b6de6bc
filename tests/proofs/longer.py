# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: every property test tries many times as many examples as it names.

Properties name their number of examples themselves, which a profile of hypothesis doesn't change.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

TIMES = int(os.environ.get("EPOCHAL_TIMES", "20"))


def longer(settings: hypothesis.settings) -> hypothesis.settings:
    """The same settings, with more examples and no deadline."""
    return hypothesis.settings(settings, max_examples=settings.max_examples * TIMES, deadline=None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each function once, however often it is parametrized."""
    done: set[int] = set()
    for item in items:
        test = getattr(item, "obj", None)
        test = getattr(test, "__func__", test)
        machine = getattr(item, "cls", None)
        for holder, name in ((test, "_hypothesis_internal_use_settings"), (machine, "settings")):
            settings = getattr(holder, name, None)
            if isinstance(settings, hypothesis.settings) and id(holder) not in done:
                done.add(id(holder))
                setattr(holder, name, longer(settings))
