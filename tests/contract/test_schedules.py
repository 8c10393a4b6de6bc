# SPDX-License-Identifier: Apache-2.0
"""Tables of emission: contracts and Python read them alike, to the unit."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from chain import compiler
from chain.anvil import Anvil
from chain.client import Chain
from chain.transactions import Call, SteppedSender, Wallet
from oracle.signing.signer import derive
from settlement.emission import RATIO1_GENESIS, RATIO1_MASTER, RATIO1_STANDARD, Schedule, logistic

DAY = 86_400
SCHEDULES = {
    "ratio1 standard": RATIO1_STANDARD.schedule,
    "ratio1 master": RATIO1_MASTER.schedule,
    "ratio1 genesis": RATIO1_GENESIS.schedule,
    "short": logistic(3, 7, 1_000_003),
}


@pytest.fixture(scope="module")
def sender() -> Iterator[SteppedSender]:
    with Anvil("--no-mining", "--block-base-fee-per-gas", "0", "--gas-price", "0") as anvil:
        yield SteppedSender(Chain(anvil.url))


def told_by_contract(sender: SteppedSender, schedule: Schedule, epoch_length: int, seconds: list[int]) -> list[int]:
    artifact = compiler.load("tests/contract/solidity")["SchedulesHarness"]
    chain = sender.chain
    wallet = Wallet(chain, derive("schedules", "deployer")._key.secret)
    factory = chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    values = (schedule.start_epoch, schedule.step_epochs, schedule.cap, schedule.packed)
    data = factory.constructor(values, 1_700_000_000, epoch_length).data_in_transaction
    (receipt,) = sender.send([Call("deploy SchedulesHarness", wallet, None, data)])
    harness = chain.contract(receipt["contractAddress"], artifact.abi)
    return list(harness.functions.emissions(seconds).call())


@pytest.mark.parametrize("epoch_length", [DAY, 7])
@pytest.mark.parametrize("name", SCHEDULES)
def test_emission__any_seconds__is_the_contracts(sender: SteppedSender, name: str, epoch_length: int) -> None:
    schedule = SCHEDULES[name]
    full = schedule.epochs * epoch_length
    some = random.Random(name)
    seconds = [0, 1, full - 1, full, full + 1, *(epoch_length * i for i in range(schedule.epochs))]
    seconds += [some.randrange(full) for _ in range(1_000)]
    expected = [schedule.emission(each, epoch_length) for each in seconds]
    assert told_by_contract(sender, schedule, epoch_length, seconds) == expected
