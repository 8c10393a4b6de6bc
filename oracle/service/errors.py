"""What is wrong with what an operator gave."""

from __future__ import annotations

from oracle.ground.errors import UserError


class SettingsError(UserError):
    """The oracle can't run with these settings. The text names the option, its value and the cure."""
