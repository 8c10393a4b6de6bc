# SPDX-License-Identifier: Apache-2.0
"""A chain that lives, jobs with intents, a committee that asks for other nodes, scripted nodes, and the orchestrator
as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from web3.logs import DISCARD

from chain.anvil import Anvil
from chain.client import Chain
from chain.network import Network, NetworkSettings, Timing
from chain.transactions import Call, LiveSender, SteppedSender, Wallet
from oracle.ground.ids import pack, show_assignment
from oracle.ground.keccak import keccak256
from oracle.ground.policy import Policy
from oracle.ground.reallocations import Reallocation, RequestTree
from oracle.ground.typed_data import Acceptance, ReallocationBatch
from oracle.signing.signer import LocalSigner
from orchestrator.wire.intent import Intent, from_document
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Poll, PollAnswer, Proposal, Running, SignedAcceptance, SignedOffer, sign_poll
from orchestrator.wire.reallocation import KEY_HEADER, ReallocationNotice
from orchestrator.wire.typed_data import NodePoll
from scenario.market import JobSpec, Market, Serving, key_of, oracle_signers
from tests.project import ROOT

EPOCH = 1_200
GWEI = 10**9
OUTAGE = 2
_AHEAD = 30  # seconds; the orchestrator takes 60
POLICY = Policy(evidence="probe", outage_seconds=1, answer_seconds=60, cooldown_seconds=600)
WORK = Resources(500, 256, 100)
ROOM = Resources(4_000, 4_096, 10_000)
QUICK = "--poll-seconds 1 --look-seconds 1 --silent-seconds 20 --accept-seconds 8 --prepare-seconds 2 --retry-seconds 2"


def document(name: str, replicas: int = 1, policy: Policy = POLICY, **changes: Any) -> dict[str, Any]:
    """An intent's document."""
    given = {
        "version": 1,
        "name": name,
        "service": "car",
        "replicas": replicas,
        "resources": WORK.to_json(),
        "policy": json.loads(policy.to_json()),
        "image": {"folder": "hello"},
        "command": ["serve"],
        "health": {"timeout_seconds": 2},
    }
    return {**given, **changes}


