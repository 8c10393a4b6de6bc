# SPDX-License-Identifier: Apache-2.0
"""The Deeploy adapter against a server that keeps to the API, and a chain that its oracles write to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner

from cli.main import epochal
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.keccak import keccak256
from oracle.signing.signer import LocalSigner
from orchestrator.deeploy.addresses import NodeAddresses
from orchestrator.deeploy.chain_reading import EscrowChain
from orchestrator.deeploy.client import ClientLimits, DeeployClient, NoncesInMemory
from orchestrator.deeploy.creation import create
from orchestrator.deeploy.errors import (
    DeeployError,
    NotConfirmed,
    OutcomeUnknown,
    Refused,
    StoppedTooMuch,
    Unreachable,
    WrongAnswer,
)
from orchestrator.deeploy.move import MoveLimits, Mover
from orchestrator.deeploy.polling import Patience
from orchestrator.deeploy.progress import Move, Progress, Step
from orchestrator.deeploy.records import Records
from orchestrator.deeploy.requests import (
    AppCommand,
    CreatePipeline,
    DeletePipeline,
    GetApps,
    InstanceCommand,
    NodeSpecs,
    UpdatePipeline,
)
from orchestrator.deeploy.signing import Form
from orchestrator.deeploy.statuses import Outcome
from tests.deeploy_chain import ESCROW, MANAGER, OracleChain, oracle_chain
from tests.deeploy_server import DeeployServer
from tests.services import free_port

pytestmark = pytest.mark.e2e
_T = TypeVar("_T")

OWNER_KEY = keccak256(b"a customer")
OWNER, DELEGATE, STRANGER = (LocalSigner(key) for key in (OWNER_KEY, keccak256(b"a delegate"), keccak256(b"stranger")))
TABLE = {f"0xai_node_{letter}": "0x" + f"{number:02x}" * 20 for number, letter in enumerate("abcd", start=17)}
A, B, C, D = TABLE
ADDRESSES = NodeAddresses(TABLE)
JOB, APP = 42, "shop_1234567"
MOVE = Move(JOB, APP, A, C, 1, "512m")
SOON = Patience(0.02, 10.0)
LIMITS = MoveLimits(SOON, Patience(0.02, 0.3), 3)
HASTY = ClientLimits(patience=10.0, tries=3, first_pause=0.01, longest_pause=0.02, nonce_lag=50)


class Place:
    """A server, its chain, and an app of two replicas on A and B."""

    def __init__(self, server: DeeployServer, chain: OracleChain, folder: Path) -> None:
        self.server, self.oracles, self.folder = server, chain, folder
        server.world.jobs[JOB] = (OWNER.address, {DELEGATE.address})
        server.world.nodes.update(dict.fromkeys(TABLE, 4.0))
        server.world.run(JOB, APP, A, B)
        chain.agree(JOB, [ADDRESSES.evm(node) for node in (A, B)])
        self.chain = EscrowChain(chain.chain, MANAGER, ESCROW)

    def with_client(
        self, use: Callable[[DeeployClient], Awaitable[_T]], signer: LocalSigner = OWNER, **given: Any
    ) -> _T:
        async def run() -> _T:
            url = given.pop("url", self.server.url)
            nonces, limits = given.pop("nonces", None) or NoncesInMemory(), given.pop("limits", HASTY)
            client = DeeployClient(url, signer, nonces, limits=limits, **given)
            try:
                return await use(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def move(self, move: Move = MOVE, key: str = "one", limits: MoveLimits = LIMITS) -> Progress:
        with closing(Records(self.folder / "moves.sqlite")) as records:
            return self.with_client(
                lambda client: Mover(client, self.chain, records, ADDRESSES, limits).carry_out(key, move),
                nonces=records,
            )

    def steps(self) -> list[str]:
        return [name for name, _ in self.server.log if name in ("scale_up_job_workers", "delete_pipeline")]

    @property
    def runs_on(self) -> set[str]:
        return self.server.world.nodes_of(APP)

    def settings(self) -> Path:
        path = self.folder / "deeploy.toml"
        path.write_text(
            f"""[deeploy]
