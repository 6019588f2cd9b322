"""What proxies say of the client: believed of those that are named, and removed otherwise.

The server gives ``X_Forwarded_For`` the same name as ``X-Forwarded-For``, and the later of the two
counts (measured with granian 2.8). A proxy that passes such names on can therefore be believed only
in a header without a hyphen, the ``Forwarded`` of RFC 7239.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from config.env import Network, is_address

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

X_FORWARDED, STANDARD = "x-forwarded", "forwarded"
# Nobody may say the first. The others are never the real ones, which have names without HTTP: they
# were written with an underscore, and Django's headers would show them as the real ones.
_NEVER_BELIEVED = ("HTTP_X_FORWARDED_HOST", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE")
# RFC 7239, section 4: pairs with ";" between them, each value a token or a quoted string.
_WORD = r"[!#$%&'*+.^_`|~\w-]+"
_PAIR = rf'({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*")'
_ELEMENT = re.compile(rf"{_PAIR}(?:; ?{_PAIR})*", re.ASCII)
_ONE_PAIR = re.compile(_PAIR, re.ASCII)
# Its section 6: "192.0.2.43:47011", "[2001:db8::1]:4711"; the port is of no interest.
_NODE = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?", re.ASCII)


class Forwarded:
    """WSGI layer. ``headers`` says which the proxies in ``trusted`` set: one of the two above."""

    def __init__(
        self, app: WsgiApp, trusted: tuple[Network, ...], headers: str = X_FORWARDED
    ) -> None:
        self.app = app
        self.trusted = trusted
        self.headers = headers

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Set ``REMOTE_ADDR`` and the scheme to the client's own, then go on."""
        hops = environ.pop("HTTP_X_FORWARDED_FOR", "")
        scheme = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        standard = environ.pop("HTTP_FORWARDED", "")
        for name in _NEVER_BELIEVED:
            environ.pop(name, None)
        if self.trusted and self._is_trusted(environ.get("REMOTE_ADDR", "")):
            is_standard = self.headers == STANDARD
            said = read_standard(standard) if is_standard else read_x_forwarded(hops, scheme)
            self._believe(environ, said)
        return self.app(environ, start_response)

    def _believe(self, environ: Environ, said: Iterator[tuple[str, str]]) -> None:
        """The last hop that is no proxy of ours: what is left of it anybody could have written."""
        for address, scheme in said:
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
            if not is_address(address):
                break
            environ["REMOTE_ADDR"] = address
            if not self._is_trusted(address):
                break

    def _is_trusted(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


def read_x_forwarded(hops: str, scheme: str) -> Iterator[tuple[str, str]]:
    """Address and scheme of each hop, the last one first; the scheme alone where there is none."""
    named = [hop.strip() for hop in hops.split(",") if hop.strip()]
    return ((hop, scheme) for hop in reversed(named or [""]))


def read_standard(header: str) -> Iterator[tuple[str, str]]:
    """Address and scheme of each hop of a ``Forwarded`` header, the last one first; "" for none.

    A comma in a quoted string parts it too, and the halves are no elements: no proxy writes one
    unless a client has put it there.
    """
    return map(_element, reversed(header.split(",")))


def _element(text: str) -> tuple[str, str]:
    text = text.strip()
    if not _ELEMENT.fullmatch(text):
        return "", ""
    said = {name.lower(): value.strip('"') for name, value in _ONE_PAIR.findall(text)}
    node = _NODE.fullmatch(said.get("for", ""))
    return (node[1] or node[2]) if node else "", said.get("proto", "").lower()
