"""What came last: so many names, the oldest of which are forgotten."""

from __future__ import annotations

from collections import OrderedDict


class Recent:
    """The `most` names that were added last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """Remember a name, or remember it anew."""
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > self._most:
            self._names.popitem(last=False)
