"""The doctor's checks, one by one. Each tells what it found; an EpochalError out of one is a finding too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chain.client import Chain, RpcError
from chain.directory import endpoints_of
from chain.endpoint import ChainUnavailable, where_is
from oracle.ground.errors import EpochalError
from oracle.ground.median import quorum
from oracle.service.patient import Finding, Patient, State, fine, warning, wrong
from oracle.signing.remote import RemoteSigner
from oracle.telemetry.intake.clock_sync import clock_sync
from oracle.telemetry.store.opening import open_to_read
from oracle.telemetry.store.sqlite import lock_of

_GWEI: Final = 10**9
_ETHER: Final = 10**18
_LITTLE_DISK: Final = 5 * 2**30
_NO_DISK: Final = 200 * 2**20
_OLD_HEAD: Final = 120
_AHEAD: Final = 15
_CLOCK_DOUBT: Final = 1.0


def settings_findings(patient: Patient) -> Iterator[Finding]:
    """That they can be read, and hold together."""
    told = patient.settings
    given = sorted(told.model_fields_set)
    yield fine(f"{len(given)} given: {', '.join(given)}")
    for name in ("password_file", "gas_password_file", "keystore", "gas_keystore"):
        path: Path | None = getattr(told, name)
        if path is not None and path.exists() and path.stat().st_mode & 0o077:
            yield warning(f"{name} {path} can be read by others on this machine: chmod 600 it")


def deployment_findings(patient: Patient) -> Iterator[Finding]:
    """That the file of addresses is one, and a rehearsal only where there may be one."""
    addresses = patient.addresses
    patient.settings.check_chain(addresses.chain_id)
    yield fine(f"{patient.settings.deployment}: chain {addresses.chain_id}, Attestations at {addresses.attestations}")
    if patient.settings.rehearsal or patient.settings.rehearsal_clock_offset:
        yield warning("a rehearsal: this oracle misbehaves on purpose")
    if not addresses.directory:
        yield wrong('it names no directory of oracles; add its address as "directory"')


def key_findings(patient: Patient) -> Iterator[Finding]:
    """That both keys load, are two, and a remote signer holds its own."""
    key, gas_key = patient.key, patient.gas_key
    if isinstance(key, RemoteSigner):
        key.check()
    yield fine(f"the oracle signs as {key.address}, and pays from {gas_key.address}")
    if key.address == gas_key.address:
        yield wrong(f"both keys are that of {key.address}: a key that pays is on line all the time, give another one")


def disk_findings(patient: Patient) -> Iterator[Finding]:
    """Whether the folder of the state can be written, and has room."""
    state = patient.settings.state.absolute()
    place = next(each for each in (state, *state.parents) if each.exists())
    if not place.is_dir():
        yield wrong(f"state {state}: {place} is no folder; name another")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        yield wrong(f"state {state}: {place} can't be written by this user; change its owner or name another")
        return
    free = shutil.disk_usage(place).free
    told = f"state {state}: {free / 2**30:,.1f} GiB free"
    if free < _NO_DISK:
        yield wrong(f"{told}; make room, or the oracle goes blind")
    elif free < _LITTLE_DISK:
        yield warning(f"{told}; make room, or set retain")
    else:
        yield fine(told)


def rpc_findings(patient: Patient) -> Iterator[Finding]:
    """Each endpoint by itself, and whether they tell the same."""
    urls = patient.settings.rpc
    agree = patient.settings.rpc_agree or min(2, len(urls))
    alive: list[tuple[str, Chain, int]] = []
    troubles: list[str] = []
    for url in urls:
        try:
            chain = patient.endpoint_alone(url)
            finalized = chain.finalized().number
        except (ChainUnavailable, RpcError) as error:
            where, text = where_is(url), str(error)
            troubles.append(text if where in text else f"{where}: {text}")
            continue
        alive.append((chain.where, chain, finalized))
        yield fine(f"{chain.where}: chain {chain.chain_id}, finalized block {finalized}")
    for trouble in troubles:
        yield warning(trouble) if len(alive) >= agree else wrong(trouble)
    if len(alive) < agree:
        yield wrong(
            f"{len(alive)} of {len(urls)} endpoints answer, {agree} must tell the same; add working ones to rpc",
            fatal=True,
        )
        return
    if len(alive) > 1:
        yield _same(alive)
    if len(urls) == 1:
        yield warning("only one endpoint: what it says of the chain is believed; add others in rpc")
    elif agree == 1:
        yield warning("rpc_agree is 1: what one endpoint says is believed; set it to 2, or leave it out")


def _same(alive: list[tuple[str, Chain, int]]) -> Finding:
    first, other = alive[0], next((one for one in alive if one[1].chain_id != alive[0][1].chain_id), None)
    if other is not None:
        return wrong(f"{first[0]} is chain {first[1].chain_id}, {other[0]} is chain {other[1].chain_id}", fatal=True)
    height = min(finalized for _, _, finalized in alive)
    hashes = [(where, chain.block(height).hash) for where, chain, _ in alive]
    for where, found in hashes[1:]:
        if found != hashes[0][1]:
            return wrong(
                f"block {height} is {hashes[0][1]} at {hashes[0][0]}, but {found} at {where}; find out which of them "
                "follows the chain and leave the other out",
                fatal=True,
            )
    return fine(f"all tell the same of block {height}")


def chain_findings(patient: Patient) -> Iterator[Finding]:
    """That it is the deployment's chain."""
    found, wanted = patient.chain.chain_id, patient.addresses.chain_id
    if found != wanted:
        yield wrong(
            f"rpc is chain {found}, but the deployment is for chain {wanted}; give endpoints of that", fatal=True
        )
    else:
        yield fine(f"chain {found}, newest block {patient.head.number}")


