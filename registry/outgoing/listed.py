"""Which hosts and addresses may be called: the list of a site, and what counts as inner."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The well-known prefix of RFC 6052: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ALL_DIGITS = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")
NAME_MAX_CHARS = 253


@dataclass(frozen=True, slots=True)
class Listed:
    """The list: ``hooks.example.org``, ``*.example.org``, ``192.0.2.7``, ``10.0.0.0/8``.

    A name in a URL must be listed, or end in a listed suffix; an address in a URL must be listed.
    Listing a name says nothing about inner addresses: those are listed as addresses.
    """

    names: frozenset[str]
    suffixes: tuple[str, ...]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, entries: Iterable[str]) -> Listed:
        """Read the entries. Raises ValueError, which names the one that cannot be read."""
        names, suffixes, networks = set(), [], []
        for entry in entries:
            text = entry.strip().lower().rstrip(".")
            network = _network(text)
            if network is not None:
                networks.append(network)
            elif text.startswith("*.") and is_name(text[2:]):
                suffixes.append(text[1:])
            elif is_name(text):
                names.add(text)
            else:
                raise ValueError(f"{entry!r} is no host, no *.suffix, no address and no network")
        return cls(frozenset(names), tuple(suffixes), tuple(networks))

    def has_name(self, name: str) -> bool:
        """Whether a name (lower case, no dot at its end) may be called."""
        return name in self.names or name.endswith(self.suffixes)

    def has_address(self, address: Address) -> bool:
        """Whether the address itself is listed, or the IPv4 address that it stands for."""
        return any(
            one.version == network.version and one in network
            for one in forms_of(address)
            for network in self.networks
        )


def forms_of(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address inside one that is mapped, translated or tunnelled."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    for inside in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inside is not None:
            yield inside
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def is_inner(address: Address) -> bool:
    """Whether it leads nowhere that everybody can reach: private, loopback, link-local, reserved.

    An address that stands for another one is inner when the other is.
    """
    forms = list(forms_of(address))
    # ::ffff:0:0/96 and 64:ff9b::/96 are themselves reserved: what counts is the address inside.
    stands_for = forms[1:] if address in _NAT64 or _is_mapped(address) else forms
    return any(
        not one.is_global or one.is_multicast or one.is_reserved or _is_site_local(one)
        for one in stands_for
    )


def is_name(text: str) -> bool:
    """Whether it is a host name in lower case, and no spelling of an address.

    A last label of digits only would be read as part of an IPv4 address: ``127.1``, ``0x7f000001``.
    """
    fits = len(text) <= NAME_MAX_CHARS and _NAME.fullmatch(text) is not None
    return fits and _ALL_DIGITS.fullmatch(text) is None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _is_site_local(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.is_site_local


def _is_mapped(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
