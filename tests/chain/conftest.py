# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests of this folder."""

from __future__ import annotations

from tests.chain.history import history
from tests.chain.licence_world import licensed, run, world
from tests.chain.town import deployed, town

__all__ = ["deployed", "history", "licensed", "run", "town", "world"]
