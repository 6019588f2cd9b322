"""Does a part answer: one quick question each, True or False, never an exception."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path

Probe = Callable[[], bool]
# The loop waits meanwhile; a part that is slower is asked again.
TIMEOUT_S = 0.5


def reachable_host(host: str) -> str:
    """An address to call where a server listens on ``host``: loopback for "any address"."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def http_answers(host: str, port: int, path: str) -> Probe:
    """200 on a GET."""

    def probe() -> bool:
        connection = http.client.HTTPConnection(reachable_host(host), port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe


def socket_listens(path: str) -> Probe:
    """Somebody accepts on a Unix socket."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            try:
                connection.connect(path)
            except OSError:
                return False
            return True

    return probe


def valkey_answers(path: str) -> Probe:
    """PONG on a Unix socket: it listens some time before it has read its files."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            try:
                connection.connect(path)
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    return probe


def file_appears(path: Path) -> Probe:
    """The part says so itself by writing a file, which is removed before it is started."""
    return path.exists
