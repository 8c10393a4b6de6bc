"""New keys, in encrypted files."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from oracle.service.errors import SettingsError
from oracle.signing.signer import LocalSigner


def make_key(keystore: Path, password_file: Path) -> str:
    """A new key in `keystore` (version 3 JSON) and its random password in `password_file`; returns the address.

    Only their owner may read them. SettingsError where one of them is there already or can't be made; nothing is left
    then.
    """
    key = secrets.token_bytes(32)
    password = secrets.token_urlsafe(24)
    from eth_account import Account  # half a second that only this command has to wait

    encrypted = Account.encrypt(key, password)
    _write(password_file, password + "\n")
    try:
        _write(keystore, json.dumps(encrypted) + "\n")
    except SettingsError:
        password_file.unlink()
        raise
    return LocalSigner(key).address


def _write(path: Path, text: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SettingsError(f"{path}: is there already, perhaps with a key in use; name another") from error
    except OSError as error:
        raise SettingsError(f"{path}: can't be made ({error.strerror}); check its folder") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
