"""Addresses: what is taken, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import subprocess
import sys

import pytest

from registry.errors import InvalidField
from registry.sql import Place, checked_address, place_of

URI = "postgresql://reader@db.example.org:5432/shop"


@pytest.mark.parametrize(
    "address",
    [URI, f"{URI}?sslmode=verify-full", "postgres://h/d", "postgresql:///d?host=/run/pg&user=u"],
)
def test_addresses_of_postgresql_are_taken(address):
    assert checked_address("postgresql", address, folders=()) == address


@pytest.mark.parametrize(
    "address",
    [
        *["", "shop", "mysql://h/d", "postgresql:/h/d", "postgresql://h/d#x", "x" * 501],
        *["postgresql://u:geheim@h/d", "postgresql://h/d?password=geheim", "postgresql://h/d\n"],
        *[
            f"{URI}?{odd}"
            for odd in ("sslkey=/etc/key", "service=x", "options=-c+x", "passfile=/x")
        ],
    ],
)
def test_what_is_no_address_or_reaches_further_is_refused(address):
    with pytest.raises(InvalidField) as refused:
        checked_address("postgresql", address, folders=())
    assert refused.value.pointer == "/address"
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("secret", ["geheim", "p@ss:w/ör d%41?&#", "'\\"])
def test_the_secret_joins_the_address_and_is_never_shown(secret):
    place = place_of("postgresql", URI, secret, folders=())
    assert secret not in repr(place)
    assert place.uri not in repr(place)
    for text in (f"cannot open {place.uri}", f"bad password {secret}"):
        assert secret not in place.without_secret(text)


def test_a_user_among_the_parameters_keeps_their_password():
    place = place_of("postgresql", "postgresql:///d?host=/run/pg&user=u", "a&b", folders=())
    assert place.uri == "postgresql:///d?host=%2Frun%2Fpg&user=u&password=a%26b"


def test_sqlite_files_lie_below_a_named_folder(tmp_path):
    folder, other = tmp_path / "shop", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    assert place_of("sqlite", f"{folder}/a.db", "", folders=(folder,)) == Place(
        "sqlite", f"{folder}/a.db"
    )
    (folder / "link").symlink_to(other)
    for path in (f"{other}/a.db", f"{folder}/../other/a.db", f"{folder}/link/a.db", "a.db"):
        with pytest.raises(InvalidField):
            place_of("sqlite", path, "", folders=(folder,))
    with pytest.raises(InvalidField, match="CONNECTION_FOLDERS"):
        place_of("sqlite", f"{folder}/a.db", "", folders=())


def test_the_drivers_are_imported_by_who_opens_a_session():
    code = "import sys, registry.sql; print([m for m in sys.modules if 'adbc' in m])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
