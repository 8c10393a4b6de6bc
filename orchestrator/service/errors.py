"""Errors of the daemon."""

from __future__ import annotations

from oracle.ground.errors import EpochalError, UserError


class StoreUnusable(UserError):
    """The store can't be used: another network's or key's, or no store at all."""


class SettingsError(UserError):
    """A setting can't work. The text names it and the cure."""


class NotAllowed(EpochalError):
    """Somebody asked for what isn't his to ask for."""


class NotReady(EpochalError):
    """The chain wasn't read yet: nobody can be told anything."""


class Unknown(EpochalError):
    """There is no such thing here."""