url = "{self.server.url}"
nonce_lag_milliseconds = 50
[chain]
rpc = ["{self.oracles.url}"]
manager = "{MANAGER}"
escrow = "{ESCROW}"
[waiting]
poll_seconds = 1
look_seconds = 1
confirm_seconds = 20
[nodes]
"""
            + "".join(f'{name} = "{address}"\n' for name, address in TABLE.items())
            + '[images]\nshop = "registry.example/shop:1"\n'
        )
        return path


@contextmanager
def standing(folder: Path, chain: OracleChain, **given: Any) -> Iterator[Place]:
    def on_chain(job: int, nodes: list[str]) -> None:
        chain.agree(job, [ADDRESSES.evm(node) for node in nodes])

    with DeeployServer(on_chain, **given) as server:
        yield Place(server, chain, folder)


@pytest.fixture(scope="module")
def chain() -> Iterator[OracleChain]:
    with oracle_chain() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, chain: OracleChain) -> Iterator[Place]:
    with standing(tmp_path, chain) as made:
        yield made


# Requests, signatures, nonces


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("signer", [OWNER, DELEGATE])
def test_requests__of_owner_and_delegate_in_both_forms__are_let_in(
    place: Place, form: Form, signer: LocalSigner
) -> None:
    async def all_kinds(client: DeeployClient) -> list[Outcome]:
        plugin = {"plugin_signature": "CONTAINER_APP_RUNNER", "ENV": {"GREETING": "bună ziua"}, "instance_id": "car-1"}
        requests = (
            GetApps(),
            NodeSpecs((A, D)),
            InstanceCommand(APP, (A,), "CONTAINER_APP_RUNNER", "car-1", "RESTART"),
            AppCommand(APP, "RESTART"),
            MOVE.scale_up(),
            DeletePipeline(APP, (A,)),
            UpdatePipeline(APP, JOB, "shop", (plugin,), ("kyb",), ()),
            CreatePipeline(JOB, "Größe", "0x" + "12" * 32, (plugin,), count=2),
        )
        return [(await client.ask(request)).or_refused(request.endpoint).outcome for request in requests]

    done, delivered = Outcome.DONE, Outcome.DELIVERED
    assert place.with_client(all_kinds, signer, form=form) == [done, done, delivered, delivered, done, done, done, done]
    nonces = [int(request["nonce"], 16) for _, request in place.server.log]
    assert sorted(set(nonces)) == nonces


def test_requests__of_a_stranger__are_refused_with_the_code(place: Place) -> None:
    with pytest.raises(Refused, match="ERR09_DEEPLOY_ESCROW1") as refused:
        place.with_client(lambda client: _answered(client), STRANGER)
    assert refused.value.code == "ERR09_DEEPLOY_ESCROW1"


def test_older_form__where_only_the_newer_is_taken__is_refused_with_the_cure(
    tmp_path: Path, chain: OracleChain
) -> None:
    with standing(tmp_path, chain, older=False) as place, pytest.raises(Refused, match="Missing payload hash"):
        place.with_client(lambda client: _answered(client), form=Form.OLDER)


@pytest.mark.parametrize(("shift", "cure"), [(3_600_000, "clock is ahead"), (-13 * 3_600_000, "hours behind")])
def test_clock__that_is_wrong__is_named(place: Place, shift: int, cure: str) -> None:
    with pytest.raises(Refused, match=cure):
        place.with_client(lambda client: _answered(client), milliseconds=lambda: time.time_ns() // 1_000_000 + shift)


def test_nonces__of_a_clock_that_stands_still__are_never_reused(place: Place) -> None:
    with pytest.raises(DeeployError, match="clock went back"):
        place.with_client(lambda client: _twice(client), milliseconds=lambda: 1_700_000_000_000)


# Retries


def test_lost_answer__of_a_request_that_may_be_repeated__is_asked_for_again(place: Place) -> None:
    place.server.fail("get_apps", "drop-before", "drop-after")
    assert place.with_client(lambda client: _answered(client)) is Outcome.DONE
    assert len(place.server.asked("get_apps")) == 2


@pytest.mark.parametrize("fault", ["drop-after", "drop-before", "status=503"])
def test_lost_answer__of_a_scale_up__is_not_repeated_blindly(place: Place, fault: str) -> None:
    place.server.fail("scale_up_job_workers", fault)
    with pytest.raises(OutcomeUnknown):
        place.with_client(lambda client: client.ask(MOVE.scale_up()))
    assert len(place.server.asked("scale_up_job_workers")) == (fault == "drop-after")


def test_slow_answer__after_the_patience__is_unknown(place: Place) -> None:
    impatient = ClientLimits(patience=0.0001, tries=1, nonce_lag=50)
    with pytest.raises((OutcomeUnknown, Unreachable)):
        place.with_client(lambda client: client.ask(GetApps()), limits=impatient)


def test_nobody_there__after_all_tries__is_told_as_not_done(place: Place) -> None:
    with pytest.raises(Unreachable, match="nothing was done"):
        place.with_client(lambda client: client.ask(MOVE.scale_up()), url=f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("fault", "told"), [("huge", "more than 1000000"), ("garbage", "no JSON"), ("redirect", "redirects")]
)
def test_answer__that_is_none__is_told(place: Place, fault: str, told: str) -> None:
    place.server.fail("get_apps", fault)
    with pytest.raises(WrongAnswer, match=told):
        place.with_client(lambda client: client.ask(GetApps()), limits=ClientLimits(answer=1_000_000, nonce_lag=50))


# Moves


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"scale_up_job_workers": ["pending=0.3"]},
        {"scale_up_job_workers": ["half-reported"]},
        {"scale_up_job_workers": ["timeout"]},
        {"scale_up_job_workers": ["drop-after"]},
        {"scale_up_job_workers": ["drop-before"]},
        {"scale_up_job_workers": ["half"]},
        {"scale_up_job_workers": ["status=502"], "get_apps": ["drop-after", "drop-after", "drop-after", "status=500"]},
        {"delete_pipeline": ["drop-before", "drop-after"]},
    ],
    ids=str,
)
def test_move__whatever_gets_lost__ends_and_the_others_run_on(place: Place, faults: dict[str, list[str]]) -> None:
    for endpoint, names in faults.items():
        place.server.fail(endpoint, *names)
    reached = place.move()
    assert (reached.step, place.runs_on) == (Step.DONE, {B, C})
    assert not place.server.asked("update_pipeline")
    assert place.steps().index("delete_pipeline") > max(
        number for number, name in enumerate(place.steps()) if name == "scale_up_job_workers"
    )
    assert {tuple(request["target_nodes"]) for request in place.server.asked("delete_pipeline")} == {(A,)}
    assert place.move() == reached  # nothing is done again
    assert place.runs_on == {B, C}


def test_move__of_older_answer_shapes__ends(tmp_path: Path, chain: OracleChain) -> None:
    with standing(tmp_path, chain, old_shape=True) as place:
        assert place.move().step is Step.DONE
        assert place.runs_on == {B, C}


def test_move__that_the_chain_does_not_confirm__deletes_nothing_and_goes_on_later(place: Place) -> None:
    place.server.fail("scale_up_job_workers", "unconfirmed")
    hasty = MoveLimits(Patience(0.02, 0.2), Patience(0.02, 0.1), 3)
    with pytest.raises(NotConfirmed, match="nothing was deleted"):
        place.move(limits=hasty)
    assert place.runs_on == {A, B, C}
    place.oracles.agree(JOB, [ADDRESSES.evm(node) for node in (A, B)])  # a list without the new node
    with pytest.raises(NotConfirmed):
        place.move(limits=hasty)
    place.oracles.write_alone(JOB, [ADDRESSES.evm(node) for node in (A, B, C)])  # on which nobody agreed
    with pytest.raises(NotConfirmed):
        place.move(limits=hasty)
    assert not place.server.asked("delete_pipeline")
    place.oracles.agree(JOB, [ADDRESSES.evm(node) for node in (A, B, C)])
    assert place.move().step is Step.DONE
    assert place.runs_on == {B, C}
    assert len(place.server.asked("scale_up_job_workers")) == 1


def test_move__back_to_a_node_that_an_older_list_names__waits_for_a_newer_one(place: Place) -> None:
    place.move()
    place.server.fail("scale_up_job_workers", "unconfirmed")
    back = Move(JOB, APP, C, A, 1, "512m")  # the list on chain is A, B, C: deletions don't change it
    with pytest.raises(NotConfirmed):
        place.move(back, "two", MoveLimits(Patience(0.02, 0.2), Patience(0.02, 0.1), 3))
    assert place.runs_on == {A, B, C}


def test_move__to_a_node_that_never_reports__is_given_up_after_some_scale_ups(place: Place) -> None:
    place.server.fail("scale_up_job_workers", *["half"] * 9)
    with pytest.raises(NotConfirmed, match="3 times"):
        place.move()
    assert place.steps() == ["scale_up_job_workers"] * 3
    assert place.runs_on == {A, B}


def test_move__to_a_node_without_room__is_refused_and_deletes_nothing(place: Place) -> None:
    place.server.world.nodes[C] = 0.5
    with pytest.raises(Refused, match="choose another") as refused:
        place.move()
    assert refused.value.code == "ERR06_DEEPLOY_TARGET_NODE_RESOURCES1"
    assert place.runs_on == {A, B}


def test_move__from_a_dead_node__ends_and_says_so(place: Place) -> None:
    del place.server.world.nodes[A]
    reached = place.move()
    assert (reached.step, reached.old_was_online) == (Step.DONE, False)


def test_move__on_an_api_that_deletes_everywhere__cries_out(place: Place) -> None:
    place.server.fail("delete_pipeline", "everywhere")
    with pytest.raises(StoppedTooMuch, match="node_b, 0xai_node_c"):
        place.move()


def test_move__under_the_key_of_another__is_refused(place: Place) -> None:
    place.move()
    with pytest.raises(InvalidValue, match="key of its own"):
        place.move(Move(JOB, APP, B, D, 1, "512m"))


def test_records__of_another_process__are_refused(place: Place) -> None:
    with closing(Records(place.folder / "moves.sqlite")), pytest.raises(EpochalError, match="another process"):
        place.move()


# The command, killed at each step


def _command(place: Place, *words: str) -> list[str]:
    common = ["--settings", str(place.settings()), "--records", str(place.folder / "moves.sqlite"), "--key-env", "CSP"]
    return ["deeploy", words[0], *common, *words[1:]]


MOVE_WORDS = ["move", "--job", str(JOB), "--app", APP, "--from", A, "--to", C, "--cpu", "1", "--memory", "512m"]
ENVIRONMENT = {**os.environ, "CSP": "0x" + OWNER_KEY.hex()}


@pytest.mark.parametrize("at", ["scaling up", "scaled up", "confirmed", "deleting"])
def test_move_command__killed_at_a_step__goes_on_where_it_was(place: Place, at: str) -> None:
    if at == "scaled up":
        place.server.fail("scale_up_job_workers", "pending=2")
    started = [sys.executable, "-m", "cli.main", *_command(place, *MOVE_WORDS)]
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(started, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        )
        assert process.stderr is not None
        for line in process.stderr:
            if at in line:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert B in place.runs_on
    ended = subprocess.run(started, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert place.runs_on == {B, C}
    assert f"{APP} runs on {C}" in ended.stdout


def test_move_command__dry_run__shows_both_signed_requests_and_sends_nothing(place: Place) -> None:
    ran = CliRunner().invoke(epochal, _command(place, *MOVE_WORDS, "--dry-run"), env=ENVIRONMENT)
    assert ran.exit_code == 0, ran.output
    assert "Request type: scale up workers" in ran.output
    assert "Request type: delete pipeline" in ran.output
    assert '"EE_ETH_SIGN": "0x' in ran.output
    assert not place.server.log
    assert not (place.folder / "moves.sqlite").exists()


# Creation


def test_create__with_its_answer_lost__deploys_once_and_is_confirmed(place: Place) -> None:
    place.server.world.jobs[43] = (OWNER.address, set())
    place.server.fail("create_pipeline", "drop-after")
    request = CreatePipeline(43, "shop", "0x12", ({"plugin_signature": "CONTAINER_APP_RUNNER"},), (C, D))
    made = place.with_client(lambda client: create(client, place.chain, request, SOON, 0))
    assert made.listed.nodes == {ADDRESSES.evm(C), ADDRESSES.evm(D)}
    again = place.with_client(lambda client: create(client, place.chain, request, SOON, 0))
    assert (again.app, made.new, again.new) == (made.app, True, False)
    assert len(place.server.asked("create_pipeline")) == 1


def test_create_command__of_an_intent__sends_its_plugin(place: Place) -> None:
    place.server.world.jobs[44] = (OWNER.address, set())
    intent = place.folder / "intent.json"
    intent.write_text(json.dumps(INTENT))
    words = ["create", "--job", "44", "--project", "0x12", str(intent)]
    ran = CliRunner().invoke(epochal, _command(place, *words), env=ENVIRONMENT)
    assert ran.exit_code == 0, ran.output
    (sent,) = place.server.asked("create_pipeline")
    assert sent["target_nodes_count"] == 2
    assert sent["plugins"][0]["IMAGE"] == "registry.example/shop:1"


INTENT = {
    "version": 1,
    "name": "shop",
    "service": "car",
    "replicas": 2,
    "resources": {"cpu_millis": 500, "memory_mb": 512, "storage_mb": 100},
    "policy": {},
    "ports": {"main": 8080},
    "image": {"folder": "shop"},
    "command": ["serve"],
}


async def _answered(client: DeeployClient) -> Outcome:
    return (await client.ask(GetApps())).or_refused("get_apps").outcome


async def _twice(client: DeeployClient) -> None:
    await client.signed(GetApps())
    await client.signed(GetApps())