def contract_findings(patient: Patient) -> Iterator[Finding]:
    """That the network's contracts are there, in a version that this one knows."""
    timing = patient.network.timing
    yield fine(
        f"epochs of {timing.epoch_length} s from {timing.genesis}, appeals of {patient.network.appeal_epochs} epochs"
    )
    if timing.epoch_length % patient.settings.tick:
        yield wrong(f"tick is {patient.settings.tick}: give a divisor of the epoch, {timing.epoch_length} s")


def clock_findings(patient: Patient) -> Iterator[Finding]:
    """The machine's clock, by the kernel's word and against the chain's."""
    sync = clock_sync()
    largest = patient.settings.max_clock_error
    if sync is None:
        yield warning("the kernel can't be asked whether the clock is in sync; see to it on the host")
    elif not sync.in_sync:
        told = "the clock isn't in sync by the kernel's word; start chrony or systemd-timesyncd"
        yield wrong(f"{told}: with max_clock_error the oracle sees nothing meanwhile") if largest else warning(told)
    elif sync.at_most > (largest or _CLOCK_DOUBT):
        told = f"the clock may be off by {sync.at_most:.1f} s by the kernel's word; check its time servers"
        yield wrong(told) if largest else warning(told)
    else:
        yield fine(f"in sync, off by at most {sync.at_most:.3f} s")
    behind = patient.clock() + patient.settings.rehearsal_clock_offset - patient.head.timestamp
    if behind < -_AHEAD:
        yield wrong(f"the chain's newest block is {-behind:.0f} s ahead of this clock; set the clock")
    elif behind > _OLD_HEAD:
        yield warning(f"the chain's newest block is {behind:.0f} s old; the chain stands still, or this clock is ahead")
    else:
        yield fine(f"the chain's newest block is {behind:.0f} s old")


def membership_findings(patient: Patient) -> Iterator[Finding]:
    """Whether the key is in the committee in force, or in the one that is announced."""
    calls = patient.network.attestations.functions
    version, announced = calls.committeeInForce().call()[0], calls.committeeAnnounced().call()[0]
    mine, pays = patient.key.address, patient.gas_key.address
    members = patient.members(version)
    coming = patient.members(announced) if announced not in (0, version) else []
    if mine in members:
        yield fine(f"{mine} is in committee {version}, one of {len(members)}")
        if coming and mine not in coming:
            yield warning(f"it isn't in committee {announced}, which is announced; ask the network's governor")
    elif mine in coming:
        yield fine(f"{mine} is in committee {announced}, which is announced but not in force yet")
    elif pays in members or pays in coming:
        # All that follows would be looked at for the wrong key, and give wrong advice.
        yield wrong(
            f"the two keys are swapped: {pays}, which is set to pay, is the one in the committee, and {mine} is not; "
            "exchange the settings of the oracle's key with those of gas_…",
            fatal=True,
        )
    else:
        yield wrong(
            f"{mine} is in no committee, neither in force ({version}) nor announced; check the key, or ask the "
            "network's governor to have it added"
        )


def gas_findings(patient: Patient) -> Iterator[Finding]:
    """What the paying key has."""
    address = patient.gas_key.address
    balance = int(patient.chain.rpc("eth_getBalance", address, "latest"), 16)
    least = patient.settings.min_balance_gwei * _GWEI
    told = f"{address} has {balance / _ETHER:.6f} ether"
    if not balance:
        yield wrong(f"{told}: it can pay for nothing; send it some")
    elif balance < least:
        yield warning(f"{told}, less than min_balance_gwei ({least / _ETHER:.6f}); send it some")
    else:
        yield fine(told)


