"""Reading from the chain which requests for another node there are and where each stands now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple

from chain.client import Block
from chain.network import Network
from chain.recent_events import RecentEvents, Told
from settlement.reallocations.requests import OnChain, Request, Standing

_STATES = tuple(OnChain)


class Requests:
    """The requests of a network, up to the newest block. `path`: where finalized events are kept, None: nowhere."""

    def __init__(self, network: Network, path: Path | None = None) -> None:
        self.network = network
        contracts = {"reallocations": network.reallocations, "placements": network.placements}
        self._events = RecentEvents(path, network, contracts)

    def close(self) -> None:
        """Close the file."""
        self._events.close()

    def look(self) -> tuple[Block, list[Standing]]:
        """The newest block, and every request of the chain that ends there, oldest first. RpcError, ChainUnsettled."""
        newest = self._events.look()
        requests = [_request(one) for one in self._events.events(["ReallocationRequested"])]
        answers = {
            one.args["request"]: int(one.args["assignment"]) for one in self._events.events(["ReallocationAnswered"])
        }
        return newest, self._standings(requests, answers, newest)

    def _standings(self, requests: Sequence[Request], answers: dict[bytes, int], block: Block) -> list[Standing]:
        """An answered request needs no further question; the contracts are asked about the others, in that block."""
        asked = [one for one in requests if one.id not in answers]
        slots = sorted({(one.job, one.slot) for one in asked})
        last = dict(zip(slots, self._last(slots, block), strict=True))
        placed = self._orchestrators(sorted({one.job for one in asked}), block)
        told = []
        for one in requests:
            if one.id in answers:
                told.append(Standing(one, OnChain.ANSWERED, one.deadline, "", answers[one.id]))
                continue
            held, state = last[one.job, one.slot]
            # A slot is asked for again only after somebody served it: then an earlier request was answered.
            here = held[0] == one.id
            told.append(
                Standing(
                    *(one, state if here else OnChain.ANSWERED, held[3] if here else one.deadline), placed[one.job]
                )
            )
        return told

    def _last(self, slots: Sequence[tuple[int, int]], block: Block) -> list[tuple[Any, OnChain]]:
        contract = self.network.reallocations
        functions = [contract.functions.requestOf(job, slot) for job, slot in slots]
        return [(held, _STATES[state]) for held, state in self._calls(functions, block)]

    def _orchestrators(self, jobs: Sequence[int], block: Block) -> dict[int, str]:
        functions = [self.network.escrow.functions.placementOf(job) for job in jobs]
        return {job: str(one[0]).lower() for job, one in zip(jobs, self._calls(functions, block), strict=True)}

    def _calls(self, functions: Sequence[Any], block: Block) -> list[Any]:
        if not functions:
            return []
        kinds = [collapse_if_tuple(one) for one in functions[0].abi["outputs"]]
        at = {"blockHash": block.hash}
        asked = [("eth_call", [{"to": one.address, "data": one._encode_transaction_data()}, at]) for one in functions]
        return [decode(kinds, bytes.fromhex(raw[2:])) for raw in self.network.chain.batch(asked)]


def _request(told: Told) -> Request:
    args = told.args
    return Request(
        id=bytes(args["id"]),
        assignment=args["assignment"],
        job=args["job"],
        slot=args["slot"],
        reason=args["reason"],
        as_of=args["asOf"],
        deadline=args["deadline"],
        block=told.block,
        final=told.final,
    )
