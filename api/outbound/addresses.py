"""Which addresses the server may dial on a stranger's word: those that are anybody's, and those that are allowed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SIX_TO_FOUR = IPv6Network("2002::/16")  # reaches an IPv4 address of the sender's choice
# Reached from inside only, or not yet anybody's: a cloud's own services, old 6to4 relays, documentation.
_NOT_OUTSIDE = tuple(ip_network(text) for text in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")  # how IPv4 is reached from a network that has only IPv6


def is_outside(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is anybody's: not private, shared, loopback, link-local, multicast, reserved or nothing.

    An IPv4 address in the clothes of IPv6 counts as what it is.
    """
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or (IPv4Address(address.packed[-4:]) if address in _NAT64 else None)
        if inside is not None:
            return is_outside(inside)
        if address not in _GLOBAL_UNICAST or address in _SIX_TO_FOUR:
            return False
    if any(address in network for network in _NOT_OUTSIDE if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


class AddressGuard:
    """Says what may be dialed; `allowed_inner_hosts` are names, addresses and networks that may be although inner."""

    def __init__(self, allowed_inner_hosts: str = "") -> None:
        """Take a comma-separated list; raises ValueError for what looks like a network and is none."""
        entries = [entry.strip().lower().rstrip(".") for entry in allowed_inner_hosts.split(",") if entry.strip()]
        self._networks = [ip_network(entry) for entry in entries if "/" in entry or _literal(entry)]
        self._names = {entry for entry in entries if "/" not in entry}

    def allows(self, host: str, address: str) -> bool:
        """Tell whether `address`, one of those that `host` has, may be dialed."""
        if host.lower().rstrip(".") in self._names:
            return True
        parsed = ip_address(address)
        return is_outside(parsed) or any(parsed in network for network in self._networks)

    def refuses_literal(self, host: str) -> bool:
        """Tell whether a host is an address in itself, and one that may not be dialed: nothing need be resolved."""
        return _literal(host) and not self.allows(host, host)


def _literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
