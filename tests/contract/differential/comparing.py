# SPDX-License-Identifier: Apache-2.0
"""What is stored on chain against what the model says, field by field."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from web3.contract.contract import ContractFunction

from chain.network import Network
from oracle.ground.ids import unpack
from settlement.model import NEVER, Escrow
from tests.contract.differential.histories import History
from tests.contract.differential.placing_model import Placing
from tests.contract.differential.stage import Stage
from tests.contract.world import GENESIS, Licence, World

LICENCE, NODE, CSP = (kind << 248 for kind in (1, 2, 3))
STATES = ("none", "open", "answered", "forfeited")
_NO_REQUEST = (bytes(32), 0, 0, 0, 0, 0)
FEW = 3  # licences that serve, so that one often serves in several slots and its bond is for all of them


class Compared:
    """A network and a model that are to stay equal. `before`: balances at the beginning."""

    stage: Stage
    world: World
    network: Network
    linked: list[Licence]
    model: Escrow
    placing: Placing
    history: History
    lawful: bool
    before: dict[str, int]

    def _compare(self) -> None:
        """Everything that is stored of assignments and jobs."""
        stored = self.stage.read(list(self.model.accounts), len(self.model.jobs))
        at = self.world.now - GENESIS
        for key, account in self.model.accounts.items():
            expected = {
                "opened_at": account.opened_at,
                "closed_at": account.closed_at % NEVER,
                "through": account.through,
                "accounted": account.accounted,
                "earned": account.earned,
                "claimed": account.claimed,
                "holds": int(account.holding > 0),
                "marked": int(account.marked),
                "held": account.held,
            }
            _same(f"at {at}: assignment {unpack(key)}", stored.accounts[key], expected)
        for number, job in enumerate(self.model.jobs, 1):
            sums = self.model.tally(number)
            expected = {
                "starts_at": job.starts_at,
                "stop": job.stop,
                "window": job.policy.window_epochs,
                "leaving": int(job.leaving),
                "closed": int(job.closed),
                "penal": int(job.policy.penalty_ppm > 0),
                "funded": job.funded,
                "deposited": job.deposited,
                "slots": len(job.slots),
                "earned": sums.earned,
                "unmeasured": sums.unmeasured,
                "released": sums.released,
                "held": sums.held,
                "claimed": sums.claimed,
                "rounding": job.rates.net(sums.claimed) - sums.paid,
                "refunded": job.refunded,
                "burned": job.burned,
                "to_protocol": job.to_protocol,
            }
            _same(f"at {at}: job {number}", stored.jobs[number - 1], expected)

    def _compare_bonds(self) -> None:
        """What is in each licence's bond, and what of it is reserved."""
        bonds = self.network.bonds.functions
        licences = [licence.id for licence in self.linked[:FEW]]
        calls = [bonds.bondOf(LICENCE | one, self.network.addresses.token) for one in licences]
        asked = [{"to": call.address, "data": call._encode_transaction_data()} for call in calls]
        for licence, raw in zip(
            licences, self.world.chain.batch([("eth_call", [one, "latest"]) for one in asked]), strict=True
        ):
            bond = self.model.bonds.of[licence]
            theirs = {"balance": int(raw[2:66], 16), "reserved": int(raw[66:130], 16)}
            ours = {"balance": bond.balance, "reserved": bond.kept}
            _same(f"at {self.world.now - GENESIS}: bond of licence {licence}", theirs, ours)

    def _compare_placing(self) -> None:
        """All slots' last requests and all declared maintenance; of seconds, what maintenance leaves unmeasured."""
        world, placing, requests = self.world, self.placing, self.network.reallocations.functions
        for place in sorted({unpack(key)[:2] for key in self.model.accounts}):
            last = placing.last.get(place)
            stored, state = requests.requestOf(*place).call()
            expected = _NO_REQUEST if last is None else astuple(last)
            assert tuple(stored) == expected, f"request of {place}: contracts {stored}, model {last}"
            assert STATES[state] == placing.state(world.now, place), f"request of {place}: {STATES[state]}"
        windows = self.network.maintenance.functions
        for licence in self.linked:
            page, more = windows.windowsWithin(licence.id, 0, 2**40 - 1, 1_000).call()
            ours = placing.windows[licence.id]
            assert ([tuple(one) for one in page], more) == (ours, False), f"maintenance of licence {licence.id}"
        for key, one in self.model.accounts.items():
            away, unmeasured = placing.away(key), one.through - one.opened_at - one.accounted
            if self.history.clear:
                assert unmeasured == away, f"{unpack(key)}: {unmeasured} s unmeasured, {away} s declared away"
            elif self.lawful:
                assert unmeasured >= away, f"{unpack(key)}: {unmeasured} s unmeasured, {away} s declared away"

    def _balances(self, burnable: ContractFunction) -> dict[str, int]:
        world, addresses = self.world, self.network.addresses
        who = {
            "escrow": addresses.escrow,
            "bonds": addresses.bonds,
            "burner": addresses.burner,
            "csp": world.csp.address,
        }
        who |= {one.holder.address: one.holder.address for one in self.linked}
        return {name: world.balance(address) for name, address in who.items()} | {"burnable": burnable.call()}

    def _final(self) -> dict[str, Any]:
        """The end's amounts; compared with tokens, bonds and the Lens, and with what was paid in."""
        world, model, token = self.world, self.model, self.network.addresses.token
        bonds = self.network.bonds.functions
        after = self._balances(bonds.burnable(token))
        moved = {name: after[name] - self.before[name] for name in after}
        sums = {number: model.tally(number) for number in range(1, len(model.jobs) + 1)}
        kept = sum(bond.balance for bond in model.bonds.of.values())
        burned = sum(job.burned + job.to_protocol for job in model.jobs) + model.bonds.burned
        expected = {
            "escrow": 0,  # every unit found its destination
            "bonds": kept + model.bonds.burnable,
            "burner": burned,
            "csp": sum(job.refunded - job.deposit for job in model.jobs),
            "burnable": model.bonds.burnable,
            **{one.holder.address: model.paid_to(one.holder.address) for one in self.linked},
        }
        _same("tokens moved", moved, expected)
        for number, job in enumerate(model.jobs, 1):
            view = world.job(number)
            out = (view["paid"], view["refunded"], view["burned"], view["toProtocol"])
            assert out == (sums[number].paid, job.refunded, job.burned, job.to_protocol)
            assert sum(out) == view["deposit"] == job.deposit
            assert (view["refundable"], view["burnable"], view["protocolDue"]) == (0, 0, 0)
        for licence in self.linked:
            bond = model.bonds.of[licence.id]
            view = bonds.bondOf(LICENCE | licence.id, token).call()
            assert view[:2] == (bond.balance, bond.kept), f"bond of licence {licence.id}"
        for key, account in model.accounts.items():
            bond = model.bonds.of[account.licence]
            theirs = tuple(bonds.penaltyOf(account.licence, token, key).call())
            assert theirs == (bond.told[key], bond.reserved[key]), f"penalty of {unpack(key)}"
        accounts = {key: (one.through, one.accounted, one.earned, one.claimed) for key, one in model.accounts.items()}
        return {"moved": moved, "accounts": accounts, "bonds": {n: b.balance for n, b in model.bonds.of.items()}}


def _same(what: str, contracts: dict[str, Any], model: dict[str, Any]) -> None:
    """AssertionError with the fields that differ."""
    differ = [name for name in model.keys() | contracts.keys() if model.get(name) != contracts.get(name)]
    told = ", ".join(f"{name}: contracts {contracts.get(name)}, model {model.get(name)}" for name in sorted(differ))
    assert not differ, f"{what}: {told}"
