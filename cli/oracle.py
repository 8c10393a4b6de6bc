"""`epochal oracle`: what an oracle's operator runs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from cli.oracle_announce import announce
from cli.oracle_operating import doctor, keygen, settings
from cli.oracle_run import run
from oracle.service.collecting import MakeWay
from oracle.service.errors import SettingsError
from oracle.service.intake_service import run_intake
from oracle.service.settings import ChainNetwork, FixedNetwork, IntakeSettings, parse_listen, parse_secret
from oracle.service.ways import by_probes, from_prometheus, over_mqtt
from oracle.signing.keys import load_key
from oracle.telemetry.probes.prober import ProbeSettings
from oracle.telemetry.store.backup import backup as make_backup
from oracle.telemetry.store.backup import restore as make_restore
from oracle.telemetry.ways.prometheus import PrometheusSettings

__all__ = ["oracle"]

_FILE = click.Path(path_type=Path)


@click.group(short_help="Run an oracle.")
def oracle() -> None:
    """What an oracle's operator runs."""


oracle.add_command(announce)
oracle.add_command(run)
oracle.add_command(doctor)
oracle.add_command(settings)
oracle.add_command(keygen)


@oracle.command(
    short_help="Collect the heartbeats of nodes.",
    epilog="\b\nExamples:\n"
    "  ORACLE_KEY=0x... epochal oracle intake --store oracle.sqlite --listen 0.0.0.0:8600 --key-env ORACLE_KEY \\\n"
    "      --network addresses.json --rpc http://127.0.0.1:8545\n"
    "  epochal oracle intake --store 'postgresql://oracle@db/epochal?schema=oracle' --keystore key.json \\\n"
    "      --password-file password --network addresses.json --rpc http://127.0.0.1:8545 --mqtt mqtts://broker:8883",
)
@click.option("--store", required=True, metavar="PATH|postgresql://...", help="Where what was seen is kept.")
@click.option("--listen", default="127.0.0.1:8600", show_default=True, metavar="HOST:PORT", help="Address for HTTP.")
@click.option("--key-env", metavar="NAME", help="Environment variable with the oracle's private key (0x, 64 digits).")
@click.option("--keystore", type=_FILE, help="Ethereum keystore file with the oracle's key.")
@click.option("--password-file", type=_FILE, help="File whose first line is the keystore's password.")
@click.option("--network", type=_FILE, help="JSON file of the network's addresses, as its deployment wrote it.")
@click.option("--rpc", metavar="URL", help="The network's chain.")
@click.option("--nodes", type=_FILE, help='Without a chain: JSON list of addresses, or {"0x…": ["7/0/1"]}.')
@click.option("--chain-id", type=int, help="With --nodes: chain of the network.")
@click.option("--attestations", metavar="ADDRESS", help="With --nodes: the network's Attestations contract.")
@click.option("--genesis", type=int, help="With --nodes: start of epoch 0, UNIX seconds.")
@click.option("--epoch-length", type=int, help="With --nodes: seconds.")
@click.option("--tick", type=int, default=10, show_default=True, help="Seconds.")
@click.option("--worker", metavar="NAME", help="Name of this intake, where several of one oracle share a load.")
@click.option(
    "--challenge-secret-env", metavar="NAME", help="Variable with 64 hex digits that such intakes share, kept secret."
)
@click.option("--trust-forwarded", is_flag=True, help="Behind a proxy: senders are told by X-Forwarded-For.")
@click.option("--mqtt", metavar="URL", help="A broker as well: mqtt://HOST:PORT or mqtts://HOST:PORT.")
@click.option("--mqtt-username", metavar="NAME", help="The oracle's user at the broker.")
@click.option("--mqtt-password-env", metavar="NAME", help="Environment variable with that user's password.")
@click.option("--mqtt-ca-file", type=_FILE, help="Authorities for mqtts://.  [default: the system's]")
@click.option("--prometheus", metavar="URL", help="A Prometheus server as well, whose `up` is pulled.")
@click.option("--prometheus-label", default="node", show_default=True, help="Label with the node's address.")
@click.option("--prometheus-matchers", default="", metavar="MATCHERS", help="Further matchers, as 'job=\"nodes\"'.")
@click.option("--prometheus-user", metavar="NAME", help="User for basic auth.")
@click.option("--prometheus-password-file", type=_FILE, help="Its password.")
@click.option("--prometheus-token-file", type=_FILE, help="Bearer token.")
@click.option("--probes", type=_FILE, help="Workloads to probe: JSON object of assignment id to URL, also tcp://.")
@click.option("--probe-period", type=int, default=6, show_default=True, help="Mean ticks between two probes of one.")
@click.option("--probe-allow", multiple=True, metavar="NETWORK", help="Private network that may be probed: 10.0.0.0/8.")
@click.option("--probe-refuse", multiple=True, metavar="NETWORK", help="Network that may not, as the oracle's own.")
@click.option(
    "--max-clock-error", type=float, help="Blind while the kernel says that the clock may be off by more seconds."
)
@click.option("--compact-after", type=int, default=2, show_default=True, help="Epochs; 0: never compress.")
@click.option("--retain", type=int, help="Epochs that are kept.  [default: all]")
def intake(**given: Any) -> None:
    """Receive the heartbeats of a network's nodes until Ctrl-C or SIGTERM. What was acknowledged is durable.

    A store has one intake; `epochal explain` and `epochal oracle backup` read it meanwhile.
    """
    signer = load_key(given["key_env"], given["keystore"], given["password_file"], os.environ)
    settings = IntakeSettings(
        store=given["store"],
        network=_network(given),
        listen=parse_listen(given["listen"]),
        tick=given["tick"],
        worker=given["worker"],
        secret=_secret(given["challenge_secret_env"]),
        trust_forwarded=given["trust_forwarded"],
        max_clock_error=given["max_clock_error"],
        compact_after=given["compact_after"] or None,
        retain=given["retain"],
    )
    sys.exit(run_intake(settings, signer, _ways(given)))


