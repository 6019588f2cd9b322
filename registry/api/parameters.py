"""Query parameters: declared once, read strictly and described from the same declaration.

A name that is not declared is refused, because a filter with a slip in its name would otherwise
answer with everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter

from registry.errors import MalformedParameter

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200
# Well below the 50,000 bytes from which on SQLite refuses to search for a text.
TEXT_MAX_CHARS = 1_000
_INTEGER_MAX = 2**31 - 1


@dataclass(frozen=True)
class Parameter:
    """One query parameter. ``choices`` are its only values; ``many`` allows it more than once."""

    name: str
    description: str
    type: Literal["text", "integer", "boolean", "time"] = "text"
    choices: tuple[str, ...] = ()
    many: bool = False

    def read(self, text: str) -> Any:
        """The value. Raises MalformedParameter, which names the parameter."""
        if "\0" in text:
            raise MalformedParameter(f"“{self.name}” holds a NUL character.")
        if len(text) > TEXT_MAX_CHARS:
            raise MalformedParameter(f"“{self.name}” has more than {TEXT_MAX_CHARS:,} characters.")
        if self.choices and text not in self.choices:
            raise MalformedParameter(f"“{self.name}” is one of {', '.join(self.choices)}.")
        return _READERS[self.type](self.name, text)

    def described(self) -> OpenApiParameter:
        """The parameter in the API's description."""
        return OpenApiParameter(
            self.name,
            type=_OPENAPI[self.type],
            description=self.description,
            enum=self.choices or None,
            many=self.many,
            explode=True if self.many else None,
        )


def _text(name: str, text: str) -> str:
    return text


def _integer(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:10]) >= 1 and len(text) <= 10):
        raise MalformedParameter(f"“{name}” is a whole number from 1 on.")
    return min(int(text), _INTEGER_MAX)


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "1", "false", "0"):
        raise MalformedParameter(f"“{name}” is true or false.")
    return text in ("true", "1")


def _time(name: str, text: str) -> datetime:
    # A plus sign that was not escaped arrives as a space.
    try:
        moment = parse_datetime(text.replace(" ", "+") if "T" in text else text)
        # Databases know no time that lies before the first or after the last year in UTC.
        known = moment and moment.tzinfo and moment.astimezone(UTC)
    except (ValueError, OverflowError):
        known = moment = None
    if moment is None or not known:
        raise MalformedParameter(f"“{name}” is a time with offset, such as 2026-01-31T12:00:00Z.")
    return moment


_READERS = {"text": _text, "integer": _integer, "boolean": _boolean, "time": _time}
_OPENAPI: dict[str, Any] = {
    "text": str,
    "integer": {"type": "integer", "minimum": 1},
    "boolean": bool,
    "time": datetime,
}

PAGING = (
    Parameter(
        "page",
        "The page, from 1 on. A `count` of more than 10,000 may be half a minute old; following"
        " `next` to the end shows every row all the same.",
        "integer",
    ),
    Parameter("page_size", f"Rows on a page: {PAGE_SIZE}, at most {PAGE_SIZE_MAX}.", "integer"),
)
SEARCH = Parameter("search", "Only rows that hold this text, ignoring case.")
TAG = Parameter("tag", "`key:value`; more than one must all hold.", many=True)
EXPAND = Parameter("expand", "Neighbours to put in place: `a,b.c`, at most three hops.")


def ordering(*names: str) -> Parameter:
    """The parameter ``ordering`` with the names of columns that may be asked for."""
    known = ", ".join(f"`{name}`" for name in names)
    return Parameter("ordering", f"Comma-separated, `-` before a name turns it round: {known}.")


def read_query(query: QueryDict, declared: Iterable[Parameter]) -> dict[str, Any]:
    """The declared parameters that were sent: a value, or a list where many are allowed.

    Raises MalformedParameter for a name that is not declared, and for one that is repeated.
    """
    known = {parameter.name: parameter for parameter in declared}
    values: dict[str, Any] = {}
    for name in query:
        if name not in known:
            raise unknown_name("parameter", name, known)
        sent = [known[name].read(text) for text in query.getlist(name)]
        if len(sent) > 1 and not known[name].many:
            raise MalformedParameter(f"“{name}” was sent {len(sent)} times.")
        values[name] = sent if known[name].many else sent[0]
    return values


def ordered(
    rows: QuerySet[Any, Any], asked: str | None, names: Sequence[str]
) -> QuerySet[Any, Any]:
    """The rows in the asked order, newest first among equals. Raises MalformedParameter."""
    keys = []
    for key in (asked or "").split(",") if asked else ():
        if key.removeprefix("-") not in names:
            raise unknown_name("ordering", key, names)
        keys.append(key)
    return rows.order_by(*keys, "-id")


def split_tag(text: str) -> tuple[str, str]:
    """``key:value`` as a pair; the value may hold colons. Raises MalformedParameter."""
    key, colon, value = text.partition(":")
    if not colon or not key:
        raise MalformedParameter("“tag” is key:value.")
    return key, value


def unknown_name(what: str, name: str, known: Iterable[str]) -> MalformedParameter:
    """The error for a name inside a parameter's value; it names all known ones."""
    listed = ", ".join(sorted(known)) or "none"
    return MalformedParameter(f"Unknown {what} “{name[:100]}”; known: {listed}.")
