"""The settings of `epochal oracle run`, each with its rule, its default and what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from oracle.service.setting_values import (
    endpoint_url,
    http_urls,
    ip_address,
    listen_address,
    not_empty,
    oracle_address,
    setting,
    signer_url,
    split_list,
    whole_number,
)

PREFIX: Final = "EPOCHAL_ORACLE_"
_KEY: Final = "The oracle's key: one of three ways"
_GAS_KEY: Final = "The key that pays for transactions: one of two ways"
_WAYS: Final = "Further ways in, see docs/telemetry.md"

Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
Listen = Annotated[str, AfterValidator(listen_address)]
File = Annotated[Path, BeforeValidator(not_empty)]
Whole = Annotated[int, BeforeValidator(whole_number)]


class DeclaredSettings(BaseSettings):
    """The settings one by one; `OracleSettings` checks what belongs together. docs/oracle-settings.md is made of it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    deployment: File = setting(
        "The network's addresses, the JSON file that its deployment wrote.",
        group="Network",
        give="the path of the JSON file of addresses",
        sample="network.json",
    )
    rpc: Annotated[Texts, AfterValidator(http_urls)] = setting(
        "RPC endpoints of the chain, of operators who don't depend on each other. Its events, states and finalized "
        "blocks are asked of `rpc_agree` of them, and must be equal.",
        group="Network",
        give="one or more http:// or https:// URLs, each once",
        sample=["https://rpc-1.example", "https://rpc-2.example"],
        hidden=True,
    )
    rpc_agree: Whole | None = setting(
        "How many endpoints must say the same. Unset: 2, or 1 where only one is given.",
        None,
        group="Network",
        give="a number from 1 to that of the endpoints in rpc",
        sample=2,
    )
    state: File = setting(
        "Folder of what must survive: oracle.sqlite (what was seen and signed), chain.sqlite (the chain's events), "
        "transactions.sqlite, and the evidence of reports.",
        group="State",
        give="the path of a folder, which is made if it is missing",
        sample="state",
    )
    store: str | None = setting(
        "Where what was seen and signed is kept instead of oracle.sqlite: a path, or postgresql://… (a password in it "
        "belongs into PGPASSWORD or ~/.pgpass).",
        None,
        group="State",
        give="a path or a postgresql:// URL",
        sample="postgresql://oracle@db.example/epochal",
        hidden=True,
    )
    intake_stores: Texts = setting(
        "Stores of this oracle's intakes that run apart (`epochal oracle intake`); what they saw is observed too.",
        (),
        group="State",
        give="paths or postgresql:// URLs, each once",
        sample=["postgresql://oracle@db.example/epochal?schema=intake_1"],
        hidden=True,
    )
    compact_after: Whole = setting(
        "Epochs after which what was seen is compressed; 0: never.", 2, group="State", give="whole epochs, 0 or more"
    )
    retain: Whole | None = setting(
        "Epochs for which what was seen is kept. Unset: for ever.",
        None,
        group="State",
        give="whole epochs, more than compact_after",
        sample=90,
    )
    evidence_retain: Whole = setting(
        "Epochs for which the evidence of reports is kept and served.",
        30,
        group="State",
        give="whole epochs, 1 or more",
    )
    heartbeat_listen: Listen = setting(
        'Address on which heartbeats come over HTTP; "" for none in this process.',
        "127.0.0.1:8600",
        group="Addresses",
        give='HOST:PORT, such as 127.0.0.1:8600 or [::]:8600, or ""',
    )
    peer_listen: Listen = setting(
        'Address on which other oracles talk to this one; "" for none: it then hears only answers to what it asks.',
        "127.0.0.1:8610",
        group="Addresses",
        give='HOST:PORT, such as 127.0.0.1:8610 or [::]:8610, or ""',
    )
    health_listen: Listen = setting(
        'Address of /live, /ready and /metrics, for the operator alone; "" for none.',
        "127.0.0.1:8620",
        group="Addresses",
        give='HOST:PORT, such as 127.0.0.1:8620, or ""',
    )
    endpoint: Annotated[str, AfterValidator(endpoint_url)] | None = setting(
        "URL under which other oracles reach `peer_listen`, as `epochal oracle announce` writes it on chain. The "
        "daemon warns while the chain tells another one.",
        None,
        group="Addresses",
        give="an http:// or https:// URL of at most 200 bytes, without user, query or fragment",
        sample="https://oracle-1.example",
    )
    trust_forwarded: bool = setting(
        "Behind a proxy: who sends is told by X-Forwarded-For.", False, group="Addresses", give="true or false"
    )
    bind_from: Annotated[str, AfterValidator(ip_address)] | None = setting(
        "Own IP address from which peers are called. Unset: the system chooses.",
        None,
        group="Addresses",
        give="an IP address of this machine",
        sample="192.0.2.10",
    )
    key_env: str | None = setting(
        "Name of the environment variable with the oracle's private key (0x, 64 hex digits).",
        None,
        group=_KEY,
        give="the name of a variable",
        sample="ORACLE_KEY",
    )
    keystore: File | None = setting(
        "Ethereum keystore file with the oracle's key.",
        None,
        group=_KEY,
        give="the path of a version 3 JSON key file",
        sample="oracle.json",
    )
    password_file: File | None = setting(
        "File whose first line is the keystore's password.",
        None,
        group=_KEY,
        give="the path of a file, together with keystore",
        sample="oracle.password",
    )
    remote_signer: Annotated[str, AfterValidator(signer_url)] | None = setting(
        "URL of a Web3Signer that holds the oracle's key.",
        None,
        group=_KEY,
        give="an http:// or https:// URL without user or password",
        sample="http://127.0.0.1:9000",
    )
    signer_address: Annotated[str, AfterValidator(oracle_address)] | None = setting(
        "The oracle's address, whose key the remote signer holds.",
        None,
        group=_KEY,
        give="0x and 40 hex digits, together with remote_signer",
        sample="0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    )
    remote_signer_ca_file: File | None = setting(
        "Authorities that vouch for an https:// remote signer. Unset: the system's.",
        None,
        group=_KEY,
        give="the path of a PEM file, together with remote_signer",
        sample="signer-ca.pem",
    )
    gas_key_env: str | None = setting(
        "Name of the environment variable with the private key that pays for transactions; never the oracle's key.",
        None,
        group=_GAS_KEY,
        give="the name of a variable",
        sample="ORACLE_GAS_KEY",
    )
    gas_keystore: File | None = setting(
        "Ethereum keystore file with that key.",
        None,
        group=_GAS_KEY,
        give="the path of a version 3 JSON key file",
        sample="gas.json",
    )
    gas_password_file: File | None = setting(
        "File whose first line is its password.",
        None,
        group=_GAS_KEY,
        give="the path of a file, together with gas_keystore",
        sample="gas.password",
    )
    max_fee_gwei: Whole = setting(
        "Most that a transaction may pay for a unit of gas, in gwei. While the chain asks for more, it waits.",
        200,
        group="Transactions",
        give="whole gwei, 1 or more",
    )
    max_priority_gwei: Whole = setting(
        "Most of that for the block's proposer, in gwei.", 2, group="Transactions", give="whole gwei, 1 to max_fee_gwei"
    )
    stuck_seconds: Whole = setting(
        "Seconds after which a transaction that isn't in a block is sent again with a higher fee.",
        60,
        group="Transactions",
        give="whole seconds, 1 or more",
    )
    min_balance_gwei: Whole = setting(
        "Balance of the paying key below which the oracle warns, in gwei.",
        50_000_000,
        group="Transactions",
        give="whole gwei, 0 or more",
    )
    tick: Whole = setting(
        "Seconds of one tick, the same at all oracles of a network.", 10, group="Clock", give="whole seconds, 1 or more"
    )
    max_clock_error: float | None = setting(
        "The oracle is blind while the kernel says that the clock may be off by more seconds. Unset: it isn't asked.",
        None,
        group="Clock",
        give="seconds above 0, below a tick",
        sample=1.0,
    )
    log_format: Literal["json", "text"] = setting(
        "One JSON object a line, or text to read.", "json", group="Logs", give="json or text"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "What is below it isn't logged.", "info", group="Logs", give="debug, info, warning or error"
    )
    mqtt: str | None = setting(
        "A broker whose heartbeats are taken as well.",
        None,
        group=_WAYS,
        give="mqtt://HOST:PORT or mqtts://HOST:PORT",
        sample="mqtts://broker.example:8883",
        hidden=True,
    )
    mqtt_username: str | None = setting("The oracle's user there.", None, group=_WAYS, give="a name", sample="oracle")
    mqtt_password_env: str | None = setting(
        "Name of the environment variable with that user's password.",
        None,
        group=_WAYS,
        give="the name of a variable, together with mqtt_username",
        sample="MQTT_PASSWORD",
    )
    mqtt_ca_file: File | None = setting(
        "Authorities for mqtts://. Unset: the system's.",
        None,
        group=_WAYS,
        give="the path of a PEM file",
        sample="broker-ca.pem",
    )
    prometheus: str | None = setting(
        "A Prometheus server whose `up` is pulled as well.",
        None,
        group=_WAYS,
        give="an http:// or https:// URL without user or password",
        sample="https://prometheus.example",
        hidden=True,
    )
    prometheus_label: str = setting("Label with the node's address.", "node", group=_WAYS, give="a label's name")
    prometheus_matchers: str = setting("Further matchers.", "", group=_WAYS, give='matchers such as job="nodes"')
    prometheus_user: str | None = setting("User for basic auth.", None, group=_WAYS, give="a name", sample="oracle")
    prometheus_password_file: File | None = setting(
        "Its password.",
        None,
        group=_WAYS,
        give="the path of a file",
        sample="prometheus.password",
    )
    prometheus_token_file: File | None = setting(
        "Bearer token.",
        None,
        group=_WAYS,
        give="the path of a file",
        sample="prometheus.token",
    )
    probes: File | None = setting(
        "Workloads that are probed: a JSON object of assignment to URL, also tcp://.",
        None,
        group=_WAYS,
        give="the path of a JSON file",
        sample="probes.json",
    )
    probe_period: Whole = setting(
        "Mean ticks between two probes of one.",
        6,
        group=_WAYS,
        give="whole ticks, 1 or more",
    )
    probe_allow: Texts = setting(
        "Private networks that may be probed.",
        (),
        group=_WAYS,
        give="networks such as 10.0.0.0/8",
        sample=["10.0.0.0/8"],
    )
    probe_refuse: Texts = setting(
        "Networks that may not, as the oracle's own.",
        (),
        group=_WAYS,
        give="networks such as 203.0.113.0/24",
        sample=["203.0.113.0/24"],
    )
    rehearsal: Literal["liar", "equivocator", "spammer"] | None = setting(
        "On a local chain alone: misbehave, so that it is seen what the others do about it.",
        None,
        group="Rehearsals",
        give="liar, equivocator or spammer",
        sample="liar",
    )
    rehearsal_clock_offset: float = setting(
        "On a local chain alone: seconds by which this oracle's clock is wrong.",
        0.0,
        group="Rehearsals",
        give="seconds, negative for a clock that is late",
    )
