# SPDX-License-Identifier: Apache-2.0
"""The orchestrator as a process, on a real chain, with scripted nodes over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.transactions import Wallet
from cli.orchestrator import orchestrator as command
from oracle.ground.errors import EpochalError, UserError
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.signing.signer import LocalSigner
from orchestrator.wire.intent import from_document
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.typed_data import IntentUpdate, SlotMove, StandingOffer
from orchestrator.wire.wishes import sign_move, sign_update
from scenario.market import key_of
from tests.e2e.orchestrator_world import POLICY, Node, Process, Refusal, Town, document, drive, offer_of

pytestmark = pytest.mark.e2e

NAMES = [f"orchestrated-{number}" for number in range(8)]
FOREVER = 2**63


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("town"), NAMES)
    yield town
    town.close()


@pytest.fixture
def orchestrator(town: Town, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Process]:
    process = Process(town, tmp_path, f"orchestrator of {request.node.name}")
    yield process
    process.kill()


def nodes_of(town: Town, count: int) -> list[Node]:
    return [Node(town, town.serving[name]) for name in NAMES[:count]]


def make_known(orchestrator: Process, nodes: list[Node]) -> None:
    drive(orchestrator, nodes, lambda: all(node.answer for node in nodes))


def test_job__created__is_proposed_accepted_assigned_and_spread(town: Town, orchestrator: Process) -> None:
    nodes = nodes_of(town, 3)
    nodes[0].accepts = False
    intent = from_document(document("spread", replicas=2))
    orchestrator.bring(intent)
    make_known(orchestrator, nodes)
    job = town.create_job(intent, orchestrator.address)

    drive(orchestrator, nodes, lambda: town.served_by(job, 0) and town.served_by(job, 1), 40)

    assert {town.served_by(job, 0), town.served_by(job, 1)} == {nodes[1].licence, nodes[2].licence}
    assert nodes[0].seen, "it was asked, and declined"
    assert nodes[0].seen[0].policy == POLICY
    states = lambda: [one["state"] for one in orchestrator.get(f"/v1/jobs/{job}")["slots"]]  # noqa: E731
    drive(orchestrator, nodes, lambda: states() == ["ready", "ready"])
    by_licence = {node.licence: node for node in nodes}
    first = by_licence[town.served_by(job, 0)]

    def told_of_its_peer() -> bool:
        work = first.answer.work if first.runs(pack(job, 0, 1)) and first.answer is not None else ()
        return bool(work) and work[0].peers == ("127.0.0.1:4000",)

    drive(orchestrator, nodes, told_of_its_peer)


def test_reallocation__delivered_twice_late_and_for_an_unknown_id__is_answered_once(
    town: Town, orchestrator: Process
) -> None:
    nodes = nodes_of(town, 2)
    intent = from_document(document("healed", targets=[nodes[0].licence], spares=[nodes[1].licence]))
    orchestrator.bring(intent)
    job = town.create_job(intent, orchestrator.address)
    drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[0].licence)

    notice = town.reallocate(intent, job)
    assert orchestrator.deliver(notice)["status"] == "taken"
    assert orchestrator.deliver(notice)["status"] == "taken"
    assert orchestrator.deliver(replace(notice, id=b"\x07" * 32))["status"] == "unknown"
    drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[1].licence)

    assert orchestrator.deliver(notice)["status"] == "answered"
    drive(orchestrator, nodes, lambda: nodes[1].runs(pack(job, 0, 2)) and not nodes[0].work)
    assert town.assigned(orchestrator.address) == [pack(job, 0, 1), pack(job, 0, 2)]
    with pytest.raises(Refusal, match="Idempotency-Key is ''"):
        orchestrator.post("/v1/reallocations", json.dumps(notice.to_json()).encode())


def test_orchestrator__back_with_a_job_waiting__hears_the_others_before_it_asks_the_first(
    town: Town, tmp_path: Path
) -> None:
    nodes = nodes_of(town, 3)
    orchestrator = Process(town, tmp_path, "back")
    try:
        intent = from_document(document("waiting", replicas=3))
        orchestrator.bring(intent)
        orchestrator.kill()
        job = town.create_job(intent, orchestrator.address)

        orchestrator.start()
        nodes[0].poll(orchestrator)
        drive(orchestrator, nodes, lambda: all(town.served_by(job, slot) for slot in range(3)))

        assert {town.served_by(job, slot) for slot in range(3)} == {node.licence for node in nodes}
    finally:
        orchestrator.kill()


@pytest.mark.parametrize(
    "step",
    [
        "accepted",
        *(
            pytest.param(step, marks=pytest.mark.long)
            for step in "delivered proposed signed assigning planned persisted sent landed recorded".split()
        ),
    ],
)
def test_orchestrator__killed_at_a_step_of_an_answer__assigns_once(town: Town, tmp_path: Path, step: str) -> None:
    nodes = nodes_of(town, 2)
    orchestrator = Process(town, tmp_path, f"killed at {step}")
    try:
        intent = from_document(document("killed", targets=[nodes[0].licence], spares=[nodes[1].licence]))
        orchestrator.bring(intent)
        job = town.create_job(intent, orchestrator.address)
        drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[0].licence)
        drive(orchestrator, nodes, lambda: orchestrator.slot(job)["state"] == "ready")
        orchestrator.kill()
        notice = town.reallocate(intent, job)

        orchestrator.start(die=step)

        def dead() -> bool:
            if not orchestrator.ended():
                try:
                    orchestrator.deliver(notice)
                except (OSError, Refusal):
                    return orchestrator.ended()
            return orchestrator.ended()

        drive(orchestrator, nodes, dead)
        orchestrator.start()
        drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[1].licence)
        drive(orchestrator, nodes, lambda: orchestrator.slot(job)["state"] == "ready")
        assert orchestrator.deliver(notice)["status"] == "answered"
        assert town.assigned(orchestrator.address) == [pack(job, 0, 1), pack(job, 0, 2)]
        assert int(town.chain.rpc("eth_getTransactionCount", orchestrator.address, "latest"), 16) == 2
    finally:
        orchestrator.kill()


@pytest.mark.long
def test_answer__taken_out_by_a_reorganisation__is_sent_again_and_counts_once(town: Town, tmp_path: Path) -> None:
    nodes = nodes_of(town, 2)
    orchestrator = Process(town, tmp_path, "reorganised")
    try:
        intent = from_document(document("reorganised", targets=[nodes[0].licence], spares=[nodes[1].licence]))
        orchestrator.bring(intent)
        job = town.create_job(intent, orchestrator.address)
        drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[0].licence)
        settled = town.chain.block("latest").number + 4
        drive(orchestrator, nodes, lambda: town.chain.finalized().number > settled)
        notice = town.reallocate(intent, job)
        town.chain.rpc("evm_setIntervalMining", 0)
        try:
            assert orchestrator.deliver(notice)["status"] == "taken"
            drive(orchestrator, nodes, lambda: int(town.chain.rpc("txpool_status")["pending"], 16))
            town.chain.rpc("anvil_mine", "0x1")
            drive(orchestrator, nodes, lambda: nodes[1].runs(pack(job, 0, 2)))
            town.chain.rpc("anvil_reorg", 1, [])
            assert town.served_by(job) == 0
            drive(orchestrator, nodes, lambda: not nodes[1].runs(pack(job, 0, 2)))
        finally:
            town.chain.rpc("evm_setIntervalMining", 1)

        drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[1].licence)
        drive(orchestrator, nodes, lambda: orchestrator.slot(job)["state"] == "ready")
        settled = town.chain.block("latest").number + 4
        drive(orchestrator, nodes, lambda: town.chain.finalized().number > settled)
        assert town.served_by(job) == nodes[1].licence
        assert town.assigned(orchestrator.address) == [pack(job, 0, 1), pack(job, 0, 2)]
    finally:
        orchestrator.kill()


def test_spare__suspended_or_unlinked_or_without_room__the_next_one_serves(town: Town, orchestrator: Process) -> None:
    failing, full, silent, unlinked, good = nodes_of(town, 7)[2:]
    full.capacity = Resources(100, 100, 100)
    silent.accepts = False
    order = [full.licence, silent.licence, unlinked.licence, good.licence]
    intent = from_document(document("spares", targets=[failing.licence], spares=order))
    orchestrator.bring(intent)
    job = town.create_job(intent, orchestrator.address)
    everybody = [failing, full, silent, unlinked, good]
    drive(orchestrator, everybody, lambda: town.served_by(job) == failing.licence)
    operator = unlinked.serving.operator_key()
    town.do(_wallet(town, operator), town.network.licences.functions.unlink(unlinked.licence))

    orchestrator.deliver(town.reallocate(intent, job))
    rest = [failing, full, silent, good]
    drive(orchestrator, rest, lambda: town.served_by(job) == good.licence, 40)

    assert silent.seen
    assert not full.seen
    assert not unlinked.seen
    with pytest.raises(Refusal, match="is linked to no node"):
        unlinked.poll(orchestrator)


def test_request__deadline_passed__slot_stays_empty_until_reopened(town: Town, orchestrator: Process) -> None:
    nodes = nodes_of(town, 2)
    policy = Policy(**{**_fields(POLICY), "answer_seconds": 2, "cooldown_seconds": 1})
    intent = from_document(document("late", policy=policy, targets=[nodes[0].licence], spares=[nodes[1].licence]))
    orchestrator.bring(intent)
    job = town.create_job(intent, orchestrator.address)
    drive(orchestrator, nodes, lambda: town.served_by(job) == nodes[0].licence)
    notice = town.reallocate(intent, job)
    # Nobody polls, so that nobody is given up for declining; they are back too late.
    drive(orchestrator, [], lambda: town.now() > notice.deadline)

    assert orchestrator.deliver(notice)["status"] == "expired"
    end = time.monotonic() + 4
    drive(orchestrator, nodes, lambda: time.monotonic() > end)
    assert town.served_by(job) == 0
    assert orchestrator.slot(job)["state"] == "forfeited"
    assert len(town.assigned(orchestrator.address)) == 1

    town.do(town.csp, town.network.reallocations.functions.reopenSlot(job, 0))
    orchestrator.post(f"/v1/jobs/{job}/look", b"")
    drive(orchestrator, nodes, lambda: town.served_by(job))


def test_move__new_node_fails_then_another_works__old_one_runs_until_then(town: Town, orchestrator: Process) -> None:
    old, broken, good = nodes_of(town, 3)
    nodes = [old, broken, good]
    intent = from_document(document("moved", targets=[old.licence]))
    orchestrator.bring(intent)
    job = town.create_job(intent, orchestrator.address)
    drive(orchestrator, nodes, lambda: orchestrator.get("/health")["jobs"] and _ready(orchestrator, job))
    assert town.served_by(job) == old.licence
    csp, domain = LocalSigner(key_of("csp")), SlotMove.domain(town.chain.chain_id, town.network.addresses.placements)

    stranger = sign_move(SlotMove(job, 0, 0, 1, FOREVER), LocalSigner(key_of("keeper")), domain)
    with pytest.raises(Refusal, match="neither owns"):
        orchestrator.post(f"/v1/jobs/{job}/move", stranger)
    broken.broken = "failed"
    wish = sign_move(SlotMove(job, 0, broken.licence, 1, FOREVER), csp, domain)
    orchestrator.post(f"/v1/jobs/{job}/move", wish)
    with pytest.raises(Refusal, match="sequence"):
        orchestrator.post(f"/v1/jobs/{job}/move", wish)
    gave_up = lambda: any("couldn't prepare" in one["note"] for one in _events(orchestrator, job))  # noqa: E731
    drive(orchestrator, nodes, gave_up)
    assert town.served_by(job) == old.licence
    assert old.runs(pack(job, 0, 1))

    broken.broken = ""
    good.broken = "starting"
    move = sign_move(SlotMove(job, 0, good.licence, 2, FOREVER), csp, domain)
    orchestrator.post(f"/v1/jobs/{job}/move", move)
    drive(orchestrator, nodes, lambda: good.work.get(pack(job, 0, 2), ("",))[0] == "prepare")
    assert old.runs(pack(job, 0, 1)), "make before break"
    good.broken = ""
    drive(orchestrator, nodes, lambda: town.served_by(job) == good.licence)
    drive(orchestrator, nodes, lambda: good.runs(pack(job, 0, 2)) and not old.work)
    old_view = town.network.lens.functions.assignmentOf(pack(job, 0, 1)).call()
    new_view = town.network.lens.functions.assignmentOf(pack(job, 0, 2)).call()
    assert old_view[5] == new_view[4], "closed and opened in one block: no second is lost"


def test_update_and_scale__through_the_same_interface__roll_slot_by_slot(town: Town, orchestrator: Process) -> None:
    nodes = nodes_of(town, 3)
    first = from_document(document("rolled", replicas=2))
    second = from_document(document("rolled", replicas=2, env={"VERSION": "2"}))
    other_policy = Policy(**{**_fields(POLICY), "target_ppm": 990_000})
    orchestrator.bring(first)
    make_known(orchestrator, nodes)
    job = town.create_job(first, orchestrator.address)
    drive(orchestrator, nodes, lambda: _ready(orchestrator, job))
    csp = LocalSigner(key_of("csp"))
    domain = IntentUpdate.domain(town.chain.chain_id, town.network.addresses.placements)

    with pytest.raises(Refusal, match="bring it by POST"):
        orchestrator.post(
            f"/v1/jobs/{job}/update", sign_update(IntentUpdate(job, second.hash, 1, FOREVER), csp, domain)
        )
    orchestrator.bring(second)
    third = from_document(document("rolled", replicas=2, policy=other_policy))
    orchestrator.bring(third)
    with pytest.raises(Refusal, match="policy never changes"):
        orchestrator.post(f"/v1/jobs/{job}/update", sign_update(IntentUpdate(job, third.hash, 1, FOREVER), csp, domain))
    serving = {node.licence: node for node in nodes}
    one, two = serving[town.served_by(job, 0)], serving[town.served_by(job, 1)]
    one.broken = "restarting"
    orchestrator.post(f"/v1/jobs/{job}/update", sign_update(IntentUpdate(job, second.hash, 2, FOREVER), csp, domain))
    drive(orchestrator, nodes, lambda: one.work[pack(job, 0, 1)][1] == second.hash)
    for _ in range(3):
        two.poll(orchestrator)
        one.poll(orchestrator)
    assert two.work[pack(job, 1, 1)][1] == first.hash, "the second waits for the first"
    one.broken = ""
    drive(orchestrator, nodes, lambda: two.work[pack(job, 1, 1)][1] == second.hash)
    drive(orchestrator, nodes, lambda: orchestrator.get(f"/v1/jobs/{job}")["running"] == "0x" + second.hash.hex())

    town.do(town.csp, town.network.escrow.functions.shrinkJob(job, 1))
    orchestrator.post(f"/v1/jobs/{job}/look", b"")
    drive(orchestrator, nodes, lambda: not two.work)
    assert one.runs(pack(job, 0, 1))


def test_node__with_a_standing_offer__is_placed_without_being_asked(town: Town, orchestrator: Process) -> None:
    (node,) = nodes_of(town, 1)
    node.accepts = False
    offer = StandingOffer(
        licence=node.licence,
        orchestrator=orchestrator.address.lower(),
        token=town.network.addresses.token.lower(),
        minPrice=1,
        policy=POLICY.hash(),
        capacity=64,
        nonce=0,
        expiry=FOREVER,
    )
    node.offers = (offer_of(town, node.serving, offer),)
    intent = from_document(document("offered"))
    orchestrator.bring(intent)
    job = town.create_job(intent, orchestrator.address)
    drive(orchestrator, [node], lambda: town.served_by(job) == node.licence)
    drive(orchestrator, [node], lambda: node.runs(pack(job, 0, 1)))
    assert not node.seen


def test_poll__forged_repeated_or_off__is_refused(town: Town, orchestrator: Process) -> None:
    one, two = nodes_of(town, 2)
    one.poll(orchestrator)
    one.polled -= 10_000
    one.serving, forged = replace(two.serving, licence=one.licence), one.serving
    with pytest.raises(Refusal, match="is linked to") as caught:
        one.poll(orchestrator)
    assert caught.value.status == 403
    one.serving = forged
    one.clock = lambda: time.time() + 120
    with pytest.raises(Refusal, match="set the clock"):
        one.poll(orchestrator)
    with pytest.raises(Refusal, match="poll is missing"):
        orchestrator.post("/v1/poll", b"{}")
    with pytest.raises(Refusal, match="404"):
        orchestrator.get("/v1/nothing")


def test_command__status_and_settings__tell_what_is_and_what_is_wrong(
    town: Town, orchestrator: Process, tmp_path: Path
) -> None:
    (node,) = nodes_of(town, 1)
    node.capacity = Resources(1, 1, 1)
    node.poll(orchestrator)
    intent = from_document(document("shown"))
    orchestrator.bring(intent)
    job = town.create_job(intent, orchestrator.address)
    orchestrator.post(f"/v1/jobs/{job}/look", b"")

    def status(*arguments: str) -> str:
        result = CliRunner().invoke(command, ["status", "--url", orchestrator.url, *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    assert "shown" in status()
    told = json.loads(status("--json"))
    assert [one["job"] for one in told["jobs"]] == [job]
    assert told["nodes"][0]["licence"] == node.licence
    assert f"licence {node.licence}: it has no room left" in status(str(job))
    with pytest.raises(EpochalError, match="isn't this orchestrator's"):
        status("999")
    with pytest.raises(EpochalError, match="check --url"):
        CliRunner().invoke(command, ["status", "--url", "http://127.0.0.1:1"], catch_exceptions=False)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("poll_second = 3")
    with pytest.raises(UserError, match=r"poll_second is no setting; those are .*poll_seconds"):
        CliRunner().invoke(command, ["run", "--settings", str(wrong)], catch_exceptions=False)
    wrong.write_text(f"data = '{tmp_path}'\nnetwork = 'none.json'\nrpcs = ['{town.anvil.url}']\nsilent_seconds = 3")
    with pytest.raises(UserError, match="--silent-seconds is 3: give at least twice"):
        CliRunner().invoke(command, ["run", "--settings", str(wrong)], catch_exceptions=False)


def _ready(orchestrator: Process, job: int) -> bool:
    try:
        return all(one["state"] == "ready" for one in orchestrator.get(f"/v1/jobs/{job}")["slots"])
    except Refusal:
        return False


def _events(orchestrator: Process, job: int) -> list[dict[str, object]]:
    return orchestrator.get(f"/v1/jobs/{job}")["events"]


def _fields(policy: Policy) -> dict[str, object]:
    return {name: getattr(policy, name) for name in Policy.__dataclass_fields__}


def _wallet(town: Town, key: bytes) -> Wallet:
    return Wallet(town.chain, key)
