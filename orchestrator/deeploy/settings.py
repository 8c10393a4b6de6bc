"""The settings of the adapter: a TOML file, each key checked and named in what is wrong with it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.addresses import NodeAddresses
from orchestrator.deeploy.client import ClientLimits
from orchestrator.deeploy.errors import SettingsError
from orchestrator.deeploy.move import MoveLimits
from orchestrator.deeploy.pipelines import Runners
from orchestrator.deeploy.polling import Patience
from orchestrator.deeploy.signing import Form

_Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ApiSection(_Section):
    """[deeploy]: where the API is and how it is spoken to."""

    url: str
    form: Literal["newer", "older"] = "newer"
    nonce_lag_milliseconds: int = Field(2_000, ge=0, le=600_000)
    answer_seconds: int = Field(630, ge=1, le=3_600)
    connect_seconds: int = Field(10, ge=1, le=600)
    tries: int = Field(4, ge=1, le=20)


class ChainSection(_Section):
    """[chain]: where the job's nodes are looked up."""

    rpc: list[str] = Field(min_length=1)
    manager: _Address
    escrow: _Address
    first_block: int = Field(0, ge=0)


class WaitingSection(_Section):
    """[waiting]: how long something may take."""

    poll_seconds: int = Field(5, ge=1, le=3_600)
    confirm_seconds: int = Field(600, ge=1, le=86_400)
    look_seconds: int = Field(60, ge=1, le=86_400)
    scale_ups: int = Field(3, ge=1, le=100)


class RunnerSection(_Section):
    """[runners]: what a "war" is built in, and how its repository is read."""

    base_image: str = "node:22"
    user: str | None = None
    token_env: str | None = None


class DeeploySettings(_Section):
    """The whole file; [nodes] is 0xai_ name = EVM address, [images] an intent's folder = container image."""

    deeploy: ApiSection
    chain: ChainSection
    waiting: WaitingSection = WaitingSection()  # type: ignore[call-arg]
    nodes: dict[str, str] = Field(default_factory=dict)
    images: dict[str, str] = Field(default_factory=dict)
    runners: RunnerSection = RunnerSection()

    @property
    def form(self) -> Form:
        """How requests are signed."""
        return Form(self.deeploy.form)

    def client_limits(self) -> ClientLimits:
        """For client.DeeployClient."""
        api = self.deeploy
        return ClientLimits(
            patience=api.answer_seconds,
            connecting=api.connect_seconds,
            tries=api.tries,
            nonce_lag=api.nonce_lag_milliseconds,
        )

    def confirming(self) -> Patience:
        """How long the chain is waited for."""
        return Patience(self.waiting.poll_seconds, self.waiting.confirm_seconds)

    def move_limits(self) -> MoveLimits:
        """For move.Mover."""
        looking = Patience(self.waiting.poll_seconds, self.waiting.look_seconds)
        return MoveLimits(self.confirming(), looking, self.waiting.scale_ups)

    def addresses(self) -> NodeAddresses:
        """The table of nodes; SettingsError."""
        try:
            return NodeAddresses(self.nodes)
        except InvalidValue as error:
            raise SettingsError(f"[nodes]: {error}") from error

    def runner(self, environment: Mapping[str, str]) -> Runners:
        """What Deeploy's runners need; SettingsError if the token's variable isn't set."""
        token = None
        if self.runners.token_env is not None:
            token = environment.get(self.runners.token_env)
            if not token:
                raise SettingsError(f"[runners] token_env: {self.runners.token_env} is not set: put the token in it")
        return Runners(self.images, self.runners.base_image, self.runners.user, token)


def read_settings(path: Path) -> DeeploySettings:
    """The settings in a TOML file; SettingsError, naming file, key and cure."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--settings {path}: can't be read ({error}); check the path and its rights") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"--settings {path}: is no TOML ({error}); correct that line") from error
    try:
        settings = DeeploySettings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"--settings {path}: {where}: {first['msg']}; see docs/deeploy.md") from error
    settings.addresses()
    return settings
