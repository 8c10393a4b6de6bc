"""This node's link to its orchestrator: says what runs, hears what should, accepts placements by its own rules.

An orchestrator that can't be reached changes nothing: what runs goes on running.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

from node.answers import one_line
from node.errors import LinkError
from node.running.accepting import objection
from node.running.offers import sign_offers
from node.running.runner import Runner
from node.running.settings import RunningSettings
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import pack, show_assignment
from oracle.ground.typed_data import Acceptance
from oracle.signing.signer import Signer
from orchestrator.wire import intent as intents
from orchestrator.wire.canonical import decode
from orchestrator.wire.intent import Intent
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Poll, PollAnswer, Proposal, SignedAcceptance, sign_poll
from orchestrator.wire.typed_data import NodePoll

PATIENCE = 10.0
"""Seconds for an answer."""
FIRST_PATIENCE = 5.0
"""Seconds for the first one: what ran before waits for it, since it may be another node's by now."""
LONGEST_ANSWER = 16 << 20
LEAST_PAUSE = 1.0
"""Seconds between two polls, whose times are whole seconds that rise."""
LONGEST_PAUSE = 30
MOST_INTENTS = 256


class OrchestratorLink:
    """Polls until cancelled. `say` gets a line whenever something changes."""

    def __init__(
        self,
        settings: RunningSettings,
        chain_id: int,
        signer: Signer,
        http: aiohttp.ClientSession,
        runner: Runner,
        say: Callable[[str], None],
    ) -> None:
        self._url = settings.orchestrator.rstrip("/")
        self._settings = settings
        self._rules = settings.rules()
        self._signer = signer
        self._http = http
        self._runner = runner
        self._say = say
        self._orchestrator_domain = NodePoll.domain(chain_id, settings.placements)
        self._placements_domain = Acceptance.domain(chain_id, settings.placements)
        self._offers = sign_offers(settings.standing_offers(), signer, chain_id, settings.placements)
        self._accepted: dict[int, tuple[SignedAcceptance, Resources]] = {}
        self._intents: dict[bytes, Intent] = {}
        self._time = 0
        self._state = ""
        self._told: set[str] = set()

    async def run(self) -> None:
        """Poll until cancelled. Failures of the orchestrator are said and tried again, never raised."""
        failures, patience = 0, FIRST_PATIENCE
        while True:
            self._runner.changed.clear()
            began = time.monotonic()
            try:
                pause = float(await self._once(patience))
                failures = 0
            except LinkError as error:
                self._turn("unreachable", f"{error}; what runs goes on, trying again")
                await self._runner.resume()
                failures += 1
                pause = min(LONGEST_PAUSE, 2.0 ** min(failures, 5))
            patience = PATIENCE
            await asyncio.sleep(LEAST_PAUSE)
            if failures == 0:
                await self._changed_within(began + pause - time.monotonic())
            else:
                await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

    async def _changed_within(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._runner.changed.wait(), max(0.0, seconds))
        except TimeoutError:
            return

    async def _once(self, patience: float) -> int:
        """One poll and what follows from its answer; seconds until the next."""
        now = int(time.time())
        self._time = max(self._time + 1, now)
        running = self._runner.states()
        self._accepted = {
            one: (signed, asked)
            for one, (signed, asked) in self._accepted.items()
            if signed.acceptance.expiry >= now and not self._runner.runs(one)
        }
        poll = Poll(
            node=self._signer.address.lower(),
            licence=self._settings.licence,
            time=self._time,
            host=self._settings.host,
            capacity=self._settings.resources(),
            tags=self._settings.tags,
            running=tuple(running),
            acceptances=tuple(signed for signed, _ in self._accepted.values()),
            offers=tuple(signed for signed in self._offers if signed.offer.expiry >= now),
        )
        body = sign_poll(poll, self._signer, self._orchestrator_domain)
        raw = await self._call("POST", "/v1/poll", patience, body)
        try:
            answer = PollAnswer.read(decode(raw, "answer", LONGEST_ANSWER))
        except InvalidValue as error:
            raise LinkError(f"its answer makes no sense: {error}") from error
        self._turn("polling", f"polling every {answer.poll_seconds} s")
        for refused in answer.refused:
            self._once_said(f"it refused {refused.what}: {refused.why}")
        await self._runner.take(answer.work)
        for proposal in answer.proposals:
            await self._judge(proposal)
        return answer.poll_seconds

    async def _judge(self, proposal: Proposal) -> None:
        """Sign the acceptance if this node takes it."""
        assignment = pack(proposal.job, proposal.slot, proposal.generation)
        name = show_assignment(assignment)
        acceptance = proposal.acceptance(self._settings.licence)
        held = self._accepted.get(assignment)
        if (held is not None and held[0].acceptance == acceptance) or self._runner.runs(assignment):
            return
        try:
            intent = await self._intent(proposal.intent)
        except (LinkError, InvalidValue) as error:
            self._once_said(f"placement {name} not accepted: its intent can't be read: {error}")
            return
        promised = [asked for one, (_, asked) in self._accepted.items() if one != assignment]
        room, now = self._runner.room(promised), int(time.time())
        why = objection(self._rules, proposal, intent, room, self._settings.tags, now)
        if why is not None:
            self._once_said(f"placement {name} not accepted: {why}")
            return
        signature = self._signer.sign_typed(acceptance, self._placements_domain)
        self._accepted[assignment] = (SignedAcceptance(acceptance, signature), intent.resources)
        self._say(f"placement {name} accepted at {proposal.price} of {proposal.token} for one epoch")
        self._runner.changed.set()

    async def _intent(self, wanted: bytes) -> Intent:
        """The intent of that hash. LinkError or InvalidValue if it can't be had."""
        if wanted not in self._intents:
            raw = await self._call("GET", f"/v1/intents/0x{wanted.hex()}", PATIENCE)
            intent = intents.parse(raw)
            if intent.hash != wanted:
                raise LinkError(f"it gave intent 0x{intent.hash.hex()} for 0x{wanted.hex()}")
            while len(self._intents) >= MOST_INTENTS:
                self._intents.pop(next(iter(self._intents)))
            self._intents[wanted] = intent
        return self._intents[wanted]

    async def _call(self, method: str, path: str, patience: float, body: bytes | None = None) -> bytes:
        """The body of a 200. LinkError for all else."""
        timeout = aiohttp.ClientTimeout(total=patience)
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            async with self._http.request(
                method, self._url + path, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                raw = b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > LONGEST_ANSWER:
                        raise LinkError(f"its answer is longer than {LONGEST_ANSWER} bytes")
                if response.status != 200:
                    told = one_line(raw[:300].decode("utf-8", "replace"))
                    raise LinkError(f"it answers {response.status} to {method} {path}: {told}")
                return raw
        except TimeoutError as error:
            raise LinkError(f"no answer within {patience:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LinkError(str(error) or type(error).__name__) from error

    def _once_said(self, line: str) -> None:
        """What is the same at each poll is said once."""
        if line not in self._told:
            if len(self._told) >= 1_000:
                self._told.clear()
            self._told.add(line)
            self._tell(line)

    def _turn(self, state: str, line: str) -> None:
        if state != self._state:
            self._state = state
            self._tell(line)

    def _tell(self, line: str) -> None:
        self._say(f"orchestrator {self._url}: {one_line(line)}")
