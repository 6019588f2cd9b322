"""Invocations: forms of JSON, CSV with and without a header, the type of the answer.

What MLflow's server does with the same payloads stands in ``test_invocations_beside_mlflow``.
Each JSON request is read twice, straight into columns and strictly; both must say the same.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from registry.errors import (
    InvalidField,
    InvalidRows,
    MalformedBody,
    NotAcceptable,
    TooLarge,
    UnsupportedMediaType,
)
from registry.signature.types import Signature
from serving.protocols import invocations
from serving.protocols.base import Decoded, Head, Limits, Reply
from serving.protocols.invocations import decode, encode
from serving.runtimes.base import Answer, Block
from tests.serving.protocols.both_readers import read_both_ways

SIGNATURE = Signature.from_json(
    {
        "inputs": [
            {"name": "age", "type": "int64"},
            {"name": "income, net", "type": "float64", "nullable": True},
            {"name": "city", "type": "string", "nullable": True},
        ],
        "params": [{"name": "depth", "type": "int64", "default": 3}],
    }
)
TEXTS = Signature.from_json({"inputs": [{"name": "text", "type": "string"}]})
IMAGE = Signature.from_json({"inputs": [{"name": "image", "type": "float32", "shape": [2]}]})
ROW = {"age": 42, "income, net": 1.5, "city": "Rome"}
CSV = "text/csv"


def read(body: Any, signature: Signature = SIGNATURE, **head: str) -> Decoded:
    """The request read both ways, which must agree."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_both_ways(invocations, "read_request", content, Head(**head), signature)


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    assert not decoded.validated.problems
    return decoded.validated.batch.to_pylist()


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())], "index": [7]}},
        {"dataframe_split": {"columns": list(ROW)[::-1], "data": [list(ROW.values())[::-1]]}},
        {"dataframe_split": {"data": [list(ROW.values())]}},
        {"dataframe_records": [ROW]},
        {"dataframe_records": [list(ROW.values())]},
        {"instances": [ROW]},
        {"instances": [list(ROW.values())]},
        {"inputs": {name: [cell] for name, cell in ROW.items()}},
        {"inputs": [list(ROW.values())]},
    ],
)
def test_rows_come_in_every_form(body):
    decoded = read(body)
    assert rows(decoded) == [ROW]
    assert (decoded.outputs, decoded.params) == (("prediction",), {"depth": 3})
    assert read(body | {"params": {"depth": 5}}).params == {"depth": 5}
    assert read(body | {"params": None}).params == {"depth": 3}


def test_nullable_columns_may_be_left_out():
    assert rows(read({"instances": [{"age": 1}]})) == [
        {"age": 1, "income, net": None, "city": None}
    ]
    split = {"columns": ["city", "age"], "data": [["Oslo", 2]]}
    assert rows(read({"dataframe_split": split})) == [
        {"age": 2, "income, net": None, "city": "Oslo"}
    ]


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_model_of_one_column_takes_its_bare_values(form):
    assert rows(read({form: ["a", "b"]}, TEXTS)) == [{"text": "a"}, {"text": "b"}]
    assert rows(read({form: [["a"]]}, TEXTS)) == [{"text": "a"}]
    assert rows(read({form: [[1, 2]]}, IMAGE)) == [{"image": [1.0, 2.0]}]
    assert rows(read({form: [[[1, 2]]]}, IMAGE)) == [{"image": [1.0, 2.0]}]


@pytest.mark.parametrize(
    ("body", "pointer", "match"),
    [
        ([], "", "must be an object"),
        ({}, "", "exactly one of"),
        ({"instances": [], "inputs": []}, "", "exactly one of"),
        ({"dataframe_spilt": []}, "/dataframe_spilt", "nearest is `dataframe_split`"),
        ({"instances": "x"}, "/instances", "A list"),
        ({"dataframe_records": {}}, "/dataframe_records", "A list"),
        ({"inputs": {"age": 1}}, "/inputs/age", "A list"),
        ({"inputs": {"age": [1], "city": []}}, "/inputs/city", "has 0 values"),
        ({"dataframe_split": []}, "/dataframe_split", "is an object of"),
        ({"dataframe_split": {"colums": []}}, "/dataframe_split", "is an object of"),
        ({"dataframe_split": {"columns": [1], "data": []}}, "/dataframe_split/columns", "names"),
        (
            {"dataframe_split": {"columns": ["age", "age"], "data": []}},
            "/dataframe_split/columns",
            "twice",
        ),
        (
            {"dataframe_split": {"columns": ["age"], "data": [[1], [1, 2]]}},
            "/dataframe_split/data/1",
            "1 values",
        ),
        ({"instances": [], "params": {"dept": 1}}, "/params/dept", "nearest is `depth`"),
    ],
)
def test_what_is_no_form_is_refused_with_its_place(body, pointer, match):
    with pytest.raises(InvalidField, match=match) as refused:
        read(body)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    "header", [b"", b'age,"income, net",city\r\n', b'city,age,"income, net"\n']
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_has_a_header_or_none(header, mark):
    is_moved = header.startswith(b"city")
    body = b"Rome,42,1.5\n,7,\n" if is_moved else b"42,1.5,Rome\n7,,\n"
    decoded = read(mark + header + body, content_type=f"{CSV}; charset=utf-8")
    assert rows(decoded) == [ROW, {"age": 7, "income, net": None, "city": None}]
    assert decoded.notes == CSV


