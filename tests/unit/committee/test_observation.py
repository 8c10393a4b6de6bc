# SPDX-License-Identifier: Apache-2.0
"""The canonical encoding of what an oracle saw, and who signed it."""

from __future__ import annotations

import pytest

from oracle.committee.errors import Malformed
from oracle.committee.observation import SignedObservation, View, content_size, digest
from oracle.ground.ids import pack
from oracle.ground.typed_data import Observation
from oracle.ground.uptime import Uptime
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import derive

ONE, TWO = pack(1, 0, 1), pack(1, 1, 1)
VIEW = View(7, 2, {TWO: Uptime(0, 6), ONE: Uptime(5, 6)})
ENTRY = 24
HEADER = 24
DOMAIN = Observation.domain(31_337, "0x" + "11" * 20)
SIGNER = derive("committee tests", "oracle 0")


def test_encode__view__is_header_and_entries_in_order_of_id() -> None:
    assert VIEW.encode() == (
        b"EOB1"
        + (7).to_bytes(8, "big")
        + (2).to_bytes(8, "big")
        + (2).to_bytes(4, "big")
        + ONE.to_bytes(16, "big")
        + bytes([0, 0, 0, 5, 0, 0, 0, 6])
        + TWO.to_bytes(16, "big")
        + bytes([0, 0, 0, 0, 0, 0, 0, 6])
    )


def test_encode__same_ticks_in_another_order__is_the_same() -> None:
    assert View(7, 2, dict(reversed(VIEW.ticks.items()))).encode() == VIEW.encode()


def test_decode__encoded__is_the_view() -> None:
    assert View.decode(VIEW.encode()) == VIEW


def test_decode__nothing_seen__is_an_empty_view() -> None:
    assert View.decode(View(0, 1, {}).encode()) == View(0, 1, {})


def test_encode__with_licences__has_both_counts_and_the_licences_last() -> None:
    view = View(7, 2, VIEW.ticks, {9: Uptime(1, 2), 3: Uptime(0, 6)})
    content, plain = view.encode(), VIEW.encode()
    assert content[:4] + content[4:24] == b"EOB2" + plain[4:24]
    assert content[24:28] == (2).to_bytes(4, "big")
    assert content[28:76] == plain[24:]
    assert content[76:] == b"".join(
        number.to_bytes(16, "big") + bytes([0, 0, 0, up, 0, 0, 0, observed])
        for number, up, observed in ((3, 0, 6), (9, 1, 2))
    )
    assert View.decode(content) == view
    assert len(content) == content_size(2, 2)
    none = b"EOB2" + plain[4:24] + bytes(4) + plain[24:]
    for wrong in (none, content[:27], content[:-1], content[:76] + content[100:] + content[76:100]):
        with pytest.raises(Malformed):
            View.decode(wrong)


def changed(at: int, value: int) -> bytes:
    content = bytearray(VIEW.encode())
    content[at] = value
    return bytes(content)


FIRST, SECOND = VIEW.encode()[HEADER : HEADER + ENTRY], VIEW.encode()[HEADER + ENTRY :]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        VIEW.encode()[: HEADER - 1],
        VIEW.encode()[:-1],
        VIEW.encode() + b"\0",
        VIEW.encode() + FIRST,
        VIEW.encode()[:HEADER] + SECOND + FIRST,
        VIEW.encode()[:HEADER] + FIRST + FIRST,
        changed(0, ord("e")),
        changed(3, ord("2")),
        changed(HEADER - 1, 3),
        changed(HEADER - 1, 1),
        changed(HEADER + 19, 7),
        VIEW.encode()[: HEADER - 4] + b"\xff" * 4,
    ],
    ids=[
        "empty",
        "within the header",
        "cut off",
        "byte too many",
        "entry too many",
        "unordered",
        "twice",
        "magic",
        "version",
        "count too high",
        "count too low",
        "more up than observed",
        "four billion entries",
    ],
)
def test_decode__not_what_encode_makes__is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        View.decode(content)


def test_author__signed__is_recovered() -> None:
    content = VIEW.encode()
    signed = SignedObservation(content, SIGNER.sign(digest(DOMAIN, 7, 2, content)))
    assert "0x" + signed.author(DOMAIN).hex() == SIGNER.address.lower()


def test_author__other_content_chain_or_contract__is_somebody_else() -> None:
    content = VIEW.encode()
    signature = SIGNER.sign(digest(DOMAIN, 7, 2, content))
    other = View(7, 2, {ONE: Uptime(6, 6), TWO: Uptime(0, 6)}).encode()
    elsewhere = [Observation.domain(1, "0x" + "11" * 20), Observation.domain(31_337, "0x" + "12" * 20)]
    for signed, domain in [
        (SignedObservation(other, signature), DOMAIN),
        *((SignedObservation(content, signature), domain) for domain in elsewhere),
    ]:
        try:
            author = signed.author(domain)
        except InvalidSignature:
            continue
        assert "0x" + author.hex() != SIGNER.address.lower()
