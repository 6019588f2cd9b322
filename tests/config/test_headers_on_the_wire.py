"""Headers written with an underscore, sent to the real server: whom they can deceive.

The server gives ``X_Forwarded_For`` the same name as ``X-Forwarded-For``; nothing behind it can
tell the two apart.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.services.processes import wait_until

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["x-forwarded", "forwarded"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """What its proxies set, and the port of a granian of our own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "tests.config.told_app:application"]
    variables = {"PROXY_HEADERS": request.param, "PATH": "/usr/bin:/bin"}
    with ExitStack() as stack:
        child = stack.enter_context(
            subprocess.Popen(
                command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        stack.callback(child.terminate)
        wait_until(lambda: _is_open(port), 30, "granian answers")
        yield request.param, port


@pytest.fixture
def ask(server: tuple[str, int]) -> Ask:
    """Send header lines and a body on a connection of their own; what each request came to."""

    def send(*lines: str, body: str = "", last: bool = True) -> list[dict[str, Any]]:
        head = ["POST / HTTP/1.1", "Host: a", *lines, *(["Connection: close"] if last else [])]
        with socket.create_connection(("127.0.0.1", server[1]), 10) as connection:
            connection.sendall("\r\n".join([*head, "", body]).encode())
            received = b"".join(iter(lambda: connection.recv(65_536), b""))
        answers = received.split(b"HTTP/1.1 200 OK")[1:]
        return [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]

    return send


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_an_address_can_be_forged_with_underscores_unless_the_header_has_no_hyphen(
    server: tuple[str, int], ask: Ask
) -> None:
    """The first half is why: once it fails, the server tells the two apart."""
    (told,) = ask(
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: http",
        "Forwarded: for=203.0.113.7;proto=http",
        "X_Forwarded_For: 6.6.6.6",
        "X_Forwarded_Proto: https",
        "Content-Length: 0",
    )
    if server[0] == "x-forwarded":
        assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == ("6.6.6.6", "https")
    else:
        assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == ("203.0.113.7", "http")


def test_a_header_of_the_standard_that_is_written_twice_is_read_as_one(
    server: tuple[str, int], ask: Ask
) -> None:
    lines = ("Forwarded: for=6.6.6.6", "Forwarded: for=203.0.113.7", "X-Forwarded-For: 203.0.113.7")
    (told,) = ask(*lines, "Content-Length: 0")
    assert told["REMOTE_ADDR"] == "203.0.113.7"


def test_a_body_is_not_read_as_chunked_because_an_underscore_says_so(ask: Ask) -> None:
    (told,) = ask("Content-Length: 5", "Transfer_Encoding: chunked", body="hello")
    assert (told["body"], told["CONTENT_LENGTH"]) == ("hello", "5")
    assert "HTTP_TRANSFER_ENCODING" not in told


def test_a_body_that_breaks_off_is_told_whatever_an_underscore_says(ask: Ask) -> None:
    """The second request stands where the rest of the first one's body should."""
    following = "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    first, second = ask(
        *("Content-Length: 5", "Transfer_Encoding: chunked", "Content_Length: 60"),
        body=f"hello{following}",
        last=False,
    )
    assert (first["body"], second["PATH_INFO"]) == ("hello", "/second")


def test_a_length_and_a_type_with_an_underscore_reach_nobody(ask: Ask) -> None:
    (told,) = ask(
        *("Content-Length: 5", "Content_Length: 2", "Content-Type: a/b", "Content_Type: c/d"),
        body="hello",
    )
    assert (told["body"], told["CONTENT_LENGTH"], told["CONTENT_TYPE"]) == ("hello", "5", "a/b")
    assert not {"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"} & set(told)


def test_of_a_body_that_is_really_chunked_the_server_takes_the_length_away(ask: Ask) -> None:
    chunks = "5\r\nhello\r\n0\r\n\r\n"
    for length in ((), ("Content-Length: 2",), ("Content_Length: 2",)):
        answers = ask(*length, "Transfer-Encoding: chunked", body=chunks)
        assert [(told["body"], told["CONTENT_LENGTH"]) for told in answers] == [("hello", "5")], (
            length
        )
