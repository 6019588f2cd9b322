"""The native protocol's requests: JSON by rows and columns, CSV, Arrow and Parquet."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.errors import (
    InvalidField,
    InvalidRows,
    MalformedBody,
    TooLarge,
    UnsupportedMediaType,
)
from registry.signature.types import Signature
from serving.protocols import PROTOCOLS, load_protocol, media
from serving.protocols.base import Decoded, Head, Limits
from serving.protocols.native import decode

SIGNATURE = Signature.from_json(
    {
        "inputs": [
            {"name": "age", "type": "int64"},
            {"name": "city", "type": "string", "nullable": True},
            {"name": "is new", "type": "boolean", "nullable": True},
            {"name": "at", "type": "datetime", "nullable": True},
        ],
        "params": [{"name": "k", "type": "int32", "default": 3}],
    }
)
ROWS = [
    {"age": 42, "city": 'Rome, "old"', "is new": True, "at": "2026-01-31T12:00:00Z"},
    {"age": 7, "city": "", "is new": None, "at": None},
]


def as_json(body: Any, **options: Any) -> Decoded:
    return decode(json.dumps(body).encode(), Head("application/json"), SIGNATURE, **options)


def table() -> pa.Table:
    return pa.Table.from_batches([as_json({"instances": ROWS}).validated.batch])


def arrow_stream(source: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, source.schema, options=options) as writer:
        writer.write_table(source, max_chunksize=1)
    return sink.getvalue().to_pybytes()


def parquet(source: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(source, sink)
    return sink.getvalue()


CSV_BODY = (
    '\ufeffcity,age,is new,at\r\n"Rome, ""old""",42,true,2026-01-31T12:00:00Z\r\n"",7,,NA\r\n'
).encode()


def bodies() -> dict[str, tuple[bytes, str | None]]:
    columns = {name: [row[name] for row in ROWS] for name in SIGNATURE.input_names}
    return {
        "objects": (json.dumps({"instances": ROWS}).encode(), "application/json; charset=UTF-8"),
        "lists": (json.dumps({"instances": [list(r.values()) for r in ROWS]}).encode(), None),
        "columns": (json.dumps({"columns": columns}).encode(), "application/json"),
        "csv": (CSV_BODY, "text/csv; charset=utf-8; header=present"),
        "arrow": (arrow_stream(table()), media.ARROW),
        "arrow, zstd": (arrow_stream(table(), "zstd"), media.ARROW),
        "arrow, other order": (arrow_stream(table().select([3, 1, 0, 2])), media.ARROW),
        "parquet": (parquet(table()), media.PARQUET),
        "parquet by its other name": (parquet(table()), "application/x-parquet"),
    }


@pytest.mark.parametrize("form", bodies().keys())
def test_every_form_of_the_same_rows_decodes_to_the_same_batch(form: str) -> None:
    body, content_type = bodies()[form]

    decoded = decode(body, Head(content_type), SIGNATURE)

    assert decoded.validated.problem_count == 0
    assert decoded.validated.batch == as_json({"instances": ROWS}).validated.batch
    assert decoded.outputs is None
    assert decoded.params == {"k": 3}


def test_outputs_and_params_are_read() -> None:
    decoded = as_json({"instances": [], "outputs": ["decision", "decision"], "params": {"k": 1.0}})

    assert decoded.outputs == ("decision",)
    assert decoded.params == {"k": 1}
    assert decoded.validated.n_rows == 0


SHAPES: list[tuple[Any, str]] = [
    ([], ""),
    ("x", ""),
    ({}, ""),
    ({"outputs": ["prediction"]}, ""),
    ({"instances": [], "columns": {}}, "/columns"),
    ({"instances": {}}, "/instances"),
    ({"instances": None}, "/instances"),
    ({"columns": []}, "/columns"),
    ({"columns": {}}, "/columns"),
    ({"columns": {"age": 5}}, "/columns/age"),
    ({"columns": {"a/b": 5}}, "/columns/a~1b"),
    ({"columns": {"age": [1], "city": []}}, "/columns/city"),
    ({"instances": [], "outputs": "prediction"}, "/outputs"),
    ({"instances": [], "outputs": []}, "/outputs"),
    ({"instances": [], "outputs": None}, "/outputs"),
    ({"instances": [], "outputs": ["prediction", 5]}, "/outputs/1"),
    ({"instances": [], "params": []}, "/params"),
    ({"instances": [], "params": {"n": 1}}, "/params/n"),
    ({"instances": [], "Instances": []}, "/Instances"),
    ({"inputs": []}, "/inputs"),
]


@pytest.mark.parametrize(("body", "pointer"), SHAPES)
def test_a_wrong_shape_is_named_by_its_pointer(body: Any, pointer: str) -> None:
    with pytest.raises(InvalidField) as raised:
        as_json(body)

    assert raised.value.pointer == pointer


