"""A signature that the client sent, against the fitted object and the example."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from registry.errors import CheckRefused
from registry.signature.facts import ColumnHint, ModelFacts, OutputFacts
from registry.signature.infer import check_declared
from registry.signature.types import Column, Signature

FACTS = ModelFacts(
    "sklearn.pipeline.Pipeline",
    feature_names=("age", "city"),
    n_features=2,
    columns={
        "age": ColumnHint("float64"),
        "city": ColumnHint("string", True, ("Rome", "Oslo"), unknown_raises=True),
    },
    methods=("predict", "predict_proba"),
    outputs=(OutputFacts(None, "string", ("no", "yes")),),
)
AGE, CITY = Column("age", "int8", min=0), Column("city", "string", True, ("Rome",))
GIVEN = Signature((AGE, CITY))


def refused(
    signature: Signature, facts: ModelFacts = FACTS, example: object = None
) -> CheckRefused:
    with pytest.raises(CheckRefused) as raised:
        check_declared(signature, facts, example)
    return raised.value


def test_a_narrower_signature_is_taken_and_its_outputs_are_filled_in() -> None:
    checked = check_declared(GIVEN, FACTS, pa.table({"age": [1], "city": ["Rome"]}))

    assert checked.signature.inputs == GIVEN.inputs
    assert [c.name for c in checked.signature.outputs] == [
        "prediction",
        "probability_no",
        "probability_yes",
    ]
    assert checked.notes == ()


def test_the_order_of_named_columns_is_free() -> None:
    assert check_declared(Signature((CITY, AGE)), FACTS, None).signature.inputs == (CITY, AGE)


CONTRADICTIONS = {
    "missing": (Signature((AGE,)), ["city"]),
    "unknown": (Signature((AGE, CITY, Column("town", "string"))), ["town"]),
    "text for number": (Signature((Column("age", "string"), CITY)), ["age"]),
    "number for text": (Signature((AGE, Column("city", "int64"))), ["city"]),
    "enum beyond": (Signature((AGE, Column("city", "string", enum=("Rome", "Paris")))), ["city"]),
    "other outputs": (replace(GIVEN, outputs=(Column("score", "string"),)), ["score"]),
    "output type": (replace(GIVEN, outputs=(Column("prediction", "float64"),)), ["prediction"]),
    "output labels": (
        replace(GIVEN, outputs=(Column("prediction", "string", enum=("no", "maybe")),)),
        ["prediction"],
    ),
}


@pytest.mark.parametrize(("signature", "names"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_contradiction_is_refused_with_the_names(signature: Signature, names: list[str]) -> None:
    refusal = refused(signature)

    assert refusal.reason == "signature-contradicts"
    assert refusal.evidence["columns"] == names
    assert f"`{names[0]}`" in str(refusal)


def test_a_wrong_number_of_columns_is_refused_where_no_names_are_known() -> None:
    nameless = ModelFacts("E", n_features=3, numeric_only=True)

    assert "has 2 inputs; the model takes 3" in str(refused(GIVEN, nameless))


def test_texts_are_refused_where_the_model_takes_numbers_only() -> None:
    assert refused(GIVEN, ModelFacts("E", n_features=2, numeric_only=True)).evidence == {
        "columns": ["city"]
    }


def test_naming_the_prediction_alone_is_enough() -> None:
    given = replace(GIVEN, outputs=(Column("prediction", "string", enum=("yes", "no")),))

    assert len(check_declared(given, FACTS, None).signature.outputs) == 3


def test_nullable_where_the_model_may_not_accept_it_is_a_warning() -> None:
    given = Signature((replace(AGE, nullable=True), CITY))

    (note,) = check_declared(given, FACTS, None).notes

    assert note.is_warning
    assert "`age`" in note.text


def test_example_rows_that_do_not_fit_are_named_by_row_and_column() -> None:
    refusal = refused(GIVEN, example=pa.table({"age": [1, -1], "city": ["Paris", None]}))

    assert refusal.reason == "example-does-not-fit"
    assert [(p.row, p.column, p.code) for p in refusal.problems] == [
        (0, "city", "not-in-enum"),
        (1, "age", "out-of-range"),
    ]


def test_further_example_columns_are_dropped_with_a_warning_and_a_missing_one_is_refused() -> None:
    example = pa.table({"age": [1], "city": ["Rome"], "target": [0]})
    (note,) = check_declared(GIVEN, FACTS, example).notes
    assert "`target`" in note.text

    assert refused(GIVEN, example=pa.table({"city": ["Rome"]})).evidence == {"missing": ["age"]}
