"""The node's key: from an environment variable or an encrypted key file, and never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from node.settings import NodeSettings, SettingsError
from oracle.ground.errors import InvalidValue
from oracle.signing.signer import LocalSigner


def load_signer(settings: NodeSettings, environment: Mapping[str, str]) -> LocalSigner:
    """The signer that the settings name. SettingsError, which doesn't tell the secret, if there is none."""
    if settings.key_env is not None:
        return _from_environment(settings.key_env, environment)
    if settings.keystore is None or settings.password_file is None:
        raise SettingsError("the node's key: give either --key-env NAME or --keystore FILE")
    return _from_keystore(settings.keystore, settings.password_file)


def _from_environment(name: str, environment: Mapping[str, str]) -> LocalSigner:
    text = environment.get(name, "").strip()
    if not text:
        raise SettingsError(f"--key-env {name}: the variable is not set: put the node's private key in it")
    digits = text.removeprefix("0x")
    try:
        return LocalSigner(bytes.fromhex(digits) if len(digits) == 64 else b"")
    except (ValueError, InvalidValue):
        # `from None`: the cause would show the key.
        raise SettingsError(
            f"--key-env {name}: its value (not shown) is no private key: give 0x and 64 hex digits"
        ) from None


def _from_keystore(keystore: Path, password_file: Path) -> LocalSigner:
    content = _read(keystore, "--keystore")
    password = _read(password_file, "--password-file").split("\n", 1)[0].removesuffix("\r")
    from eth_account import Account  # half a second that an agent with a plain key needn't wait

    try:
        key = bytes(Account.decrypt(json.loads(content), password))
    except ValueError as error:
        if "MAC" in str(error):
            raise SettingsError(f"--keystore {keystore}: the password in {password_file} doesn't open it") from None
        raise SettingsError(f"--keystore {keystore}: is no key file ({error}); give a version 3 JSON") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise SettingsError(f"--keystore {keystore}: is no key file ({error!r}); give a version 3 JSON") from None
    return LocalSigner(key)


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{option} {path}: can't be read ({error}); check the path and its rights") from error
