# SPDX-License-Identifier: Apache-2.0
"""A key in Web3Signer: what its API says is asked for as documented, and believed only if the key signed it.

The server here keeps to Web3Signer's eth1 mode: keys are named by public key alone, in any case and with or without
0x; it hashes with keccak; it answers in plain text with r, s and v of 27 or 28.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from coincurve import PrivateKey

from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import EpochReport, Heartbeat, Observation
from oracle.signing.compact import CURVE_ORDER
from oracle.signing.remote import RemoteSigner, SignerUnavailable, SignsNoDigest, WrongSignature
from oracle.signing.signer import LocalSigner, derive

pytestmark = pytest.mark.e2e

KEY = keccak256(b"a key in a vault")
OTHER = keccak256(b"another key in it")
LOCAL = LocalSigner(KEY)
DOMAIN = EpochReport.domain(1, "0x" + "11" * 20)
MESSAGE = Observation(7, 1, keccak256(b"content"))


class Vault:
    """Web3Signer as far as it matters; `answer` replaces what it says to a request for a signature."""

    def __init__(self, *keys: bytes) -> None:
        self.keys = {PrivateKey(key).public_key.format(compressed=False)[1:].hex(): PrivateKey(key) for key in keys}
        self.answer: web.Response | None = None
        self.asked: list[str] = []
        self.url = ""

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response(["0x" + name for name in self.keys])

    async def sign(self, request: web.Request) -> web.Response:
        name = request.match_info["identifier"].lower().removeprefix("0x")
        if self.answer is not None:
            return self.answer
        try:
            data = bytes.fromhex(json.loads(await request.text())["data"].removeprefix("0x"))
        except (ValueError, KeyError):
            return web.Response(status=400)
        if name not in self.keys:
            return web.Response(status=404)
        self.asked.append(data.hex())
        raw = self.keys[name].sign_recoverable(keccak256(data), hasher=None)
        return web.Response(text="0x" + raw[:64].hex() + bytes((27 + raw[64],)).hex())


def serve(vault: Vault, tls: ssl.SSLContext | None = None) -> Iterator[Vault]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.add_routes(
            [web.get("/api/v1/eth1/publicKeys", vault.list), web.post("/api/v1/eth1/sign/{identifier}", vault.sign)]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        vault.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield vault
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def vault() -> Iterator[Vault]:
    yield from serve(Vault(OTHER, KEY))


def test_remote_signer__every_message__signed_as_the_local_key_does(vault: Vault) -> None:
    signer = RemoteSigner(vault.url + "/", LOCAL.address)
    signer.check()
    for number in range(20):  # both parities
        message = Observation(number, 1, keccak256(b"content"))
        assert signer.sign_typed(message, DOMAIN) == LOCAL.sign_typed(message, DOMAIN)
        assert vault.asked[-1] == message.preimage(DOMAIN).hex()
    with pytest.raises(SignsNoDigest):
        signer.sign(bytes(32))
    beat = Heartbeat(LOCAL.address, 1, bytes(32), b"")
    domain = Heartbeat.domain(1, "0x" + "11" * 20)
    assert signer.sign_typed(beat, domain) == LOCAL.sign_typed(beat, domain)


def test_remote_signer__wrong_answers__are_no_signatures(vault: Vault) -> None:
    signer = RemoteSigner(vault.url.replace("//", "//me:SECRET@"), LOCAL.address)
    assert signer.sign_typed(MESSAGE, DOMAIN) == LOCAL.sign_typed(MESSAGE, DOMAIN)
    low = PrivateKey(KEY).sign_recoverable(MESSAGE.digest(DOMAIN), hasher=None)
    high = low[:32] + (CURVE_ORDER - int.from_bytes(low[32:64], "big")).to_bytes(32, "big") + bytes((28 - low[64],))
    vault.answer = web.Response(text=high.hex())  # some hardware makes these
    assert signer.sign_typed(MESSAGE, DOMAIN) == LOCAL.sign_typed(MESSAGE, DOMAIN)
    another = PrivateKey(OTHER).sign_recoverable(MESSAGE.digest(DOMAIN), hasher=None)
    for answer, error, told in (
        (web.Response(text="0x" + another.hex()), WrongSignature, f"signed as {LocalSigner(OTHER).address}, not as"),
        (web.Response(text="0x" + low[:32].hex() + "ff" * 32 + "1c"), WrongSignature, "out of range"),
        (web.Response(text="0x" + "00" * 64 + "1c"), WrongSignature, "out of range"),
        (web.Response(text="OK"), WrongSignature, "no signature of 65 bytes"),
        (web.Response(status=500), SignerUnavailable, "status 500"),
        (web.Response(status=302, headers={"Location": vault.url}), SignerUnavailable, "status 302"),
    ):
        vault.answer = answer
        with pytest.raises(error, match=told) as caught:
            signer.sign_typed(MESSAGE, DOMAIN)
        assert "SECRET" not in str(caught.value)
    vault.answer = None
    assert signer.sign_typed(MESSAGE, DOMAIN) == LOCAL.sign_typed(MESSAGE, DOMAIN)


def test_remote_signer__key_not_there_or_nobody__told_without_password(vault: Vault) -> None:
    stranger = RemoteSigner(vault.url, derive("test", "stranger").address)
    with pytest.raises(SignerUnavailable, match=r"holds no key of 0x.*2 others"):
        stranger.check()
    nobody = RemoteSigner("http://me:SECRET@127.0.0.1:9", LOCAL.address)
    with pytest.raises(SignerUnavailable, match=r"http://127.0.0.1:9 doesn't answer") as caught:
        nobody.sign_typed(MESSAGE, DOMAIN)
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in repr(nobody)


def test_remote_signer__tls__authority_and_client_certificate_needed(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("oracle.example").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    for vault in serve(Vault(KEY), tls):
        known = RemoteSigner(
            vault.url, LOCAL.address, ca_file=tmp_path / "ca.pem", certificate_file=tmp_path / "client.pem"
        )
        assert known.sign_typed(MESSAGE, DOMAIN) == LOCAL.sign_typed(MESSAGE, DOMAIN)
        for refused in (
            RemoteSigner(vault.url, LOCAL.address),
            RemoteSigner(vault.url, LOCAL.address, ca_file=tmp_path / "ca.pem"),
        ):
            with pytest.raises(SignerUnavailable, match="doesn't answer"):
                refused.check()
