# SPDX-License-Identifier: Apache-2.0
"""Notices from a real chain and real oracles, to real webhooks and mailboxes."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from click.testing import CliRunner

from cli.notify import notify
from delivery.message import State
from delivery.rules import Backoff
from notify import rules
from notify.errors import SettingsError
from notify.facts import Job, Serving
from notify.notice import Kind, Notice
from notify.presence import PresenceAsker, presence_of
from notify.reading import ChainReader
from notify.service import Notifier
from notify.settings import load
from notify.signing import NotSigned, secret_of, verify
from notify.watching import Watcher
from oracle.ground.address import raw_address
from oracle.ground.ids import show_assignment
from oracle.ground.leaves import EMPTY
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import Credential
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind as Track
from oracle.telemetry.ways.http import HttpWay
from settlement.books import Token
from settlement.money import Rates
from tests.contract.world import TIMING, end_of, leaf
from tests.e2e.node_world import DOMAIN, NODE, Oracle, agent, until
from tests.e2e.receivers import MailBox, Receiver, in_a_loop, mail_box, receiver
from tests.e2e.stepped_world import Stage, stage, stepped
from tests.project import ROOT

__all__ = ["stage", "stepped"]
SECRET = base64.b64encode(b"s" * 32).decode()
ENVIRONMENT = {"HOOK_SECRET": "whsec_" + SECRET, "MAIL_PASSWORD": "open sesame"}
QUICK = Backoff(first=0.05, longest=0.3)


def settings_file(stage: Stage, folder: Path, hook: str, mail: MailBox | None = None, more: str = "") -> Path:
    stage.world.network.addresses.save(folder / "addresses.json")
    text = f'deployment = "addresses.json"\nrpc = ["{stage.world.chain.url}"]\npoll_seconds = 1\n{more}\n'
    text += f'[webhooks.ops]\nurl = "{hook}"\nsecret_env = "HOOK_SECRET"\n'
    to = '["ops"]'
    if mail is not None:
        text += '[mail.csp]\nto = "csp@mail.test"\n[smtp]\nhost = "localhost"\nfrom = "epochal@mail.test"\n'
        text += f'port = {mail.port}\nusername = "epochal"\npassword_env = "MAIL_PASSWORD"\nca_file = "ca.pem"\n'
        to = '["ops", "csp"]'
    text += f'[[subscriptions]]\nto = {to}\nkinds = ["all"]\naccounts = [1]\n'
    path = folder / "notify.toml"
    path.write_text(text)
    return path


def opened(stage: Stage, path: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Notifier:
    return Notifier(stage.world.network, load(path), environment, QUICK)


async def told(notifier: Notifier, target: Receiver, kinds: set[Kind], within: float = 30) -> dict[str, dict[str, Any]]:
    """Run until these kinds came; the last notice of each."""
    stop = asyncio.Event()
    running = asyncio.create_task(notifier.run(stop))
    try:
        await until(lambda: running.done() or kinds <= {json.loads(one.body)["kind"] for one in target.came}, within)
    finally:
        stop.set()
        await running
    return {(found := json.loads(one.body))["kind"]: found for one in target.came}


@in_a_loop
async def test_run__vetoed_withheld_requested_forfeited_and_ending__subscriber_hears_each_once(
    stage: Stage, tmp_path: Path
) -> None:
    world = stage.world
    world.at(end_of(0) + TIMING.settle_delay).submit(world.signed(world.report(0, Tree.build([EMPTY]).root)))
    world.do(world.guardian, world.veto())
    stage.ask()
    tree = world.publish(1, [leaf(stage.assignment, 500, 900)])
    world.settle(1, tree)
    async with receiver() as hook:
        notifier = opened(stage, settings_file(stage, tmp_path, hook.url + "/hook"))
        wanted = {Kind.VETOED, Kind.WITHHELD, Kind.REALLOCATION_REQUESTED, Kind.REALLOCATION_FORFEITED, Kind.FUNDS}
        found = await told(notifier, hook, wanted)
        notifier.close()
        assert set(found) == wanted
        name = show_assignment(stage.assignment)
        assert found["withheld"]["facts"] | {"amount": 0} == {
            "assignment": name,
            "epoch": 1,
            "seconds": 400,
            "amount": 0,
        }
        assert found["withheld"]["licences"] == [world.linked[0].id]
        assert found["reallocation_forfeited"]["jobs"] == [stage.job]
        assert "because of outage" in found["reallocation_requested"]["text"]
        assert "is paid for" in found["funds"]["title"]
        for one in hook.came:
            assert verify(secret_of(SECRET), one.headers, one.body, int(time.time())) == one.key
            with pytest.raises(NotSigned, match="another secret"):
                verify(b"x" * 32, one.headers, one.body, int(time.time()))
            with pytest.raises(NotSigned, match="clocks"):
                verify(secret_of(SECRET), one.headers, one.body, int(time.time()) + 1_000)
        # Another process on the same state tells nothing anew.
        count = len(hook.came)
        again = opened(stage, tmp_path / "notify.toml")
        assert again.tell(await asyncio.to_thread(again._watcher.of_chain)) == 0
        again.close()
        assert len({one.key for one in hook.came}) == count


@in_a_loop
async def test_run__answered_request__tells_both_licences(stage: Stage, tmp_path: Path) -> None:
    stage.ask()
    answer = stage.answer()
    async with receiver() as hook:
        notifier = opened(stage, settings_file(stage, tmp_path, hook.url))
        found = (await told(notifier, hook, {Kind.REALLOCATION_ANSWERED}))["reallocation_answered"]
        notifier.close()
    assert found["facts"]["answer"] == show_assignment(answer)
    assert found["licences"] == sorted({stage.world.linked[0].id, stage.world.linked[3].id})


def test_credential__ends_soon__is_told_with_its_account(stage: Stage, tmp_path: Path) -> None:
    world = stage.world
    credentials, verifier = world.network.credentials.functions, world.person("verifier")
    world.do(world.admin, credentials.setVerifier(verifier.address, 1))
    _, *others = world.network.admission.functions.settings().call()
    world.do(world.admin, world.network.admission.functions.changeSettings((1, *others)))
    one = Credential(world.csp.address, 1, b"f" * 32, world.now, world.now + 100_000)
    signature = verifier.signer.sign_typed(one, world.network.credential_domain)
    fields = (one.subject, one.kind, one.document, one.issuedAt, one.expiry)
    world.do(world.csp, credentials.present(fields, signature[:32], signature[32:]))
    settings = load(settings_file(stage, tmp_path, "http://there", more="funds_seconds = 1"))
    watcher = Watcher(world.network, settings, ChainReader(world.network, None, 10**6))
    (notice,) = watcher.of_chain()
    assert notice.id == f"credential:1:{one.expiry}:1"
    assert "runs out in 1 d 3 h" in notice.title


@in_a_loop
async def test_mail__server_with_tls_and_password__carries_the_notice(stage: Stage, tmp_path: Path) -> None:
    import ssl

    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stage.ask()
    refusals = ["450 come again"]
    async with (
        receiver() as hook,
        mail_box(user="epochal", password="open sesame", tls=context, refusals=refusals) as box,
    ):
        path = settings_file(stage, tmp_path, hook.url, box, more="funds_seconds = 1")
        wrong = opened(stage, path, ENVIRONMENT | {"MAIL_PASSWORD": "open sezame"})
        (to_hook, to_mail), troubles = await wrong.check()
        assert (to_hook.state, to_mail.state) == (State.DELIVERED, State.WITHDRAWN)
        assert "nobody is told of silent nodes" in troubles[0]
        wrong.close()
        assert not box.mails
        notifier, stop = opened(stage, path), asyncio.Event()
        running = asyncio.create_task(notifier.run(stop))
        await until(lambda: running.done() or box.mails)
        stop.set()
        await running
        notifier.close()
    (mail,) = box.mails
    assert box.secured
    assert mail["Subject"] == f"Epochal: Job {stage.job} needs another node in slot 0"
    assert (mail["From"], mail["To"]) == ("epochal@mail.test", "csp@mail.test")
    assert "What to do: Whoever runs the failed node" in mail.get_content()
    assert not refusals


@in_a_loop
async def test_mail__mailbox_unknown__is_dead_at_once(stage: Stage, tmp_path: Path) -> None:
    async with receiver() as hook, mail_box(refusals=["550 no such user"]) as box:
        path = settings_file(stage, tmp_path, hook.url, box)
        plain = path.read_text().replace('ca_file = "ca.pem"', 'security = "none"')
        path.write_text(re.sub(r"username.*\npassword_env.*\n", "", plain))
        notifier = opened(stage, path)
        (_, to_mail), _ = await notifier.check()
        notifier.close()
    assert (to_mail.state, to_mail.told) == (State.DEAD, "SMTP 550: no such user")


@in_a_loop
async def test_run__process_killed_again_and_again__every_notice_arrives_under_one_key(
    stage: Stage, tmp_path: Path
) -> None:
    chance = random.Random(3)

    async def behave(request: web.Request, number: int) -> web.StreamResponse:
        await asyncio.sleep(chance.random() * 0.2)
        return web.Response(status=chance.choice([200, 500]))

    world = stage.world
    stage.ask()
    tree = world.publish(1, [leaf(stage.assignment, 500, 900)])
    world.settle(1, tree)
    wanted = {Kind.WITHHELD, Kind.REALLOCATION_REQUESTED, Kind.REALLOCATION_FORFEITED, Kind.FUNDS}
    async with receiver(behave) as hook:
        path = settings_file(stage, tmp_path, hook.url)
        taken: set[str] = set()
        for _ in range(4):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cli.main", "notify", "run", "--settings", str(path)),
                cwd=ROOT,
                env={"PATH": "", **ENVIRONMENT},
                stderr=asyncio.subprocess.DEVNULL,
            )
            before = len(hook.came)
            await until(lambda: len(hook.came) > before or len(taken) == len(wanted), 30)  # noqa: B023
            await asyncio.sleep(chance.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            taken = {json.loads(one.body)["kind"] for one in hook.came}
            if len(taken) == len(wanted):
                break
        notifier = opened(stage, path)
        # What the killed processes tried in vain waits as long as they were to wait: 2, 4, 8, 16 s.
        await told(notifier, hook, wanted, 60)
        stop = asyncio.Event()
        running = asyncio.create_task(notifier.run(stop))
        await until(lambda: running.done() or not notifier.queue.counts()[State.WAITING], 60)
        stop.set()
        await running
        assert notifier.queue.counts()[State.DELIVERED] == len(wanted)
        notifier.close()
    bodies = {(one.key, one.body) for one in hook.came}
    assert len({key for key, _ in bodies}) == len(wanted)


@in_a_loop
async def test_node_down__agent_dies__oracles_receipts_tell(tmp_path: Path) -> None:
    oracles = [Oracle(tmp_path, f"oracle {number}") for number in range(4)]
    for one in oracles:
        one.clock = oracles[0].clock
        await one.start()
    clock, members = oracles[0].clock, {one.address for one in oracles}
    asker = PresenceAsker([one.url for one in oracles], DOMAIN)
    job = Job(1, 1, 1, 2**39, False, Policy(), Rates(10**6, 3_600, 0, 0), Token("", "EUR", 6))
    served = [Serving(1 << 64 | 1, 5, NODE, clock.genesis, job)]
    spans = rules.Spans(down=4, repeat=1_000)

    async def look() -> list[Notice]:
        found = await asker.ask([NODE], [0], 0, members)
        return rules.node_down(served, presence_of(found[NODE], clock), int(time.time()), spans)

    async with agent([one.url for one in oracles]) as node:
        await node.says("beat", 20) if "beat" in node.text else await until(lambda: oracles[0].bits(), 20, node)
        await oracles[0].stop()  # one of four may be away
        assert await look() == []
        node.process.kill()
    async with asyncio.timeout(20):
        while not (notices := await look()):
            await asyncio.sleep(0.3)
    (notice,) = notices
    assert notice.kind is Kind.NODE_DOWN
    assert notice.about.licences == frozenset({5})
    assert int(notice.facts["since"]) <= time.time() - 4
    strangers = await asker.ask([NODE], [0], 0, {"0x" + "77" * 20})
    assert not strangers[NODE][0][1].known
    await oracles[1].stop()  # two of four aren't enough for a verdict
    assert await look() == []
    for one in oracles[2:]:
        await one.stop()


@in_a_loop
async def test_heartbeats__silent_since_the_middle_of_the_epoch__is_down_and_misses_its_target(
    stage: Stage, tmp_path: Path
) -> None:
    world = stage.world
    clock, node = world.network.clock(10), world.linked[0].node.address
    world.wait_until(clock.start(1) + 500)
    late = clock.start(1) + 500 - time.time()
    ways = []
    for number, signer in enumerate(world.committee):
        store = open_store(tmp_path / f"{number}.sqlite", clock, "net")
        way = store.way("test")
        for epoch, bits in ((0, (1 << 100) - 1), (1, (1 << 20) - 1)):
            store.mark_bits(store.track(Track.LIVENESS, raw_address(node)), epoch, bits, way)
        domain = world.network.heartbeat_domain
        collector = Collector(store, clock, signer, domain, FixedRoster({}), now=lambda: time.time() + late)
        await collector.start()
        ways.append((HttpWay(collector), collector, store))
    urls = [await server.start() for server, _, _ in ways]
    settings = load(settings_file(stage, tmp_path, "http://there", more=f"oracles = {json.dumps(urls)}"))
    watcher = Watcher(world.network, settings, ChainReader(world.network, None, 10**6), lambda: time.time() + late)
    await asyncio.to_thread(watcher.of_chain)
    down, risk = await watcher.of_heartbeats()
    assert (down.kind, down.at) == (Kind.NODE_DOWN, clock.start(1) + 200)
    assert f"licence {world.linked[0].id}" in down.title
    assert (risk.kind, risk.facts["allowedSeconds"], risk.facts["withheldSeconds"]) == (Kind.AT_RISK, 20, 1_000)
    assert risk.facts["lostSeconds"] in (280, 290)
    assert await watcher.troubles() == []
    members = {signer.address.lower() for signer in world.committee[1:]}
    asker = PresenceAsker([*urls, "http://127.0.0.1:9", urls[1]], world.network.heartbeat_domain)
    stranger, dead, twice = await asker.troubles(10, members)
    assert "isn't in the committee" in stranger
    assert "no oracle's intake answers" in dead
    assert "name each oracle once" in twice
    for server, collector, store in ways:
        await server.stop()
        await collector.stop()
        store.close()


def test_verify__example_of_the_standard__is_signed_as_there() -> None:
    """Secret, message and signature are those of the Standard Webhooks specification's own example."""
    given = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert verify(secret, given, b'{"test": 2432232314}', 1_614_265_330) == given["webhook-id"]


