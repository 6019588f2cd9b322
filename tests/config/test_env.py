"""Readers of the environment: good values, and what a wrong one is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.env import Environment, PublicUrl, S3Store, SettingError

NETWORKS = ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda env: env.boolean("X", default=False), "Yes", True),
        (lambda env: env.boolean("X", default=True), "no", False),
        (lambda env: env.boolean("X", default=True), "  ", True),
        (lambda env: env.integer("X", 1, low=0, high=9), "7", 7),
        (lambda env: env.integer("X", 1, low=0, high=9), "", 1),
        (lambda env: env.size_bytes("X", 5), "1000", 1000),
        (lambda env: env.size_bytes("X", 5), "2 GiB", 2 * 2**30),
        (lambda env: env.size_bytes("X", 5), "3M", 3 * 2**20),
        (lambda env: env.size_bytes("X", 5), "4kb", 4 * 2**10),
        (lambda env: env.rate("X", "5/s"), "1000/s", (1000, 1.0)),
        (lambda env: env.rate("X", "5/s"), "600 / min", (600, 60.0)),
        (lambda env: env.rate("X", "5/s"), "9/h", (9, 3600.0)),
        (lambda env: env.rate("X", "5/s"), "off", None),
        (lambda env: env.rate("X", "5/s"), "", (5, 1.0)),
        (lambda env: env.choice("X", ("gate", "approve"), "gate"), "approve", "approve"),
        (lambda env: env.zone("X", "UTC"), "Europe/Rome", "Europe/Rome"),
        (lambda env: str(env.public_url("X")), "https://a.example", "https://a.example"),
        (lambda env: str(env.public_url("X")), "http://a:8000/p/q/", "http://a:8000/p/q"),
        (lambda env: env.public_url("X"), "", None),
        (
            lambda env: [str(n) for n in env.networks("X")],
            "10.0.0.0/8, ::1",
            ["10.0.0.0/8", "::1/128"],
        ),
        (lambda env: env.outgoing_hosts("X"), "*.a.b, 10.0.0.0/8,", ("*.a.b", "10.0.0.0/8")),
        (lambda env: env.outgoing_hosts("X"), "", ()),
        (lambda env: [str(f) for f in env.folders("X")], " /srv/a, /srv/b", ["/srv/a", "/srv/b"]),
        (lambda env: env.redis_url("X"), "rediss://h:1/2", "rediss://h:1/2"),
        (lambda env: env.database("X")["NAME"], "postgres://u:p%40@h/n", "n"),
        (lambda env: env.database("X")["HOST"], "postgres://u@%2Frun%2FPg/n", "/run/Pg"),
        (lambda env: env.database("X")["PASSWORD"], "postgres://u:p%40@h/n", "p@"),
    ],
)
def test_a_good_value_is_read(
    read: Callable[[Environment], Any], value: str, expected: object
) -> None:
    assert read(Environment({"X": value})) == expected


@pytest.mark.parametrize(
    ("read", "value", "problem"),
    [
        (lambda env: env.boolean("X", default=True), "maybe", "neither true nor false. Write 1 or"),
        (lambda env: env.integer("X", 1, low=1, high=9), "10", "no number from 1 to 9"),
        (lambda env: env.integer("X", 1, low=1, high=9), "-1", "no number from 1 to 9"),
        (lambda env: env.size_bytes("X", 5), "0", "is no size. Write bytes"),
        (lambda env: env.size_bytes("X", 5), "a lot", "is no size. Write bytes"),
        (lambda env: env.rate("X", "5/s"), "0/s", "is no rate. Write such as 1000/s"),
        (lambda env: env.rate("X", "5/s"), "10", "is no rate. Write such as 1000/s"),
        (lambda env: env.rate("X", "5/s"), "10/day", "is no rate. Write such as 1000/s"),
        (lambda env: env.choice("X", ("gate", "approve"), "gate"), "ask", "one of: gate, approve"),
        (lambda env: env.zone("X", "UTC"), "Mars/Base", "no known time zone"),
        (lambda env: env.zone("X", "UTC"), "../../etc/passwd", "no known time zone"),
        (lambda env: env.networks("X"), "10.0.0.1/8", "has host bits set"),
        (lambda env: env.folders("X"), "/srv/a,b", "'b' is no absolute path"),
        (lambda env: env.outgoing_hosts("X"), "a.b,https://c", "'https://c' is no host, no"),
        (lambda env: env.redis_url("X"), "http://h", "not redis://"),
        (lambda env: env.database("X"), "mysql://h/n", "neither postgres:// nor sqlite:///"),
        (lambda env: env.database("X"), "postgres://u:p@h", "names no database"),
        (lambda env: env.public_url("X"), "models.example", "no plain http or https URL"),
        (lambda env: env.public_url("X"), "https://u:p@h", "no plain http or https URL"),
        (lambda env: env.public_url("X"), "https://h?x=1", "no plain http or https URL"),
        (lambda env: env.public_url("X"), "https://", "unusable host or path"),
        (lambda env: env.public_url("X"), "https://a b", "unusable host or path"),
        (lambda env: env.public_url("X"), "https://h:99999", "is no URL"),
        (lambda env: env.s3("X"), "s3://h", "no s3:// URL with a bucket"),
        (lambda env: env.s3("X"), "https://h/b", "no s3:// URL with a bucket"),
        (lambda env: env.s3("X"), "s3://h/b?colour=red", "parameter colour is unknown"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_and_the_fix(
    read: Callable[[Environment], Any], value: str, problem: str
) -> None:
    with pytest.raises(SettingError) as refused:
        read(Environment({"X": value}))
    assert refused.value.name == "X"
    assert str(refused.value).startswith("X: ")
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["X", "X_FILE"])
def test_a_secret_is_never_in_the_message(name: str, tmp_path: Path) -> None:
    secret = "mysql://user:the-secret@host/name"
    value = secret
    if name == "X_FILE":
        value = str(tmp_path / "secret")
        Path(value).write_text(secret)
    with pytest.raises(SettingError) as refused:
        Environment({name: value}).database("X")
    assert "the-secret" not in str(refused.value)


def test_a_secret_comes_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hidden\n")
    assert Environment({"X_FILE": str(tmp_path / "key")}).secret("X") == "hidden"


def test_a_secret_and_its_file_are_not_both_taken(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="both X and X_FILE are set"):
        Environment({"X": "a", "X_FILE": "b"}).secret("X")


@pytest.mark.parametrize("content", [None, b"", b"\xff"])
def test_a_secret_file_that_holds_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError, match=r"X_FILE: .*key "):
        Environment({"X_FILE": str(path)}).secret("X")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "s3://key:a%2Fb@objects:9000/bucket/some/prefix?region=eu&style=virtual",
            S3Store("bucket", "some/prefix", "https://objects:9000", "eu", "key", "a/b", "virtual"),
        ),
        (
            "s3://objects/bucket?endpoint_url=http://localhost:9000",
            S3Store("bucket", "", "http://localhost:9000", None, None, None, "path"),
        ),
        ("s3:///bucket", S3Store("bucket", "", None, None, None, None, "path")),
    ],
)
def test_a_storage_url_is_taken_apart(url: str, expected: S3Store) -> None:
    assert Environment({"X": url}).s3("X") == expected


@pytest.mark.parametrize(
    ("url", "origin", "is_secure"),
    [
        (PublicUrl("https", "a.example", 443, "/p"), "https://a.example", True),
        (PublicUrl("http", "a.example", 8080, ""), "http://a.example:8080", False),
        (PublicUrl("http", "::1", None, ""), "http://[::1]", False),
    ],
)
def test_an_origin_is_written_as_browsers_do(url: PublicUrl, origin: str, is_secure: bool) -> None:
    assert (url.origin, url.is_secure) == (origin, is_secure)
