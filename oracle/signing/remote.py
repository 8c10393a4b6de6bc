"""A key that never leaves its vault: messages are signed by Web3Signer over HTTP.

Web3Signer hashes what it signs with keccak itself and names keys by their public keys alone, so the message goes there
as the EIP-712 preimage, to the key of its list that has the wanted address. What comes back is believed only when the
wanted address signed it.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import requests
from coincurve import PublicKey

from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import EpochalError, InvalidValue, UserError
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain, TypedStruct
from oracle.signing.compact import CURVE_ORDER, address_of, recover

_LONGEST_ANSWER = 1 << 20


class SignerUnavailable(EpochalError):
    """The remote signer doesn't answer, or answers with an error. Another try may succeed."""


class WrongSignature(EpochalError):
    """The remote signer answered with something that is no signature by the wanted address."""


class SignsNoDigest(UserError):
    """A remote signer hashes by itself: it signs messages, not digests."""


class RemoteSigner:
    """Signs with a key that Web3Signer holds (`POST /api/v1/eth1/sign/…`). May be used by several threads."""

    def __init__(
        self,
        url: str,
        address: str,
        timeout: float = 5.0,
        ca_file: Path | None = None,
        certificate_file: Path | None = None,
    ) -> None:
        """`url` is http:// or https://, with a path if Web3Signer is behind one; `timeout` in seconds.

        `ca_file` are authorities that vouch for https, the system's when left out; `certificate_file` is a PEM with the
        certificate and key by which Web3Signer knows this client. Nothing is asked yet: see `check`. InvalidValue for a
        URL or address that can't be one.
        """
        try:
            parts = urlsplit(url)
            valid = (
                parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
            )
            port = parts.port
        except ValueError:
            valid, port = False, None
        if not valid:
            raise InvalidValue("the remote signer's address (not shown) is no URL: give http://HOST:PORT or https://")
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        self.where = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
        """The signer for messages: without what may be a password."""
        self._base = url.rstrip("/")
        self._raw = raw_address(address)
        self.address = checksummed(self._raw)
        self._timeout = timeout
        self._verify: str | bool = True if ca_file is None else str(ca_file)
        self._certificate = None if certificate_file is None else str(certificate_file)
        self._identifier: str | None = None

    def check(self) -> None:
        """Ask whether the signer answers and holds the key; SignerUnavailable if not."""
        self._identifier = self._find()

    def sign(self, digest: bytes) -> bytes:
        """See Signer: always SignsNoDigest."""
        raise SignsNoDigest(f"{self.where} hashes what it signs, so it signs no digest: use a key in memory for this")

    def sign_typed(self, message: TypedStruct, domain: Domain) -> bytes:
        """See Signer. SignerUnavailable and WrongSignature name the signer's host."""
        preimage = message.preimage(domain)
        if self._identifier is None:
            self._identifier = self._find()
        try:
            said = self._ask("POST", f"/api/v1/eth1/sign/{self._identifier}", {"data": "0x" + preimage.hex()})
        except SignerUnavailable:
            self._identifier = None  # its keys may be others now
            raise
        return self._compact(said, keccak256(preimage))

    def _find(self) -> str:
        """What Web3Signer calls the key: its public key, as the list of keys has it."""
        said = self._ask("GET", "/api/v1/eth1/publicKeys")
        try:
            listed = json.loads(said)
        except ValueError:
            listed = None
        if not isinstance(listed, list):
            raise SignerUnavailable(f"{self.where} answers with no list of keys: is it Web3Signer in eth1 mode?")
        for text in listed:
            if isinstance(text, str) and _address_of(text) == self._raw:
                return text
        raise SignerUnavailable(f"{self.where} holds no key of {self.address} ({len(listed)} others): load it there")

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> str:
        try:
            # A session of its own: one can't be shared by threads.
            with requests.Session() as session:
                session.trust_env = False  # proxies and .netrc are not for keys
                answer = session.request(
                    method,
                    self._base + path,
                    json=body,
                    timeout=self._timeout,
                    verify=self._verify,
                    cert=self._certificate,
                    allow_redirects=False,
                    stream=True,
                )
                content = answer.raw.read(_LONGEST_ANSWER, decode_content=True)
        except (requests.RequestException, OSError) as error:
            # `from None`: the cause shows the whole URL, which may hold a password.
            raise SignerUnavailable(f"{self.where} doesn't answer ({type(error).__name__}): is it running?") from None
        if answer.status_code != 200:
            cure = "load the key there" if answer.status_code == 404 else "see its log"
            raise SignerUnavailable(f"{self.where} answers with status {answer.status_code}: {cure}")
        return bytes(content).decode("utf-8", "replace").strip()

    def _compact(self, said: str, digest: bytes) -> bytes:
        """The answer `0x` r s v as 64 bytes, checked."""
        try:
            raw = bytes.fromhex(said.strip('"').removeprefix("0x"))
        except ValueError:
            raw = b""
        if len(raw) != 65 or raw[64] not in (0, 1, 27, 28):
            raise WrongSignature(f"{self.where} answers with no signature of 65 bytes: is it Web3Signer in eth1 mode?")
        s, odd = int.from_bytes(raw[32:64], "big"), raw[64] in (1, 28)
        if CURVE_ORDER // 2 < s < CURVE_ORDER:
            s, odd = CURVE_ORDER - s, not odd  # the same signature, in the one form that contracts take
        if s >> 255:
            raise WrongSignature(f"{self.where} answers with an s out of range: is it Web3Signer in eth1 mode?")
        signature = raw[:32] + (s | odd << 255).to_bytes(32, "big")
        try:
            signer = recover(digest, signature)
        except EpochalError as error:
            raise WrongSignature(f"{self.where}: {error}") from error
        if signer != self._raw:
            raise WrongSignature(
                f"{self.where} signed as {checksummed(signer)}, not as {self.address}: does it hash with keccak?"
            )
        return signature

    def __repr__(self) -> str:
        return f"RemoteSigner({self.where}, {self.address})"


def _address_of(public_key: str) -> bytes | None:
    """The address of a public key in hex, of 64 bytes without a prefix or in a standard form; None if it is no key."""
    try:
        raw = bytes.fromhex(public_key.removeprefix("0x"))
        return address_of(PublicKey(b"\4" + raw if len(raw) == 64 else raw))
    except ValueError:
        return None
