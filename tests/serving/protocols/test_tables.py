"""An answer as a table: names and order of its columns, beside the inputs that are kept."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.signature.facts import ModelFacts, OutputFacts
from registry.signature.outputs import label_text, output_columns
from serving.protocols.tables import input_names, spread, table_answer
from serving.runtimes.base import Answer, Block, Kind


def block(
    kind: Kind, *arrays: list[Any], output: str | None = None, labels: tuple[Any, ...] | None = None
) -> Block:
    return Block(kind, output, labels, tuple(pa.array(array) for array in arrays))


CLASSIFIER = Answer(
    2,
    (
        block("prediction", ["yes", "no"]),
        block("probabilities", [0.2, 0.6], [0.8, 0.4], labels=("no", "yes")),
    ),
)


def test_predictions_come_first_then_one_probability_per_label() -> None:
    assert table_answer(CLASSIFIER).to_pylist() == [
        {"prediction": "yes", "probability_no": 0.2, "probability_yes": 0.8},
        {"prediction": "no", "probability_no": 0.6, "probability_yes": 0.4},
    ]


def test_the_columns_are_those_of_the_signature_s_outputs() -> None:
    facts = ModelFacts(
        "E",
        methods=("predict", "predict_proba"),
        outputs=(OutputFacts(None, "string", ("no", "yes")),),
    )

    assert table_answer(CLASSIFIER).schema.names == [c.name for c in output_columns(facts)]


def test_several_outputs_have_a_column_each() -> None:
    answer = Answer(
        1,
        (
            block("prediction", [1], output="y0"),
            block("prediction", [2.5], output="y1"),
            block("probabilities", [0.5], [0.5], output="y0", labels=(0, 1)),
        ),
    )

    assert table_answer(answer).to_pylist() == [
        {"y0": 1, "y1": 2.5, "probability_y0_0": 0.5, "probability_y0_1": 0.5}
    ]


def test_decisions_and_transform_columns_follow() -> None:
    answer = Answer(
        1,
        (
            block("transform", [1.0], [2.0], labels=("pca0", "pca1")),
            block("decision", [0.1], [0.9], labels=(1, True)),
            block("prediction", [7]),
        ),
    )

    assert table_answer(answer).schema.names == [
        "prediction",
        "decision_1",
        "decision_true",
        "pca0",
        "pca1",
    ]
    single = Answer(1, (block("decision", [0.5]),))
    assert table_answer(single).to_pylist() == [{"decision": 0.5}]


def test_a_transformer_asked_for_both_keeps_every_name_once() -> None:
    answer = Answer(
        1, (block("prediction", [1.0], output="t"), block("transform", [1.0], labels=("t",)))
    )

    assert table_answer(answer).schema.names == ["t", "transform.t"]


def test_kept_inputs_stand_before_the_answer_and_give_way_on_a_clash() -> None:
    kept = pa.RecordBatch.from_pydict(
        {"prediction": [1, 2], "age": [3, 4], "probability_no": [5, 6]}
    )

    table = table_answer(CLASSIFIER, kept)

    assert table.schema.names == [
        "input.prediction",
        "age",
        "input.probability_no",
        "prediction",
        "probability_no",
        "probability_yes",
    ]
    assert table.column("input.prediction").to_pylist() == [1, 2]
    assert table.column("prediction").to_pylist() == ["yes", "no"]


def test_a_renamed_input_never_takes_the_name_of_another() -> None:
    names = input_names(["prediction", "input.prediction"], {"prediction": pa.array([1])})

    assert names == ["input.input.prediction", "input.prediction"]


def test_nan_and_infinity_are_null_and_types_are_kept() -> None:
    answer = Answer(3, (block("prediction", [math.nan, math.inf, 1.5]),))
    column = table_answer(answer).column(0)
    assert column.to_pylist() == [None, None, 1.5]

    for values in ([True, False, None], [1, 2, 3], ["a", None, "b"]):
        array = pa.array(values)
        kept = table_answer(Answer(3, (Block("prediction", None, None, (array,)),)))
        assert kept.column(0).equals(array)


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("s", "Europe/Rome")])
def test_times_are_in_utc(kind: pa.DataType) -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    array = pa.array([moment.replace(tzinfo=None) if kind.tz is None else moment], kind)

    table = table_answer(Answer(1, (Block("prediction", None, None, (array,)),)))

    assert table.schema.field(0).type == pa.timestamp("us", "UTC")
    assert table.column(0)[0].as_py() == moment


def test_rows_are_spread_over_the_rows_of_the_request() -> None:
    spread_table = spread(table_answer(CLASSIFIER), np.array([1, 3]), 5)

    assert spread_table.column("prediction").to_pylist() == [None, "yes", None, "no", None]


def test_no_answers_at_all_still_have_their_rows() -> None:
    assert table_answer(Answer(3, ())).num_rows == 3


@pytest.mark.parametrize(
    ("label", "text"), [("yes", "yes"), (1, "1"), (True, "true"), (1.0, "1.0"), (0.5, "0.5")]
)
def test_a_label_is_written_as_json_prints_it(label: Any, text: str) -> None:
    assert label_text(label) == text
