"""Giving the roles of a network, and reading back who can do what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from web3.contract.contract import Contract, ContractFunction
from web3.contract.contract import ContractFunctions as Functions

from chain.client import Chain
from chain.deployment.roles import RESTRICTED, Access, Role
from chain.transactions import Call, Sender, Wallet


def read(authority: Contract, chain: Chain, about: Access, first_block: int) -> Access:
    """Who may do what, as the AccessManager has it: of the functions in `about`, and of all who ever were given a role.

    Who was given one that begins later counts as its holder: nobody could stop him any more but by taking it.
    """
    manager = authority.functions
    functions = {
        (target, selector): int(manager.getTargetFunctionRole(target, selector).call())
        for target, selector in about.functions
    }
    given = chain.logs(authority.events.RoleGranted, first_block, chain.block("latest").number)
    ever = {(int(log["args"]["roleId"]), str(log["args"]["account"])) for log in given}
    ever |= {(role, account) for role, accounts in about.holders.items() for account in accounts}
    holders: dict[int, dict[str, int]] = defaultdict(dict, {role: {} for role in about.holders})
    for role, account in sorted(ever):
        since, delay, _, _ = manager.getAccess(role, account).call()
        if since:
            holders[role][account] = int(delay)
    return Access(functions, dict(holders))


def wire(sender: Sender, wallet: Wallet, authority: Contract, wanted: Access, found: Access) -> int:
    """Set what differs, in one transaction; returns how many settings that changed.

    What the wallet itself isn't to hold goes last: it needs it until then.
    """
    manager = authority.functions
    calls = [*_functions(manager, wanted, found), *_holders(manager, wanted, found, wallet.address)]
    if not calls:
        return 0
    labels = [manager.labelRole(int(role), role.name) for role in Role if role is not Role.GOVERNOR]
    encoded = [call._encode_transaction_data() for call in (*labels, *calls)]
    sender.send([Call.of("give roles", wallet, manager.multicall(encoded))])
    return len(calls)


def _functions(manager: Functions, wanted: Access, found: Access) -> list[ContractFunction]:
    wrong: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for (target, selector), role in wanted.functions.items():
        if found.functions[target, selector] != role:
            wrong[target, role].append(selector)
    return [manager.setTargetFunctionRole(target, selectors, role) for (target, role), selectors in wrong.items()]


def _holders(manager: Functions, wanted: Access, found: Access, own: str) -> list[ContractFunction]:
    given: list[ContractFunction] = []
    taken: list[ContractFunction] = []
    last: list[ContractFunction] = []
    for role in sorted({*wanted.holders, *found.holders}):
        right, there = wanted.holders.get(role, {}), found.holders.get(role, {})
        given += [manager.grantRole(role, who, delay) for who, delay in right.items() if there.get(who) != delay]
        for who in there:
            if who not in right:
                (last if who == own else taken).append(manager.revokeRole(role, who))
    return [*given, *taken, *reversed(last)]  # role 0 is what the others are taken with


def unguarded(
    authority: Contract, chain: Chain, wanted: Access, found: Access, first_block: int, names: Mapping[str, str]
) -> list[str]:
    """What else gives power over a network and is to stand as the AccessManager begins, a line each: closed targets,
    admins and guardians of roles, delays of grants and of targets' admins; and what is under way and only takes effect
    later."""
    manager = authority.functions
    targets = sorted({target for target, _ in wanted.functions})
    lines = [f"{names.get(target, target)} is closed" for target in targets if manager.isTargetClosed(target).call()]
    for role in sorted(wanted.holders):
        if role != Role.GOVERNOR and manager.getRoleAdmin(role).call() != Role.GOVERNOR:
            lines.append(f"the admin of {_role(role)} isn't {Role.GOVERNOR.name}")
        if role != Role.GOVERNOR and manager.getRoleGuardian(role).call() != Role.GOVERNOR:
            lines.append(f"the guardian of {_role(role)} isn't {Role.GOVERNOR.name}")
    latest = chain.block("latest")
    for role, holders in sorted(found.holders.items()):
        for who in sorted(holders):
            since, _, delay, effect = manager.getAccess(role, who).call()
            if since > latest.timestamp:
                lines.append(f"{names.get(who, who)} was given {_role(role)} from {since} on")
            if effect:
                lines.append(f"{names.get(who, who)} is to act as {_role(role)} {_delay(delay)} from {effect} on")
    return lines + _delays(authority, chain, [*targets, authority.address], wanted, (first_block, latest.number), names)


def _delays(
    authority: Contract,
    chain: Chain,
    targets: Sequence[str],
    wanted: Access,
    blocks: tuple[int, int],
    names: Mapping[str, str],
) -> list[str]:
    """Delays of grants and of targets' admins. None was planned: in one's shade a change is announced that nobody looks
    for. The getters tell those in force, the events those to come."""
    manager = authority.functions
    grants = {role: int(manager.getRoleGrantDelay(role).call()) for role in wanted.holders}
    admins = {target: int(manager.getTargetAdminDelay(target).call()) for target in targets}
    for log in chain.logs(authority.events.RoleGrantDelayChanged, *blocks):
        role = int(log["args"]["roleId"])
        grants[role] = int(log["args"]["delay"]) or grants.get(role, 0)
    for log in chain.logs(authority.events.TargetAdminDelayUpdated, *blocks):
        target = str(log["args"]["target"])
        admins[target] = int(log["args"]["delay"]) or admins.get(target, 0)
    lines = [f"grants of {_role(role)} take effect {_delay(delay)}" for role, delay in sorted(grants.items()) if delay]
    return lines + [
        f"what {names.get(target, target)} may be called by changes {_delay(delay)}"
        for target, delay in sorted(admins.items())
        if delay
    ]


def differences(wanted: Access, found: Access, names: Mapping[str, str]) -> list[str]:
    """What is otherwise than wanted, a line each; `names` are addresses' names for people."""
    signatures = {one.selector: one.signature for one in RESTRICTED}
    lines = []
    for (target, selector), role in wanted.functions.items():
        if (other := found.functions[target, selector]) != role:
            what = f"{names.get(target, target)}.{signatures[selector]}"
            lines.append(f"{what} is for {_role(other)}, not for {_role(role)}")
    for role in sorted({*wanted.holders, *found.holders}):
        right, there = wanted.holders.get(role, {}), found.holders.get(role, {})
        for who in sorted({*right, *there}):
            if right.get(who) != there.get(who):
                is_now, is_to = _delay(there.get(who)), _delay(right.get(who))
                lines.append(f"{names.get(who, who)} may act as {_role(role)} {is_now}, and is to {is_to}")
    return lines


def who_can_do_what(found: Access, names: Mapping[str, str]) -> list[str]:
    """A line for each restricted function: who may call it, and how late; then who governs."""
    lines = []
    where = {(names.get(target, target), selector): role for (target, selector), role in found.functions.items()}
    for one in RESTRICTED:
        role = where.get((one.key, one.selector))
        if role is not None:
            lines.append(f"{one.key}.{one.signature}: {_role(role)}: {_people(found, role, names)}")
    lines.append(f"giving and taking roles, and what each may call: {_role(0)}: {_people(found, 0, names)}")
    return lines


def _people(found: Access, role: int, names: Mapping[str, str]) -> str:
    holders = found.holders.get(role, {})
    told = [f"{names.get(who, who)} ({who}) {_delay(delay)}" for who, delay in sorted(holders.items())]
    return ", ".join(told) or "nobody"


def _role(number: int) -> str:
    return Role(number).name if number in set(Role) else f"role {number}"


def _delay(seconds: int | None) -> str:
    if seconds is None:
        return "not at all"
    return f"after {seconds:,} s" if seconds else "at once"