class Town:
    """The network, its CSP and its committee, on a chain that makes a block a second."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        began = int(time.time())
        self.anvil = Anvil(
            *("--no-mining --order fifo --slots-in-an-epoch 1 --base-fee 0 --gas-price 0".split()),
            timestamp=began - 60,
        )
        chain = Chain(self.anvil.url)
        self.oracles = {one.address.lower(): one for one in oracle_signers(4)}
        settings = NetworkSettings(Timing.for_epochs(began, EPOCH, 2), tuple(self.oracles), 2, 60, 50_000)
        self.ends_at = began + 3 * EPOCH
        market = Market.open(SteppedSender(chain), settings, JobSpec(10**6, 1, began, self.ends_at, POLICY))
        self.serving = {one.name: one for one in market.license_nodes(names)}
        self.account = market.open_account()
        self.genesis = began
        self.network: Network = market.network
        self.chain = chain
        self.addresses = folder / "addresses.json"
        self.network.addresses.save(self.addresses)
        chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        chain.rpc("evm_setTime", int(time.time()))
        chain.rpc("evm_setIntervalMining", 1)
        self.sender = LiveSender(chain)
        self.csp = Wallet(chain, key_of("csp"))
        self.keeper = Wallet(chain, key_of("keeper"))
        token, escrow = self.network.token.functions, self.network.escrow
        self.do(self.csp, token.mint(self.csp.address, 10**15))
        self.do(self.csp, token.approve(escrow.address, 10**15))

    def close(self) -> None:
        self.anvil.close()

    def do(self, who: Wallet, function: Any) -> Any:
        (receipt,) = self.sender.send([Call.of(function.fn_name, who, function)])
        return receipt

    def now(self) -> int:
        return self.chain.block("latest").timestamp

    def fund(self, address: str) -> None:
        self.chain.rpc("anvil_setBalance", address, hex(10**20))

    def create_job(self, intent: Intent, orchestrator: str) -> int:
        terms = (
            self.network.addresses.token,
            10**6,
            intent.replicas,
            self.now() + 3,
            self.ends_at,
            orchestrator,
            intent.hash,
            intent.policy.abi_values(),
        )
        receipt = self.do(self.csp, self.network.escrow.functions.createJob(self.account, terms))
        (event,) = self.network.escrow.events.JobCreated().process_receipt(receipt, errors=DISCARD)
        return int(event["args"]["job"])

    # What the chain has

    def generation(self, job: int, slot: int = 0) -> int:
        return int(self.network.escrow.functions.generations(job, slot).call())

    def served_by(self, job: int, slot: int = 0) -> int:
        """The licence that serves a slot; 0: nobody."""
        (view,) = self.network.lens.functions.slotsOf(job, slot, 1).call()
        last = view[0]
        return 0 if last[0] == 0 or last[5] else int(last[1])

    def assigned(self, orchestrator: str) -> list[int]:
        """Assignments opened by an orchestrator's transactions, in order."""
        events = self.network.placements.events.AssignmentAccepted().get_logs(from_block=0)
        return [e["args"]["assignment"] for e in events if e["args"]["orchestrator"].lower() == orchestrator.lower()]

    # The committee

    def reallocate(self, intent: Intent, job: int, slot: int = 0, label: str = "") -> ReallocationNotice:
        """Ask on chain for another node in a slot."""
        assignment = pack(job, slot, self.generation(job, slot))
        opened = self.network.lens.functions.assignmentOf(assignment).call()[4]
        while self.now() < opened + POLICY.outage_seconds + 1:
            time.sleep(0.2)
        at = self.now()
        id_ = keccak256(f"request {label} {assignment}".encode())
        request = Reallocation(id_, assignment, OUTAGE, at)
        tree = RequestTree([request])
        batch = ReallocationBatch(1, (at - self.genesis) // EPOCH, tree.root, at + 600)
        (version, *_) = self.network.attestations.functions.committeeInForce().call()
        batch = replace(batch, committee=version)
        signers, quorum = self.network.attestations.functions.committee(version).call()
        chosen = [self.oracles[one.lower()] for one in signers[:quorum]]
        signatures = b"".join(one.sign_typed(batch, self.network.reallocation_domain) for one in chosen)
        token = self.network.addresses.token
        entry = (request.abi_values(), token, 10**6, intent.policy.abi_values(), intent.hash, list(tree.proof(0)))
        fields = (batch.committee, batch.epoch, batch.root, batch.expiry)
        function = self.network.reallocations.functions.request(fields, (1 << quorum) - 1, signatures, entry)
        receipt = self.do(self.keeper, function)
        (event,) = self.network.reallocations.events.ReallocationRequested().process_receipt(receipt, errors=DISCARD)
        deadline = event["args"]["deadline"]
        where = self.network.addresses.reallocations.lower()
        return ReallocationNotice(id_, assignment, OUTAGE, at, deadline, self.chain.chain_id, where)


class Refusal(AssertionError):
    """An HTTP answer that isn't a success."""

    def __init__(self, status: int, told: dict[str, Any]) -> None:
        super().__init__(f"{status}: {told}")
        self.status, self.told = status, told


class Process:
    """The orchestrator as a process. `die`: the checkpoint at which it kills itself, `count`: the how manieth time."""

    def __init__(self, town: Town, folder: Path, label: str, die: str = "", count: int = 1, rpc: str = "") -> None:
        self.town, self.folder, self.key = town, folder, key_of(label)
        self.signer = LocalSigner(self.key)
        self.address = self.signer.address
        town.fund(self.address)
        self.rpc = rpc or town.anvil.url
        self.start(die, count)

    def start(self, die: str = "", count: int = 1) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log"
        told = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "tests.e2e.orchestrator_worker", "orchestrator", "run", "--data"]
        command += [str(self.folder / "data"), "--network", str(self.town.addresses), "--rpc", self.rpc]
        command += ["--listen", "127.0.0.1:0", "--key-env", "ORCHESTRATOR_KEY", *QUICK.split()]
        env = {"ORCHESTRATOR_KEY": "0x" + self.key.hex(), "DIE_AT": die, "DIE_COUNT": str(count)}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **env}, stdout=log, stderr=subprocess.STDOUT
            )
        self.url = ""
        until(lambda: self._listening(told), 30, self.text)
        until(self.healthy, 20, self.text)

    def _listening(self, told: int) -> bool:
        text = self.log.read_text()[told:]
        if "listens on " in text:
            self.url = text.rpartition("listens on ")[2].split()[0]
        return bool(self.url) or self.process.poll() is not None

    def healthy(self) -> bool:
        if self.process.poll() is not None:
            return True  # it was to die
        try:
            return bool(self.get("/health")["ok"])
        except (Refusal, OSError):
            return False

    def text(self) -> str:
        return self.log.read_text()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> Any:
        return _ask(self.url + path, None, {})

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
        return _ask(self.url + path, body, headers or {})

    def bring(self, intent: Intent) -> None:
        assert self.post("/v1/intents", intent.canonical())["hash"] == "0x" + intent.hash.hex()

    def deliver(self, notice: ReallocationNotice) -> Any:
        body = json.dumps(notice.to_json()).encode()
        return self.post("/v1/reallocations", body, {KEY_HEADER: notice.key})

    def slot(self, job: int, slot: int = 0) -> Any:
        return self.get(f"/v1/jobs/{job}")["slots"][slot]


