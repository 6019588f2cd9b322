"""Sends one POST and reads the status of its answer: no redirects, no proxies, one deadline."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPException

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from registry.outgoing.errors import OutgoingFailed
from registry.outgoing.listed import Address, Listed
from registry.outgoing.places import Place, addresses_of, read_url, require_listed

# What networks and servers do: theirs, the library's, and of the module that it stands on.
_NETWORK = (OSError, HTTPError, HTTPException)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[str],
    timeout_s: float = 5.0,
    most_bytes: int = 65_536,
) -> int:
    """Send ``body`` and return the status of the answer, whatever it is: 3xx is not followed.

    ``allowed`` are the entries of ``Listed``. ``timeout_s`` holds for everything together, from
    looking up the name to the last byte of the answer, which is read up to ``most_bytes`` and
    thrown away. The connection goes to an address that was looked at; TLS and ``Host`` keep the
    name. Raises OutgoingRefused before anything is sent, and OutgoingFailed.
    """
    listed = Listed.of(allowed)
    place = read_url(url)
    require_listed(place, listed)
    sending = _Sending(place, listed, body, headers, timeout_s, most_bytes)
    # A thread, because neither looking up a name nor reading headers byte by byte has a deadline
    # of its own. It is left behind when the time is over, with its socket shut.
    thread = threading.Thread(target=sending.run, name="outgoing", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return sending.outcome()


class _Sending:
    """One POST, carried out in a thread of its own."""

    def __init__(
        self,
        place: Place,
        listed: Listed,
        body: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
        most_bytes: int,
    ) -> None:
        self._place = place
        self._listed = listed
        self._body = body
        self._headers = {"User-Agent": "modelyard", **headers, "Host": place.host_header}
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._until = time.monotonic() + timeout_s
        self._is_over = threading.Event()
        self._socket: socket.socket | None = None
        self._status: int | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Look up, connect, send, read; the outcome is kept."""
        try:
            self._status = self._exchange(self._connected())
        # Whatever it was, the thread that waits raises it.
        except BaseException as error:
            self._error = error

    def outcome(self) -> int:
        """The status, or the reason that there is none; called when all is done or time is over."""
        self._is_over.set()
        if self._status is not None:
            return self._status
        if self._error is not None and time.monotonic() < self._until:
            raise self._error
        self._shut()
        raise self._failed("too-slow", f"did not answer within {self._timeout_s:g} s")

    def _connected(self) -> HTTPConnection:
        """A connection to the first address that takes one; none of them gets all of the time."""
        reason = "none of its addresses was tried"
        addresses = addresses_of(self._place, self._listed)
        for place, address in enumerate(addresses):
            if self._is_over.is_set():
                break
            share_s = self._left_s() / (len(addresses) - place)
            connection = _connection(self._place, address, share_s)
            try:
                connection.connect()
            except ssl.SSLCertVerificationError as error:
                connection.close()
                why = f"shows a certificate that does not hold ({error.verify_message})"
                raise self._failed("no-trust", why) from error
            except _NETWORK as error:
                connection.close()
                reason = type(error).__name__
            else:
                self._socket = connection.sock
                connection.timeout = self._left_s()
                return connection
        raise self._failed("no-connection", f"takes no connection ({reason})")

    def _left_s(self) -> float:
        return max(self._until - time.monotonic(), 0.001)

    def _exchange(self, connection: HTTPConnection) -> int:
        try:
            if self._is_over.is_set():
                raise self._failed("too-slow", "took no connection in time")
            connection.request(
                "POST",
                self._place.target,
                body=self._body,
                headers=self._headers,
                preload_content=False,
                decode_content=False,
            )
            with closing(connection.getresponse()) as response:
                self._read(response)
                return response.status
        except _NETWORK as error:
            kind = type(error).__name__
            raise self._failed("broken-answer", f"gave no whole answer ({kind})") from error
        finally:
            connection.close()

    def _read(self, response: HTTPResponse) -> None:
        size = 0
        for piece in response.stream(16_384):
            size += len(piece)
            if size > self._most_bytes:
                what = f"answered more than {self._most_bytes} bytes"
                raise self._failed("answer-too-large", what)

    def _shut(self) -> None:
        """Wake the thread that is left behind: its read ends at once."""
        if self._socket is not None:
            with suppress(OSError):
                # Not of SSLSocket: that would take the TLS layer away under the reader's hands.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _failed(self, reason: str, what: str) -> OutgoingFailed:
        return OutgoingFailed(reason, f"{self._place.host} {what}.")


def _connection(place: Place, address: Address, timeout_s: float) -> HTTPConnection:
    """To the address and no other; certificate and SNI are those of the host."""
    if place.scheme == "http":
        return HTTPConnection(str(address), place.port, timeout=timeout_s)
    return HTTPSConnection(
        str(address),
        place.port,
        timeout=timeout_s,
        server_hostname=place.host,
        # The system's authorities; SSL_CERT_FILE names others, for a company's own.
        ssl_context=ssl.create_default_context(),
    )
