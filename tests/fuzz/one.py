# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz.one TARGET OPTION...`: one target under atheris, with libFuzzer's options; ends the process."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["oracle", "tests.fuzz.targets"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name].run)
    atheris.Fuzz()
