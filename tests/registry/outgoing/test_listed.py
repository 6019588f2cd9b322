"""Which hosts and addresses may be called, and which URLs are read at all."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from registry.outgoing.errors import OutgoingFailed, OutgoingRefused
from registry.outgoing.listed import Listed, is_inner
from registry.outgoing.places import addresses_of, read_url, require_listed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "100::1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::10.0.0.1", "::127.0.0.1",
        "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808",
        "2002:0a00:0001::1", "2002:7f00:0001::", "2001:0:a00:1::",
    ],
)  # fmt: skip
def test_an_inner_address_is_known_in_every_form(address: str) -> None:
    assert is_inner(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_an_address_that_everybody_reaches_is_not_inner(address: str) -> None:
    assert not is_inner(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        (["hooks.example.org"], "https://hooks.example.org/a"),
        (["Hooks.Example.org."], "https://HOOKS.example.ORG./a"),
        (["*.example.org"], "https://a.b.example.org"),
        (["192.0.2.7"], "http://192.0.2.7:8080/"),
        (["10.0.0.0/8"], "http://10.1.2.3/"),
        (["10.0.0.0/8"], "http://[::ffff:10.1.2.3]/"),
        (["2001:db8::/32"], "http://[2001:DB8::7]:81/"),
    ],
)
def test_what_is_listed_may_be_called(entries: list[str], url: str) -> None:
    require_listed(read_url(url), Listed.of(entries))


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ([], "https://hooks.example.org/"),
        (["hooks.example.org"], "https://example.org/"),
        (["hooks.example.org"], "https://hooks.example.org.evil.test/"),
        (["*.example.org"], "https://example.org/"),
        (["*.example.org"], "https://badexample.org/"),
        (["10.0.0.0/8"], "http://11.0.0.1/"),
        (["10.0.0.0/8"], "http://intranet.example.org/"),
        (["localhost"], "http://127.0.0.1/"),
    ],
)
def test_what_is_not_listed_is_refused_by_name(entries: list[str], url: str) -> None:
    with pytest.raises(OutgoingRefused, match="OUTGOING_HOSTS") as refused:
        require_listed(read_url(url), Listed.of(entries))
    assert refused.value.reason == "not-listed"


@pytest.mark.parametrize("entry", ["", "*", "*.", "https://a.test", "a b", "10.0.0.1/8", "a:80"])
def test_an_entry_that_cannot_be_read_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="no host") as error:
        Listed.of(["fine.example.org", entry])
    assert repr(entry) in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.org/",
        "hooks.example.org/a",
        "//hooks.example.org/a",
        "https:/hooks.example.org/a",
        "https:///a",
        "https://user@hooks.example.org/",
        "https://user:hunter2@hooks.example.org/",
        "https://hooks.example.org@127.0.0.1/",
        "https://127.0.0.1\\@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org/#",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:65536/",
        "https://hooks.example.org:80:80/",
        "https://hooks.example.org /",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/a\r\nX-Other: b",
        "https://hooks.example.org/\0",
        "https://hooks.exämple.org/",
        "https://-hooks.example.org/",
        "https://hooks..example.org/",
        "https://[::1/",
        "https://[hooks.example.org]/",
        "https://[fe80::1%25eth0]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://1.2.3.4.5/",
        "https://hooks.example.org/" + "a" * 2_000,
    ],
)
def test_a_url_that_readers_could_take_for_another_is_refused(url: str) -> None:
    with pytest.raises(OutgoingRefused) as refused:
        read_url(url)
    assert refused.value.reason == "bad-url"
    assert "hunter2" not in str(refused.value)


def test_a_url_is_taken_apart() -> None:
    place = read_url("HTTPS://Hooks.Example.org:8443/A/b?c=D&e=%20")
    assert (place.scheme, place.host, place.port) == ("https", "hooks.example.org", 8443)
    assert place.target == "/A/b?c=D&e=%20"
    assert place.host_header == "hooks.example.org:8443"
    assert read_url("http://[2001:db8::1]").host_header == "[2001:db8::1]"


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """The resolver answers with these; returns the names that it was asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "addresses", [["10.0.0.5"], ["8.8.8.8", "10.0.0.5"], ["2606:4700::1111", "fe80::1%eth0"]]
)
def test_a_listed_name_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolves_to(monkeypatch, *addresses)
    place = read_url("https://hooks.example.org/")
    with pytest.raises(OutgoingRefused, match="an inner address") as refused:
        addresses_of(place, Listed.of(["hooks.example.org"]))
    assert refused.value.reason == "inner-address"
    inner = addresses[-1].partition("%")[0]
    found = addresses_of(place, Listed.of(["hooks.example.org", inner]))
    assert [str(one) for one in found] == [one.partition("%")[0] for one in addresses]


def test_a_name_without_addresses_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OutgoingFailed, match="Temporary failure") as failed:
        addresses_of(read_url("https://hooks.example.org/"), Listed.of([]))
    assert failed.value.reason == "unknown-host"
