"""The root of all errors the project raises on purpose."""

from __future__ import annotations


class EpochalError(Exception):
    """Something the project foresaw. Its text is one line a user can act on."""


class UserError(EpochalError):
    """Something that the user gave can't work: a file, an option, a setting. Nothing was done."""


class InvalidValue(UserError):
    """A value no rule accepts. The text names the thing, the value and the cure."""


class Malformed(EpochalError):
    """Bytes of somebody else that are no message of this protocol."""
