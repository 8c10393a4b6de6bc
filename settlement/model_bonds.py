"""Licences' bonds in one token, and what withheld seconds cost them. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bond:
    """One licence's bond. By assignment: `told`, the penalty that is due for good, whether the bond could pay it or
    not; `reserved`, what is kept back for what may still be appealed, whatever others reserve and the bond has."""

    balance: int = 0
    told: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    reserved: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def kept(self) -> int:
        """What a withdrawal must leave."""
        return min(self.balance, sum(self.reserved.values()))


@dataclass(slots=True)
class Bonds:
    """All licences' bonds; `burnable` was taken from them and not burned yet, `burned` was."""

    of: dict[int, Bond] = field(default_factory=lambda: defaultdict(Bond))
    burnable: int = 0
    burned: int = 0

    def deposit(self, licence: int, amount: int) -> None:
        """Anyone's deposit."""
        self.of[licence].balance += amount

    def update(self, licence: int, assignment: int, burned: int, reserved: int) -> None:
        """What an assignment's penalties come to by now: the bond pays what is in it, whoever had it reserved."""
        bond = self.of[licence]
        taken = min(max(burned - bond.told[assignment], 0), bond.balance)
        bond.told[assignment] = max(burned, bond.told[assignment])
        bond.balance -= taken
        self.burnable += taken
        bond.reserved[assignment] = reserved

    def send_to_burn(self) -> None:
        """Burn what was taken."""
        self.burned, self.burnable = self.burned + self.burnable, 0
