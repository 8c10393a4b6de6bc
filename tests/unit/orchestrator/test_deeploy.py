# SPDX-License-Identifier: Apache-2.0
"""The Deeploy adapter's parts that talk to nobody: answers, plugin documents, settings, what the chain said."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.chain_reading import newest_agreed
from orchestrator.deeploy.errors import Refused, SettingsError, WrongAnswer
from orchestrator.deeploy.pipelines import Runners, create_pipeline, plugins, resources
from orchestrator.deeploy.progress import Move, Progress, Step
from orchestrator.deeploy.records import Records
from orchestrator.deeploy.settings import read_settings
from orchestrator.deeploy.statuses import Outcome, decode_answer, online_apps
from orchestrator.wire.intent import from_document

BASE: dict[str, Any] = {
    "version": 1,
    "name": "shop",
    "replicas": 2,
    "resources": {"cpu_millis": 1500, "memory_mb": 512, "storage_mb": 100},
    "policy": {},
    "ports": {"main": 8080, "admin-ui": 9090},
    "env": {"GREETING": "hello"},
    "health": {"mode": "endpoint", "path": "/up", "port": "admin-ui"},
    "restart": {"policy": "on-failure"},
    "tags": ["kyb"],
    "command": ["serve", "--name", "my shop"],
}
CAR = {**BASE, "service": "car", "image": {"folder": "shop"}}
WAR = {
    **BASE,
    "service": "war",
    "source": {"repository": "https://git.example/shop.git", "branch": "live"},
    "build": [["make", "all"]],
}
NATIVE = {
    **BASE,
    "service": "native",
    "pipeline": {
        "name": "p",
        "data_source": {"type": "void"},
        "plugins": [{"signature": "EDGE_NODE_API_TEST", "instance": "probe", "config": {"PORT": 5}}],
    },
}
RUNNERS = Runners({"shop": "registry.example/shop:1"}, "python:3.12", "reader", "secret")
CONTAINER = {
    "CONTAINER_RESOURCES": {"cpu": 1.5, "memory": "512m"},
    "EXPOSED_PORTS": {
        "8080": {"is_main_port": True, "host_port": None},
        "9090": {"is_main_port": False, "host_port": None},
    },
    "ENV": {"GREETING": "hello", "PORT": "8080", "PORT_MAIN": "8080", "PORT_ADMIN_UI": "9090"},
    "RESTART_POLICY": "on-failure",
    "IMAGE_PULL_POLICY": "always",
    "HEALTH_CHECK": {"MODE": "endpoint", "PATH": "/up", "PORT": 9090, "DELAY": 0, "INTERVAL": 5, "TIMEOUT": 300},
}


# Answers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", Outcome.DONE),
        ("partial_success", Outcome.PARTLY),
        ("command_delivered", Outcome.DELIVERED),
        ("pending", Outcome.WAITING),
        ("timeout", Outcome.TIMED_OUT),
        ("fail", Outcome.REFUSED),
        ("error", Outcome.BROKEN),
    ],
)
def test_answer__with_its_status_outside_or_inside_of_request__is_its_outcome(status: str, outcome: Outcome) -> None:
    assert decode_answer({"result": {"status": status}}).outcome is outcome
    assert decode_answer({"result": {"request": {"status": status}}}).outcome is outcome


@pytest.mark.parametrize(
    ("error", "code", "cure"),
    [
        ("ERR06_DEEPLOY_TARGET_NODE_RESOURCES1: no room", "ERR06_DEEPLOY_TARGET_NODE_RESOURCES1", "choose another"),
        ("Nonce is invalid(f)!", "", "clock is ahead"),
        ("Invalid signature: recovered 0x1 != 0x2", "", "check the key"),
        ("ERR77_NEW_ONE: who knows", "ERR77_NEW_ONE", "see the API's logs"),
    ],
)
def test_refusal__with_an_error__tells_code_and_cure(error: str, code: str, cure: str) -> None:
    answer = decode_answer({"result": {"status": "fail", "error": error}})
    with pytest.raises(Refused, match=cure) as refused:
        answer.or_refused("it")
    assert refused.value.code == code == answer.code


@pytest.mark.parametrize("document", [[], {}, {"result": []}, {"result": {}}, {"result": {"status": "fine"}}, None])
def test_answer__that_is_none__is_refused(document: Any) -> None:
    with pytest.raises(WrongAnswer):
        decode_answer(document)


def test_details__of_a_deployment__name_the_nodes_that_reported() -> None:
    details = {"k1": {"node": "0xai_a", "details": {}}, "k2": {"node": "0xai_b", "details": None}, "k3": "junk"}
    assert decode_answer({"result": {"status": "partial_success", "status_details": details}}).answered == {"0xai_a"}


def test_apps__of_both_shapes__are_those_of_the_job() -> None:
    newer = {"7": {"online": {"0xai_a": {"x_1": {}}}}, "8": {"online": {"0xai_b": {"y_1": {}}}}}
    older = {"0xai_a": {"x_1": {"deeploy_specs": {"job_id": 7}}}, "0xai_b": {"y_1": {"deeploy_specs": {"job_id": 8}}}}
    for apps in (newer, older):
        answer = decode_answer({"result": {"status": "success", "apps": apps}})
        assert online_apps(answer, 7) == {"x_1": {"0xai_a"}}
        assert online_apps(answer, 9) == {}


# Plugin documents


def test_car__of_an_intent__is_a_container_app_runner() -> None:
    intent = from_document(CAR)
    request = create_pipeline(intent, 42, "0x12", (), ("0xai_s",), RUNNERS)
    assert request.plugins == (
        {
            "plugin_signature": "CONTAINER_APP_RUNNER",
            "IMAGE": "registry.example/shop:1",
            "CONTAINER_START_COMMAND": ["serve", "--name", "my shop"],
            **CONTAINER,
        },
    )
    assert (request.alias, request.count, request.tags, request.spares) == ("shop", 2, ("kyb",), ("0xai_s",))
    assert resources(intent) == (1.5, "512m")


def test_war__of_an_intent__is_a_worker_app_runner() -> None:
    assert plugins(from_document(WAR), RUNNERS) == (
        {
            "plugin_signature": "WORKER_APP_RUNNER",
            "IMAGE": "python:3.12",
            "VCS_DATA": {
                "PROVIDER": "github",
                "USERNAME": "reader",
                "TOKEN": "secret",
                "REPO_URL": "https://git.example/shop.git",
                "BRANCH": "live",
                "POLL_INTERVAL": 60,
                "RATE_LIMIT_BACKOFF": 300,
            },
            "BUILD_AND_RUN_COMMANDS": ["make all", "serve --name 'my shop'"],
            **CONTAINER,
        },
    )
    assert "secret" not in repr(RUNNERS)


def test_native__of_an_intent__is_its_plugins() -> None:
    document = {"plugin_signature": "EDGE_NODE_API_TEST", "plugin_name": "probe", "PORT": 5}
    assert plugins(from_document(NATIVE), RUNNERS) == (document,)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"image": {"folder": "other"}}, r"intent.image.folder is 'other'.*\[images\]"),
        ({"ports": {"main": 0, "admin-ui": 1}}, "intent.ports.main is 0"),
        ({"restart": {"max_restarts": 9}}, "intent.restart.max_restarts is 9"),
    ],
)
def test_intent__with_what_deeploy_has_not__is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        plugins(from_document({**CAR, **changed}), RUNNERS)


def test_creation__on_too_few_nodes__is_refused() -> None:
    with pytest.raises(InvalidValue, match="replicas is 2"):
        create_pipeline(from_document(CAR), 42, "0x12", ("0xai_a",), (), RUNNERS)


# The chain's word


def _log(block: int, transaction: str, *nodes: int, index: int = 0) -> dict[str, Any]:
    told = ["0x" + f"{node:02x}" * 20 for node in nodes]
    return {
        "blockNumber": block,
        "logIndex": index,
        "transactionHash": transaction,
        "args": {"jobId": 7, "activeNodes": told},
    }


def test_list__agreed_and_written_in_one_transaction__is_believed() -> None:
    found = newest_agreed([_log(5, "x", 0x11, 0x12)], [_log(3, "w", 0x11), _log(5, "x", 0x12, 0x11, index=1)])
    assert found is not None
    assert (found.block, found.nodes) == (5, {"0x" + "11" * 20, "0x" + "12" * 20})


@pytest.mark.parametrize(
    ("agreed", "written"),
    [
        ([], []),
        ([_log(5, "x", 0x11)], []),
        ([], [_log(5, "x", 0x11)]),
        ([_log(5, "x", 0x11)], [_log(5, "x", 0x12, index=1)]),
        ([_log(5, "x", 0x11)], [_log(5, "x", 0x11, index=1), _log(6, "y", 0x12)]),
    ],
)
def test_list__not_agreed_or_overwritten__is_not_believed(agreed: list[Any], written: list[Any]) -> None:
    assert newest_agreed(agreed, written) is None


# Records and settings


def test_records__opened_again__remember_moves_and_nonces(tmp_path: Path) -> None:
    progress = Progress(Move(7, "x_1", "0xai_a", "0xai_b", 0.5, "512m"), Step.SCALED, 9, 1)
    with closing(Records(tmp_path / "moves.sqlite")) as records:
        assert records.load("k") is None
        records.save("k", progress)
        assert [records.claim("0x1", nonce) for nonce in (5, 5, 4, 6)] == [True, False, False, True]
    with closing(Records(tmp_path / "moves.sqlite")) as records:
        assert (records.load("k"), records.keys()) == (progress, ["k"])
        assert [records.claim(sender, 6) for sender in ("0x1", "0x2")] == [False, True]


def test_records__in_a_file_that_is_another__are_refused(tmp_path: Path) -> None:
    (tmp_path / "moves.sqlite").write_text("no database at all, but long enough to be read as one" * 9)
    with pytest.raises(SettingsError, match="can't be used"):
        Records(tmp_path / "moves.sqlite")


SETTINGS = f"""[deeploy]
url = "https://deeploy.example"
[chain]
rpc = ["http://127.0.0.1:8545"]
manager = "0x{"a1" * 20}"
escrow = "0x{"e5" * 20}"
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('url = "https://deeploy.example"', "", "deeploy.url"),
        ("[chain]", "tries = 0\n[chain]", "deeploy.tries"),
        ("[chain]", 'form = "newest"\n[chain]', "deeploy.form"),
        ("[chain]", "speed = 1\n[chain]", "deeploy.speed"),
        ("[deeploy]", "[deeploy", "is no TOML"),
        ("[chain]", '[nodes]\n"0xai_a" = "0x12"\n[chain]', r"\[nodes\]"),
    ],
)
def test_settings__with_a_mistake__name_it(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "deeploy.toml"
    path.write_text(SETTINGS)
    assert read_settings(path).waiting.confirm_seconds == 600
    path.write_text(SETTINGS.replace(old, new))
    with pytest.raises(SettingsError, match=told):
        read_settings(path)


def test_settings__with_a_token_that_is_not_set__name_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "deeploy.toml"
    path.write_text(SETTINGS + '[runners]\ntoken_env = "GIT_TOKEN"\n')
    settings = read_settings(path)
    assert settings.runner({"GIT_TOKEN": "t"}).token == "t"
    with pytest.raises(SettingsError, match="GIT_TOKEN"):
        settings.runner({})
