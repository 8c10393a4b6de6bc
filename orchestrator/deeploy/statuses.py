"""What an answer of the Deeploy API says: its status as one of our outcomes, and its error in clear. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from orchestrator.deeploy.errors import Refused, WrongAnswer


class Outcome(Enum):
    """What a request came to, as far as the API says. None of them proves anything that the chain must say."""

    DONE = "done"
    PARTLY = "partly"
    DELIVERED = "delivered"
    WAITING = "waiting"
    TIMED_OUT = "timed out"
    REFUSED = "refused"
    BROKEN = "broken"


STATUSES: Final = {
    "success": Outcome.DONE,
    "partial_success": Outcome.PARTLY,
    "command_delivered": Outcome.DELIVERED,
    "pending": Outcome.WAITING,
    "timeout": Outcome.TIMED_OUT,
    "fail": Outcome.REFUSED,
    "error": Outcome.BROKEN,
}

NOTHING_RUNS: Final = "NODES3"
"""Ending of the code for "no running workers or instances of it"."""

_CODE: Final = re.compile(r"\bERR\d+(?:_[A-Z0-9]+)*")

# Part of a code or text -> what to do about it. The first that fits counts.
_CURES: Final = (
    ("Nonce is invalid(f)", "this machine's clock is ahead of the API's: set it, or raise nonce_lag_milliseconds"),
    ("Nonce is expired", "this machine's clock is hours behind the API's: set it"),
    ("Nonce", "set this machine's clock"),
    ("signature", "check the key, and `form` in the settings: the API may know the other form only"),
    ("payload hash", "the request changed on its way: is there a proxy that rewrites it?"),
    ("PAYMENT", "the job isn't paid, or the sender is neither its escrow's owner nor a delegate"),
    ("ETH to cover gas", "the API's oracle has no gas: wait or use another one's URL"),
    ("RESOURCES", "the node has not enough cores or memory left: choose another"),
    ("PLUGIN_INSTANCE", "see the running instances by get_apps"),
    (NOTHING_RUNS, "nothing of it runs where the API looks: check app, job and sender by get_apps"),
    ("NODES", "check the nodes' names, and that they are online (node_specs)"),
    ("REQUEST", "a field is missing or not as the API wants it"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer.

    app       the app's id where the API told one
    answered  nodes whose instances have reported back
    stopped   nodes on which something was stopped
    error     what the API says went wrong, "" where nothing
    code      the error's `ERRnn_…`, "" where it has none
    result    the whole
    """

    outcome: Outcome
    app: str = ""
    answered: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    error: str = ""
    code: str = ""
    result: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def or_refused(self, what: str) -> Answer:
        """Itself; Refused, with the cure, if the API refused or broke."""
        if self.outcome not in (Outcome.REFUSED, Outcome.BROKEN):
            return self
        told = self.error or f"status {self.result.get('status')!r} without a reason"
        raise Refused(f"{what}: Deeploy refused it: {told}; {cure_of(self.code, self.error)}", self.code)


def decode_answer(document: object) -> Answer:
    """The answer in a decoded JSON document; WrongAnswer for one that the API doesn't give."""
    result = document.get("result") if isinstance(document, dict) else None
    if not isinstance(result, dict):
        raise WrongAnswer(f"Deeploy's answer has no result: {str(document)[:200]!r}; is the URL that of the API?")
    inner = result.get("request")
    inner = inner if isinstance(inner, dict) else {}
    error = result.get("error")
    error = "" if error in (None, False) else str(error)[:1000]
    # Deletions and commands tell their status inside of `request`.
    status = result.get("status", inner.get("status"))
    if status is None and error:
        status = "fail"
    outcome = STATUSES.get(status) if isinstance(status, str) else None
    if outcome is None:
        raise WrongAnswer(f"Deeploy answered with status {str(status)[:80]!r}: known are {', '.join(STATUSES)}")
    found = _CODE.search(error)
    app = result.get("app_id", inner.get("app_id"))
    return Answer(
        outcome,
        app if isinstance(app, str) else "",
        _answered(result.get("status_details")),
        _stopped(inner.get("targets", result.get("targets"))),
        error,
        found.group() if found else "",
        result,
    )


def cure_of(code: str, text: str) -> str:
    """What to do about an error of the API."""
    for part, cure in _CURES:
        if part in code or part in text:
            return cure
    return "see the API's logs for the reason"


def online_apps(answer: Answer, job: int) -> dict[str, frozenset[str]]:
    """The apps that `get_apps` shows for a job, each with its nodes (0xai_ names).

    Newer APIs answer job -> {online: node -> app -> details}, older ones node -> app -> details with the job inside.
    """
    apps = answer.result.get("apps")
    apps = apps if isinstance(apps, dict) else {}
    entry = apps.get(str(job))
    online = entry.get("online") if isinstance(entry, dict) else None
    of_the_job = isinstance(online, dict)
    found: dict[str, set[str]] = {}
    for node, running in (online if isinstance(online, dict) else apps).items():
        for app, details in running.items() if isinstance(running, dict) and node.startswith("0xai_") else ():
            if of_the_job or _job_of(details) == str(job):
                found.setdefault(app, set()).add(node)
    return {app: frozenset(nodes) for app, nodes in found.items()}


def _job_of(details: object) -> str | None:
    specs = details.get("deeploy_specs") if isinstance(details, dict) else None
    return str(specs.get("job_id")) if isinstance(specs, dict) else None


def _answered(details: object) -> frozenset[str]:
    """Details are one entry of `{node, details}` for each instance that reported."""
    entries = details.values() if isinstance(details, dict) else ()
    return frozenset(
        entry["node"]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("node"), str) and entry.get("details") is not None
    )


def _stopped(targets: object) -> frozenset[str]:
    """Targets are instances as objects, or as lists of node, app, plugin and instance."""
    found = set()
    for each in targets if isinstance(targets, list) else ():
        if isinstance(each, list) and each:
            node: object = each[0]
        else:
            node = (each.get("NODE") or each.get("node")) if isinstance(each, dict) else each
        if isinstance(node, str):
            found.add(node)
    return frozenset(found)
