"""What a proxy may say about the client, the scheme and the path, and which proxy may."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from config.wsgi import Forwarded, Prefix

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
