"""The native protocol's answers: JSON, CSV, Arrow and Parquet, with and without bad rows."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from registry.signature.types import Column, Signature
from registry.signature.validate import validate_rows
from serving.protocols import media
from serving.protocols.base import Reply
from serving.protocols.native import answer_members, encode
from serving.runtimes.base import Answer, Block

SIGNATURE = Signature(
    (Column("age", "int64"),),
    (
        Column("prediction", "string", enum=("no", "yes")),
        Column("probability_no", "float64"),
        Column("probability_yes", "float64"),
    ),
)
ANSWER = Answer(
    2,
    (
        Block("prediction", None, None, (pa.array(["yes", "no"]),)),
        Block("probabilities", None, ("no", "yes"), (pa.array([0.2, 0.6]), pa.array([0.8, 0.4]))),
    ),
)
ASKED = ("prediction", "probabilities")


def reply(rows: list[Any], answer: Answer = ANSWER, **options: Any) -> Reply:
    return Reply(
        "churn", 3, "r-1", SIGNATURE, validate_rows(SIGNATURE, rows), answer, ASKED, **options
    )


CLEAN = reply([[1], [2]])
SKIPPED = reply([[1], ["x"], [2]], skipped=True)


def as_json(given: Reply) -> dict[str, Any]:
    encoded = encode(given)
    assert encoded.content_type == "application/json"
    parsed: dict[str, Any] = json.loads(encoded.body)
    return parsed


def test_a_clean_answer_is_that_of_the_reference() -> None:
    assert as_json(CLEAN) == {
        "model": "churn",
        "version": 3,
        "predictions": ["yes", "no"],
        "probabilities": [{"no": 0.2, "yes": 0.8}, {"no": 0.6, "yes": 0.4}],
        "request_id": "r-1",
    }


def test_every_answer_names_model_and_version_in_a_header() -> None:
    for media_type in media.MEDIA_TYPES:
        assert encode(replace(CLEAN, notes=media_type)).headers == {
            "X-Modelyard-Model-Version": "churn/3"
        }


def test_a_skipped_row_is_null_in_every_list_and_its_reason_stands_in_errors() -> None:
    shown = as_json(SKIPPED)

    assert shown["predictions"] == ["yes", None, "no"]
    assert shown["probabilities"] == [{"no": 0.2, "yes": 0.8}, None, {"no": 0.6, "yes": 0.4}]
    assert shown["errors"] == [
        {
            "row": 1,
            "column": "age",
            "code": "not-an-integer",
            "expected": "int64",
            "received": "x",
        }
    ]
    assert shown["error_count"] == 1


def test_errors_of_a_confidential_model_hold_no_cell() -> None:
    for media_type in (media.JSON, media.ARROW):
        body = encode(replace(SKIPPED, confidential=True, notes=media_type)).body
        assert b"received" not in body
    assert b"received" in encode(replace(SKIPPED, notes=media.ARROW)).body


def test_with_skipping_asked_for_a_clean_request_has_no_errors() -> None:
    shown = as_json(replace(CLEAN, skipped=True))

    assert (shown["errors"], shown["error_count"]) == ([], 0)


@pytest.mark.parametrize("answer", [Answer(0, ()), Answer(0, tuple(
    Block(b.kind, b.output, b.labels, tuple(a.slice(0, 0) for a in b.arrays)) for b in ANSWER.blocks
))], ids=["no blocks", "empty blocks"])  # fmt: skip
def test_no_rows_give_empty_lists_and_a_table_of_names(answer: Answer) -> None:
    empty = reply([], answer)

    shown = as_json(empty)
    assert (shown["predictions"], shown["probabilities"]) == ([], [])
    csv = encode(replace(empty, notes=media.CSV)).body.decode()
    assert csv.split() == ["prediction,probability_no,probability_yes"]
    assert (
        pa.ipc.open_stream(encode(replace(empty, notes=media.ARROW)).body).read_all().num_rows == 0
    )


def test_all_rows_bad_give_lists_of_nulls() -> None:
    shown = as_json(reply([["x"], [None]], Answer(0, ()), skipped=True))

    assert (shown["predictions"], shown["probabilities"]) == ([None, None], [None, None])
    assert shown["error_count"] == 2
    table = pa.ipc.open_stream(
        encode(reply([["x"]], Answer(0, ()), skipped=True, notes=media.ARROW)).body
    ).read_all()
    assert table.to_pylist() == [
        {"prediction": None, "probability_no": None, "probability_yes": None}
    ]


def test_csv_has_a_header_and_an_empty_line_of_cells_at_a_skipped_row() -> None:
    encoded = encode(replace(SKIPPED, notes=media.CSV))

    assert encoded.content_type == "text/csv; charset=utf-8"
    assert encoded.body.decode().splitlines() == [
        "prediction,probability_no,probability_yes",
        "yes,0.2,0.8",
        ",,",
        "no,0.6,0.4",
    ]
    assert encoded.headers["X-Modelyard-Row-Errors"] == "1"


@pytest.mark.parametrize("media_type", [media.ARROW, media.PARQUET])
def test_arrow_and_parquet_carry_the_table_and_its_metadata(media_type: str) -> None:
    body = encode(replace(SKIPPED, notes=media_type)).body
    is_arrow = media_type == media.ARROW
    table = pa.ipc.open_stream(body).read_all() if is_arrow else pq.read_table(io.BytesIO(body))

    assert table.column("prediction").to_pylist() == ["yes", None, "no"]
    assert table.column("probability_yes").to_pylist() == [0.8, None, 0.4]
    metadata = table.schema.metadata
    assert metadata[b"modelyard.model"] == b"churn"
    assert metadata[b"modelyard.version"] == b"3"
    assert metadata[b"modelyard.error_count"] == b"1"
    assert json.loads(metadata[b"modelyard.errors"])[0]["row"] == 1


def members(*blocks: Block) -> dict[str, Any]:
    n_rows = len(blocks[0].arrays[0])
    found = answer_members(Answer(n_rows, blocks))
    written: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return written


def one(kind: Any, values: list[Any], output: str | None = None) -> Block:
    return Block(kind, output, None, (pa.array(values),))


def test_predictions_keep_their_type() -> None:
    assert members(one("prediction", [1, 0])) == {"predictions": [1, 0]}
    assert members(one("prediction", [True])) == {"predictions": [True]}
    assert members(one("prediction", [1.0])) == {"predictions": [1.0]}
    assert members(one("prediction", ["1"])) == {"predictions": ["1"]}
    wide = Block("prediction", None, None, (pa.array([2**64 - 1], pa.uint64()),))
    assert members(wide) == {"predictions": [2**64 - 1]}
    assert json.dumps(members(one("prediction", [1.0]))) == '{"predictions": [1.0]}'


def test_times_are_rfc_3339_and_dates_are_dates() -> None:
    moment = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)

    assert members(one("prediction", [moment, None])) == {
        "predictions": ["2026-01-31T12:00:00.500000Z", None]
    }
    assert members(one("prediction", [date(2026, 1, 31)])) == {"predictions": ["2026-01-31"]}


def test_nan_and_infinity_are_null() -> None:
    assert members(one("prediction", [math.nan, math.inf, 1.5])) == {
        "predictions": [None, None, 1.5]
    }


def test_several_outputs_are_objects_by_output() -> None:
    first, second = pa.array([0.25]), pa.array([0.75])

    assert members(
        one("prediction", [1], "y0"),
        one("prediction", ["a"], "y1"),
        Block("probabilities", "y0", (0, 1), (first, second)),
        Block("probabilities", "y1", (True, 1.0), (first, second)),
    ) == {
        "predictions": [{"y0": 1, "y1": "a"}],
        "probabilities": [{"y0": {"0": 0.25, "1": 0.75}, "y1": {"true": 0.25, "1.0": 0.75}}],
    }


def test_probabilities_stand_in_the_order_of_the_classes() -> None:
    labels = ("z", "a", "m")
    arrays = tuple(pa.array([value]) for value in (0.1, 0.2, 0.7))

    (shown,) = members(Block("probabilities", None, labels, arrays))["probabilities"]

    assert list(shown) == ["z", "a", "m"]


def test_decision_and_transform_have_lists_of_their_own() -> None:
    value = pa.array([0.5])

    assert members(one("decision", [0.5])) == {"decision": [0.5]}
    assert members(Block("decision", None, ("a", "b"), (value, value))) == {
        "decision": [{"a": 0.5, "b": 0.5}]
    }
    assert members(Block("transform", None, ("pca0",), (value,))) == {"transform": [{"pca0": 0.5}]}
