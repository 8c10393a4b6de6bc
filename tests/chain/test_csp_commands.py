# SPDX-License-Identifier: Apache-2.0
"""What CSPs do by command, as a new user does it: each error says what to do next, and doing that works."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from chain import compiler
from chain.anvil import Anvil
from chain.client import Chain, RpcError
from chain.transactions import Call, Wallet
from operations import tokens
from oracle.ground.keccak import keccak256
from tests.chain.csp_world import CspWorld, Terminal, csp_world

YES = ("--yes", "--json")
KEY = ("--key-env", "KEY_CSP")
DEPOSIT = 18_000_000  # 1.50 for 2 slots and 6 epochs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CspWorld]:
    with csp_world(tmp_path_factory.mktemp("csp"), credential_kinds=1, longest_pause=3_600) as one:
        one.do(one.admin, one.network.credentials.functions.setVerifier(one.person("verifier").address, 1))
        yield one


@pytest.fixture
def run(world: CspWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(world, monkeypatch, capsys)


@pytest.fixture
def undone(world: CspWorld, tmp_path: Path) -> Iterator[None]:
    """What happens in a test never happened."""
    world.state = tmp_path  # a journal that was kept would send again what is undone
    snapshot = world.chain.rpc("evm_snapshot")
    yield
    world.chain.rpc("evm_revert", snapshot)


@pytest.fixture
def csp(world: CspWorld, run: Terminal, undone: None) -> str:
    """A CSP with an account, a credential and money."""
    address = world.person("csp").address
    run.done("csp", "open", *KEY, *YES)
    identify(run, address, "+30d")
    world.mint(address, 10 * DEPOSIT)
    return address


def identify(run: Terminal, subject: str, until: str) -> None:
    document = "0x" + keccak256(b"salted").hex()
    about = ("--kind", "kyc", "--until", until, "--document", document, "--out", "credential.json")
    run.done("csp", "credential", "issue", subject, *about, "--key-env", "KEY_VERIFIER", "--json")
    run.done("csp", "credential", "present", "credential.json", *KEY, *YES)


@pytest.mark.usefixtures("undone")
def test_new_user__from_nothing__is_told_each_next_step(world: CspWorld, run: Terminal) -> None:
    create = ("job", "create", "web.toml", *KEY, "--yes")
    run.refused("put the private key in it", *create)
    newcomer = world.person("csp", purse=0).address
    run.refused("open one with `epochal csp open`", *create)
    run.refused("send it some of chain 31337's coin", "csp", "open", *KEY, "--yes")
    world.person("csp")
    run.done("csp", "open", *KEY, "--yes")
    run.refused("get a new one from a verifier of this network", *create)
    identify(run, newcomer, "+30d")
    run.refused("send it 18 LUSD", *create)
    world.mint(newcomer, DEPOSIT)
    run.refused("give --yes; nothing was sent", *create[:-1])
    assert run.done("job", "create", "web.toml", *KEY, *YES).json["jobs"] == [1]
    assert world.tokens_of(newcomer) == 0
    assert "job 1: waiting" in run.done("job", "list").out


def test_wrong_network__chain_or_file__is_told(world: CspWorld, run: Terminal) -> None:
    addresses = replace(world.network.addresses, chain_id=7)
    addresses.save(world.folder / "other.json")
    run.refused("use the RPC of that chain", "job", "list", "--network", "other.json")
    with Anvil() as empty:
        run.refused("use the addresses that this chain's deployment wrote", "job", "list", "--rpc", empty.url)
    run.refused("check the address", "job", "list", "--rpc", "http://127.0.0.1:9", status=2)
    run.refused("give the file that the deployment wrote", "job", "list", "--network", "none.json", status=2)


def test_create__dry_run__tells_all_and_changes_nothing(world: CspWorld, run: Terminal, csp: str) -> None:
    before = world.chain.block("latest").number
    world.state /= "new"
    told = run.done("job", "create", "web.toml", *KEY, "--dry-run", "--json").json
    assert told["facts"]["deposit"] == "18 LUSD"
    assert [one["label"].split()[0] for one in told["tried"]] == ["allow", "create"]
    assert all(one["gas"] > 20_000 for one in told["tried"])
    assert int(told["cost"]["most"]) >= int(told["cost"]["now"]) > 0
    assert world.chain.block("latest").number == before
    assert not world.state.exists()


def test_create__several_jobs__is_one_transaction_and_exact(world: CspWorld, run: Terminal, csp: str) -> None:
    had = world.tokens_of(csp)
    told = run.done("job", "create", "web.toml", "web.toml", *KEY, *YES).json
    assert len(told["jobs"]) == 2
    assert len(told["sent"]) == 2  # the approval, and all jobs together
    assert world.tokens_of(csp) == had - 2 * DEPOSIT
    assert world.network.token.functions.allowance(csp, world.network.escrow.address).call() == 0


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ({"price": '"1,50"'}, "give digits and at most one point"),
        ({"price": '"0.0000001"'}, "give at most 6 digits after the point"),
        ({"price": "1.5"}, "give a text in quotes"),
        ({"price": '"0"'}, "price and slots are not zero; change them"),
        ({"pirce": '"1"'}, "pirce is unknown; known are"),
        ({"token": '"EURO"'}, "the network takes LUSD"),
        ({"starts": '"2020-01-01T00:00Z"', "lasts": '"20w"'}, "startsAt is not in the past"),
        ({"starts": '"soon"'}, "give UTC like"),
        ({"orchestrator": '"0x12"'}, "give 0x and 40 hex digits"),
        ({"slots": "3"}, "leave slots out, or change the intent"),
        ({"account": "77"}, "open one with `epochal csp open`, or check the number"),
        ({"intent": '"none.json"'}, "give the JSON file of the deployment intent"),
        ({"orchestrator_url": '"http://127.0.0.1:9"'}, "check --orchestrator-url and that it runs"),
    ],
)
def test_create__with_something_wrong__names_the_cure(
    world: CspWorld, run: Terminal, csp: str, change: dict[str, str], cure: str
) -> None:
    lines = (world.folder / "web.toml").read_text().splitlines()
    kept = [line for line in lines if line.split(" = ")[0] not in change]
    told = [f"{name} = {value}" for name, value in change.items()]
    (world.folder / "wrong.toml").write_text("\n".join([*kept, *told]))
    had = world.tokens_of(csp)
    run.refused(cure, "job", "create", "wrong.toml", *KEY, "--yes")
    assert world.tokens_of(csp) == had


def test_create__where_the_node_simulates_nothing__tries_the_first_call_and_works(
    world: CspWorld, run: Terminal, csp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Chain.rpc

    def older(chain: Chain, method: str, *params: Any) -> Any:
        if method == "eth_simulateV1":
            raise RpcError("eth_simulateV1: the method doesn't exist", code=-32601)
        return whole(chain, method, *params)

    monkeypatch.setattr(Chain, "rpc", older)
    told = run.done("job", "create", "web.toml", *KEY, "--dry-run", "--json").json
    assert [one["gas"] is None for one in told["tried"]] == [False, True]
    job = str(run.done("job", "create", "web.toml", *KEY, *YES).json["jobs"][0])
    run.refused("give a smaller number", "job", "shrink", job, "2", *KEY, "--yes")
    run.refused("isn't forfeited, so it needs no reopening", "job", "reopen", job, "0", *KEY, "--yes")


@pytest.fixture
def permits(world: CspWorld, csp: str) -> str:
    """A token with permits, of 18 decimals, that the network takes; the CSP has 100."""
    artifact, admin = compiler.load()["NetworkToken"], world.admin.address
    contract = world.chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    data = contract.constructor("Permit", "PRM", 10**30, admin).data_in_transaction
    wallet = Wallet(world.chain, bytes(world.admin._account.key))
    (receipt,) = world.sender.send([Call("deploy", wallet, None, str(data))])
    address = str(receipt["contractAddress"])
    world.do(world.admin, tokens.contract(world.network, address).functions.mint(csp, 100 * 10**18))
    world.do(world.admin, world.network.admission.functions.allowToken(address))
    return address


def test_create__in_a_token_with_permits__needs_one_transaction(
    world: CspWorld, run: Terminal, csp: str, permits: str
) -> None:
    told = run.done("job", "create", "web.toml", "--token", "PRM", *KEY, *YES).json
    assert len(told["sent"]) == 1
    assert "by a signed permit" in told["facts"]["taken"]
    functions = tokens.contract(world.network, permits).functions
    assert functions.balanceOf(csp).call() == (100 - 18) * 10**18
    assert functions.allowance(csp, world.network.escrow.address).call() == 0
    job = str(told["jobs"][0])
    assert len(run.done("job", "extend", job, "--by", "1epochs", *KEY, *YES).json["sent"]) == 1
    assert functions.balanceOf(csp).call() == (100 - 21) * 10**18
    (world.folder / "both.toml").write_text(
        (world.folder / "web.toml").read_text() + '\n[[jobs]]\ntoken = "PRM"\n[[jobs]]\ntoken = "LUSD"\n'
    )
    assert len(run.done("job", "create", "both.toml", *KEY, *YES).json["jobs"]) == 2


def test_create__credential_expired__can_be_renewed(world: CspWorld, run: Terminal, csp: str) -> None:
    world.chain.rpc("evm_increaseTime", 31 * 86_400)
    world.chain.rpc("evm_mine")
    said = run.refused(
        "bring it with `epochal csp credential present FILE`", "job", "create", "web.toml", *KEY, "--yes"
    )
    assert "the last one ended" in said
    run.refused("get a new one from the verifier", "csp", "credential", "present", "credential.json", *KEY, "--yes")
    shown = run.done("csp", "show", csp).out
    assert "Admission_NoCredential" in shown
    identify(run, csp, "+30d")
    assert run.done("job", "create", "web.toml", *KEY, *YES).json["jobs"]


def test_create__deposits_paused_or_token_forbidden__says_what_to_do(world: CspWorld, run: Terminal, csp: str) -> None:
    admission, token = world.network.admission.functions, world.network.addresses.token
    until = world.chain.block("latest").timestamp + 1_800
    world.do(world.admin, admission.pause(until))
    run.refused("try again after that", "job", "create", "web.toml", *KEY, "--yes")
    assert "deposits: paused until" in run.done("csp", "show").out
    world.do(world.admin, admission.resume())
    world.do(world.admin, admission.forbidToken(token))
    run.refused("use one that `epochal csp show` lists", "job", "create", "web.toml", *KEY, "--yes")


def test_credential__changed_or_of_another_network__is_refused(world: CspWorld, run: Terminal, csp: str) -> None:
    path = world.folder / "credential.json"
    told = json.loads(path.read_text())
    for change, cure in (
        ({"expiry": told["expiry"] + 1}, "ask the verifier for it again"),
        ({"chain_id": 1}, "ask the verifier for one for this network"),
        ({"signature": "0x12"}, "ask the verifier for the file again"),
        ({"kind": "king"}, "ask the verifier for the file again"),
    ):
        path.write_text(json.dumps({**told, **change}))
        run.refused(cure, "csp", "credential", "present", "credential.json", *KEY, "--yes", status=2)
    path.write_text(json.dumps(told))
    run.done("csp", "credential", "present", "credential.json", *KEY, "--yes")  # again: nothing to do
    about = ("--kind", "kyb", "--until", "+1d", "--document", told["document"], "--out", "x.json")
    run.refused("use a registered key", "csp", "credential", "issue", csp, *about, "--key-env", "KEY_VERIFIER")


def test_delegate__within_its_limits__creates_and_no_more(world: CspWorld, run: Terminal, csp: str) -> None:
    helper, key = world.person("helper").address, ("--key-env", "KEY_HELPER")
    account = str(run.done("csp", "show", csp, "--json").json["accounts"][0]["account"])
    create = ("job", "create", "web.toml", *key, "--account", account, "--yes")
    run.refused("have the owner allow it with `epochal csp delegate`", *create)
    run.done("csp", "delegate", helper, "--may", "create", "--until", "+1d", *KEY, "--yes")
    run.refused("its owner runs `epochal csp approve 18", *create)
    run.done("csp", "approve", "40", *KEY, "--yes")
    run.refused("its owner sets the limit with `epochal csp delegate --limit`", *create)
    run.done("csp", "delegate", helper, "--limit", "20", *KEY, "--yes")
    job = str(run.done(*create, "--json").json["jobs"][0])
    run.refused("may still spend 2 LUSD", *create)
    run.refused("use the owner's key", "job", "stop", job, *key, "--yes")
    world.chain.rpc("evm_increaseTime", 2 * 86_400)
    world.chain.rpc("evm_mine")
    run.refused("its owner renews it with `epochal csp delegate`", *create)
    run.done("csp", "delegate", helper, "--drop", *KEY, "--yes")
    run.refused("may do nothing", "csp", "delegate", helper, "--limit", "5", *KEY, "--yes")


def test_account__handed_on__is_the_other_ones(world: CspWorld, run: Terminal, csp: str) -> None:
    account = str(run.done("csp", "show", csp, "--json").json["accounts"][0]["account"])
    heir, key = world.person("heir").address, ("--key-env", "KEY_HEIR")
    run.refused("its owner offers it with `epochal csp transfer`", "csp", "accept", account, *key, "--yes")
    run.done("csp", "transfer", heir, *KEY, "--yes")
    run.done("csp", "accept", account, *key, "--yes")
    assert run.done("csp", "show", account, "--json").json["accounts"][0]["owner"] == heir
    run.refused("owns no CSP account", "csp", "transfer", heir, *KEY, "--yes")


def test_job__changed_and_left__returns_every_unit(world: CspWorld, run: Terminal, csp: str) -> None:
    had = world.tokens_of(csp)
    job = str(run.done("job", "create", "web.toml", *KEY, *YES).json["jobs"][0])
    run.done("job", "extend", job, "--by", "2epochs", *KEY, *YES)
    run.refused("give a larger number or a later end", "job", "enlarge", job, "2", *KEY, "--yes")
    run.refused("shrink or stop it instead", "job", "enlarge", job, "1", *KEY, "--yes")
    run.done("job", "enlarge", job, "4", *KEY, *YES)
    run.refused("give a smaller number", "job", "shrink", job, "4", *KEY, "--yes")
    run.done("job", "shrink", job, "1", *KEY, *YES)
    assert run.done("job", "refund", job, *KEY, *YES).json["refundable"] == "0"
    run.refused("it can be closed one settle window after", "job", "close", job, *KEY, "--yes")
    left = run.done("job", "exit", job, *KEY, *YES)
    assert world.tokens_of(csp) == had
    assert '"state": "stopped"' in left.out
    run.refused("`epochal job create` makes another", "job", "extend", job, "--by", "1h", *KEY, "--yes")
    run.refused("`epochal job exit", "job", "stop", job, *KEY, "--yes")
    world.chain.rpc("evm_increaseTime", 20 * 600)
    world.chain.rpc("evm_mine")
    run.done("job", "exit", job, *KEY, *YES)
    assert run.done("job", "show", job, "--json").json["state"] == "closed"
    run.done("job", "exit", job, *KEY, *YES)
    parts = run.done("job", "statement", job, "--json").json["parts"]
    assert {name for name, amount in parts.items() if int(amount)} == {"back: time not used"}


def test_unknown_job__in_every_command__is_told(run: Terminal, csp: str) -> None:
    for command in (["show"], ["statement"]):
        run.refused("`epochal job list` shows which there are", "job", *command, "999")
    for command in ("stop", "close", "refund", "exit"):
        run.refused("`epochal job list` shows which there are", "job", command, "999", *KEY, "--yes")
    run.refused("`epochal job list` shows which there are", "job", "shrink", "999", "1", *KEY, "--yes")


@pytest.mark.parametrize("step", "begun planned estimated signed persisted sent recorded receipt mined done".split())
def test_create__killed_anywhere_and_run_again__pays_once(world: CspWorld, run: Terminal, csp: str, step: str) -> None:
    had, jobs = world.tokens_of(csp), world.network.escrow.functions.jobCount().call()
    # The second transaction is the one that pays; the approval before it goes through each step too.
    times = 1 if step in ("begun", "done") else 2
    process = world.start("job", "create", "web.toml", *KEY, "--yes", code=KILLED.format(step=step, times=times))
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    said = run.done("job", "create", "web.toml", *KEY, *YES)
    assert said.json["resumed"]
    assert "going on with what was begun" in said.err
    assert said.json["jobs"] == [jobs + 1]
    assert world.tokens_of(csp) == had - DEPOSIT
    assert run.done("job", "create", "web.toml", *KEY, *YES).json["jobs"] == [jobs + 2]  # a new wish


def test_create__begun_too_long_ago__begins_anew_and_pays_once(world: CspWorld, run: Terminal, csp: str) -> None:
    had, jobs = world.tokens_of(csp), world.network.escrow.functions.jobCount().call()
    killed = KILLED.format(step="planned", times=2)
    process = world.start("job", "create", "web.toml", *KEY, "--yes", code=killed)
    process.communicate(timeout=60)
    world.chain.rpc("evm_increaseTime", 600)
    world.chain.rpc("evm_mine")
    said = run.done("job", "create", "web.toml", *KEY, *YES)
    assert "beginning anew" in said.err
    assert said.json["jobs"] == [jobs + 1]
    assert len(said.json["sent"]) == 1  # what was approved then is enough
    assert world.tokens_of(csp) == had - DEPOSIT


KILLED = """
import os, signal
from operations import sending
class Manner(sending.Manner):
    pass
