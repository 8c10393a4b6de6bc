"""The root of all errors the project raises on purpose."""

from __future__ import annotations


class EpochalError(Exception):
    """Something the project foresaw. Its text is one line a user can act on."""


class InvalidValue(EpochalError):
    """A value no rule accepts. The text names the thing, the value and the cure."""
