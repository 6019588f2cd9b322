"""From a URL to the addresses that may be called for it; a name is looked up once."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry.outgoing.errors import OutgoingFailed, OutgoingRefused
from registry.outgoing.listed import Address, Listed, is_inner, is_name

URL_MAX_CHARS = 2_000
_PORTS = {"http": 80, "https": 443}
# Visible ASCII without what readers of URLs disagree on.
_TEXT = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_HOST_AND_PORT = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads. ``host`` is a name, or an address without brackets; ``target`` is the
    path with the query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """The host as it stands in the header: with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The address that the URL names; None where it names a host."""
        return None if is_name(self.host) else ipaddress.ip_address(self.host)


def read_url(url: str) -> Place:
    """Take a URL apart: http or https, no user or password, no fragment.

    Raises OutgoingRefused (``bad-url``).
    """
    if len(url) > URL_MAX_CHARS or not _TEXT.fullmatch(url):
        raise _bad(
            f"at most {URL_MAX_CHARS} visible ASCII characters; write others percent-encoded, "
            "and names with others as xn--…"
        )
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _bad(f"it cannot be read ({error})") from None
    if parts.scheme not in _PORTS:
        raise _bad("it begins with neither https:// nor http://")
    if "@" in parts.netloc:
        raise _bad("no user name and no password may stand in it")
    if "#" in url:
        raise _bad("it has a fragment (#…), which is never sent")
    host, port = _host_and_port(parts.netloc.lower())
    query = f"?{parts.query}" if parts.query else ""
    return Place(parts.scheme, host, port or _PORTS[parts.scheme], (parts.path or "/") + query)


def require_listed(place: Place, listed: Listed) -> None:
    """Raise OutgoingRefused (``not-listed``) for a host that the site does not list."""
    address = place.address
    if listed.has_name(place.host) if address is None else listed.has_address(address):
        return
    raise OutgoingRefused(
        "not-listed", f"{place.host} is not one of the hosts that OUTGOING_HOSTS lists."
    )


def addresses_of(place: Place, listed: Listed) -> list[Address]:
    """Every address of the place, in the resolver's order; the name is looked up here, once.

    Raises OutgoingRefused (``inner-address``) when one of them is inner and not listed: which one
    is called must not depend on luck. Raises OutgoingFailed (``unknown-host``).
    """
    found = [place.address] if place.address is not None else _looked_up(place)
    for address in found:
        if is_inner(address) and not listed.has_address(address):
            raise OutgoingRefused(
                "inner-address",
                f"{place.host} is {address}, an inner address that OUTGOING_HOSTS does not list.",
            )
    return found


def _looked_up(place: Place) -> list[Address]:
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingFailed("unknown-host", f"{place.host} has no address: {error}.") from error
    # A zone (`fe80::1%eth0`) names a link of this machine: the address is link-local all the same.
    texts = [str(where[0]).partition("%")[0] for *_, where in found]
    return [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    found = _HOST_AND_PORT.fullmatch(netloc)
    if found is None:
        raise _bad("its host or port cannot be read")
    in_brackets, plain, port = found.groups()
    if port is not None and not 0 < int(port) < 65_536:
        raise _bad("its port is not one from 1 to 65535")
    host = _as_host(in_brackets, plain)
    if host is None:
        raise _bad("its host is neither a name nor an address")
    return host, None if port is None else int(port)


def _as_host(in_brackets: str | None, plain: str | None) -> str | None:
    name = (plain or "").removesuffix(".")
    if plain and is_name(name):
        return name
    try:
        read = ipaddress.IPv6Address if in_brackets else ipaddress.IPv4Address
        return str(read(in_brackets or plain or ""))
    except ValueError:
        return None


def _bad(why: str) -> OutgoingRefused:
    return OutgoingRefused("bad-url", f"The URL cannot be used: {why}.")
