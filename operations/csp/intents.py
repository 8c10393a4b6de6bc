"""Deployment intents of jobs: read, hashed, and handed in to an orchestrator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.policy import Policy
from orchestrator.wire import intent as wire

_PATIENCE: Final = 10
"""Seconds in which an orchestrator must answer."""


class NotHandedIn(EpochalError):
    """An orchestrator didn't take an intent."""


@dataclass(frozen=True, slots=True)
class IntentFile:
    """An intent: its file, its canonical bytes and their hash, and what a job takes of it."""

    path: str
    name: str
    canonical: bytes
    hash: bytes
    replicas: int
    policy: Policy


def load_intent(path: Path) -> IntentFile:
    """The intent in a JSON file. InvalidValue names file, field and cure."""
    try:
        told = wire.parse(path.read_bytes())
    except OSError as error:
        raise InvalidValue(f"--intent {path}: {error.strerror}; give the JSON file of the deployment intent") from error
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error}") from error
    return IntentFile(str(path), told.name, told.canonical(), told.hash, told.replicas, told.policy)


def hand_in(url: str, intent: IntentFile) -> None:
    """Give the orchestrator at a URL the intent; twice does no harm. NotHandedIn."""
    where = url.rstrip("/") + "/v1/intents"
    try:
        answer = requests.post(
            where, data=intent.canonical, headers={"Content-Type": "application/json"}, timeout=_PATIENCE
        )
    except requests.RequestException as error:
        raise NotHandedIn(
            f"the orchestrator at {where} doesn't answer ({type(error).__name__}); check --orchestrator-url and that "
            "it "
            "runs, then run the command again"
        ) from error
    if not answer.ok:
        said = " ".join(answer.text.split())[:300]
        raise NotHandedIn(
            f"the orchestrator at {where} didn't take the intent {intent.name} (HTTP {answer.status_code}: {said}); "
            "change "
            "the intent as it says, or name another orchestrator"
        )
