"""A signature as JSON Schema: it takes what the validator takes, as far as a schema can say."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from registry.signature.json_schema import (
    example_row,
    predict_answer_schema,
    predict_request_schema,
    row_schema,
)
from registry.signature.types import Signature
from registry.signature.validate import validate_rows

SIGNATURE = Signature.from_json(
    {
        "inputs": [
            {"name": "age", "type": "int8", "min": 0},
            {"name": "city", "type": "string", "nullable": True, "enum": ["Rome", "Oslo"]},
            {"name": "is new", "type": "boolean", "nullable": True},
            {"name": "at", "type": "datetime", "nullable": True},
            {"name": "image", "type": "float32", "shape": [2, -1]},
        ],
        "outputs": [
            {"name": "prediction", "type": "string", "enum": ["no", "yes"]},
            {"name": "probability_no", "type": "float64"},
            {"name": "probability_yes", "type": "float64"},
        ],
        "params": [{"name": "k", "type": "int32", "default": 3}],
    }
)
ROW: dict[str, Any] = {"age": 1, "image": [[1], [2.5]]}


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        (ROW, True),
        (example_row(SIGNATURE), True),
        (ROW | {"age": 20.0, "city": None, "is new": None, "at": None}, True),
        (ROW | {"age": -1}, False),
        (ROW | {"age": 128}, False),
        (ROW | {"age": 20.7}, False),
        (ROW | {"age": True}, False),
        (ROW | {"age": None}, False),
        (ROW | {"city": "Paris"}, False),
        (ROW | {"town": "Rome"}, False),
        (ROW | {"image": [[1]]}, False),
        (ROW | {"image": [1, 2]}, False),
        ({"age": 1}, False),
    ],
)
def test_schema_and_validator_agree_on_a_row(row: dict[str, Any], fits: bool) -> None:
    assert Draft202012Validator(row_schema(SIGNATURE)).is_valid(row) == fits
    assert (validate_rows(SIGNATURE, [row]).problem_count == 0) == fits


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"instances": [ROW]}, True),
        ({"instances": []}, True),
        ({"instances": [[1, None, None, None, [[1], [2]]]]}, True),
        ({"columns": {"age": [1], "image": [[[1], [2]]]}}, True),
        ({"instances": [ROW], "outputs": ["prediction"], "params": {"k": 5}}, True),
        ({"instances": [ROW], "columns": {}}, False),
        ({"instances": [ROW], "output": []}, False),
        ({"instances": [ROW], "outputs": ["score"]}, False),
        ({"instances": [ROW], "params": {"n": 5}}, False),
        ({"instances": [[1]]}, False),
        ({}, False),
    ],
)
def test_the_request_schema_takes_what_predict_takes(body: dict[str, Any], fits: bool) -> None:
    assert Draft202012Validator(predict_request_schema(SIGNATURE)).is_valid(body) == fits


def test_the_request_schema_names_only_the_outputs_that_the_model_has() -> None:
    validator = Draft202012Validator(predict_request_schema(SIGNATURE, ["prediction"]))

    assert validator.is_valid({"instances": [], "outputs": ["prediction"]})
    assert not validator.is_valid({"instances": [], "outputs": ["transform"]})
    assert "transform" not in predict_answer_schema(SIGNATURE, ["prediction"])["properties"]


def test_the_answer_schema_takes_an_answer_with_a_skipped_row() -> None:
    answer = {
        "model": "churn",
        "version": 3,
        "predictions": ["yes", None],
        "probabilities": [{"no": 0.2, "yes": 0.8}, None],
        "errors": [{"row": 1, "column": "age", "code": "missing"}],
        "error_count": 1,
        "request_id": "r",
    }
    validator = Draft202012Validator(predict_answer_schema(SIGNATURE))

    assert validator.is_valid(answer)
    assert not validator.is_valid(answer | {"predictions": ["maybe"]})


def test_all_schemas_are_valid_schemas() -> None:
    for schema in (
        row_schema(SIGNATURE),
        predict_request_schema(SIGNATURE),
        predict_answer_schema(SIGNATURE),
    ):
        Draft202012Validator.check_schema(schema)
