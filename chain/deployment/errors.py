"""What keeps a network from being deployed, or from being taken for one."""

from __future__ import annotations

from oracle.ground.errors import UserError


class WrongDeployment(UserError):
    """What is on chain isn't the network that was asked for."""


class UnfitSettings(UserError):
    """The settings of a network break a rule; nothing was sent."""
