"""Where rows are read from instead of an upload: a query elsewhere, or files under a prefix.

A source is ``{"connection", "query", "types"?}`` or ``{"prefix", "format"?}``. A query needs the
role scorer on its connection; the files of the inbox are everybody's, so they need a group with
the role publisher.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import roles, storage
from registry.actions.connections import find_connection, require_reading
from registry.errors import InvalidField, SourceRefused
from registry.principals import Principal, require_everywhere
from registry.signature.dtypes import DTYPES
from registry.sql import bare
from registry.tabular import FORMATS

_QUERY, _FILES = ("connection", "query", "types"), ("prefix", "format")
TYPES_MAX = 4096


def checked_source(by: Principal, source: object) -> dict[str, Any]:
    """A source as it is kept, for somebody who may read it.

    Raises InvalidField with the pointer, ConnectionNotFound, NotAllowed, StateConflict.
    """
    if not isinstance(source, Mapping):
        raise _wrong("An object was expected.")
    known = _FILES if "prefix" in source else _QUERY
    for key in source:
        if key not in known:
            raise _wrong(f"“{str(key)[:60]}” is none of {', '.join(known)}.", str(key)[:60])
    return _files(by, source) if known is _FILES else _query(by, source)


def format_of_source(source: Mapping[str, Any]) -> str:
    """What a dataset version from this source has as its format: ``sql`` for a query."""
    return "sql" if "query" in source else source.get("format", "")


def _query(by: Principal, source: Mapping[str, Any]) -> dict[str, Any]:
    connection = find_connection(by, _text(source, "connection"))
    require_reading(by, connection)
    try:
        query = bare(_text(source, "query"))
    except SourceRefused as error:
        raise _wrong(error.detail, "query") from None
    kept: dict[str, Any] = {"connection": connection.name, "query": query}
    if source.get("types") is not None:
        kept["types"] = _types(source["types"])
    return kept


def _files(by: Principal, source: Mapping[str, Any]) -> dict[str, Any]:
    require_everywhere(by, roles.PUBLISHER)
    try:
        kept = {"prefix": storage.checked_prefix(_text(source, "prefix"))}
    except ValueError as error:
        raise _wrong(str(error), "prefix") from None
    if source.get("format") is not None:
        if source["format"] not in FORMATS:
            raise _wrong(f"One of {', '.join(FORMATS)} was expected.", "format")
        kept["format"] = source["format"]
    return kept


def _types(types: object) -> dict[str, str]:
    if not isinstance(types, Mapping) or len(types) > TYPES_MAX:
        raise _wrong("An object of column names and types was expected.", "types")
    for name, key in types.items():
        if not isinstance(key, str) or key not in DTYPES:
            raise _wrong(f"One of {', '.join(DTYPES)} was expected.", f"types/{name}")
    return dict(types)


def _text(source: Mapping[str, Any], key: str) -> str:
    text = source.get(key)
    if not isinstance(text, str) or not text or "\0" in text:
        raise _wrong("A text was expected.", key)
    return text


def _wrong(detail: str, key: str = "") -> InvalidField:
    return InvalidField(detail, pointer=f"/source/{key}" if key else "/source")
