"""`epochal oracle doctor`: whether an oracle can run with its settings, told before it runs. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from oracle.ground.errors import EpochalError
from oracle.service.examination import (
    chain_findings,
    clock_findings,
    contract_findings,
    deployment_findings,
    disk_findings,
    endpoint_findings,
    gas_findings,
    key_findings,
    membership_findings,
    peer_findings,
    rpc_findings,
    settings_findings,
    store_findings,
)
from oracle.service.patient import Finding, Patient, State

EXIT_WRONG: Final = 1
EXIT_MISCONFIGURED: Final = 78
EXIT_BUG: Final = 70
_MARKS: Final = {State.FINE: "ok", State.WARNING: "warning", State.WRONG: "WRONG", State.SKIPPED: "skipped"}


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    name       as it is told
    look       what it finds; an EpochalError out of it is a finding too
    needs      checks without which it can't be looked at
    settings   whether what is wrong here is wrong in the settings: the daemon wouldn't start, and exits with 78
    """

    name: str
    look: Callable[[Patient], Iterator[Finding]]
    needs: tuple[str, ...] = ()
    settings: bool = False


CHECKS: Final = (
    Check("settings", settings_findings, settings=True),
    Check("deployment", deployment_findings, ("settings",), settings=True),
    Check("keys", key_findings, ("settings",), settings=True),
    Check("disk", disk_findings, ("settings",)),
    Check("rpc", rpc_findings, ("settings",)),
    Check("chain", chain_findings, ("deployment", "rpc"), settings=True),
    Check("contracts", contract_findings, ("chain",), settings=True),
    Check("clock", clock_findings, ("chain",)),
    Check("membership", membership_findings, ("contracts", "keys")),
    Check("gas", gas_findings, ("chain", "keys", "membership")),
    Check("store", store_findings, ("contracts", "keys", "membership")),
    Check("endpoint", endpoint_findings, ("contracts", "keys", "membership")),
    Check("peers", peer_findings, ("contracts", "keys", "membership")),
)


@dataclass(frozen=True, slots=True)
class Examined:
    """What a check found."""

    check: str
    state: State
    told: str


def examine(patient: Patient, checks: Sequence[Check] = CHECKS) -> list[Examined]:
    """What all checks find, in their order. A check whose ground is missing is skipped, and says why."""
    found: list[Examined] = []
    fallen: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in fallen]
        if missing:
            findings = [Finding(State.SKIPPED, f"not looked at: it needs {missing[0]}")]
        else:
            findings = _look(check, patient)
        if any(one.state in (State.WRONG, State.SKIPPED) and one.fatal for one in findings):
            fallen.add(check.name)
        found += [Examined(check.name, one.state, one.told) for one in findings]
    return found


def _look(check: Check, patient: Patient) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check.look(patient))
    except EpochalError as error:
        found.append(Finding(State.WRONG, str(error)))
    return found


def exit_code(found: Sequence[Examined], checks: Sequence[Check] = CHECKS) -> int:
    """0: nothing is wrong; 78: the settings are; 1: something else is. Warnings are no failure."""
    wrong = {one.check for one in found if one.state is State.WRONG}
    if any(check.settings and check.name in wrong for check in checks):
        return EXIT_MISCONFIGURED
    return EXIT_WRONG if wrong else 0


def as_text(found: Sequence[Examined]) -> str:
    """A line for each finding, one for all that was skipped, and how many of each kind there are."""
    seen = [one for one in found if one.state is not State.SKIPPED]
    wide = max((len(one.check) for one in seen), default=0)
    lines = [f"{_MARKS[one.state]:8}{one.check:{wide}}  {one.told}" for one in seen]
    skipped = [one.check for one in found if one.state is State.SKIPPED]
    if skipped:
        lines.append(f"{_MARKS[State.SKIPPED]:8}{', '.join(skipped)}: not looked at, for what is WRONG stands before")
    counts = [(state, sum(one.state is state for one in found)) for state in State]
    lines.append(", ".join(f"{count} {_MARKS[state].lower()}" for state, count in counts if count))
    return "\n".join(lines)


def as_json(found: Sequence[Examined], checks: Sequence[Check] = CHECKS) -> dict[str, Any]:
    """The same for programs."""
    return {"exit": exit_code(found, checks), "findings": [asdict(one) for one in found]}