@pytest.mark.parametrize(("header", "first"), [(b"", 1), (b'age,"income, net",city\n', 2)])
def test_problems_of_csv_name_the_line_that_was_sent(header, first):
    decoded = read(header + b"42,1.5,Rome\n\n7.5,,\n", content_type=CSV)
    assert [(p.row, p.line, p.code) for p in decoded.validated.problems] == [
        (1, first + 2, "not-an-integer")
    ]
    with pytest.raises(InvalidRows) as refused:
        read(header + b"42,1.5\n", content_type=CSV)
    assert [(p.line, p.code) for p in refused.value.problems] == [(first, "ragged-row")]


def test_csv_that_cannot_be_read_is_refused():
    with pytest.raises(MalformedBody, match="empty"):
        read(b" \n", content_type=CSV)
    with pytest.raises(MalformedBody, match=r"Line 2 is not UTF-8.*which was not sent"):
        read(b"1,2,\xff\n", content_type=CSV)


@pytest.mark.parametrize(
    ("content_type", "accept", "expected"),
    [
        (None, None, "application/json"),
        ("application/json", "*/*", "application/json"),
        ("application/octet-stream", None, "application/json"),
        (CSV, None, CSV),
        (CSV, "*/*", CSV),
        (CSV, "application/json, text/csv", CSV),
        (CSV, "application/json", "application/json"),
        ("application/json", "text/csv", CSV),
    ],
)
def test_the_answer_has_the_type_of_the_body_unless_another_is_wanted(
    content_type, accept, expected
):
    body = b"42,1.5,Rome" if content_type == CSV else json.dumps({"instances": [ROW]}).encode()
    head = Head(content_type=content_type, accept=accept)
    assert decode(body, head, SIGNATURE).notes == expected


def test_other_types_and_too_large_bodies_are_refused():
    with pytest.raises(UnsupportedMediaType) as refused:
        read({"instances": []}, content_type="application/vnd.apache.parquet")
    assert refused.value.extra()["accepted"] == ["application/json", "text/csv"]
    with pytest.raises(NotAcceptable, match="application/json, text/csv"):
        read({"instances": []}, accept="text/html")
    with pytest.raises(TooLarge):
        decode(b"{}" * 9, Head(), SIGNATURE, limits=Limits(body_bytes=10))
    for body, head in ((b'{"inputs": {"age": [1, 2]}}', Head()), (b"1,,\n2,,\n", Head(CSV))):
        with pytest.raises(InvalidField, match="1 rows at most"):
            decode(body, head, SIGNATURE, limits=Limits(rows=1))


def answered(answer: Answer, media: str) -> bytes:
    validated = read({"instances": []}).validated
    encoded = encode(
        Reply("churn", 3, "r", SIGNATURE, validated, answer, ("prediction",), notes=media)
    )
    assert encoded.headers["x-Amzn-Invoked-Production-Variant"] == "v3"
    assert encoded.headers["X-Modelyard-Model-Version"] == "churn/3"
    assert encoded.content_type.startswith(media)
    return encoded.body


def test_an_answer_is_the_predictions_alone():
    one = Answer(3, (Block("prediction", None, None, (pa.array(["no", "yes, and", None]),)),))
    assert answered(one, "application/json") == b'{"predictions":["no","yes, and",null]}'
    assert answered(one, CSV) == b'no\n"yes, and"\n\n'
    numbers = Answer(2, (Block("prediction", None, None, (pa.array([1.5, float("nan")]),)),))
    assert answered(numbers, "application/json") == b'{"predictions":[1.5,null]}'
    several = Answer(1, tuple(Block("prediction", n, None, (pa.array([n]),)) for n in "ab"))
    assert answered(several, "application/json") == b'{"predictions":[{"a":"a","b":"b"}]}'
    assert answered(several, CSV) == b"a,b\n"
    assert answered(Answer(0, ()), "application/json") == b'{"predictions":[]}'
    assert answered(Answer(0, ()), CSV) == b""
