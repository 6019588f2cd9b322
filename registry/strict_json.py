"""Plain: the one JSON parser and writer (RFC 8259), strict where parsers differ.

Refused: duplicate names, NaN and Infinity, numbers that no double can hold, lone surrogates,
nesting over a cap, anything after the end. Whole numbers of any size stay exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

from registry.errors import MalformedBody, TooLarge, received_text
from registry.signature.names import first_repeated

MAX_DEPTH = 32
_DUMP_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY
_COLON_OF_A_NAME = re.compile(rb'"[ \t\r\n]*:')
# Digits become 0, all that may stand before a number a blank, everything else x.
_NUMBER_STARTS = bytes(
    ord("0")
    if chr(byte).isdigit() and byte < 128
    else ord(" " if chr(byte) in ",:[- \t\r\n" else "x")
    for byte in range(256)
)
# orjson makes a float of whole numbers beyond 64 bits, silently; they have 19 digits at least.
_LONG_NUMBER = b" " + b"0" * 19
_COLON, _LONG_BODY = ord(":"), 4096


def loads(body: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """The parsed body: dict, list, str, int, float, bool or None; every float is finite.

    Raises TooLarge over ``max_bytes``, MalformedBody for everything that is not strict JSON.
    """
    if len(body) > max_bytes:
        raise TooLarge(f"The body is larger than {max_bytes} bytes.", limit_bytes=max_bytes)
    parsed = _parsed(body)
    names = _count_names(parsed, body, max_depth)
    if surely_unique(body, names) and _LONG_NUMBER not in (b" " + body).translate(_NUMBER_STARTS):
        return parsed
    return _read_slowly(body)


def surely_unique(body: bytes, names: int) -> bool:
    """Whether no object of this valid JSON has a name twice, when its parser kept ``names``.

    Fast parsers keep the last of duplicates without a word. There are none when as many names
    were kept as there are colons. Colons inside of texts can only make this False.
    """
    return _count_colons(body) == names or len(_COLON_OF_A_NAME.findall(body)) == names


def _count_colons(body: bytes) -> int:
    if len(body) < _LONG_BODY:
        return body.count(b":")
    # Where colons stand close to each other numpy counts ten times as fast. It is imported here,
    # because whoever looks at uploads reads JSON and must not have it.
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == _COLON))


def written(fragment: bytes) -> Any:
    """JSON that was written already, to stand as it is inside of what ``dumps`` writes."""
    return orjson.Fragment(fragment)


def dumps(value: Any) -> bytes:
    """Compact JSON in UTF-8; NaN and Infinity become null, times RFC 3339 with ``Z``.

    Contiguous numpy arrays of numbers and truth values are lists. Raises TypeError for what is no
    JSON value, lone surrogates included.
    """
    return orjson.dumps(value, option=_DUMP_OPTIONS)


def _parsed(body: bytes) -> Any:
    if not body.strip(b" \t\r\n"):
        raise MalformedBody("The body is empty; JSON was expected.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"The body is not valid JSON: {error.msg} ({where}).") from None


def _count_names(parsed: Any, body: bytes, max_depth: int) -> int:
    """How many names all objects have together. Raises MalformedBody when nested too deep."""
    # When as many containers were met as brackets open, no deeper one is left to look for: the
    # cells of a table are not visited.
    unmet = body.count(b"{") + body.count(b"[")
    names, depth, level = 0, 0, _containers([parsed])
    while level:
        depth += 1
        if depth > max_depth:
            raise MalformedBody(f"The body is nested deeper than {max_depth} levels.")
        unmet -= len(level)
        names += sum(len(value) for value in level if type(value) is dict)
        level = [part for value in level for part in _inner(value)] if unmet else []
    return names


def _inner(value: dict[str, Any] | list[Any]) -> list[Any]:
    return _containers(value.values() if isinstance(value, dict) else value)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if type(value) is dict or type(value) is list]


def _read_slowly(body: bytes) -> Any:
    try:
        return json.loads(body, object_pairs_hook=_unique)
    except (ValueError, RecursionError):  # such as a whole number of thousands of digits
        raise MalformedBody("The body is not valid JSON: a number is too long.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = first_repeated(name for name, _ in pairs)
    if twice is not None:
        raise MalformedBody(f"The name `{received_text(twice)}` stands twice in one object.")
    return dict(pairs)
