"""What a keeper does again and again: its own rounds, and whatever else is on the list."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apscheduler.schedulers.background import BackgroundScheduler

from oracle.ground.errors import EpochalError, UserError
from settlement.keeping.executor import Executor, Round

_LOG = logging.getLogger("epochal.keeper")


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """Something that a keeper does every so many seconds, in a thread of its own. An error ends it until the next time;
    a UserError, which no next time cures, ends the keeper. `close` is called once, at the end."""

    name: str
    seconds: float
    run: Callable[[], object]
    close: Callable[[], None] = lambda: None


class Rounds:
    """A keeper's rounds, told to the log."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._told: set[str] = set()

    def run(self) -> None:
        """One round."""
        self.once()

    def once(self) -> Round:
        """One round, and what it came to."""
        found = self._executor.round(time.time())
        for entry in found.planned:
            _LOG.info("planned: %s", entry.label)
        for entry in found.changed:
            spent = f", {entry.spent:,} wei for gas" if entry.spent else ""
            why = f" ({entry.reason})" if entry.reason else ""
            _LOG.info("%s: %s %s%s%s", entry.state, entry.label, entry.hash, spent, why)
        told = {*found.plan.waiting, *found.status.troubles}
        for line in sorted(told - self._told):
            _LOG.warning("%s", line)
        self._told = told
        return found


def run_jobs(jobs: Sequence[PeriodicJob]) -> None:
    """Run all until Ctrl-C or SIGTERM, or until one raises a UserError, which is raised here."""
    ended = threading.Event()
    fatal: list[UserError] = []

    def guarded(job: PeriodicJob) -> None:
        try:
            job.run()
        except UserError as error:
            fatal.append(error)
            ended.set()
        except EpochalError as error:
            _LOG.warning("%s: %s; tried again", job.name, error)

    scheduler = BackgroundScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    for job in jobs:
        scheduler.add_job(guarded, "interval", seconds=job.seconds, args=[job], id=job.name)
        scheduler.add_job(guarded, args=[job], id=f"{job.name} at the start")
    scheduler.start()
    try:
        while not ended.wait(1.0):
            pass
    except KeyboardInterrupt:
        _LOG.info("stopping")
    finally:
        scheduler.shutdown()
        for job in jobs:
            job.close()
    if fatal:
        raise fatal[0]


def run_once(rounds: Rounds, seconds: float, patience: float) -> bool:
    """Rounds until nothing is left to do and all is final; whether all that could be done is. Gives up after `patience`
    seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            found = rounds.once()
        except UserError:
            raise
        except EpochalError as error:
            _LOG.warning("%s; tried again", error)
        else:
            if found.idle:
                return not found.plan.actions
        if time.monotonic() >= end:
            return False
        time.sleep(seconds)
