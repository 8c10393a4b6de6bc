"""What goes wrong between this orchestrator and a Deeploy API, by what is to be done about it."""

from __future__ import annotations

from oracle.ground.errors import EpochalError, UserError


class SettingsError(UserError):
    """It can't run with these settings. The text names the setting, its value and the cure."""


class DeeployError(EpochalError):
    """Anything that went wrong with a Deeploy API."""


class Unreachable(DeeployError):
    """The request reached nobody, or was turned away at the door: nothing was done. Try again later."""


class OutcomeUnknown(DeeployError):
    """The request may or may not have been carried out. Look (`get_apps`, the chain) before sending it again."""


class WrongAnswer(DeeployError):
    """The answer is none of the API's: too long, no JSON, or without what belongs there."""


class Refused(DeeployError):
    """The API refused the request. Sending the same again changes nothing, unless the text says so.

    `code` is the `ERRnn_…` that came, or "" where none did.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NotConfirmed(DeeployError):
    """What was waited for didn't show within its time. Nothing after it was done; running again goes on from there."""


class StoppedTooMuch(DeeployError):
    """More was stopped than was asked for: replicas that should go on are gone. Somebody must look at once."""
