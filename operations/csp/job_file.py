"""What a CSP asks for when it creates a job: a TOML or JSON file, or the same by options. Pure, but for the files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from operations.csp.intents import IntentFile, load_intent
from oracle.ground.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class JobWish:
    """One job as it was asked for, in the user's own words; what is None is taken as `fields` of docs/csp.md say.

    intent            file of the deployment intent
    orchestrator      address that places nodes; orchestrator_url is where the intent is handed in
    price             of one slot for one epoch, in the token's human units
    starts            a time, or a span from now
    ends / lasts      a time; a span from the start
    account           the CSP account; token an address or symbol
    """

    intent: str | None = None
    orchestrator: str | None = None
    price: str | None = None
    ends: str | None = None
    lasts: str | None = None
    starts: str | None = None
    slots: int | None = None
    account: int | None = None
    token: str | None = None
    orchestrator_url: str | None = None

    def over(self, below: JobWish) -> JobWish:
        """This, and where it says nothing, the other. Of end and span, one stands for both."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) is not None}
        if "ends" in told or "lasts" in told:
            below = replace(below, ends=None, lasts=None)
        return replace(below, **told)

    def checked(self, where: str) -> JobWish:
        """This, if nothing that is needed is missing and no two things contradict. InvalidValue."""
        for name in ("intent", "orchestrator", "price"):
            if getattr(self, name) is None:
                raise InvalidValue(f"{where}: {name} is missing; give it in the job file or with --{name}")
        if (self.ends is None) == (self.lasts is None):
            raise InvalidValue(f"{where}: give either ends (a time) or lasts (a span), in the job file or as an option")
        return self


@dataclass(frozen=True, slots=True)
class AskedJob:
    """A wish, where it came from, and the intent that it names."""

    where: str
    wish: JobWish
    intent: IntentFile


_KINDS: Mapping[str, type] = {one.name: int if one.name in ("slots", "account") else str for one in fields(JobWish)}


def read(path: Path) -> list[JobWish]:
    """The jobs of a file: one, or a list `jobs` over common fields. Its paths are relative to it. InvalidValue."""
    try:
        text = path.read_text(encoding="utf-8")
        told: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InvalidValue(f"{path}: {error.strerror}; give a job file, see docs/csp.md") from error
    except (ValueError, tomllib.TOMLDecodeError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise InvalidValue(f"{path}: is no {kind} ({error}); see docs/csp.md for what a job file holds") from error
    if not isinstance(told, dict):
        raise InvalidValue(f"{path}: is no table of a job's fields; see docs/csp.md")
    several = told.pop("jobs", None)
    common = _wish(str(path), told, path.parent)
    if several is None:
        return [common]
    if not isinstance(several, list) or not several or not all(isinstance(one, dict) for one in several):
        raise InvalidValue(f"{path}: jobs is no list of tables; write [[jobs]] before each")
    return [_wish(f"{path}: jobs[{place}]", one, path.parent).over(common) for place, one in enumerate(several)]


def gather(files: tuple[Path, ...], options: JobWish) -> list[AskedJob]:
    """What files and options ask for together: options count above files. InvalidValue."""
    wishes = [(str(path), one) for path in files for one in read(path)] or [("options", JobWish())]
    asked = []
    for where, one in wishes:
        wish = options.over(one).checked(where)
        intent = load_intent(Path(wish.intent or ""))
        if wish.slots is not None and wish.slots != intent.replicas:
            raise InvalidValue(
                f"{where}: slots is {wish.slots}, but the intent {wish.intent} has {intent.replicas} replicas: leave "
                "slots "
                "out, or change the intent"
            )
        asked.append(AskedJob(where, wish, intent))
    return asked


def _wish(where: str, told: Mapping[str, Any], folder: Path) -> JobWish:
    for name, value in told.items():
        if name not in _KINDS:
            raise InvalidValue(f"{where}: {name} is unknown; known are {', '.join(_KINDS)}, and jobs")
        if type(value) is not _KINDS[name]:
            cure = "a whole number" if _KINDS[name] is int else f"a text in quotes, like {_EXAMPLES.get(name, name)!r}"
            raise InvalidValue(f"{where}: {name} is {value!r}; give {cure}")
    given = dict(told)
    if "intent" in given:
        given["intent"] = str(folder / given["intent"])
    return JobWish(**given)


_EXAMPLES = {"price": "1.50", "starts": "+10m", "lasts": "30d", "ends": "2027-01-01T00:00Z", "token": "USDC"}
