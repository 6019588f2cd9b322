"""The fast reader only says yes, and only where the strict reader and the validator do."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import DomainError
from registry.signature.types import Column, Param, Signature
from serving.protocols import native
from serving.protocols.base import Decoded, Head, Limits
from serving.protocols.fast_json import Form, read_request

SIGNATURE = Signature(
    inputs=(
        Column("sepal length (cm)", "float64", nullable=True),
        Column("age", "int32", min=0, max=120),
        Column("city", "string", nullable=True, enum=("Rome", "Oslo:1", "")),
        Column("is_new", "boolean"),
    ),
    params=(Param("k", "int32", 3),),
)
EVERY_TYPE = Signature(
    inputs=(
        Column("é", "float32", nullable=True, min=0.1, max=1e9),
        Column("f", "float32"),
        Column("i", "int64", nullable=True),
        Column("u", "uint64", enum=(1, 2**64 - 1)),
        Column("b", "boolean", nullable=True),
        Column("s", "string", nullable=True),
        Column("at", "datetime", nullable=True),
        Column("on", "date", nullable=True, min=date(2020, 1, 1)),
        Column("t", "float64", shape=(2, -1), nullable=True, min=-1.0),
    )
)
ONE = Signature((Column("x", "float64", nullable=True),))
GOOD: dict[str, Any] = {"sepal length (cm)": 1.5, "age": 42, "city": "Rome", "is_new": True}


def slowly(body: bytes, signature: Signature) -> Decoded:
    return native._decode_json_slowly(body, signature, Limits(), "application/json")


def quickly(body: bytes, signature: Signature) -> Decoded:
    return native.decode(body, Head(), signature, limits=Limits())


def told(decode: Any, body: bytes, signature: Signature) -> tuple[Any, ...]:
    """All that a caller can see of a decoded body, or of its refusal."""
    try:
        decoded = decode(body, signature)
    except DomainError as error:
        return type(error), str(error), vars(error)
    checked = decoded.validated
    return (
        checked.batch.schema,
        repr(checked.batch.to_pylist()),  # tells -0.0 from 0.0
        checked.row_numbers.tolist(),
        (checked.n_rows, checked.n_good, checked.problem_count, checked.bad_rows.tolist()),
        checked.problems,
        (decoded.outputs, decoded.params, decoded.notes),
    )


def body_of(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


COLUMNS = {name: [value] * 3 for name, value in GOOD.items()}
TAKEN: dict[str, Any] = {
    "objects": {"instances": [GOOD, GOOD]},
    "another order": {"instances": [dict(reversed(GOOD.items()))]},
    "lists": {"instances": [list(GOOD.values())] * 3},
    "columns": {"columns": COLUMNS},
    "no rows": {"instances": []},
    "columns without rows": {"columns": {name: [] for name in GOOD}},
    "a whole number for a float": {"instances": [GOOD | {"sepal length (cm)": 2}]},
    "20.0 for an integer": {"instances": [GOOD | {"age": 20.0}]},
    "a large float": {"instances": [GOOD | {"sepal length (cm)": 1e300}]},
    "null where allowed": {"instances": [GOOD | {"city": None}]},
    "a nullable member left out": {"instances": [{"age": 1, "is_new": False}, GOOD]},
    "a nullable column left out": {"columns": {"age": [1, 2], "is_new": [True, False]}},
    "a colon in a text": {"instances": [GOOD | {"city": "Oslo:1"}]},
    "outputs and params": {"instances": [GOOD], "outputs": ["a", "a"], "params": {"k": 2.0}},
    "many rows": {"instances": [GOOD | {"age": i} for i in range(100)]},
    "many rows, 20.0": {"instances": [GOOD | {"age": float(i)} for i in range(100)]},
}


@pytest.mark.parametrize("name", TAKEN)
def test_good_bodies_are_taken_with_the_values_of_the_strict_reader(name: str) -> None:
    body = body_of(TAKEN[name])

    assert read_request(body, SIGNATURE) is not None
    assert told(quickly, body, SIGNATURE) == told(slowly, body, SIGNATURE)


LEFT: dict[str, bytes] = {
    "empty": b"",
    "byte order mark": b"\xef\xbb\xbf" + body_of({"instances": [GOOD]}),
    "NaN": b'{"instances": [[NaN, 1, "Rome", true]]}',
    "Infinity": b'{"instances": [[-Infinity, 1, "Rome", true]]}',
    "beyond a double": b'{"instances": [[1e999, 1, "Rome", true]]}',
    "not UTF-8": b'{"instances": [[1, 1, "\xff", true]]}',
    "a lone surrogate": b'{"instances": [[1, 1, "\\ud800", true]]}',
    "a name twice": b'{"instances": [{"age": 1, "age": 2, "city": "Rome", "is_new": true}]}',
    "a name twice, one left out": b'{"instances": [{"age": 1, "age": 2, "is_new": true}]}',
    "instances twice": b'{"instances": [], "instances": [[1, 1, "Rome", true]]}',
    "a param twice": b'{"instances": [], "params": {"k": 1, "k": 2}}',
    "both": body_of({"instances": [], "columns": COLUMNS}),
    "neither": b"{}",
    "unknown member": body_of({"instances": [GOOD], "x": 1}),
    "unknown column": body_of({"instances": [GOOD | {"agee": 1}]}),
    "missing column": body_of({"instances": [{"age": 1}]}),
    "a short list": body_of({"instances": [[1.5, 42, "Rome"]]}),
    "a long list": body_of({"instances": [[1.5, 42, "Rome", True, 1]]}),
    "a list among objects": body_of({"instances": [GOOD, [*GOOD.values()]]}),
    "an object among lists": body_of({"instances": [[*GOOD.values()], GOOD]}),
    "true for an integer": body_of({"instances": [GOOD | {"age": True}]}),
    "20.7 for an integer": body_of({"instances": [GOOD | {"age": 20.7}]}),
    "out of range": body_of({"instances": [GOOD | {"age": 121}]}),
    "not in the enum": body_of({"instances": [GOOD | {"city": "rome"}]}),
    "null where not allowed": body_of({"instances": [GOOD | {"age": None}]}),
    "a number too exact for a float": body_of(
        {"instances": [GOOD | {"sepal length (cm)": 2**53 + 1}]}
    ),
    "a text for a number": body_of({"instances": [GOOD | {"age": "42"}]}),
    "too deep": b'{"instances": ' + b"[" * 40 + b"]" * 40 + b"}",
    "columns of two lengths": body_of({"columns": COLUMNS | {"age": [1]}}),
    "no outputs": body_of({"instances": [GOOD], "outputs": []}),
    "outputs no texts": body_of({"instances": [GOOD], "outputs": [1]}),
    "a param of a list": body_of({"instances": [GOOD], "params": {"k": [1]}}),
    "more after the end": body_of({"instances": [GOOD]}) + b"{}",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_surely_good_is_left_and_answered_as_before(name: str) -> None:
    assert read_request(LEFT[name], SIGNATURE) is None
    assert told(quickly, LEFT[name], SIGNATURE) == told(slowly, LEFT[name], SIGNATURE)


def test_a_wrong_param_is_answered_in_the_same_words() -> None:
    body = body_of({"instances": [GOOD], "params": {"k": "many"}})

    assert told(quickly, body, SIGNATURE) == told(slowly, body, SIGNATURE)
    assert told(quickly, body, SIGNATURE)[2]["pointer"] == "/params/k"


def test_the_caps_hold_on_the_fast_way_too() -> None:
    body = body_of({"instances": [GOOD] * 3})

    for limits in (Limits(body_bytes=len(body) - 1), Limits(rows=2)):
        with pytest.raises(DomainError):
            native.decode(body, Head(), SIGNATURE, limits=limits)


def test_a_column_with_a_quotation_mark_is_read_by_the_strict_reader() -> None:
    signature = Signature((Column('a "b"', "float64"),))
    body = body_of({"instances": [{'a "b"': 1}]})

    assert read_request(body, signature) is None
    assert quickly(body, signature).validated.batch.to_pylist() == [{'a "b"': 1.0}]


def test_another_form_names_other_members_and_pandas_split() -> None:
    form = Form((("dataframe_split", "split"), ("dataframe_records", "rows")))
    split = {"columns": list(GOOD), "data": [list(GOOD.values())] * 2, "index": [0, 1]}

    taken = read_request(body_of({"dataframe_split": split}), SIGNATURE, form)
    assert taken is not None
    assert (taken.source, taken.columns.n_rows) == ("dataframe_split", 2)
    assert taken.columns.to_batch().to_pylist() == [GOOD, GOOD]
    others = [split | {"columns": [*GOOD][::-1]}, split | {"index": [0]}]
    for other in others:
        assert read_request(body_of({"dataframe_split": other}), SIGNATURE, form) is None
    assert read_request(body_of({"instances": []}), SIGNATURE, form) is None


NUMBERS = st.one_of(
    st.integers(-3, 125),
    st.sampled_from([0, 2**24, 2**24 + 1, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1, 2**64]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 1.0, 0.1, 20.0, 1e-320, 3.5e38, 16777217.0]),
)
TEXTS = st.one_of(
    st.sampled_from(
        ["Rome", "Oslo:1", "", 'a"b\\:', "é\u0000", "2026-01-31", "2026-01-31T12:00:00Z"]
    ),
    st.text(max_size=5),
)
CELLS = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none(), st.just([[1, 2.5], [0, -1]]))
FITTING: dict[str, Any] = {
    "float64": NUMBERS,
    "float32": NUMBERS,
    "int32": NUMBERS,
    "int64": NUMBERS,
    "uint64": st.sampled_from([1, 1.0, 2**64 - 1, 2]),
    "string": TEXTS,
    "boolean": st.booleans(),
    "datetime": st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31 12:00:00+01:00", "now"]),
    "date": st.sampled_from(["2026-01-31", "2019-12-31"]),
}


SURE: dict[str, Any] = FITTING | {
    "float64": st.one_of(st.integers(-1, 99), st.floats(-1, 1e6), st.sampled_from([-0.0, 1e300])),
    "float32": st.one_of(st.integers(1, 99), st.floats(0.25, 1e6, width=32)),
    "int32": st.one_of(st.integers(0, 120), st.integers(0, 120).map(float)),
    "int64": st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 9).map(float)),
    "datetime": st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31 12:00:00.5+01:00"]),
    "date": st.just("2026-01-31"),
}


def cells_for(column: Column, is_sure: bool) -> st.SearchStrategy[Any]:
    """Sure ones fit: a wrong cell in each body would leave nothing to take."""
    if is_sure:
        sure = SURE[column.type] if column.enum is None else st.sampled_from(column.enum)
        if column.shape:
            sure = st.lists(
                st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2
            )
        return st.one_of(st.none(), sure) if column.nullable else sure
    fits = FITTING[column.type]
    if column.shape:
        fits = st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=2, max_size=2)
    if column.enum:
        fits = st.one_of(st.sampled_from(column.enum), fits)
    if column.nullable:
        fits = st.one_of(st.none(), fits)
    return st.one_of(fits, fits, fits, fits, fits, CELLS)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Signature, bytes]:
    signature = draw(st.sampled_from([SIGNATURE, EVERY_TYPE, ONE]))
    is_sure = draw(st.booleans())
    row = {column.name: cells_for(column, is_sure) for column in signature.inputs}
    # Up to twelve rows are read cell by cell, more of them by column.
    n_rows = draw(st.sampled_from([0, 1, 1, 1, 2, 14]))
    rows = [{name: draw(cells) for name, cells in row.items()} for _ in range(n_rows)]
    shape = draw(st.sampled_from(["objects", "gaps", "lists", "columns"]))
    if shape == "gaps":
        rows = [{k: v for k, v in r.items() if v is not None} for r in rows]
    if shape == "lists":
        whole: dict[str, Any] = {"instances": [list(r.values()) for r in rows]}
    elif shape == "columns":
        whole = {"columns": {name: [r[name] for r in rows] for name in row}}
    else:
        whole = {"instances": rows}
    text = json.dumps(
        whole, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
    )
    return signature, text.encode("utf-8", "surrogatepass")


@settings(max_examples=250, deadline=None)
@given(bodies())
def test_both_readers_say_the_same_of_any_request(drawn: tuple[Signature, bytes]) -> None:
    signature, body = drawn

    assert told(quickly, body, signature) == told(slowly, body, signature)


@settings(max_examples=250, deadline=None)
@given(bodies(), st.data())
def test_both_readers_say_the_same_of_any_bytes(
    drawn: tuple[Signature, bytes], data: st.DataObject
) -> None:
    signature, body = drawn
    at = data.draw(st.integers(0, len(body)))
    put = data.draw(
        st.sampled_from(
            [b"", b"-", b"0", b"1", b".", b"e5", b'"', b":", b",", b"\xff", b"\\", b"\x01"]
        )
    )
    removed = data.draw(st.integers(0, 2))
    damaged = body[:at] + put + body[at + removed :]

    assert told(quickly, damaged, signature) == told(slowly, damaged, signature)


@settings(max_examples=250, deadline=None)
@given(st.from_regex(r"-?[0-9]{1,22}(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_both_readers_read_the_same_number(written: str) -> None:
    body = b'{"instances": [{"x": %s}]}' % written.encode()

    assert told(quickly, body, ONE) == told(slowly, body, ONE)
    taken = read_request(body, ONE)
    if taken is not None:
        (value,) = taken.columns.cells[0]
        assert float(value) == float(written)
        assert math.copysign(1, value) == math.copysign(1, float(written)) or "." not in written
