# SPDX-License-Identifier: Apache-2.0
"""A deployment's plan: addresses before there are contracts, arguments by the ABI, code with immutables."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode
from web3.utils.address import get_create_address

from chain.compiler import Artifact
from chain.deployment.code import is_code_of
from chain.deployment.plan import Plan, Ref, Step
from oracle.ground.errors import InvalidValue

DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
ELSEWHERE = "0x" + "11" * 20
PARTS = {
    "type": "tuple",
    "name": "parts",
    "components": [{"type": "address", "name": "other"}, {"type": "uint32", "name": "span"}],
}


def artifact(name: str, *inputs: dict[str, Any], code: str = "0x6001") -> Artifact:
    return Artifact(name, [{"type": "constructor", "inputs": list(inputs)}], code, len(code) // 2 - 1)


ARTIFACTS = {
    "One": artifact("One", {"type": "address", "name": "two_"}),
    "Two": artifact("Two", PARTS, {"type": "address[]", "name": "tokens"}),
}


def plan(*steps: Step, **known: str) -> Plan:
    return Plan(DEPLOYER, 7, steps, ARTIFACTS, known)


def arguments(made: Plan, step: Step, *types: str) -> tuple[Any, ...]:
    assert made.init_code(step).startswith("0x6001")
    return decode(types, bytes.fromhex(made.init_code(step)[6:]))


ONE = Step("one", "One", (Ref("two"),))
TWO = Step("two", "Two", ({"span": 5, "other": Ref("one")}, [Ref("token")]))


def test_plan__contracts_that_name_each_other__each_has_the_others_address() -> None:
    made = plan(ONE, TWO, token=ELSEWHERE)
    assert made.addresses["one"] == get_create_address(DEPLOYER, 7)
    assert made.addresses["two"] == get_create_address(DEPLOYER, 8)
    assert arguments(made, ONE, "address") == (made.addresses["two"].lower(),)
    parts, tokens = arguments(made, TWO, "(address,uint32)", "address[]")
    assert (parts, tokens) == ((made.addresses["one"].lower(), 5), (ELSEWHERE,))


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Step("one", "One", (Ref("nobody"),)), "refers to nobody"),
        (Step("one", "One", ()), r"takes 1 arguments \(address two_\), the plan gives 0"),
        (Step("one", "None", ()), "there is no such contract"),
        (Step("two", "Two", ({"other": ELSEWHERE}, [])), "has the fields other, span; the plan gives other"),
    ],
)
def test_init_code__argument_does_not_fit__says_which(step: Step, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        plan(step).init_code(step)


def test_plan__one_name_twice__is_refused() -> None:
    with pytest.raises(InvalidValue, match="one twice"):
        plan(ONE, ONE, token=ELSEWHERE)


# Push an immutable, push the word 7, stop.
RUNTIME = "7f" + "00" * 32 + "6007" + "00"


@pytest.mark.parametrize(
    ("code", "same"),
    [
        (RUNTIME, True),
        ("7f" + "ab" * 32 + "6007" + "00", True),
        ("7f" + "ab" * 32 + "6008" + "00", False),
        ("7f" + "ab" * 32 + "6007", False),
        ("7e" + "ab" * 32 + "6007" + "00", False),
        ("", False),
    ],
)
def test_is_code_of__only_immutables_differ__is_the_contract(code: str, same: bool) -> None:
    # What code begins with is looked for, so an immutable may not stand there.
    lead = "5f5f5f5f5f5f5f5f"
    made = Artifact("Made", [], "0x6001f3" + lead + RUNTIME + "beef", len(lead + RUNTIME) // 2)
    assert is_code_of(made, bytes.fromhex(lead + code if code else "")) is same