def test_documentation__snippet__lets_in_what_is_signed_and_nothing_else() -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    space: dict[str, Any] = {}
    exec(code[1], space)
    from notify.signing import headers

    given = headers(secret_of(SECRET), "id", int(time.time()), b"body")
    assert space["is_genuine"](SECRET, given, b"body")
    assert not space["is_genuine"](SECRET, given, b"other")
    assert not space["is_genuine"](SECRET, given | {"webhook-timestamp": "12"}, b"body")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kinds = ["all"]', 'kinds = ["alls"]', "kinds has 'alls': use any of all, node_down"),
        ("accounts = [1]", "", "names nobody"),
        ('to = ["ops"]', 'to = ["oops"]', "put .webhooks.oops. or .mail.oops."),
        ("poll_seconds = 1", "pol_seconds = 1", "pol_seconds: no setting has this name"),
        ("poll_seconds = 1", "poll_seconds = true", "poll_seconds: Input should be a valid integer"),
        ('url = "http', 'url = "ftp', "webhooks.ops.url: isn't a URL"),
    ],
)
def test_settings__something_wrong__is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = 'deployment = "a"\nrpc = ["http://rpc"]\npoll_seconds = 1\n[webhooks.ops]\nurl = "http://there"\n'
    text += 'secret_env = "HOOK_SECRET"\n[[subscriptions]]\nto = ["ops"]\nkinds = ["all"]\naccounts = [1]\n'
    path = tmp_path / "notify.toml"
    path.write_text(text)
    assert load(path).poll_seconds == 1
    with pytest.raises(SettingsError, match=r"webhooks.ops.secret_env HOOK_SECRET: the secret .not shown."):
        load(path).secrets({"HOOK_SECRET": "abc"})
    path.write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=says):
        load(path)


def test_settings__sample_file__is_valid() -> None:
    found = load(ROOT / "deploy" / "notify.sample.toml")
    assert found.webhooks
    assert found.mail


def test_dead__no_queue_yet__is_told(tmp_path: Path) -> None:
    sample = (ROOT / "deploy" / "notify.sample.toml").read_text(encoding="utf-8")
    (tmp_path / "notify.toml").write_text(sample)
    ended = CliRunner().invoke(notify, ["dead", "--settings", str(tmp_path / "notify.toml")])
    assert "there is no such queue" in str(ended.exception)
