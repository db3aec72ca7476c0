from __future__ import annotations

from ipaddress import ip_address

import pytest

from api.outbound.addresses import AddressGuard, is_outside

INNER = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.1.1", "169.254.169.254", "172.16.0.1"),
    *("192.0.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("2001:db8::1", "2001::1", "2002:7f00:1::1", "100::1", "3fff::1", "168.63.129.16", "192.0.0.192", "192.88.99.1"),
]
OUTSIDE = ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", INNER)
def test_what_only_insiders_can_reach_is_inner(address: str) -> None:
    assert not is_outside(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_anybody_can_reach_is_outside(address: str) -> None:
    assert is_outside(ip_address(address))


def test_named_hosts_addresses_and_networks_are_allowed_and_nothing_beside_them() -> None:
    guard = AddressGuard("Hooks.internal, 10.1.0.0/16, 127.0.0.1, fd00::/8")

    assert guard.allows("hooks.internal.", "192.168.0.7")
    assert guard.allows("other.internal", "10.1.2.3")
    assert guard.allows("localhost", "127.0.0.1")
    assert guard.allows("six.internal", "fd12::1")
    assert not guard.allows("other.internal", "10.2.0.1")
    assert not guard.allows("localhost", "127.0.0.2")
    assert not guard.allows("xhooks.internal", "192.168.0.7")


def test_a_network_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/33"):
        AddressGuard("10.0.0.0/33")
