# SPDX-License-Identifier: Apache-2.0
"""How checks are put together; tests/chain/test_doctor.py has them on a chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from oracle.ground.errors import EpochalError
from oracle.service.doctor import CHECKS, Check, as_json, as_text, examine, exit_code
from oracle.service.patient import Finding, Patient, State, fine, warning, wrong

NOBODY = Patient(None, {})


def well(_: Patient) -> Iterator[Finding]:
    yield fine("it is there")


def poor(_: Patient) -> Iterator[Finding]:
    yield warning("it is late")


def raises(_: Patient) -> Iterator[Finding]:
    yield fine("the first half")
    raise EpochalError("the second half is missing; put it there")


def bad(_: Patient) -> Iterator[Finding]:
    yield wrong("it is another one")


def test_examine__a_check_that_raises__is_wrong_and_what_needs_it_is_skipped() -> None:
    checks = (Check("a", raises), Check("b", well, ("a",)), Check("c", well, ("b",)), Check("d", well))
    found = examine(NOBODY, checks)
    assert [(one.check, one.state) for one in found] == [
        ("a", State.FINE),
        ("a", State.WRONG),
        ("b", State.SKIPPED),
        ("c", State.SKIPPED),
        ("d", State.FINE),
    ]
    assert found[2].told == "not looked at: it needs a"
    assert as_text(found).splitlines()[1] == "WRONG   a  the second half is missing; put it there"
    assert as_text(found).splitlines()[-2:] == [
        "skipped b, c: not looked at, for what is WRONG stands before",
        "2 ok, 1 wrong, 2 skipped",
    ]


def test_examine__what_is_wrong_but_can_be_stood_on__lets_others_look() -> None:
    found = examine(NOBODY, (Check("a", bad), Check("b", well, ("a",))))
    assert [one.state for one in found] == [State.WRONG, State.FINE]


def test_exit_code__of_findings__is_that_of_the_worst() -> None:
    settings, other = Check("s", raises, settings=True), Check("o", raises)
    assert exit_code(examine(NOBODY, (Check("p", poor),)), (Check("p", poor),)) == 0
    assert exit_code(examine(NOBODY, (other,)), (other,)) == 1
    both = (other, settings)
    assert as_json(examine(NOBODY, both), both)["exit"] == 78


def test_checks__each__needs_only_earlier_ones() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for place, check in enumerate(CHECKS):
        assert set(check.needs) <= set(names[:place])


def test_examine__without_any_setting__says_what_to_give(tmp_path: Path) -> None:
    found = examine(NOBODY)
    assert (found[0].check, found[0].state) == ("settings", State.WRONG)
    assert "deployment is missing: give the path" in found[0].told
    assert found[0].told.endswith("or give --config FILE, which tells it")
    assert {one.state for one in found[1:]} == {State.SKIPPED}
    assert exit_code(found) == 78
