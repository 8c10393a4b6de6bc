"""Every refusal of the contracts in human words, and what to do next."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chain.errors import ContractReverted
from chain.network import Network
from operations import refusal_words
from oracle.ground import amounts, times
from oracle.ground.errors import EpochalError

_FOREVER: Final = 2**40 - 1
_STATUSES: Final = ("nothing", "a freeze", "a suspension", "a blacklisting")
_SUBJECTS: Final = {1: "licence", 2: "node", 3: "CSP account", 4: "oracle", 5: "owner"}
_KINDS: Final = {1: "KYC (1)", 2: "KYB (2)", 3: "KYC or KYB (3)"}
_PERMISSIONS: Final = {1: "create", 2: "grow", 4: "leave", 8: "place"}


class Refused(EpochalError):
    """A contract refused, or would. `name` is its error's ("" where none was told), `values` are that error's."""

    def __init__(self, text: str, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.name = name
        self.values = values


def explained(network: Network, error: ContractReverted) -> Refused:
    """The refusal of a call in human words, with the cure."""
    name = type(error).__name__ if type(error) is not ContractReverted else ""
    template = refusal_words.WORDS.get(name)
    if template is None:
        return Refused(f"{error}; nobody foresaw this: check what you gave, then report it", name, error.values)
    text = _Words(_decimals_of(network)).format(template, **error.values)
    return Refused(f"{error.label}: refused, since {text} ({name})", name, error.values)


def meaning(name: str, values: Mapping[str, Any]) -> str:
    """The words for one error, amounts in smallest units: for tables and tests."""
    return _Words(lambda _: (0, "of its smallest unit")).format(refusal_words.WORDS[name], **values)


def permissions(bits: int) -> str:
    """A delegate's permissions by name."""
    return " and ".join(name for bit, name in _PERMISSIONS.items() if bits & bit) or "none"


def subject(value: int) -> str:
    """Whom a status stands against, in words."""
    kind, number = value >> 248, value & (1 << 248) - 1
    shown = f"0x{number:040x}" if kind in (2, 4) else str(number)
    return f"{_SUBJECTS.get(kind, 'subject')} {shown}"


def _decimals_of(network: Network) -> Callable[[str | None], tuple[int, str]]:
    """How to show amounts of a token; of the network's first, where the error names none."""

    def look(address: str | None) -> tuple[int, str]:
        from operations import tokens  # reads the chain, whose refusals are explained here

        try:
            token = tokens.read(network, address or network.addresses.token)
        except EpochalError:
            return 0, "of its smallest unit"
        return token.decimals, token.symbol

    return look


class _Words(string.Formatter):
    """Fields of templates: {x} as it is, or as {x:time}, until (a time that may never come), span, amount, status,
    subject, kinds, may (permissions)."""

    def __init__(self, decimals_of: Callable[[str | None], tuple[int, str]]) -> None:
        self._decimals_of = decimals_of
        self._token: str | None = None

    def vformat(self, format_string: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """See string.Formatter."""
        token = kwargs.get("token")
        self._token = token if isinstance(token, str) else None
        return super().vformat(format_string, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> str:
        """See string.Formatter."""
        match format_spec:
            case "time":
                return times.show_time(value)
            case "until":
                return "it is lifted" if value == _FOREVER else times.show_time(value)
            case "span":
                return times.show_span(value)
            case "amount":
                return amounts.show(value, *self._decimals_of(self._token))
            case "status":
                return _STATUSES[value] if value < len(_STATUSES) else str(value)
            case "subject":
                return subject(value)
            case "kinds":
                return _KINDS.get(value, str(value))
            case "may":
                return permissions(value)
        return "0x" + value.hex() if isinstance(value, bytes) else str(value)