def test_an_unknown_member_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidField, match="nearest is `instances`"):
        as_json({"instance": []})


def test_bad_rows_are_found_and_do_not_raise() -> None:
    validated = as_json({"instances": [ROWS[0], {"age": 20.7}, [1]]}).validated

    assert [(p.row, p.column, p.code) for p in validated.problems] == [
        (1, "age", "not-an-integer"),
        (2, None, "wrong-length"),
    ]
    assert validated.batch.num_rows == 1


def test_bad_cells_of_a_csv_carry_their_physical_line() -> None:
    body = b'age,city\n1,"two\nlines"\n20.7,x\n,y\nx,z\n'
    validated = decode(body, Head("text/csv"), SIGNATURE).validated

    assert [(p.row, p.line, p.code, p.received) for p in validated.problems] == [
        (1, 4, "not-an-integer", "20.7"),
        (2, 5, "null-not-allowed", "null"),
        (3, 6, "not-an-integer", "x"),
    ]
    assert validated.batch.column("city").to_pylist() == ["two\nlines"]


def test_csv_and_json_judge_the_same_cells_alike() -> None:
    rows = [[1, "a", True, None], [2.0, "NA", None, None], [2.5, None, None, None]]
    csv = b"age,city,is new,at\n1,a,1,\n2.0,NA,null,NaN\n2.5,,None,\n"

    by_csv = decode(csv, Head("text/csv"), SIGNATURE).validated
    by_json = as_json({"instances": rows}).validated

    assert by_csv.batch == by_json.batch
    assert [(p.row, p.code) for p in by_csv.problems] == [(p.row, p.code) for p in by_json.problems]


def test_ragged_lines_of_a_csv_are_refused_by_line() -> None:
    with pytest.raises(InvalidRows) as raised:
        decode(b"age,city\n1,a\n2,b,c\n", Head("text/csv"), SIGNATURE)

    (problem,) = raised.value.problems
    assert (problem.code, problem.line) == ("ragged-row", 3)


def test_an_unknown_column_of_a_csv_is_named_with_the_nearest() -> None:
    validated = decode(b"age,town\n1,Rome\n", Head("text/csv"), SIGNATURE).validated

    (problem,) = validated.problems
    assert (problem.column, problem.code) == ("town", "unknown-column")
    assert problem.expected in SIGNATURE.input_names


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"", None, MalformedBody),
        (b"{", "application/json", MalformedBody),
        (b'{"instances": [{"age": NaN}]}', "application/json", MalformedBody),
        (b"", "text/csv", MalformedBody),
        (b'age\n"1', "text/csv", MalformedBody),
        (b"age\n\xff\n", "text/csv", MalformedBody),
        (b"age,age\n1,2\n", "text/csv", InvalidField),
        (b"age,\n1,2\n", "text/csv", InvalidField),
        (b"", media.ARROW, MalformedBody),
        (b"PAR1", media.ARROW, MalformedBody),
        (b"", media.PARQUET, MalformedBody),
        (b"PAR1" * 10, media.PARQUET, MalformedBody),
        (b"{}", "text/html", UnsupportedMediaType),
        (b"{}", " ", UnsupportedMediaType),
        (b"age\n1\n", "text/csv; charset=latin-1", UnsupportedMediaType),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    body: bytes, content_type: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        decode(body, Head(content_type), SIGNATURE)


def test_an_unsupported_media_type_is_answered_with_what_is_taken() -> None:
    with pytest.raises(UnsupportedMediaType) as raised:
        decode(b"", Head("text/html"), SIGNATURE)

    assert raised.value.extra()["accepted"] == list(media.MEDIA_TYPES)


@pytest.mark.parametrize("form", ["objects", "csv", "arrow", "parquet"])
def test_a_body_over_its_cap_is_too_large(form: str) -> None:
    body, content_type = bodies()[form]
    limits = Limits(body_bytes=len(body) - 1, binary_body_bytes=len(body) - 1)

    with pytest.raises(TooLarge) as raised:
        decode(body, Head(content_type), SIGNATURE, limits=limits)

    assert raised.value.limit_bytes == len(body) - 1


@pytest.mark.parametrize("form", bodies().keys())
def test_more_rows_than_the_cap_are_refused(form: str) -> None:
    body, content_type = bodies()[form]

    with pytest.raises(InvalidField, match="1 rows at most"):
        decode(body, Head(content_type), SIGNATURE, limits=Limits(rows=1))


def test_a_name_that_stands_twice_in_an_arrow_schema_is_refused() -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["age", "age"])

    with pytest.raises(InvalidField, match="twice"):
        decode(arrow_stream(twice), Head(media.ARROW), SIGNATURE)


def test_every_protocol_of_the_table_decodes_and_encodes() -> None:
    for key in PROTOCOLS:
        protocol = load_protocol(key)
        assert callable(protocol.decode)
        assert callable(protocol.encode)
