"""A daemon's key: from an environment variable, an encrypted key file or a remote signer, and never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from oracle.ground.errors import InvalidValue, UserError
from oracle.signing.signer import LocalSigner, Signer


class KeyUnusable(UserError):
    """The key can't be loaded. The text names the option and the cure, never the secret."""


def load_key(
    key_env: str | None,
    keystore: Path | None,
    password_file: Path | None,
    environment: Mapping[str, str],
    remote_signer: str | None = None,
    signer_address: str | None = None,
    remote_signer_ca_file: Path | None = None,
) -> Signer:
    """The signer of `--key-env`, of `--keystore` and `--password-file`, or of `--remote-signer` and `--signer-address`.

    KeyUnusable if there is none, or more than one, or it can't be used. A remote signer isn't asked yet.
    """
    ways = "--key-env NAME or --keystore FILE"
    if remote_signer is not None or signer_address is not None or remote_signer_ca_file is not None:
        ways += " or --remote-signer URL"
    if [key_env, keystore, remote_signer].count(None) != 2:
        raise KeyUnusable(f"the key: give either {ways}")
    if (keystore is None) != (password_file is None):
        raise KeyUnusable("--keystore and --password-file belong together: give both or neither")
    if (remote_signer is None) != (signer_address is None):
        raise KeyUnusable("--remote-signer and --signer-address belong together: give both or neither")
    if remote_signer_ca_file is not None and remote_signer is None:
        raise KeyUnusable("--remote-signer-ca-file is for --remote-signer: give both or neither")
    if key_env is not None:
        return _from_environment(key_env, environment)
    if keystore is not None and password_file is not None:
        return _from_keystore(keystore, password_file)
    assert remote_signer is not None
    assert signer_address is not None
    return _from_remote(remote_signer, signer_address, remote_signer_ca_file)


def _from_remote(url: str, address: str, ca_file: Path | None) -> Signer:
    from oracle.signing.remote import RemoteSigner  # an HTTP client that a daemon with a plain key needn't load

    if ca_file is not None:
        _read(ca_file, "--remote-signer-ca-file")
    try:
        return RemoteSigner(url, address, ca_file=ca_file)
    except InvalidValue as error:
        raise KeyUnusable(f"--remote-signer and --signer-address: {error}") from error


def _from_environment(name: str, environment: Mapping[str, str]) -> LocalSigner:
    text = environment.get(name, "").strip()
    if not text:
        raise KeyUnusable(f"--key-env {name}: the variable is not set: put the private key in it")
    digits = text.removeprefix("0x")
    try:
        return LocalSigner(bytes.fromhex(digits) if len(digits) == 64 else b"")
    except (ValueError, InvalidValue):
        # `from None`: the cause would show the key.
        raise KeyUnusable(
            f"--key-env {name}: its value (not shown) is no private key: give 0x and 64 hex digits"
        ) from None


def _from_keystore(keystore: Path, password_file: Path) -> LocalSigner:
    content = _read(keystore, "--keystore")
    password = _read(password_file, "--password-file").split("\n", 1)[0].removesuffix("\r")
    from eth_account import Account  # half a second that a daemon with a plain key needn't wait

    try:
        key = bytes(Account.decrypt(json.loads(content), password))
    except ValueError as error:
        if "MAC" in str(error):
            raise KeyUnusable(f"--keystore {keystore}: the password in {password_file} doesn't open it") from None
        raise KeyUnusable(f"--keystore {keystore}: is no key file ({error}); give a version 3 JSON") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise KeyUnusable(f"--keystore {keystore}: is no key file ({error!r}); give a version 3 JSON") from None
    return LocalSigner(key)


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnusable(f"{option} {path}: can't be read ({error}); check the path and its rights") from error
