"""What a proxy may say about the client, the scheme and the path, and which proxy may."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from config.forwarded import Forwarded
from config.wsgi import Prefix

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))


def passed_on(layer: type, *arguments: Any, **environ: str) -> dict[str, Any]:
    """The environ as it reaches the application."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: object) -> list[bytes]:
        seen.update(environ)
        return []

    layer(app, *arguments)({"wsgi.url_scheme": "http", **environ}, lambda *_: None)
    return seen


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("::1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, nonsense", "10.0.0.1"),
        ("203.0.113.9", "6.6.6.6", "203.0.113.9"),
        ("", "6.6.6.6", ""),
    ],
)
def test_only_a_trusted_proxy_may_say_who_the_client_is(peer: str, hops: str, client: str) -> None:
    seen = passed_on(Forwarded, TRUSTED, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=hops)
    assert seen["REMOTE_ADDR"] == client
    assert "HTTP_X_FORWARDED_FOR" not in seen


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        ("10.0.0.1", "https", "https"),
        ("10.0.0.1", "gopher", "http"),
        ("203.0.113.9", "https", "http"),
    ],
)
def test_only_a_trusted_proxy_may_say_https(peer: str, said: str, scheme: str) -> None:
    seen = passed_on(Forwarded, TRUSTED, REMOTE_ADDR=peer, HTTP_X_FORWARDED_PROTO=said)
    assert seen["wsgi.url_scheme"] == scheme
    assert "HTTP_X_FORWARDED_PROTO" not in seen


@pytest.mark.parametrize(
    ("said", "client", "scheme"),
    [
        ("for=203.0.113.7;proto=https", "203.0.113.7", "https"),
        ('For="[2001:db8::7]:4711"; Proto=https;by=10.0.0.1', "2001:db8::7", "https"),
        ('for="203.0.113.7:80"', "203.0.113.7", "http"),
        ("for=6.6.6.6;proto=http, for=203.0.113.7;proto=https", "203.0.113.7", "https"),
        ("for=203.0.113.7;proto=https, for=10.0.0.2;proto=http", "203.0.113.7", "https"),
        ("for=unknown;proto=https", "10.0.0.1", "https"),
        ('for="6.6.6.6, for=203.0.113.7', "203.0.113.7", "http"),
        ('for=203.0.113.7;host="x,for=6.6.6.6;y=z"', "10.0.0.1", "http"),
        ("203.0.113.7", "10.0.0.1", "http"),
        ("for=" + " " * 100_000 + "x", "10.0.0.1", "http"),
        ("", "10.0.0.1", "http"),
    ],
)
def test_the_header_of_the_standard_is_believed_alone_where_it_is_asked_for(
    said: str, client: str, scheme: str
) -> None:
    forged = {"HTTP_X_FORWARDED_FOR": "6.6.6.6", "HTTP_X_FORWARDED_PROTO": "https"}
    sent = {"REMOTE_ADDR": "10.0.0.1", "HTTP_FORWARDED": said, **forged}
    seen = passed_on(Forwarded, TRUSTED, "forwarded", **sent)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (client, scheme)
    assert not {name for name in seen if "FORWARDED" in name}


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1"])
def test_the_header_of_the_standard_is_believed_of_nobody_where_it_is_not_asked_for(
    peer: str,
) -> None:
    seen = passed_on(Forwarded, TRUSTED, REMOTE_ADDR=peer, HTTP_FORWARDED="for=6.6.6.6")
    assert seen["REMOTE_ADDR"] == peer


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/models/api/v1/me", "/api/v1/me"),
        ("/models", "/"),
        ("/models/", "/"),
        ("/modelsx", "/modelsx"),
        ("/api/v1/me", "/api/v1/me"),
    ],
)
def test_the_prefix_is_taken_off_where_the_proxy_left_it(path: str, left: str) -> None:
    seen = passed_on(Prefix, "/models", PATH_INFO=path)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/models", left)
