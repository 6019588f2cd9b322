"""The one JSON parser: what it refuses, what it keeps exact, and what the writer never writes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import MalformedBody, TooLarge
from registry.strict_json import MAX_DEPTH, dumps, loads

REFUSED = {
    "empty": b"",
    "only blanks": b" \n\t",
    "cut off": b'{"a": 1',
    "trailing comma": b"[1,]",
    "two values": b"1 2",
    "single quotes": b"{'a': 1}",
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "too large a number": b"[1e999]",
    "too large a whole number": b"[1" + b"0" * 400 + b"]",
    "lone surrogate": b'["\\ud800"]',
    "not UTF-8": b'["\xff"]',
    "control character": b'["\n"]',
    "byte order mark": b"\xef\xbb\xbf{}",
    "duplicate names": b'{"a": 1, "a": 2}',
    "duplicate names, compact": b'{"a":1,"a":2}',
    "duplicate names, apart": b'{"a" : 1, "b": 2, "a"\n: 2}',
    "duplicate names, deep": b'[{"b": [{"a": 1, "a": 1}]}]',
    "duplicate names beside a colon in a text": b'{"a": "x:y", "a": 2}',
    "duplicate names, one escaped": b'{"a": 1, "\\u0061": 2}',
    "a comment": b"[1] // one",
    "leading zero": b"[01]",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_it_refuses(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        loads(body, max_bytes=10_000)


def test_a_duplicate_name_is_named() -> None:
    with pytest.raises(MalformedBody, match="`age` stands twice"):
        loads(b'{"rows": [{"age": 1, "age": 2}]}', max_bytes=100)


def test_the_place_of_an_error_is_named_and_the_body_is_not_shown() -> None:
    with pytest.raises(MalformedBody, match=r"line 2, column 7") as raised:
        loads(b'{\n "a": secret}', max_bytes=100)

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_up_to_the_cap_is_read_and_beyond_it_refused(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    fits = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
    assert loads(fits, max_bytes=10_000)

    with pytest.raises(MalformedBody, match="deeper than 32"):
        loads(opening + fits + closing, max_bytes=10_000)


def test_five_thousand_nested_lists_are_refused() -> None:
    with pytest.raises(MalformedBody):
        loads(b"[" * 5_000 + b"]" * 5_000, max_bytes=20_000)


def test_brackets_inside_of_texts_do_not_hide_the_depth() -> None:
    body = b'["[[[[{{{{", ' + b"[" * 40 + b"]" * 40 + b"]"
    with pytest.raises(MalformedBody, match="deeper"):
        loads(body, max_bytes=1_000)


def test_a_body_over_the_cap_is_too_large_and_says_the_cap() -> None:
    with pytest.raises(TooLarge) as raised:
        loads(b"[1, 2]", max_bytes=5)

    assert raised.value.limit_bytes == 5


@pytest.mark.parametrize(
    "text",
    ["18446744073709551615", "18446744073709551616", "-9223372036854775809", "1" + "0" * 40],
)
def test_whole_numbers_stay_exact(text: str) -> None:
    assert loads(f'{{"a": [{text}]}}'.encode(), max_bytes=1_000) == {"a": [int(text)]}


def test_a_body_of_one_scalar_is_read() -> None:
    assert loads(b" 20.0 ", max_bytes=100) == 20.0
    assert loads(b"18446744073709551616", max_bytes=100) == 2**64


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(['a":', '\\":"', ": [{", "1234567890123456789012"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(json_values, st.booleans())
def test_it_reads_what_the_standard_library_reads(value: Any, is_compact: bool) -> None:
    separators = (",", ":") if is_compact else (" , ", " : ")
    body = json.dumps(value, separators=separators, ensure_ascii=is_compact).encode()

    read = loads(body, max_bytes=100_000)

    assert read == json.loads(body)
    assert repr(read) == repr(json.loads(body))  # 1 is not 1.0, and True is not 1


def test_nan_and_infinity_are_written_as_null() -> None:
    assert dumps([math.nan, math.inf, -math.inf, 1.5]) == b"[null,null,null,1.5]"


def test_times_are_written_as_rfc_3339() -> None:
    rome = timezone(timedelta(hours=2))
    assert dumps(datetime(2026, 1, 31, 12, tzinfo=UTC)) == b'"2026-01-31T12:00:00Z"'
    assert dumps(datetime(2026, 1, 31, 12, tzinfo=rome)) == b'"2026-01-31T12:00:00+02:00"'


def test_what_is_no_json_value_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        dumps({1, 2})


def test_of_twenty_thousand_names_the_last_one_is_found_twice_in_one_go() -> None:
    names = ",".join(f'"n{at}": 1' for at in range(20_000))
    with pytest.raises(MalformedBody, match="`n19999` stands twice"):
        loads(f'{{{names}, "n19999": 1}}'.encode(), max_bytes=1_000_000)