def _secret(name: str | None) -> bytes | None:
    return None if name is None else parse_secret(name, os.environ.get(name))


def _network(given: dict[str, Any]) -> ChainNetwork | FixedNetwork:
    fixed = ("nodes", "chain_id", "attestations", "genesis", "epoch_length")
    if given["network"] is not None or given["rpc"] is not None:
        extra = [name for name in fixed if given[name] is not None]
        if extra:
            raise SettingsError(f"--{extra[0].replace('_', '-')}: leave it out; with --network the chain tells it")
        if given["network"] is None or given["rpc"] is None:
            raise SettingsError("--network and --rpc belong together: give both, or --nodes")
        return ChainNetwork(given["network"], given["rpc"])
    missing = [name for name in fixed if given[name] is None]
    if missing:
        raise SettingsError(f"--{missing[0].replace('_', '-')} is missing: give --network and --rpc, or all of --nodes")
    return FixedNetwork(*(given[name] for name in fixed))


def _ways(given: dict[str, Any]) -> list[MakeWay]:
    made: list[MakeWay] = []
    if given["mqtt"] is not None:
        credentials = (given["mqtt_username"], given["mqtt_password_env"], given["mqtt_ca_file"])
        made.append(over_mqtt(given["mqtt"], *credentials, os.environ))
    if given["prometheus"] is not None:
        made.append(
            from_prometheus(
                PrometheusSettings(
                    given["prometheus"],
                    label=given["prometheus_label"],
                    matchers=given["prometheus_matchers"],
                    user=given["prometheus_user"],
                    password_file=given["prometheus_password_file"],
                    token_file=given["prometheus_token_file"],
                )
            )
        )
    if given["probes"] is not None:
        networks = {"allowed": given["probe_allow"], "refused": given["probe_refuse"]}
        made.append(by_probes(given["probes"], ProbeSettings(given["probe_period"], **networks)))
    return made


@oracle.command(short_help="Copy a store to a file, also while it is in use.")
@click.option("--store", required=True, metavar="PATH|postgresql://...", help="The store.")
@click.argument("target", type=_FILE)
def backup(store: str, target: Path) -> None:
    """Write a consistent copy of STORE to TARGET, a file that `epochal oracle restore` reads.

    The intake may run meanwhile. The copy is a SQLite store, whichever database the original is in.
    """
    make_backup(store, target)
    click.echo(f"{target}: {target.stat().st_size:,} bytes, a copy of {store.partition('?')[0]}")


@oracle.command(short_help="Make a store from a backup.")
@click.argument("source", type=_FILE)
@click.option("--store", required=True, metavar="PATH|postgresql://...", help="The store to make; must not exist.")
def restore(source: Path, store: str) -> None:
    """Make STORE from the backup SOURCE, on either database.

    The lost original may have signed observations that the backup doesn't hold. So the restored oracle abstains from
    epochs that are over by now and that it has no journal entry of: to sign a second observation is proof of a lie.
    """
    floor = make_restore(source, store, int(time.time()))
    abstains = f"abstains up to epoch {floor} where it has no journal entry" if floor >= 0 else "no epoch is over yet"
    click.echo(f"{store.partition('?')[0]}: restored; {abstains}")
