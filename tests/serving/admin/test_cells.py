"""The try-it form's fields, and the JSON that is made of what is typed into them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.signature.types import Signature
from serving.admin.answer_shown import shown_answer
from serving.admin.cells import body_of, fields_of

SIGNATURE = Signature.from_json(
    {
        "inputs": [
            {"name": "age", "type": "int64", "nullable": False, "min": 0, "max": 120},
            {"name": "city", "type": "string", "nullable": True, "enum": ["Rome", "Oslo"]},
            {"name": "a [b] “c”", "type": "float64", "nullable": True},
            {"name": "member", "type": "boolean", "nullable": False},
            {"name": "at", "type": "datetime", "nullable": True},
            {"name": "text", "type": "string", "nullable": True},
            {"name": "pixels", "type": "float32", "nullable": False, "shape": [2, -1]},
        ],
        "outputs": [],
        "params": [{"name": "k", "type": "int64", "default": 5}],
    }
)
TYPED = {
    "in0": "42",
    "in1": "Rome",
    "in2": "1e3",
    "in3": "true",
    "in4": "2026-01-31T12:00:00Z",
    "in5": "",
    "in6": "[[1], [2]]",
    "param0": "7",
}


def row_of(**changed: str) -> dict[str, Any]:
    body = json.loads(body_of(fields_of(SIGNATURE, typed={**TYPED, **changed})))
    row: dict[str, Any] = body["instances"][0]
    return row


def test_what_is_typed_keeps_its_type() -> None:
    body = json.loads(body_of(fields_of(SIGNATURE, typed=TYPED)))
    assert body["params"] == {"k": 7}
    assert row_of() == {
        "age": 42,
        "city": "Rome",
        "a [b] “c”": 1000.0,
        "member": True,
        "at": "2026-01-31T12:00:00Z",
        "text": "",
        "pixels": [[1], [2]],
    }


def test_not_a_digit_of_a_number_is_lost() -> None:
    raw = body_of(fields_of(SIGNATURE, typed={**TYPED, "in0": "9007199254740993"}))
    assert b'"age": 9007199254740993' in raw


@pytest.mark.parametrize(
    ("typed", "column", "value"),
    [
        ({"in0": "twenty"}, "age", "twenty"),
        ({"in0": "007"}, "age", "007"),
        ({"in0": "NaN"}, "age", "NaN"),
        ({"in2-null": "1"}, "a [b] “c”", None),
        ({"in5-null": "1"}, "text", None),
        ({"in3": "maybe"}, "member", "maybe"),
    ],
)
def test_what_fits_no_type_goes_on_as_text_for_the_validator_to_judge(
    typed: dict[str, str], column: str, value: Any
) -> None:
    assert row_of(**typed)[column] == value


@pytest.mark.parametrize(
    ("emptied", "column"),
    [("in0", "age"), ("in1", "city"), ("in2", "a [b] “c”"), ("in3", "member"), ("in6", "pixels")],
)
def test_a_field_in_which_nothing_was_typed_is_left_out(emptied: str, column: str) -> None:
    assert column not in row_of(**{emptied: " " if emptied == "in2" else ""})


def test_an_emptied_parameter_takes_its_default() -> None:
    body = json.loads(body_of(fields_of(SIGNATURE, typed={**TYPED, "param0": ""})))
    assert body["params"] == {}


def test_an_empty_text_that_is_one_of_the_choices_is_sent() -> None:
    column = {"name": "code", "type": "string", "nullable": False, "enum": ["", "A"]}
    signature = Signature.from_json({"inputs": [column], "outputs": [], "params": []})
    body = json.loads(body_of(fields_of(signature, typed={"in0": ""})))
    assert body["instances"] == [{"code": ""}]


def test_fields_begin_with_an_example_and_say_what_they_take() -> None:
    fields = {f.name: f for f in fields_of(SIGNATURE, example={"age": 33, "city": None})}
    assert (fields["age"].value, fields["age"].hint) == ("33", "int64, 0 to 120")
    assert fields["city"].is_null
    assert fields["city"].choices == [("Rome", "Rome"), ("Oslo", "Oslo")]
    assert fields["member"].choices == [("true", "true"), ("false", "false")]
    assert fields["pixels"].kind == "json"
    assert fields["k"].is_param


def test_too_many_columns_make_no_fields() -> None:
    assert fields_of(SIGNATURE, limit=6) == []


def test_an_answer_shows_the_most_probable_label_first() -> None:
    shown = shown_answer({"predictions": ["yes"], "probabilities": [{"no": 0.25, "yes": 0.75}]})
    assert shown["predictions"] == [("", "yes")]
    assert shown["groups"][0]["bars"] == [("yes", 0.75, "75.0%"), ("no", 0.25, "25.0%")]


def test_an_answer_with_several_outputs_shows_each() -> None:
    shown = shown_answer(
        {
            "predictions": [{"a": 1, "b": 2.5}],
            "probabilities": [{"a": {"0": 0.1, "1": None}}],
            "decision": [0.5],
        }
    )
    assert shown["predictions"] == [("a", "1"), ("b", "2.5")]
    assert shown["groups"][0]["output"] == "a"
    assert ("1", None, "—") in shown["groups"][0]["bars"]
    assert shown["others"] == [("Decision", [("", "0.5")])]
