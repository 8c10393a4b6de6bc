"""What a node's agent or gateway fails at, by what is to be done about it."""

from __future__ import annotations

from oracle.ground.errors import EpochalError, UserError


class SettingsError(UserError):
    """It can't run with these settings. The text names the option, its value and the cure."""


class LinkError(EpochalError):
    """The oracle could not be reached, or its answer made no sense: try again after a pause."""
