"""Following a plan: each contract is deployed once, however often the run is begun."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from eth_typing import HexAddress, HexStr

from chain.client import Chain
from chain.deployment.code import is_code_of
from chain.deployment.errors import WrongDeployment
from chain.deployment.journal import Done, Folder, Journal
from chain.deployment.plan import Plan, Step
from chain.transactions import Call, Sender, Wallet

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class State:
    """How far a step is: the code at its address, if any."""

    step: Step
    address: str
    there: bool


def states(chain: Chain, plan: Plan) -> list[State]:
    """How far each step of a plan is. WrongDeployment where other code is at an address of the plan's."""
    found = []
    for step in plan.steps:
        address = plan.addresses[step.key]
        found.append(State(step, address, _is_there(chain, plan, step, address)))
    return found


def build(sender: Sender, wallet: Wallet, plan: Plan, say: Say, folder: Folder | None, journal: Journal) -> int:
    """Deploy what is missing, in order, and write each down; returns how many contracts were deployed.

    WrongDeployment when the deployer's nonces went to something else, or when what was deployed before is of another
    plan: other settings, or other sources.
    """
    _await_pending(sender.chain, wallet)
    found = states(sender.chain, plan)
    for state in found:
        if state.there:
            _same(plan, state, journal)
    sent = 0
    for index, state in enumerate(found):
        step = state.step
        if folder is not None:
            folder.write_abi(plan.artifact(step))
        if state.there and step.key in journal.contracts and journal.contracts[step.key].block:
            continue
        if not state.there:
            if wallet.nonce != plan.first_nonce + index:
                raise WrongDeployment(_used(step, plan.first_nonce + index, wallet))
            # Before it is sent: whoever goes on after a crash knows with which arguments this was.
            _note(folder, journal, plan, state, 0)
            sender.send([Call(f"deploy {step.contract}", wallet, None, plan.init_code(step))])
            if not _is_there(sender.chain, plan, step, state.address):
                raise WrongDeployment(f"{step.contract} was deployed, but there is no code at {state.address}")
            sent += 1
            say(f"{step.contract} is at {state.address}")
        _note(folder, journal, plan, state, sender.chain.block("latest").number)
    return sent


def gas_estimate(plan: Plan, step: Step) -> int:
    """About what deploying a step's contract costs, without asking a chain: its constructor may read contracts that
    aren't there yet."""
    data = bytes.fromhex(plan.init_code(step)[2:])
    zeros = data.count(0)
    calldata = 4 * zeros + 16 * (len(data) - zeros) + 2 * ((len(data) + 31) // 32)
    return 53_000 + calldata + 200 * plan.artifact(step).runtime_size + _CONSTRUCTOR


# What a constructor's own work comes to, roughly: a few words of storage.
_CONSTRUCTOR = 150_000


def _is_there(chain: Chain, plan: Plan, step: Step, address: str) -> bool:
    code = bytes(chain.w3.eth.get_code(HexAddress(HexStr(address))))  # type: ignore[arg-type]
    if code and not is_code_of(plan.artifact(step), code):
        raise WrongDeployment(
            f"the code at {address} isn't that of this version's {step.contract}; use the version that the deployment "
            "was begun with, or begin another one in another --folder"
        )
    return bool(code)


def _note(folder: Folder | None, journal: Journal, plan: Plan, state: State, block: int) -> None:
    step = state.step
    journal.contracts[step.key] = Done(step.contract, state.address, plan.init_hash(step), block)
    if folder is not None:
        folder.write(journal)


def _same(plan: Plan, state: State, journal: Journal) -> None:
    step = state.step
    done = journal.contracts.get(step.key)
    if done is None or (done.contract, done.address, done.init_hash) != (
        step.contract,
        state.address,
        plan.init_hash(step),
    ):
        raise WrongDeployment(
            f"{step.contract} at {state.address} was deployed with other settings, or by another version; use those "
            "that the deployment was begun with, or begin another one in another --folder"
        )


def _used(step: Step, nonce: int, wallet: Wallet) -> str:
    if wallet.nonce < nonce:
        return (
            f"{step.contract} needs the deployer's transaction {nonce}, but {wallet.address} has sent {wallet.nonce}: "
            "the chain isn't the one that the deployment was begun on; begin another one in another --folder"
        )
    return (
        f"{step.contract} was to be the deployer's transaction {nonce}, but {wallet.address} used that for something "
        f"else (it has sent {wallet.nonce}), so the addresses that were planned can't be had; begin another deployment "
        "in another --folder, and leave the deployer's key alone until it ends"
    )


def _await_pending(chain: Chain, wallet: Wallet, patience: float = 60.0) -> None:
    """A run that was broken off may have left a transaction that is not in a block yet."""
    deadline = time.monotonic() + patience
    address = HexAddress(HexStr(wallet.address))
    while chain.w3.eth.get_transaction_count(address, "latest") < wallet.nonce:  # type: ignore[arg-type]
        if time.monotonic() > deadline:
            raise WrongDeployment(
                f"a transaction of {wallet.address} is waiting to be mined; wait until it is, then run this again"
            )
        time.sleep(0.2)
