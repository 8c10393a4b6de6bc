"""What `epochal notify` is told: a TOML file, checked before anything starts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from notify.errors import SettingsError
from notify.mail import PORTS, MailServer
from notify.notice import About, Kind
from notify.rules import Interest, Spans
from notify.signing import secret_of
from oracle.ground.errors import InvalidValue


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WebhookSettings(_Table):
    """A receiver: `url`, and the environment variable that holds the secret its requests are signed with."""

    url: str
    secret_env: str

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        return _checked_url(url)


class MailSettings(_Table):
    """A mailbox."""

    to: str = Field(pattern=r"^[^@\s<>,\x00-\x1f]+@[^@\s<>,\x00-\x1f]+$")


class SmtpSettings(_Table):
    """The server that mail leaves by."""

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = Field(alias="from", pattern=r"^[^@\s<>,\x00-\x1f]+@[^@\s<>,\x00-\x1f]+$")
    username: str | None = None
    password_env: str | None = None
    ca_file: str | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> SmtpSettings:
        if (self.username is None) != (self.password_env is None):
            raise ValueError("username and password_env belong together: give both or neither")
        if self.username is not None and self.security == "none":
            raise ValueError('security is "none" with a password: it would travel in the clear; use starttls or tls')
        return self


class Subscription(_Table):
    """Who hears what about whom."""

    to: list[str] = Field(min_length=1)
    kinds: list[str] = Field(min_length=1)
    accounts: list[int] = []
    licences: list[int] = []
    jobs: list[int] = []
    everything: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Subscription:
        known = [one.value for one in Kind if one is not Kind.TEST]
        for kind in self.kinds:
            if kind not in (*known, "all"):
                raise ValueError(f"kinds has {kind!r}: use any of all, {', '.join(known)}")
        if not (self.accounts or self.licences or self.jobs or self.everything):
            raise ValueError("names nobody: give accounts, licences or jobs, or everything = true")
        return self

    def interest(self) -> Interest:
        """As rules take it."""
        kinds = frozenset(Kind) if "all" in self.kinds else frozenset(map(Kind, self.kinds))
        about = About(frozenset(self.accounts), frozenset(self.licences), frozenset(self.jobs))
        return Interest(tuple(self.to), kinds, about, self.everything)


class NotifySettings(_Table):
    """The whole file. Spans are in seconds; `tick` is the network's."""

    deployment: str
    rpc: list[str] = Field(min_length=1)
    state: str = "notify-state"
    oracles: list[str] = []
    tick: int = Field(default=10, ge=1)
    poll_seconds: int = Field(default=15, ge=1)
    presence_seconds: int = Field(default=60, ge=1)
    down_seconds: int = Field(default=120, ge=1)
    repeat_seconds: int = Field(default=21_600, ge=1)
    funds_seconds: int = Field(default=259_200, ge=1)
    credential_seconds: int = Field(default=1_209_600, ge=1)
    give_up_seconds: int = Field(default=259_200, ge=1)
    oldest_seconds: int = Field(default=259_200, ge=1)
    webhooks: dict[str, WebhookSettings] = {}
    mail: dict[str, MailSettings] = {}
    smtp: SmtpSettings | None = None
    subscriptions: list[Subscription] = Field(min_length=1)

    @field_validator("rpc", "oracles")
    @classmethod
    def _are_urls(cls, urls: list[str]) -> list[str]:
        return [_checked_url(one).rstrip("/") for one in urls]

    @model_validator(mode="after")
    def _belong_together(self) -> NotifySettings:
        both = sorted(set(self.webhooks) & set(self.mail))
        if both:
            raise ValueError(f"{both[0]} is both under webhooks and under mail: name each receiver once")
        for name in (*self.webhooks, *self.mail):
            if not (name.isidentifier() and name.isascii() and len(name) <= 40):
                raise ValueError(f"a receiver is named {name[:60]!r}: use at most 40 letters, digits and underlines")
        for one in self.subscriptions:
            for name in one.to:
                if name not in self.webhooks and name not in self.mail:
                    raise ValueError(f"a subscription is for {name!r}: put [webhooks.{name}] or [mail.{name}] into it")
        if self.mail and self.smtp is None:
            raise ValueError("there are mailboxes and no mail server: add a table [smtp]")
        return self

    @property
    def spans(self) -> Spans:
        """As rules take them."""
        return Spans(self.down_seconds, self.repeat_seconds, self.funds_seconds, self.credential_seconds)

    @property
    def interests(self) -> list[Interest]:
        """As rules take them."""
        return [one.interest() for one in self.subscriptions]

    def secrets(self, environment: Mapping[str, str]) -> dict[str, bytes]:
        """The webhooks' secrets by name. SettingsError, which tells no value."""
        found = {}
        for name, hook in self.webhooks.items():
            try:
                found[name] = secret_of(environment.get(hook.secret_env, ""))
            except InvalidValue as error:
                raise SettingsError(f"webhooks.{name}.secret_env {hook.secret_env}: {error}") from error
        return found

    def mail_server(self, environment: Mapping[str, str]) -> MailServer | None:
        """The mail server with its password. SettingsError."""
        one = self.smtp
        if one is None:
            return None
        password = environment.get(one.password_env) if one.password_env else None
        if one.password_env and not password:
            raise SettingsError(f"smtp.password_env {one.password_env}: isn't set; put the password into that variable")
        return MailServer(
            host=one.host,
            port=one.port or PORTS[one.security],
            sender=one.sender,
            security=one.security,
            username=one.username,
            password=password,
            ca_file=Path(one.ca_file) if one.ca_file else None,
        )


def load(path: Path) -> NotifySettings:
    """The settings in a file; paths in it are taken from its folder. SettingsError names the setting and the cure."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--settings {path}: {error.strerror}; check the path and its rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"--settings {path}: is no TOML ({error}); see deploy/notify.sample.toml") from error
    try:
        found = NotifySettings.model_validate(told)
    except ValidationError as error:
        raise SettingsError(f"--settings {path}: {_first(error)}") from None
    folder = path.absolute().parent
    changed: dict[str, Any] = {"deployment": str(folder / found.deployment), "state": str(folder / found.state)}
    if found.smtp is not None and found.smtp.ca_file is not None:
        changed["smtp"] = found.smtp.model_copy(update={"ca_file": str(folder / found.smtp.ca_file)})
    return found.model_copy(update=changed)


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, without values that may be secret."""
    wrong = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(one) for one in wrong["loc"])
    why = str(wrong["msg"]).removeprefix("Value error, ")
    if wrong["type"] == "extra_forbidden":
        why = "no setting has this name; deploy/notify.sample.toml lists them"
    return f"{place}: {why}" if place else why


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url or len(url) > 2_000:
        raise ValueError("isn't a URL: write it like https://example.org/hook")
    return url
