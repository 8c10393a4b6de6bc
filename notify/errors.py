"""What can be wrong with notifications."""

from __future__ import annotations

from oracle.ground.errors import UserError


class SettingsError(UserError):
    """A setting can't work. The text names it, its value and the cure."""
