"""One POST against real servers: what is sent, where to, and what is not waited for."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from registry.outgoing.errors import OutgoingFailed, OutgoingRefused
from registry.outgoing.post import post
from tests.registry.outgoing.receivers import (
    Answer,
    drips,
    never_ends,
    receiving,
    says,
    says_nothing,
    status,
)

HERE = ["127.0.0.1"]
NAME = "hooks.example.org"


def lead_here(monkeypatch: pytest.MonkeyPatch, *, first: str = "127.0.0.1") -> list[str]:
    """The name leads to ``first`` when it is asked for, and elsewhere from the second time on."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host != NAME:
            return real(host, port, *args, **options)
        asked.append(host)
        address = first if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_the_bytes_and_the_headers_arrive() -> None:
    with receiving(status("200 OK")) as receiver:
        assert post(receiver.url(path="/a?b=1"), b"\x00{}", {"X-One": "1"}, allowed=HERE) == 200
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a?b=1 HTTP/1.1"
    assert {"X-One: 1", f"Host: 127.0.0.1:{receiver.port}", "User-Agent: modelyard"} <= set(lines)
    assert body == b"\x00{}"


def test_a_name_is_looked_up_once_and_that_address_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = lead_here(monkeypatch)
    with receiving(status("204 No Content")) as receiver:
        assert post(receiver.url(NAME), b"{}", {}, allowed=[NAME, *HERE]) == 204
    assert asked == [NAME]
    assert f"Host: {NAME}:{receiver.port}".encode() in receiver.requests[0]


def test_a_name_that_leads_inside_gets_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    lead_here(monkeypatch)
    with receiving(status("200 OK")) as receiver:
        with pytest.raises(OutgoingRefused, match="an inner address"):
            post(receiver.url(NAME), b"{}", {}, allowed=[NAME])
        with pytest.raises(OutgoingRefused, match="not one of the hosts"):
            post(receiver.url(), b"{}", {}, allowed=[])
    assert receiver.requests == []


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine knows no IPv6")
def test_an_address_in_brackets_is_called() -> None:
    try:
        with receiving(status("200 OK"), host="::1") as receiver:
            assert post(receiver.url("[::1]"), b"{}", {}, allowed=["::1"]) == 200
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    assert f"Host: [::1]:{receiver.port}".encode() in receiver.requests[0]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(code: int) -> None:
    with receiving(status("200 OK")) as elsewhere:
        line = f"HTTP/1.1 {code} Moved\r\nLocation: {elsewhere.url()}\r\nContent-Length: 0\r\n\r\n"
        with receiving(says(line)) as receiver:
            assert post(receiver.url(), b"{}", {}, allowed=HERE) == code
    assert elsewhere.requests == []


@pytest.mark.parametrize("answer", [drips, says_nothing], ids=["drips", "says nothing"])
def test_a_slow_answer_is_given_up_on_time(answer: Answer) -> None:
    with receiving(answer) as receiver:
        started = time.monotonic()
        with pytest.raises(OutgoingFailed, match=r"within 0\.3 s") as failed:
            post(receiver.url(path="/secret"), b"{}", {}, allowed=HERE, timeout_s=0.3)
        assert time.monotonic() - started < 5
        assert failed.value.reason == "too-slow"
        assert "secret" not in str(failed.value)
        # The thread that was left behind ends although the server goes on.
        for thread in threading.enumerate():
            if thread.name == "outgoing":
                thread.join(5)
                assert not thread.is_alive()


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        is_over.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OutgoingFailed, match="did not answer"):
        post(f"https://{NAME}/", b"{}", {}, allowed=[NAME], timeout_s=0.1)
    is_over.set()


def test_an_endless_answer_is_read_up_to_the_cap() -> None:
    with (
        receiving(never_ends) as receiver,
        pytest.raises(OutgoingFailed, match="more than 1000 bytes") as failed,
    ):
        post(receiver.url(), b"{}", {}, allowed=HERE, most_bytes=1_000)
    assert failed.value.reason == "answer-too-large"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\n" + "X: y\r\n" * 200 + "\r\n",
        "HTTP/1.1 200 OK\r\nX: " + "y" * 70_000 + "\r\n\r\n",
    ],
    ids=["nothing", "no HTTP", "cut short", "bad chunk", "many headers", "a long header"],
)
def test_a_broken_answer_is_a_failure(answer: str) -> None:
    with receiving(says(answer)) as receiver, pytest.raises(OutgoingFailed) as failed:
        post(receiver.url(), b"{}", {}, allowed=HERE)
    assert failed.value.reason == "broken-answer"


def test_a_closed_door_is_a_failure() -> None:
    with receiving(status("200 OK")) as receiver:
        url = receiver.url()
    with pytest.raises(OutgoingFailed, match="takes no connection") as failed:
        post(url, b"{}", {}, allowed=HERE)
    assert failed.value.reason == "no-connection"


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the name, that is its own authority, with its key in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls_is_with_the_name_though_the_address_is_called(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = lead_here(monkeypatch)
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    with receiving(status("200 OK"), tls=tls) as receiver:
        url = receiver.url(NAME, scheme="https")
        assert post(url, b"{}", {}, allowed=[NAME, *HERE]) == 200
    assert (names, asked) == ([NAME], [NAME])
    assert f"Host: {NAME}:{receiver.port}".encode() in receiver.requests[0]


def test_a_certificate_for_another_name_gets_nothing(tls: ssl.SSLContext) -> None:
    with receiving(status("200 OK"), tls=tls) as receiver, pytest.raises(OutgoingFailed) as failed:
        post(receiver.url(scheme="https"), b"{}", {}, allowed=HERE)
    assert failed.value.reason == "no-trust"
    assert receiver.requests == []


def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_here(monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")
    with receiving(status("200 OK"), tls=tls) as receiver, pytest.raises(OutgoingFailed) as failed:
        post(receiver.url(NAME, scheme="https"), b"{}", {}, allowed=[NAME, *HERE])
    assert failed.value.reason == "no-trust"
    assert receiver.requests == []