left = [{times}]
def checkpoint(name):
    if name == "{step}":
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
import cli.signing_options as options
options.Manner = lambda **given: sending.Manner(**given, checkpoint=checkpoint)
"""


def test_create__two_at_once_with_one_key__one_says_that_the_other_works(
    world: CspWorld, run: Terminal, csp: str
) -> None:
    slow = KILLED.format(step="done", times=1).replace("os.kill(os.getpid(), signal.SIGKILL)", "input()")
    process = world.start(
        "job", "create", "web.toml", *KEY, "--yes", code=slow.replace("input()", "time.sleep(600)") + "import time"
    )
    jobs = world.network.escrow.functions.jobCount
    before = jobs().call()
    while jobs().call() == before:
        assert process.poll() is None
    try:
        run.refused("another process", "job", "create", "web.toml", *KEY, "--yes", status=2)
    finally:
        process.kill()
        process.communicate()
    run.done("job", "create", "web.toml", *KEY, *YES)


class Orchestrator(BaseHTTPRequestHandler):
    """Takes what is handed in, as the orchestrator's interface says."""

    taken: ClassVar[list[bytes]] = []
    status = 200

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_create__with_an_orchestrators_address__hands_the_intent_in(world: CspWorld, run: Terminal, csp: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Orchestrator) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        run.done("job", "create", "web.toml", "--orchestrator-url", url, *KEY, "--dry-run")
        assert not Orchestrator.taken
        told = run.done("job", "create", "web.toml", "--orchestrator-url", url, *KEY, *YES).json
        Orchestrator.status = 422
        had = world.tokens_of(csp)
        run.refused(
            "change the intent as it says", "job", "create", "web.toml", "--orchestrator-url", url, *KEY, "--yes"
        )
        assert world.tokens_of(csp) == had
        server.shutdown()
    assert "0x" + keccak256(Orchestrator.taken[0]).hex() in told["facts"]["job"]


def test_network_options__missing__are_named(run: Terminal, tmp_path: Path) -> None:
    run.refused("--network", "job", "list", EPOCHAL_NETWORK="", status=2)