def store_findings(patient: Patient) -> Iterator[Finding]:
    """That each store can be read, is of this network's clock, and is this oracle's own."""
    settings = patient.settings
    own = settings.store_location
    for place in (own, *settings.intake_stores):
        shown = place.partition("?")[0].rpartition("@")[2]
        if place == own and "://" not in place and not Path(place).exists():
            if lock_of(Path(place)).exists():
                yield wrong(f"{shown}: isn't there any more, though it once was; restore it from a backup")
            else:
                yield fine(f"{shown}: isn't there yet; the oracle makes it, and signs no epoch that is over by then")
            continue
        try:
            yield _store(patient, place, shown)
            if "://" not in place and (process := _writer(lock_of(Path(place)))):
                yield fine(f"{shown}: process {process} has it open to write")
        except EpochalError as error:
            yield wrong(str(error))


def _store(patient: Patient, place: str, shown: str) -> Finding:
    store = open_to_read(place)
    try:
        clock, wanted = store.clock, patient.network.clock(patient.settings.tick)
        owner = store.get_state("oracle")
        kept = store.epochs()
    finally:
        store.close()
    if (clock.genesis, clock.length, clock.tick) != (wanted.genesis, wanted.length, wanted.tick):
        return wrong(
            f"{shown}: its epochs are {clock.length} s from {clock.genesis} in ticks of {clock.tick} s, the network's "
            f"{wanted.length} s from {wanted.genesis} in {wanted.tick} s; check tick and deployment, or name another"
        )
    mine = patient.key.address.lower()
    if owner is not None and owner.decode() != mine:
        return wrong(f"{shown}: belongs to oracle {owner.decode()}, not {mine}; give that one's key, or another store")
    return fine(f"{shown}: {f'epochs {kept[0]} to {kept[-1]}' if kept else 'empty'}")


def _writer(lock: Path) -> int | None:
    """The process that has locked a file, by Linux's list: to try the lock could keep an oracle from starting."""
    try:
        inode = lock.stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for words in map(str.split, lines):
        if len(words) >= 6 and words[1] == "FLOCK" and words[5].endswith(f":{inode}") and int(words[4]) > 0:
            return int(words[4])
    return None


def endpoint_findings(patient: Patient) -> Iterator[Finding]:
    """Whether the chain tells this oracle's endpoint, as the settings do, and this oracle answers there."""
    mine = patient.key.address
    told = endpoints_of(patient.network, [bytes.fromhex(mine[2:])], patient.head).get(bytes.fromhex(mine[2:]))
    wanted = patient.settings.endpoint
    config = f" --config {patient.config}" if patient.config else ""
    if told is None:
        yield wrong(
            f"no endpoint of {mine} is announced, so peers can't reach it: epochal oracle announce{config} --endpoint "
            f"{wanted or 'URL'}"
        )
        return
    if wanted is None:
        yield warning(f"{told} is announced, but endpoint isn't set: set it, so that it can be compared")
    elif told != wanted:
        yield wrong(
            f"{told} is announced, but endpoint is {wanted}: epochal oracle announce{config} --endpoint {wanted}"
        )
    else:
        yield fine(f"{told} is announced")
    yield from _answers(patient, told, mine, "the daemon isn't running, or isn't reached there")


def peer_findings(patient: Patient) -> Iterator[Finding]:
    """Whether the others of the committee in force are announced and answer."""
    members = patient.members(patient.network.attestations.functions.committeeInForce().call()[0])
    others = [one for one in members if one != patient.key.address]
    found = endpoints_of(patient.network, [bytes.fromhex(one[2:]) for one in others], patient.head)
    reached = 0
    for one in others:
        url = found.get(bytes.fromhex(one[2:]))
        if url is None:
            yield warning(f"{one} has announced no endpoint")
            continue
        for finding in _answers(patient, url, one, "it may be down"):
            reached += finding.state is State.FINE
            yield finding
    needed = quorum(len(members)) - 1
    if reached < needed:
        yield wrong(f"{reached} of {len(others)} peers answer; {needed} are needed beside this oracle for a quorum")


def _answers(patient: Patient, url: str, oracle: str, otherwise: str) -> Iterator[Finding]:
    try:
        told = patient.ask(url)
    except EpochalError as error:
        yield warning(f"{oracle} at {url}: {error}; {otherwise}")
        return
    addresses = patient.addresses
    same = (told.chain_id, told.attestations.lower()) == (addresses.chain_id, addresses.attestations.lower())
    if told.oracle != oracle or not same:
        yield wrong(
            f"{oracle} at {url}: there answers {told.oracle} of chain {told.chain_id}, Attestations {told.attestations}"
        )
    else:
        yield fine(f"{oracle} answers at {url}")
