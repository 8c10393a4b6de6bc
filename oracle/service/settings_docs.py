"""Texts made from the code, so that they can't drift from it: the settings, a sample file, and what the log and the
metrics tell. `make settings-docs` writes them; a test compares."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from oracle.service.logs import Event
from oracle.service.metrics import HISTOGRAM, HISTOGRAM_TOLD, NAMESPACE, PHASES, Series
from oracle.service.oracle_settings import OracleSettings
from oracle.service.setting_declarations import PREFIX
from oracle.service.setting_values import cure_of, group_of, sample_of

_WIDTH: Final = 100
_SAMPLE_KEYS: Final = frozenset({"keystore", "password_file", "gas_keystore", "gas_password_file", "endpoint"})
"""Settings without a default that the sample gives, so that it is whole as it stands."""

_SETTINGS_HEAD: Final = f"""\
# Settings of the oracle

`epochal oracle run --config oracle.toml` takes its settings from a TOML file, and above it from environment variables:
the setting's name in capitals after `{PREFIX}`. A list in a variable has commas between its parts. A path in the
file is taken from the file's folder, one in a variable from the working folder. An unknown name is refused, in the file
and behind the prefix, for it is mostly a misspelt one. [deploy/oracle.sample.toml](../deploy/oracle.sample.toml) has
all of them with an example; `epochal oracle doctor` checks them, and all that they point at, before the oracle runs.

Secrets are never settings. A setting names the variable or the file that holds one; URLs of RPC endpoints and stores,
which may, are shown nowhere.

`make settings-docs` makes this page from the code.
"""
_SAMPLE_HEAD: Final = """\
# Settings of an oracle: epochal oracle run --config oracle.toml
# `epochal oracle settings --sample` wrote this file; docs/oracle-settings.md tells the same as a table.
# What is commented out shows the default, or an example where there is none. Paths are taken from this file's folder.
"""
_SIGNALS_HEAD: Final = """\
# What an oracle tells of itself

For who runs one. The server at `health_listen` answers

- `/live`: 200 while the daemon goes on by itself. Waiting, for a chain or for peers, is living. 503 with
  `reason`: start it again.
- `/ready`: 200 while it waits for nothing, else 503 and `waiting_for`, a list of sentences.
- `/metrics`: for Prometheus, with the intake's metrics of [telemetry.md](telemetry.md) where heartbeats come in this
  process. [deploy/prometheus](../deploy/prometheus) has alerts, [runbooks.md](runbooks.md) what to do about each,
  [deploy/grafana](../deploy/grafana) a dashboard.

The log goes to standard error, one event a line; `log_format` chooses JSON or text. `make settings-docs` makes this
page from the code.
"""


def settings_page() -> str:
    """docs/oracle-settings.md."""
    parts = [_SETTINGS_HEAD]
    for group, fields in _groups():
        parts.append(f"\n## {group}\n\n| setting | default | what it is | give |\n|---|---|---|---|\n")
        for name, field in fields:
            parts.append(_row(f"`{name}`", _default(field), field.description or "", cure_of(field)[len("give ") :]))
    return "".join(parts)


def sample_file() -> str:
    """deploy/oracle.sample.toml."""
    parts = [_SAMPLE_HEAD]
    for group, fields in _groups():
        parts.append(f"\n# {'-' * 3} {group} {'-' * (_WIDTH - len(group))}\n")
        for name, field in fields:
            lines = _wrapped(field.description or "")
            given = field.is_required() or name in _SAMPLE_KEYS
            parts.append(f"\n{lines}{'' if given else '# '}{name} = {_toml(sample_of(field))}\n")
    return "".join(parts)


def signals_page() -> str:
    """docs/oracle-signals.md."""
    parts = [_SIGNALS_HEAD, "\n## Events\n\n| event | meaning |\n|---|---|\n"]
    parts += [_row(f"`{event}`", event.told) for event in Event]
    parts.append("\n## Metrics\n\n| metric | kind | what it tells |\n|---|---|---|\n")
    for series in Series:
        labels = f"{{{series.label}}}" if series.label else ""
        values = f" {', '.join(series.values)}." if series.values else ""
        parts.append(_row(f"`{series.metric}{labels}`", series.kind, series.told + values))
    parts.append(_row(f"`{NAMESPACE}_{HISTOGRAM}{{phase}}`", "histogram", f"{HISTOGRAM_TOLD} {', '.join(PHASES)}."))
    return "".join(parts)


PAGES: Final = {
    "docs/oracle-settings.md": settings_page,
    "deploy/oracle.sample.toml": sample_file,
    "docs/oracle-signals.md": signals_page,
}
"""File of the project -> what makes it."""


def write(root: Path) -> list[str]:
    """Write the files below `root`; returns those that changed."""
    changed = []
    for name, make in PAGES.items():
        path, text = root / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def _groups() -> Iterable[tuple[str, list[tuple[str, FieldInfo]]]]:
    for group, fields in groupby(OracleSettings.model_fields.items(), key=lambda each: group_of(each[1])):
        yield group, list(fields)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "" if field.default in (None, ()) else f"`{_toml(field.default)}`"


def _toml(value: Any) -> str:
    """A value as TOML has it: texts and lists are written as JSON writes them."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _wrapped(text: str) -> str:
    """Lines of a comment."""
    lines = re.findall(rf"(.{{1,{_WIDTH}}})(?:\s+|$)", text)
    return "".join(f"# {line}\n" for line in lines)


if __name__ == "__main__":
    for _name in write(Path(__file__).resolve().parents[2]):
        print(_name)
