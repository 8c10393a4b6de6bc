"""Where a job's money is, asked of the chain: balances of the token and books of the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.network import Network
from oracle.ground.errors import EpochalError


class NotConserved(EpochalError):
    """Money is missing or too much: the contracts' balances and the computed amounts differ."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Where all deposits are, in the token's smallest unit. `paid` has what payees may claim in it."""

    deposits: int
    paid: int
    held: int
    refunded: int
    burned: int
    remaining: int

    def check(self) -> None:
        """Raise NotConserved unless every unit is accounted for."""
        whereabouts = self.paid + self.held + self.refunded + self.burned + self.remaining
        if whereabouts != self.deposits:
            raise NotConserved(f"{self.deposits} was deposited, but {whereabouts} is accounted for: {self}")


def check_each(network: Network, payees: Mapping[str, str], payouts: Sequence[Sequence[Any]]) -> None:
    """NotConserved unless each node's payee, `payees` by node, has in the token what its row of payouts.csv says."""
    balances = network.chain.batch([_balance(network, payees[row[0]]) for row in payouts if row[0]])
    for row, held in zip((row for row in payouts if row[0]), balances, strict=True):
        if int(held, 16) != row[1]:
            raise NotConserved(f"{row[0]}: its seconds come to {row[1]}, but its payee holds {int(held, 16)}")


def totals(
    network: Network, job: int, assignments: Sequence[int], payees: Sequence[str], csp: str, deposit: int
) -> Totals:
    """The whereabouts of the only deposit ever made in the network's token.

    payees: everybody an assignment pays. Each balance is read on its own, so that nothing adds up by construction.
    """
    token, lens = network.token.functions, network.lens.functions
    at = network.addresses

    balances = network.chain.batch([_balance(network, one) for one in payees])
    books = network.job(job)
    unclaimed = sum(lens.claimable(list(assignments)).call())
    held = books["price"] * books["tally"]["held"] // network.timing.epoch_length
    waiting = books["burnable"] + books["protocolDue"]
    known = unclaimed + held + books["refundable"] + waiting
    return Totals(
        deposits=deposit,
        paid=sum(int(one, 16) for one in balances) + unclaimed,
        held=held,
        refunded=token.balanceOf(csp).call() + books["refundable"],
        # What was minted and is no more, what waits at the burner, and what waits in the job.
        burned=deposit - token.totalSupply().call() + token.balanceOf(at.burner).call() + waiting,
        remaining=token.balanceOf(at.escrow).call() - known,
    )


def _balance(network: Network, address: str) -> tuple[str, list[object]]:
    data = network.token.functions.balanceOf(address)._encode_transaction_data()
    return ("eth_call", [{"to": network.addresses.token, "data": data}, "latest"])
