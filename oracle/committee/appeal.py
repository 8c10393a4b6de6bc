"""Appeals judged by rule: what f + 1 oracles acknowledged counts, whatever the report said. Pure.

Among f + 1 oracles one at least is honest, and it signs for no heartbeat that it didn't take in that tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from oracle.committee.committee import Committee
from oracle.committee.errors import Disagreement
from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.errors import Malformed
from oracle.ground.ledger import Subject
from oracle.ground.median import fault_bound
from oracle.ground.typed_data import Domain
from oracle.signing.compact import InvalidSignature
from oracle.telemetry.wire import receipt as wire
from oracle.telemetry.wire.appeal import MOST_OF_ONE, Appeal, gather

__all__ = ["LONGEST_WINDOW", "MOST_APPEALS", "Appeal", "acknowledged", "appeal_expired", "gather", "judged"]

MOST_APPEALS: Final = 4096
"""Appeals in one report; the others wait for the next."""
LONGEST_WINDOW: Final = 366
"""Epochs that an inbox waits for a policy window to be over; see `appeal_expired`."""


def acknowledged(appeal: Appeal, committee: Committee, domain: Domain, ticks: int) -> int:
    """The mask of the ticks that f + 1 members of `committee` acknowledged, out of the `ticks` of the appeal's epoch.

    committee: the set in force at that epoch's anchor. domain: a heartbeat's. Disagreement, which names what is wrong,
    unless every receipt is a member's for the appeal's node and epoch, in canonical order, at most eight of each.
    """
    where = f"appeal of 0x{appeal.node.hex()} for epoch {appeal.epoch}"
    try:
        receipts = appeal.read()
    except Malformed as error:
        raise Disagreement(str(error)) from error
    most = MOST_OF_ONE * len(committee.members)
    if len(receipts) > most:
        raise Disagreement(f"{where}: {len(receipts)} receipts, at most {most}")
    by_member: dict[bytes, int] = {}
    count: dict[bytes, int] = {}
    last: tuple[bytes, int, bytes] | None = None
    for one, raw in zip(receipts, appeal.receipts, strict=True):
        try:
            signer = bytes.fromhex(wire.signed_by(one, domain)[2:])
        except InvalidSignature as error:
            raise Disagreement(f"{where}: nobody signed a receipt: {error}") from error
        if signer not in committee.members:
            raise Disagreement(
                f"{where}: 0x{signer.hex()} signed a receipt, but isn't of that epoch's committee {committee.version}"
            )
        if one.bits.bit_length() > ticks:
            raise Disagreement(f"{where}: 0x{signer.hex()} acknowledges tick {one.bits.bit_length() - 1} of {ticks}")
        place = (signer, one.first_tick, raw)
        if last is not None and place <= last:
            raise Disagreement(f"{where}: its receipts are out of order or come twice")
        last = place
        count[signer] = count.get(signer, 0) + 1
        if count[signer] > MOST_OF_ONE:
            raise Disagreement(f"{where}: more than {MOST_OF_ONE} receipts of 0x{signer.hex()}")
        by_member[signer] = by_member.get(signer, 0) | one.bits
    return _in_at_least(list(by_member.values()), fault_bound(len(committee.members)) + 1)


def judged(
    appeals: Iterable[Appeal],
    committees: Mapping[int, Committee],
    domain: Domain,
    clock: EpochClock,
    subjects: Sequence[Subject],
    nodes: Mapping[int, bytes],
) -> dict[int, dict[int, int]]:
    """By epoch and assignment, the seconds that appeals show to be acknowledged. Disagreement for an appeal that breaks
    a rule, or whose epoch has no set in `committees`.

    nodes: the node (20 bytes) of each assignment. Each appeal stands by itself: where several speak of one assignment
    and epoch the one that shows most counts, so it doesn't matter which report takes which of them.
    """
    serving: dict[bytes, list[Subject]] = {}
    for subject in subjects:
        if subject.policy.evidence == "liveness" and subject.assignment_id in nodes:
            serving.setdefault(nodes[subject.assignment_id], []).append(subject)
    shown: dict[int, dict[int, int]] = {}
    for appeal in appeals:
        committee = committees.get(appeal.epoch)
        if committee is None:
            raise Disagreement(f"appeal for epoch {appeal.epoch}: no committee of that epoch is known here")
        mask = acknowledged(appeal, committee, domain, clock.ticks_per_epoch)
        for subject in serving.get(appeal.node, ()):
            whole = span(clock.whole_ticks(appeal.epoch, subject.opened_at, subject.stop))
            seconds = (mask & whole).bit_count() * clock.tick
            of_epoch = shown.setdefault(appeal.epoch, {})
            if seconds > of_epoch.get(subject.assignment_id, 0):
                of_epoch[subject.assignment_id] = seconds
    return shown


def appeal_expired(epoch: int, report: int, appeal_epochs: int, windows: Iterable[int] = (LONGEST_WINDOW,)) -> bool:
    """Whether an appeal for `epoch` can have no effect in the report of epoch `report` any more, nor in later ones.

    windows: the `window_epochs` of the policies that the node serves under, where they are known. An inbox waits 366
    epochs at the longest, however long a policy's window is.
    """
    ends = [(epoch // window + 1) * window - 1 for window in windows]
    return report > min(max(ends, default=epoch), epoch + LONGEST_WINDOW) + appeal_epochs


def _in_at_least(masks: Sequence[int], needed: int) -> int:
    """The ticks that at least `needed` of the masks have."""
    # levels[k]: the ticks that more than k of the masks seen so far have.
    levels = [0] * needed
    for mask in masks:
        for k in range(needed - 1, 0, -1):
            levels[k] |= levels[k - 1] & mask
        levels[0] |= mask
    return levels[needed - 1]
