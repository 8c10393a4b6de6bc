"""Commands that change a job: extend, enlarge, shrink, stop (cancel), close, refund, reopen, exit."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import click

from chain.network import Network
from cli.signing_options import open_sending, signing_options, tell
from operations.csp import job_view, jobs
from operations.csp.job_view import Job
from operations.plans import Outcome, Plan
from operations.sending import Sending
from oracle.ground import times

_JOB = click.argument("job", type=click.IntRange(min=1))
_BEAT: Final = 2.0
"""Seconds between looks whether a job can be closed."""


@click.command(short_help="Have a job last longer.")
@_JOB
@click.option("--until", metavar="TIME", help="Its new end, like 2027-01-01T00:00Z.")
@click.option("--by", metavar="SPAN", help="So much longer than now: 12h, 30d, 10epochs.")
@signing_options
def extend(job: int, until: str | None, by: str | None, **given: Any) -> None:
    """Pay for more time; all slots go on."""
    if (until is None) == (by is None):
        raise click.UsageError("give either --until TIME or --by SPAN")
    network, sending = open_sending(given)

    def build() -> Plan:
        found = job_view.of(network, job)
        length = network.timing.epoch_length
        if by is not None:
            ends = found.view["stop"] + times.parse_span("--by", by, length)
        else:
            ends = times.parse_time("--until", until or "", jobs.chain_time(network), length)
        return jobs.growing(network, sending.signer, found, found.view["slots"], ends)

    _run(network, sending, given, "extend", job, build, until=until, by=by)


@click.command(short_help="Give a job more slots.")
@_JOB
@click.argument("slots", type=click.IntRange(min=1))
@signing_options
def enlarge(job: int, slots: int, **given: Any) -> None:
    """Give a job SLOTS slots in all, more than now; the new ones start with the next epoch."""
    network, sending = open_sending(given)

    def build() -> Plan:
        found = job_view.of(network, job)
        return jobs.growing(network, sending.signer, found, slots, found.view["stop"])

    _run(network, sending, given, "enlarge", job, build, slots=slots)


@click.command(short_help="Take a job's last slots away.")
@_JOB
@click.argument("slots", type=click.IntRange(min=1))
@signing_options
def shrink(job: int, slots: int, **given: Any) -> None:
    """Leave a job SLOTS slots, fewer than now; the others stop at once, and their later time's money is yours."""
    network, sending = open_sending(given)

    def build() -> Plan:
        return jobs.shrinking(network, job_view.of(network, job), slots)

    _run(network, sending, given, "shrink", job, build, slots=slots)


def _stop(job: int, **given: Any) -> None:
    """End a job now, for good. Before its start this cancels it. `epochal job exit` also brings the money back."""
    network, sending = open_sending(given)
    _run(network, sending, given, "stop", job, lambda: jobs.stopping(network, job_view.of(network, job)))


stop = click.command("stop", short_help="End a job now, for good.")(_JOB(signing_options(_stop)))
cancel = click.command("cancel", short_help="The same as stop, before the start.")(_JOB(signing_options(_stop)))


@click.command(short_help="Close a job that ended, once nodes had time to prove what they did.")
@_JOB
@signing_options
def close(job: int, **given: Any) -> None:
    """Close a job, which makes the unproved rest the CSP's, and pay that out. Anyone may."""
    network, sending = open_sending(given)
    _run(network, sending, given, "close", job, lambda: jobs.closing(network, job_view.of(network, job)))


@click.command(short_help="Pay the owner what is refundable now.")
@_JOB
@signing_options
def refund(job: int, **given: Any) -> None:
    """Pay the account's owner what a job owes it now. Anyone may."""
    network, sending = open_sending(given)
    _run(network, sending, given, "refund", job, lambda: jobs.refunding(network, job_view.of(network, job)))


@click.command(short_help="Have a slot filled that nobody was named for in time.")
@_JOB
@click.argument("slot", type=click.IntRange(min=0))
@signing_options
def reopen(job: int, slot: int, **given: Any) -> None:
    """Give a job's forfeited slot back to its orchestrator, which may then name a node at any time.

    A slot is forfeited when the oracles asked for another node and nobody was named by the deadline. It stays empty,
    and its money is the CSP's, until the owner or a delegate who may place reopens it.
    """
    network, sending = open_sending(given)
    build = partial(jobs.reopening, network, job, slot)
    _run(network, sending, given, "reopen", job, build, slot=slot)


@click.command("exit", short_help="Stop, close and get everything back.")
@_JOB
@click.option("--wait", is_flag=True, help="Go on until the job is closed and all is paid.")
@signing_options
def exit_job(job: int, wait: bool, **given: Any) -> None:
    """Leave a job: stop it, take what comes back at once, and close it when that can be, with the rest.

    Nodes may prove what they did until one settle window after the first final report that reaches the stop. Without
    --wait the command does what can be done now and tells when to run it again; it always goes on where the job stands.
    """
    network, sending = open_sending(given)
    dry_run, ran, said = sending.dry_run, False, False
    while True:
        found = job_view.of(network, job)
        state = found.state
        if state in ("stopped", "ended") and not jobs.closable(network, sending.address, found):
            text, final = _why_not_yet(network, found, wait and not dry_run)
            if final:
                if ran and not wait:
                    click.echo(text, err=given["as_json"])
                else:
                    _tell_nothing(found, text, given["as_json"])
                return
            if not said:
                click.echo(text, err=given["as_json"])
                said = True
            time.sleep(_BEAT)
            continue
        leads_on = state in ("waiting", "running") and not dry_run
        quiet = leads_on and wait and given["as_json"]  # one document: the last one's
        _run(network, sending, given, "exit", job, lambda one=found: jobs.leaving(network, one), quiet, state=state)  # type: ignore[misc]
        if not leads_on:
            return
        ran = True


def _why_not_yet(network: Network, job: Job, waits: bool) -> tuple[str, bool]:
    """What to tell of a job that can't be closed yet, and whether that is the last word."""
    ended = f"job {job.id} {job.state} at {times.show_time(job.view['stop'])}"
    if not job.in_escrow:
        return f"{ended}, and all of its money is out", True
    when = times.show_time(jobs.closable_from(network, job))
    text = (
        f"{ended}; it can be closed one settle window after the first final report that reaches that time, not "
        f"before {when}"
    )
    if waits:
        return f"{text}; waiting", False
    return f"{text}; run `epochal job exit {job.id}` again then, or with --wait", True


def _tell_nothing(job: Job, text: str, as_json: bool) -> None:
    tell(Outcome(Plan(text, ())), as_json, [text], job=job.id, state=job.state)


def _run(
    network: Network,
    sending: Sending,
    given: dict[str, Any],
    what: str,
    job: int,
    build: Callable[[], Plan],
    quiet: bool = False,
    **asked: Any,
) -> None:
    def told(outcome: Outcome) -> None:
        if quiet:
            return
        after = job_view.of(network, job)
        show = after.token.show
        lines = [
            f"job {job} is {after.state}: refunded {show(after.view['refunded'])}, refundable "
            f"{show(after.view['refundable'])}, in the escrow {show(after.in_escrow)}"
        ]
        tell(outcome, given["as_json"], lines, **after.as_json())

    sending.run({"do": f"job {what}", "at": network.escrow.address, "job": job, "asked": asked}, build, told)
