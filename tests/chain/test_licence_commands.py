# SPDX-License-Identifier: Apache-2.0
"""What node operators do by command, as a new user does it: each error says what to do next, and doing that works."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from node.running.offers import read_offers
from operations.licences import rewarding, views
from operations.report_leaves import leaves_in
from oracle.ground.ids import KIND_LICENCE, show_assignment
from oracle.ground.leaves import Leaf
from orchestrator.wire.polling import SignedOffer
from tests.chain.csp_world import EPOCH, Terminal
from tests.chain.licence_world import CAP, COOLDOWN, POLICY, PRICE, USD, LicenceWorld

YES = ("--yes", "--json")
HOLDER = ("--key-env", "KEY_HOLDER")
NODE = ("--key-env", "KEY_NODE")
NET = 950_000  # the payee's part, in millionths
LICENCE_SUBJECT = 1 << 248


def voucher(run: Terminal, buyer: str, limit: str = "100", until: str = "+1d") -> None:
    about = ("--limit", limit, "--until", until, "--tax", "19", "--out", "voucher.json")
    run.done("licence", "voucher", buyer, *about, "--key-env", "KEY_ISSUER", "--json")


def pay_of(seconds: int) -> int:
    return PRICE * seconds // EPOCH * NET // 1_000_000


# From nothing to a linked licence


def test_buy__by_a_newcomer__is_told_each_next_step(world: LicenceWorld, run: Terminal) -> None:
    buy = ("licence", "buy", "--voucher", "voucher.json", *HOLDER, "--yes")
    holder = world.holder.address
    run.refused("give the file that the voucher's issuer made", *buy, status=2)
    run.refused("use a registered key", "licence", "voucher", holder, "--limit", "9", "--until", "+1d", "--out", "v",
                *HOLDER, status=2)  # fmt: skip
    voucher(run, world.csp.address)
    assert world.csp.address in run.refused("use that key (LicenceSale_NotBuyer)", *buy, status=1)
    voucher(run, holder)
    run.refused("send it 11.9 LUSD", *buy, status=2)
    world.mint(holder, 100 * USD)
    world.person("holder", purse=0)
    run.refused("send it some of chain 31337's coin", *buy, status=2)
    world.person("holder")
    run.refused("give --yes; nothing was sent", *buy[:-1], status=2)
    tried = run.done(*buy, "--dry-run").out
    assert "19 %" in tried
    assert "nothing was sent" in tried
    assert run.done(*buy, "--json").json["licences"] == [1]
    assert world.tokens_of(holder) == 100 * USD - 11_900_000  # the first tier's price, and its tax
    assert world.network.token.functions.allowance(holder, world.network.sale.address).call() == 0
    run.refused("ask its issuer for another (LicenceSale_InvoiceUsed)", *buy, status=1)
    voucher(run, holder, limit="30")
    run.refused("ask its issuer for another voucher", *buy, "--count", "2", status=2)
    assert "49" not in run.done("licence", "sale").out
    assert f"licence 1: standard, holder {holder}, linked to no node" in run.done("licence", "list").out
    assert run.done("licence", "list", "--holder", holder, "--json").json[0]["licence"] == 1


@pytest.mark.parametrize("change", ["expired", "tampered", "paused", "another network", "not an issuer"])
def test_buy__voucher_that_does_not_count__names_the_cure(world: LicenceWorld, run: Terminal, change: str) -> None:
    voucher(run, world.holder.address)
    path = world.folder / "voucher.json"
    told = json.loads(path.read_text())
    sale = world.network.sale.functions
    cures = {
        "expired": "ask its issuer for another (LicenceSale_VoucherExpired)",
        "tampered": "ask the voucher's issuer for it again",
        "paused": "try again after that (LicenceSale_IsPaused)",
        "another network": "use that network",
        "not an issuer": "ask a registered issuer (LicenceSale_NotIssuer)",
    }
    match change:
        case "expired":
            world.until(told["expiry"] + 1)
        case "tampered":
            path.write_text(json.dumps(told | {"limit": "999999999"}))
        case "paused":
            world.do(world.admin, sale.pause(3_600))
        case "another network":
            path.write_text(json.dumps(told | {"chain_id": 5}))
        case "not an issuer":
            world.do(world.admin, sale.setIssuer(world.issuer.address, False))
    run.refused(cures[change], "licence", "buy", "--voucher", "voucher.json", *HOLDER, "--yes")


def test_wrong_network__or_licence__is_told(world: LicenceWorld, run: Terminal) -> None:
    run.refused("check the address", "licence", "list", "--rpc", "http://127.0.0.1:9", status=2)
    run.refused("give the file that the deployment wrote", "licence", "list", "--network", "none.json", status=2)
    run.refused("`epochal licence list` shows them", "licence", "show", "7", status=2)
    run.refused("give 7, or 3/0/1", "licence", "why", "seven", status=2)


def test_link__by_consent_file__refuses_each_wrong_one(world: LicenceWorld, run: Terminal) -> None:
    first, second = world.mint_licence(world.holder), world.mint_licence(world.holder)
    holder, link = world.holder.address, ("licence", "link", str(first), *HOLDER, "--yes")
    consent = ("licence", "consent", "--holder", holder, *NODE)
    run.refused("on the node's machine", *link, "--consent", "consent.json", status=2)
    run.refused("name the holder with --holder", "licence", "consent", str(first), "--holder", world.csp.address,
                "--out", "x", *NODE, status=2)  # fmt: skip
    run.done(*consent, str(second), "--out", "second.json")
    run.refused("link that one", *link, "--consent", "second.json", status=2)
    run.done(*consent, str(first), "--out", "consent.json")
    told = json.loads((world.folder / "consent.json").read_text())
    (world.folder / "other.json").write_text(json.dumps(told | {"node": world.csp.address}))
    run.refused("it is another node's", *link, "--consent", "other.json", status=2)
    run.refused("use that key, or another licence", *link[:3], "--key-env", "KEY_CSP", "--yes", "--consent",
                "consent.json", status=2)  # fmt: skip
    said = run.done(*link, "--consent", "consent.json").out
    assert f"licence {first} is linked to {world.node.address}" in said
    run.refused("was used already", *link, "--consent", "consent.json", status=2)
    # A node serves one licence, a licence one node.
    run.refused("or use another node (NodeLicense_NodeTaken)", "licence", "link", str(second), *HOLDER, "--yes",
                "--node-key-env", "KEY_NODE", status=1)  # fmt: skip
    world.person("another")
    run.refused("unlink it first (NodeLicense_AlreadyLinked)", *link, "--node-key-env", "KEY_ANOTHER", status=1)
    run.refused("use the key of", "licence", "unlink", str(first), "--key-env", "KEY_CSP", "--yes", status=2)
    run.done("licence", "unlink", str(first), *NODE, "--yes")
    run.refused("wait until then (NodeLicense_CoolingDown)", *link, "--node-key-env", "KEY_NODE", status=1)
    world.until(world.now + COOLDOWN)
    run.done(*link, "--node-key-env", "KEY_NODE")
    assert world.network.licences.functions.nodeOf(first).call() == world.node.address


def test_send_and_receive__the_new_holder__sees_what_came_with_it(world: LicenceWorld, run: Terminal) -> None:
    number = str(world.linked(world.holder, "node"))
    to = world.csp.address
    run.refused("a linked licence doesn't move", "licence", "send", number, to, *HOLDER, "--yes", status=2)
    said = run("licence", "receive", number, "--holder", to)
    assert said.status == 1
    assert "its holder unlinks it first" in said.out
    world.mint(world.holder.address, 5 * USD)
    run.done("licence", "bond", "deposit", number, "5", *HOLDER, "--yes")
    run.done("licence", "unlink", number, *HOLDER, "--yes")
    run.refused("doesn't hold licence", "licence", "send", number, to, "--key-env", "KEY_CSP", "--yes", status=2)
    run.done("licence", "send", number, to, *HOLDER, "--yes")
    said = run.done("licence", "receive", number, "--holder", to)
    assert "nothing needs to be accepted" in said.out
    assert "its bond came with it: 5 LUSD" in said.out
    assert "next: from" in said.out  # the cooldown comes with it too


# Serving and being paid


def test_claim__earned_and_withheld__pays_exactly_and_tells_why(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    claim = ("licence", "claim", *HOLDER, "--yes")
    run.refused("no assignment was opened while it held them", *claim, status=2)
    served = world.assign(world.job(), 0, number, "node")
    run.refused("isn't settled yet: `epochal keeper run` does it", *claim, status=2)
    run.refused("end them with `epochal licence leave", "licence", "unlink", str(number), *HOLDER, "--yes", status=2)
    epoch = world.reported({served: (100, 160)})
    why = run.done("licence", "why", str(number)).out
    assert "earned        100 s: 0.95 LUSD after the protocol's share" in why
    assert "withheld      60 s: 0.6 LUSD, 60 s still held" in why
    assert "pays all from 98 %" in why
    assert "nothing up to 90 %" in why
    assert f"epoch {epoch}: 60 s were withheld by its report; an appeal can bring them back" in why
    assert "`epochal node appeal` hands in the receipts" in why
    told = run.done("licence", "why", show_assignment(served), "--json").json[0]
    assert told["open"] == told["earned"] + told["withheld"] + told["unmeasured"] + told["unsettled"]
    assert (told["earned"], told["withheld"], told["held"], told["target_ppm"]) == (100, 60, 60, 980_000)
    assert int(told["claimable"]) == pay_of(100)
    assert "licence" in run.done(*claim, "--dry-run").out
    paid = run.done(*claim, "--json").json
    assert paid["paid"] == {world.network.token.address: str(pay_of(100))}
    assert world.tokens_of(world.holder.address) == pay_of(100)
    run.refused("tells where each second went", *claim, str(number), status=2)
    run.refused("no assignment was opened while it held them", "licence", "claim", str(number), "--key-env",
                "KEY_CSP", "--yes", status=2)  # fmt: skip


def test_why__reallocated_node__knows_reason_and_time(world: LicenceWorld, run: Terminal) -> None:
    number, job = world.linked(world.holder, "node"), world.job()
    served = world.assign(job, 0, number, "node")
    world.until(world.now + 120)
    as_of = world.opened_at(served) + 30
    if world.epoch_of(as_of) < world.epoch_of(world.now):
        as_of = world.end_of(world.epoch_of(as_of)) + 1
    world.reallocate(served, job, as_of)
    told = run.done("licence", "why", str(number), "--json").json[0]
    assert told["reallocated"] == {"reason": "an outage", "as_of": as_of}
    assert told["closed_at"] == as_of


def test_claim__frozen_or_refused_by_the_token__waits_and_says_until_when(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    served = world.assign(world.job(), 0, number, "node")
    world.reported({served: (100, 100)})
    claim = ("licence", "claim", str(number), *HOLDER, "--yes")
    subject = LICENCE_SUBJECT | number
    until = world.freeze(subject, 500)
    world.do(world.admin, world.network.escrow.functions.mark([served]))
    run.refused("run the command again then", *claim, status=1)
    run.refused("run the command again then", *claim, "--to", world.csp.address, status=1)
    said = run.done("licence", "status", str(number)).out
    assert "frozen until" in said
    assert "reason 7" in said
    world.do(world.csp, world.network.trust.functions.appeal(subject, 1, b"\4" * 32))
    assert "under appeal" in run.done("licence", "status", str(number)).out
    assert "it waits until" in run.done("licence", "why", str(number)).out
    world.until(until + 1)
    assert "nothing stands against" in run.done("licence", "status", str(number)).out
    world.pause_token()
    run.refused("name another recipient", *claim, status=1)
    assert world.tokens_of(world.holder.address) == 0


def test_claim__elsewhere_and_in_pages__pays_the_same(world: LicenceWorld, run: Terminal) -> None:
    number, job = world.linked(world.holder, "node"), world.job(slots=12)
    served = [world.assign(job, slot, number, "node") for slot in range(12)]
    world.reported(dict.fromkeys(served, (50, 50)))
    target = "0x" + "77" * 20
    told = run.done("licence", "claim", *HOLDER, *YES, "--to", target, "--max-gas", "500000").json
    assert len(told["sent"]) == 2
    assert all(one["gas_used"] < 500_000 for one in told["sent"])
    assert world.tokens_of(target) == 12 * pay_of(50)
    assert world.tokens_of(world.holder.address) == 0
    run.done("licence", "leave", str(number), *NODE, "--yes")
    assert run.done("licence", "show", str(number), "--json").json["open_assignments"] == 0


def test_claim__of_an_earlier_holder__is_said_to_be_theirs(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    served = world.assign(world.job(), 0, number, "node")
    world.reported({served: (100, 100)})
    run.done("licence", "leave", str(number), *HOLDER, "--yes")
    run.done("licence", "unlink", str(number), *HOLDER, "--yes")
    run.done("licence", "send", str(number), world.issuer.address, *HOLDER, "--yes")
    claim = ("licence", "claim", str(number), "--key-env", "KEY_ISSUER", "--yes")
    said = run.refused("or pay them with --everybody", *claim, status=2)
    assert world.holder.address in said
    run.done(*claim, "--everybody")
    assert world.tokens_of(world.holder.address) == pay_of(100)


def test_rewards__leaf_of_a_final_report__is_settled_and_claimed(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    run.refused("give --oracle", "licence", "rewards", "claim", *HOLDER, "--yes", status=2)
    world.until(world.now + 100)
    epoch = world.epoch_of(world.now)
    tree = world.publish(epoch, [Leaf(KIND_LICENCE, number, 60, 80)])
    leaves = leaves_in({epoch: tree}, KIND_LICENCE, [number])
    plan = rewarding.claiming(world.network, world.holder.address, [number], leaves, None, 8_000_000)
    assert [one.label.split()[0] for one in plan.calls] == ["settle", "claim"]
    (leaf,) = leaves.values()
    settle = world.network.rewards.functions.settle(epoch, number, leaf.earned, leaf.accounted, list(leaf.proof))
    world.do(world.admin, settle)
    (reward,) = rewarding.rewards_of(world.network, [views.of(world.network, number)])
    assert (reward.earned, reward.accounted) == (60, 80)
    assert "60 of 80 s earned" in run.done("licence", "rewards", "show", str(number)).out
    told = run.done("licence", "rewards", "claim", *HOLDER, *YES).json
    assert int(told["minted"]) == CAP * 60 // EPOCH


# Bonds, maintenance, offers


def test_bond__from_deposit_to_withdrawal__each_obstacle_is_told(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    licence, holder = str(number), world.holder.address
    deposit = ("licence", "bond", "deposit", licence, "2", *HOLDER, "--yes")
    run.refused("send it 2 LUSD", *deposit, status=2)
    world.mint(holder, 2 * USD)
    run.done(*deposit)
    request = ("licence", "bond", "request", licence, "2", *HOLDER, "--yes")
    withdraw = ("licence", "bond", "withdraw", licence, *HOLDER, "--yes")
    run.refused("was asked for: `epochal licence bond request", *withdraw, status=2)
    run.refused(f"`epochal licence unlink {licence}` first", *request, status=2)
    served = world.assign(world.job(), 0, number, "node")
    world.reported({served: (0, 100)})  # 1 LUSD is withheld, half of it reserved of the bond
    assert "0.5 LUSD of it reserved" in run.done("licence", "bond", "show", licence).out
    run.done("licence", "leave", licence, *HOLDER, "--yes")
    run.done("licence", "unlink", licence, *HOLDER, "--yes")
    run.refused("ask for that or less", "licence", "bond", "request", licence, "3", *HOLDER, "--yes", status=2)
    run.refused("use that key", *request[:5], "--key-env", "KEY_CSP", "--yes", status=2)
    run.done(*request)
    run.refused("run the command again then", *withdraw, status=2)
    world.until(world.now + world.network.bonds.functions.withdrawalDelay().call() + 1)
    said = run.done(*withdraw).out
    assert "1.5 LUSD" in said
    assert world.tokens_of(holder) == 1_500_000
    run.refused("are reserved for withheld time", *withdraw, status=2)


def test_maintenance__declared_overlapping_and_cancelled(world: LicenceWorld, run: Terminal) -> None:
    licence = str(world.linked(world.holder, "node"))
    declare = ("licence", "maintenance", "declare", licence, *NODE, "--yes")
    cancel = ("licence", "maintenance", "cancel", licence, *HOLDER, "--yes")
    run.refused("there is nothing to cancel", *cancel, status=2)
    run.refused("use the key of", *declare[:4], "--key-env", "KEY_CSP", "--yes", "--lasts", "5m", status=2)
    run.refused("give a later start (Maintenance_InThePast)", *declare, "--from", "1000", "--lasts", "5m", status=1)
    run.refused("give a shorter span", *declare, "--lasts", "4w", status=2)
    run.done(*declare, "--from", "+1h", "--lasts", "5m")
    run.refused("Maintenance_Overlaps", *declare, "--from", "+62m", "--lasts", "5m", status=1)
    run.done(*declare, "--lasts", "20m")
    found = run.done("licence", "maintenance", "list", licence, "--json").json
    assert [one["to"] - one["from"] for one in found] == [1_200, 300]
    run.refused("name the maintenance by its start with --from", *cancel, status=2)
    run.done(*cancel, "--from", str(found[1]["from"]))
    world.until(found[0]["from"] + 60)
    run.done(*cancel)  # it has begun: it is shortened
    (left,) = run.done("licence", "maintenance", "list", licence, "--all", "--json").json
    assert left["to"] < found[0]["to"]


def test_offer__made_by_the_node__is_taken_on_chain_until_revoked(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    (world.folder / "policy.json").write_text(json.dumps(asdict(POLICY)))
    about = ("--orchestrator", world.orchestrator.address, "--min-price", "5", "--policy", "policy.json")
    make = ("licence", "offer", "make", str(number), *about, "--capacity", "2", "--until", "+1d")
    run.refused("use the node's key", *make, "--signed", "signed.json", *HOLDER, status=2)
    run.done(*make, "--signed", "signed.json", "--out", "offers.json", *NODE)
    run.done(*make, "--out", "offers.json")  # the same one again: it takes the former's place
    signed, job = SignedOffer.read(json.loads((world.folder / "signed.json").read_text()), "file"), world.job(slots=2)
    agents = read_offers(world.folder / "offers.json", number)
    assert [replace(one, expiry=0) for one in agents] == [replace(signed.offer, expiry=0)]
    assert "the offer counts" in run.done("licence", "offer", "show", str(number), "offers.json").out
    o, token = signed.offer, world.network.addresses.token
    fields = (o.licence, world.orchestrator.address, token, o.minPrice, o.policy, o.capacity, o.nonce, o.expiry)
    halves = (signed.signature[:32], signed.signature[32:])
    terms = (token, PRICE, POLICY.hash(), bytes(32))
    by_offer = world.network.placements.functions.assignByOffer
    world.do(world.orchestrator, by_offer(job, 0, fields, terms, *halves))
    assert world.network.licences.functions.openAssignments(number).call() == 1
    run.refused("use the key of", "licence", "offer", "revoke", str(number), "--key-env", "KEY_CSP", "--yes", status=2)
    run.done("licence", "offer", "revoke", str(number), *HOLDER, "--yes")
    assert "was revoked" in run.done("licence", "offer", "show", str(number), "signed.json").out
    with pytest.raises(Exception, match="OfferRevoked"):
        world.do(world.orchestrator, by_offer(job, 1, fields, terms, *halves))