@dataclass
class Node:
    """A node whose polls are driven by the test. It runs what it is told, healthy unless `broken` names its state."""

    town: Town
    serving: Serving
    accepts: bool = True
    broken: str = ""
    host: str = "127.0.0.1"
    capacity: Resources = ROOM
    tags: tuple[str, ...] = ()
    offers: tuple[SignedOffer, ...] = ()
    polled: int = 0
    clock: Callable[[], float] = time.time
    work: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    acceptances: list[SignedAcceptance] = field(default_factory=list)
    answer: PollAnswer | None = None
    seen: list[Proposal] = field(default_factory=list)

    @property
    def licence(self) -> int:
        return self.serving.licence

    def runs(self, assignment: int) -> bool:
        return self.work.get(assignment, ("", b""))[0] == "run"

    def poll(self, orchestrator: Process) -> PollAnswer | None:
        """One poll; None when nobody answers. What isn't listed is stopped."""
        # Times rise by a second with each poll, and a test's nodes poll more often: they wait before it is refused.
        time.sleep(max(0.0, self.polled + 1 - _AHEAD - self.clock()))
        self.polled = max(int(self.clock()), self.polled + 1)
        placements = self.town.network.addresses.placements
        domain = NodePoll.domain(self.town.chain.chain_id, placements)
        poll = Poll(
            node=self.serving.address,
            licence=self.licence,
            time=self.polled,
            host=self.host,
            capacity=self.capacity,
            tags=self.tags,
            running=tuple(self._running(one) for one in sorted(self.work)),
            acceptances=tuple(self.acceptances),
            offers=self.offers,
        )
        try:
            told = orchestrator.post("/v1/poll", sign_poll(poll, self.serving.signer, domain))
        except OSError:
            return None
        except Refusal as error:
            if error.status == 503:
                return None
            raise
        self.answer = answer = PollAnswer.read(told)
        self.acceptances = []
        for one in answer.proposals:
            self.seen.append(one)
            if self.accepts:
                acceptance = one.acceptance(self.licence)
                signature = self.serving.signer.sign_typed(acceptance, self.town.network.acceptance_domain)
                self.acceptances.append(SignedAcceptance(acceptance, signature))
        self.work = {
            one.assignment: (one.order, from_document(one.intent).hash) for one in answer.work if one.order != "stop"
        }
        return answer

    def _running(self, assignment: int) -> Running:
        state = self.broken or "running"
        return Running(assignment, self.work[assignment][1], state, not self.broken, ports={"main": 4_000})


def drive(orchestrator: Process, nodes: Sequence[Node], met: Callable[[], object], within: float = 60) -> None:
    """Let the nodes poll until it is so."""

    def turn() -> object:
        if met():
            return True
        for node in nodes:
            node.poll(orchestrator)
        return met()

    until(turn, within, lambda: orchestrator.text()[-3_000:] + _shown(orchestrator), pause=0.3)


def until(met: Callable[[], object], within: float, told: Callable[[], str], pause: float = 0.1) -> None:
    """Wait for it; a failure shows what was told."""
    end = time.monotonic() + within
    while not met():
        if time.monotonic() > end:
            raise AssertionError(f"not met within {within} s:\n{told()}")
        time.sleep(pause)


def offer_of(town: Town, serving: Serving, offer: Any) -> SignedOffer:
    """A standing offer with its node's signature."""
    return SignedOffer(offer, serving.signer.sign_typed(offer, Acceptance.domain(*_placements(town))))


def _placements(town: Town) -> tuple[int, str]:
    return town.chain.chain_id, town.network.addresses.placements


def _shown(orchestrator: Process) -> str:
    try:
        jobs = orchestrator.get("/v1/jobs")
        return json.dumps([orchestrator.get(f"/v1/jobs/{one['job']}") for one in jobs], indent=1)
    except (OSError, Refusal) as error:
        return f"(it doesn't answer: {error})"


def _ask(url: str, body: bytes | None, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refusal(error.code, json.load(error)) from None


__all__ = ["Node", "Process", "Refusal", "Town", "document", "drive", "offer_of", "show_assignment", "until"]
