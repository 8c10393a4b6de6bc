"""CSPs' accounts: open, hand on, and let others act within limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chain.network import Network
from operations.plans import Plan, PlannedCall
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.errors import InvalidValue, UserError

PERMISSIONS: Final = {"create": 1, "grow": 2, "leave": 4, "place": 8}
_ZERO: Final = "0x" + "00" * 20
_MOST_ACCOUNTS: Final = 100_000


class NoAccount(UserError):
    """The key owns no account, or more than one and none was named."""


def bits_of(names: Sequence[str]) -> int:
    """The permissions of these names, a bit each. InvalidValue."""
    for one in names:
        if one not in PERMISSIONS:
            raise InvalidValue(f"--may {one}: is no permission; give any of {', '.join(PERMISSIONS)}")
    return sum({PERMISSIONS[one] for one in names})


def accounts_of(network: Network, owner: str) -> list[int]:
    """The accounts that somebody owns now."""
    functions = network.accounts.functions
    count = min(_MOST_ACCOUNTS, int(network.chain.call(functions.accountCount())))
    asked = [functions.ownerOf(number) for number in range(1, count + 1)]
    requests = [
        ("eth_call", [{"to": network.accounts.address, "data": one._encode_transaction_data()}, "latest"])
        for one in asked
    ]
    owners = network.chain.batch(requests)
    return [number for number, told in enumerate(owners, 1) if int(told, 16) == int(owner, 16)]


def account_for(network: Network, key: str, asked: int | None) -> int:
    """The account to act for: the one asked for, else the only one that the key owns. NoAccount."""
    if asked is not None:
        return asked
    owned = accounts_of(network, key)
    if len(owned) == 1:
        return owned[0]
    if not owned:
        raise NoAccount(
            f"{key} owns no CSP account on this network: open one with `epochal csp open`, or name the account for "
            "which "
            "you are a delegate with --account"
        )
    raise NoAccount(f"{key} owns the accounts {', '.join(map(str, owned))}: say which with --account")


def opening(network: Network, key: str) -> Plan:
    """Open an account for the key."""
    owned = accounts_of(network, key)
    note = (("owned already", ", ".join(f"account {one}" for one in owned)),) if owned else ()
    call = PlannedCall.of("open a CSP account", network.accounts.functions.open())
    return Plan("Open a CSP account", (call,), (("owner", key), *note))


def delegation(
    network: Network,
    account: int,
    delegate: str,
    permissions: int,
    until: int,
    limits: Sequence[tuple[Token, int]],
) -> Plan:
    """Let a delegate do what `permissions` say until a time (UNIX seconds), and spend so much of these tokens."""
    functions = network.accounts.functions
    names = " and ".join(name for name, bit in PERMISSIONS.items() if permissions & bit)
    calls = []
    facts = [("account", str(account)), ("delegate", delegate)]
    if permissions:
        facts += [("may", names), ("until", times.show_time(until))]
        label = f"let {delegate} {names} for account {account}"
        calls.append(PlannedCall.of(label, functions.setDelegate(account, delegate, permissions, until)))
    for token, amount in limits:
        facts.append(("may spend", f"{token.show(amount)} of the owner's, and no more"))
        label = f"let {delegate} spend {token.show(amount)}"
        calls.append(PlannedCall.of(label, functions.setSpendingLimit(account, delegate, token.address, amount)))
    return Plan(f"Let {delegate} act for account {account}", tuple(calls), tuple(facts), moves_money=bool(limits))


def dropping(network: Network, account: int, delegate: str) -> Plan:
    """Take all permissions and limits from a delegate."""
    permissions, _ = network.chain.call(network.accounts.functions.delegateOf(account, delegate))
    if not permissions:
        return Plan(f"{delegate} may do nothing for account {account}: there is nothing to take back", ())
    call = PlannedCall.of(
        f"drop the delegate {delegate}", network.accounts.functions.setDelegate(account, delegate, 0, 0)
    )
    return Plan(f"Drop the delegate {delegate} of account {account}", (call,), (("account", str(account)),))


def offering(network: Network, account: int, to: str | None) -> Plan:
    """Offer the account to a new owner; None takes an offer back."""
    functions = network.accounts.functions
    facts = (("account", str(account)),)
    if to is None:
        if int(network.chain.call(functions.offeredTo(account)), 16) == 0:
            return Plan(f"Account {account} is offered to nobody: there is nothing to take back", ())
        call = PlannedCall.of(f"take back the offer of account {account}", functions.transferAccount(account, _ZERO))
        return Plan(f"Take back the offer of account {account}", (call,), facts)
    note = "the new owner gets all jobs, refunds and duties of the account once it accepts; delegates are dropped"
    call = PlannedCall.of(f"offer account {account} to {to}", functions.transferAccount(account, to))
    return Plan(f"Offer account {account} to {to}", (call,), (*facts, ("what follows", note)), moves_money=True)


def accepting(network: Network, key: str, account: int) -> Plan:
    """Take an account that is offered to the key."""
    functions = network.accounts.functions
    if int(network.chain.call(functions.ownerOf(account)), 16) == int(key, 16):
        return Plan(f"{key} owns account {account} already: there is nothing to accept", ())
    note = "from then on this key's wallet pays for the account's jobs, and gets their refunds"
    call = PlannedCall.of(f"accept account {account}", functions.acceptAccount(account))
    return Plan(f"Accept account {account}", (call,), (("account", str(account)), ("what follows", note)))
