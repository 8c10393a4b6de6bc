"""Compact signatures against eth-account, and what is no signature."""

import pytest
from eth_account import Account as EthAccount
from eth_keys.datatypes import PrivateKey as EthKey

from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Heartbeat, Observation
from oracle.signing.compact import CURVE_ORDER, InvalidSignature, MalleableSignature, recover, sign
from oracle.signing.signer import LocalSigner, Signer, derive

DIGEST = keccak256(b"a digest")
KEY = keccak256(b"a key")


def halves(signature: bytes) -> tuple[int, int, int]:
    packed = int.from_bytes(signature[32:], "big")
    return int.from_bytes(signature[:32], "big"), packed & ~(1 << 255), packed >> 255


def compact(r: int, s: int, parity: int) -> bytes:
    return r.to_bytes(32, "big") + (s | parity << 255).to_bytes(32, "big")


def test_recover__signatures_of_many_keys__give_their_addresses() -> None:
    for seed in range(40):
        key, digest = keccak256(b"key%d" % seed), keccak256(b"digest%d" % seed)
        signature = sign(key, digest)
        assert len(signature) == 64
        assert checksummed(recover(digest, signature)) == EthAccount.from_key(key).address


def test_sign__same_digest__matches_eth_account() -> None:
    theirs = EthKey(KEY).sign_msg_hash(DIGEST)
    assert halves(sign(KEY, DIGEST)) == (theirs.r, theirs.s, theirs.v)


def test_recover__other_digest__gives_another_address() -> None:
    assert recover(keccak256(b"another"), sign(KEY, DIGEST)) != recover(DIGEST, sign(KEY, DIGEST))


def test_recover__high_s__is_malleable() -> None:
    r, _, _ = halves(sign(KEY, DIGEST))
    with pytest.raises(MalleableSignature):
        recover(DIGEST, compact(r, CURVE_ORDER // 2 + 1, 0))
    assert recover(DIGEST, compact(r, CURVE_ORDER // 2, 0))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(63),
        bytes(65),
        compact(0, 1, 0),
        compact(1, 0, 0),
        compact(1, 0, 1),
        compact(CURVE_ORDER, 1, 0),
        compact(2**256 - 1, 1, 0),
        compact(5, 1, 0),  # no point of the curve has x = 5
    ],
)
def test_recover__no_signature__is_refused(signature: bytes) -> None:
    with pytest.raises(InvalidSignature):
        recover(DIGEST, signature)


def test_recover__digest_of_wrong_length__is_refused() -> None:
    with pytest.raises(InvalidValue):
        recover(DIGEST[:31], sign(KEY, DIGEST))
    with pytest.raises(InvalidValue):
        sign(KEY, DIGEST + b"x")


def test_signer__local_key__signs_for_its_address_and_hides_the_key() -> None:
    signer: Signer = LocalSigner(KEY)
    assert checksummed(recover(DIGEST, signer.sign(DIGEST))) == signer.address
    assert KEY.hex() not in repr(signer)


def test_sign_typed__message_in_its_domain__is_the_digest_signed() -> None:
    domain = Observation.domain(1, "0x" + "11" * 20)
    message = Observation(7, 2, DIGEST)
    assert LocalSigner(KEY).sign_typed(message, domain) == sign(KEY, message.digest(domain))
    assert len(message.preimage(domain)) == 66
    assert keccak256(message.preimage(domain)) == message.digest(domain)
    with pytest.raises(InvalidValue, match="use 'Epochal Attestations'"):
        LocalSigner(KEY).sign_typed(message, Heartbeat.domain(1, "0x" + "11" * 20))


@pytest.mark.parametrize("key", [b"", bytes(32), CURVE_ORDER.to_bytes(32, "big"), KEY[:31]])
def test_signer__no_key__is_refused(key: bytes) -> None:
    with pytest.raises(InvalidValue):
        LocalSigner(key)


def test_derive__seed_and_label__name_one_key_each() -> None:
    assert derive("net", "oracle-1").address == derive("net", "oracle-1").address
    assert len({derive(*pair).address for pair in (("a", "b"), ("ab", ""), ("", "ab"), ("a", "c"))}) == 4
