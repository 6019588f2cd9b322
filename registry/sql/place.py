"""Plain: where a database is: an address without its password, checked, and the two together.

PostgreSQL: ``postgresql://user@host:5432/database?sslmode=verify-full``, libpq's URI with those of
its parameters that change how to get there and nothing else: none that reads a file of this
machine or sets options of the session. SQLite: the absolute path of a file below an allowed folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from registry.errors import InvalidField

ADDRESS_MAX_CHARS = 500
_SCHEMES = ("postgresql", "postgres")
_PARAMETERS = frozenset(
    {
        "host",
        "port",
        "user",
        "dbname",
        "sslmode",
        "sslnegotiation",
        "channel_binding",
        "gssencmode",
        "target_session_attrs",
        "load_balance_hosts",
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """A database that can be reached. ``uri`` holds the secret: it is never shown or logged.

    ``driver`` is a key of DRIVERS; for SQLite ``uri`` is the path of the file.
    """

    driver: str
    uri: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def without_secret(self, text: str) -> str:
        """The text of an error of the driver, fit to be shown."""
        for hidden in filter(None, (self.uri, self.secret, quote(self.secret, safe=""))):
            text = text.replace(hidden, "***")
        return text


def place_of(driver: str, address: str, secret: str, *, folders: Sequence[Path]) -> Place:
    """The database at an address, with its password.

    ``folders`` are those below which SQLite files may lie. Raises InvalidField for an address that
    is none, that holds a password, or that reaches further than an address should.
    """
    if driver == "sqlite":
        return Place(driver, str(_checked_path(address, folders)))
    parts = _checked_uri(address)
    if not secret:
        return Place(driver, address)
    user, _, hosts = parts.netloc.rpartition("@")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    if user:
        netloc = f"{user}:{quote(secret, safe='')}@{hosts}"
    else:
        netloc = hosts
        parameters.append(("password", secret))
    # By hand: urlunsplit leaves the slashes of an empty host out.
    query = "?" + urlencode(parameters, quote_via=quote) if parameters else ""
    return Place(driver, f"{parts.scheme}://{netloc}{parts.path}{query}", secret)


def checked_address(driver: str, address: str, *, folders: Sequence[Path]) -> str:
    """An address that somebody gave. Raises InvalidField; the address is never repeated in it."""
    if not address or len(address) > ADDRESS_MAX_CHARS or not address.isprintable():
        raise _refused(f"A text of 1 to {ADDRESS_MAX_CHARS} characters was expected.")
    place_of(driver, address, "", folders=folders)
    return address


def _checked_uri(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parameters = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
        )
    except ValueError:
        raise _refused(_EXPECTED) from None
    if parts.scheme not in _SCHEMES or not address.startswith(f"{parts.scheme}://"):
        raise _refused(_EXPECTED)
    if ":" in parts.netloc.rpartition("@")[0] or any(key == "password" for key, _ in parameters):
        raise _refused("The address holds a password: give it as “secret” instead.")
    for key, _ in parameters:
        if key not in _PARAMETERS:
            known = ", ".join(sorted(_PARAMETERS))
            raise _refused(f"The parameter “{key[:40]}” is not taken; these are: {known}.")
    if parts.fragment:
        raise _refused(_EXPECTED)
    return parts


_EXPECTED = "An address such as postgresql://user@host:5432/database was expected."


def _checked_path(address: str, folders: Sequence[Path]) -> Path:
    if not folders:
        raise _refused(
            "SQLite files are read only below the folders of CONNECTION_FOLDERS, and there is none."
        )
    path = Path(address)
    if not path.is_absolute():
        raise _refused("The absolute path of a SQLite file was expected.")
    # Links are followed first: what counts is where the file really lies.
    real = path.resolve()
    if not any(real.is_relative_to(folder.resolve()) for folder in folders):
        raise _refused("The file does not lie below a folder of CONNECTION_FOLDERS.")
    return real


def _refused(detail: str) -> InvalidField:
    return InvalidField(detail, pointer="/address")
