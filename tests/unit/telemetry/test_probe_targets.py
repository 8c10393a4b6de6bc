# SPDX-License-Identifier: Apache-2.0
"""What a probe may connect to, and which targets can be probed at all."""

from __future__ import annotations

import pytest

from oracle.ground.errors import InvalidValue
from oracle.telemetry.probes.addresses import AddressRule
from oracle.telemetry.probes.attempt import InvalidTarget, Target


@pytest.mark.parametrize(
    "address",
    """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 240.0.0.1
    192.0.2.1 198.18.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 ::ffff:10.0.0.1
    ::ffff:169.254.169.254 64:ff9b::a00:1 2002:a00:1:: 2001:0:a00:1:: localhost 2130706433 0x7f.1
    fec0::1 168.63.129.16 ::ffff:168.63.129.16 192.0.0.192 192.0.0.9 2001:1::1 3fff::1 192.88.99.1
    """.split(),
)
def test_permits__what_is_not_global__is_refused(address: str) -> None:
    assert not AddressRule().permits(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_permits__global_address__is_probed(address: str) -> None:
    assert AddressRule().permits(address)


def test_permits__operators_networks__come_first() -> None:
    rule = AddressRule(allowed=["10.0.0.0/8", "fd00::/8"], refused=["10.9.0.0/16", "1.1.1.0/24"])
    assert rule.permits("10.1.2.3")
    assert rule.permits("::ffff:10.1.2.3")
    assert rule.permits("fd00::5")
    assert not rule.permits("10.9.2.3")
    assert not rule.permits("1.1.1.1")
    with pytest.raises(InvalidValue, match=r"10\.0\.0\.0/8"):
        AddressRule(allowed=["10.0.0.1/8"])


def test_parse__targets__are_taken_apart() -> None:
    assert Target.parse("http://example.org") == Target("http", "example.org", 80, "/")
    assert Target.parse("https://Example.org:8443/health?deep=1") == Target(
        "https", "example.org", 8443, "/health?deep=1"
    )
    assert Target.parse("tcp://[2606:4700::1]:22") == Target("tcp", "2606:4700::1", 22)
    assert Target.parse("http://[2606:4700::1]/x").authority == "[2606:4700::1]"
    assert Target.parse("http://a.example:81/").authority == "a.example:81"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://example.org",
        "http://",
        "http://user@example.org",
        "http://example.org/#part",
        "http://example.org:0",
        "http://example.org:70000",
        "http://example.org/a b",
        "http://example.org/\r\nHost: x",
        "http://exämple.org",
        "http://a..b",
        "http://.a",
        "http://" + "a" * 64,
        "http://[::g]/",
        "tcp://example.org",
        "tcp://example.org:5/x",
        "http://example.org/" + "a" * 3000,
    ],
)
def test_parse__what_cannot_be_probed__is_invalid(text: str) -> None:
    with pytest.raises(InvalidTarget):
        Target.parse(text)
