# SPDX-License-Identifier: Apache-2.0
"""A test whose server can't be had is skipped with the cure; where servers are required it fails."""

from __future__ import annotations

import pytest

from tests import services


def test_program__nowhere__skips_with_the_cure_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(services.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="Cure: make services"):
        services.program("no-such-server")
    monkeypatch.setenv(services.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="Cure: make services"):
        services.program("no-such-server")
