"""What signature follows from a fitted object and its example."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from registry.errors import CheckRefused
from registry.signature.facts import ColumnHint, ModelFacts, OutputFacts
from registry.signature.infer import Inferred, infer
from registry.signature.types import Column

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NUMERIC = ModelFacts(
    "sklearn.linear_model.LogisticRegression",
    input_form="matrix",
    n_features=2,
    methods=("predict", "predict_proba"),
    outputs=(OutputFacts(None, "int64", (0, 1)),),
    numeric_only=True,
)
NAMED = ModelFacts(
    "sklearn.pipeline.Pipeline",
    feature_names=("age", "city"),
    n_features=2,
    columns={
        "age": ColumnHint(accepts_missing=True),
        "city": ColumnHint("string", categories=("Rome", "Oslo"), unknown_raises=True),
    },
    methods=("predict",),
    outputs=(OutputFacts(None, "string", ("no", "yes")),),
)


def inputs(inferred: Inferred) -> tuple[Column, ...]:
    return inferred.signature.inputs


def refused(facts: ModelFacts, example: Any = None, typed: bool = False) -> CheckRefused:
    with pytest.raises(CheckRefused) as raised:
        infer(facts, None if example is None else pa.table(example), typed)
    return raised.value


def test_without_an_example_a_nameless_numeric_model_takes_float64_x0_x1() -> None:
    assert inputs(infer(NUMERIC, None, False)) == (Column("x0", "float64"), Column("x1", "float64"))


def test_without_an_example_the_names_at_fit_are_taken() -> None:
    facts = ModelFacts(
        "E",
        feature_names=("sepal length (cm)", "b"),
        columns={"b": ColumnHint(accepts_missing=True)},
        numeric_only=True,
    )

    assert inputs(infer(facts, None, False)) == (
        Column("sepal length (cm)", "float64"),
        Column("b", "float64", nullable=True),
    )


def test_without_an_example_a_model_that_takes_more_than_numbers_needs_one() -> None:
    refusal = refused(NAMED)

    assert refusal.reason == "example-needed"
    assert "Send an example" in str(refusal)


def test_without_an_example_and_without_a_width_one_is_needed() -> None:
    assert refused(ModelFacts("E", numeric_only=True)).reason == "example-needed"


def test_declared_types_need_no_example() -> None:
    facts = ModelFacts(
        "onnx",
        feature_names=("age", "image"),
        columns={
            "age": ColumnHint("int64"),
            "image": ColumnHint("float32", shape=(28, 28)),
        },
        types_declared=True,
    )

    assert inputs(infer(facts, None, False)) == (
        Column("age", "int64"),
        Column("image", "float32", shape=(28, 28)),
    )


def test_declared_types_win_over_the_example() -> None:
    facts = ModelFacts(
        "onnx", n_features=1, columns={"x0": ColumnHint("float32")}, types_declared=True
    )

    assert inputs(infer(facts, pa.table({"a": [1, 2]}), False)) == (Column("a", "float32"),)


def test_a_tensor_model_takes_one_column_of_its_shape() -> None:
    facts = ModelFacts("E", input_form="tensor", numeric_only=True, tensor_shape=(3, -1))

    assert inputs(infer(facts, None, False)) == (Column("x", "float64", shape=(3, -1)),)


def test_the_example_gives_types_and_the_object_gives_enum_and_nullable() -> None:
    example = pa.table({"city": ["Rome", "Oslo"], "age": [1, 2]})

    assert inputs(infer(NAMED, example, False)) == (
        Column("age", "int64", nullable=True),
        Column("city", "string", enum=("Rome", "Oslo")),
    )


def test_enum_is_only_set_where_an_unknown_category_would_raise() -> None:
    def enum_of(**hint: Any) -> Any:
        columns = {"c": ColumnHint("string", categories=("a", "b"), **hint)}
        facts = ModelFacts("E", feature_names=("c",), columns=columns)
        return inputs(infer(facts, pa.table({"c": ["a"]}), False))[0].enum

    assert enum_of() is None
    assert enum_of(unknown_raises=True) == ("a", "b")
    assert enum_of(dtype_category=True) == ("a", "b")  # a pandas category is a closed set


def test_min_and_max_are_never_inferred() -> None:
    column, _ = inputs(infer(NUMERIC, pa.table({"a": [1, 5], "b": [2.0, 3.0]}), False))

    assert (column.min, column.max) == (None, None)


def test_guessed_whole_numbers_are_int64_with_a_note_how_to_widen() -> None:
    inferred = infer(NUMERIC, pa.table({"a": [1, 5], "b": [2.5, 3.0]}), False)

    assert [c.type for c in inputs(inferred)] == ["int64", "float64"]
    (note,) = inferred.notes
    assert "`a` is int64" in str(note)
    assert "float64" in str(note)
    assert not note.is_warning


def test_guessed_whole_numbers_with_a_gap_are_float64() -> None:
    inferred = infer(NUMERIC, pa.table({"a": [1, None], "b": [1, 2]}), False)

    assert inputs(inferred)[0] == Column("a", "float64", nullable=True)


def test_parquet_keeps_its_types() -> None:
    example = pa.table(
        {"a": pa.array([1, None], pa.int16()), "b": pa.array([2], pa.uint8()).take([0, 0])}
    )

    assert inputs(infer(NUMERIC, example, True)) == (
        Column("a", "int16", nullable=True),
        Column("b", "uint8"),
    )
    assert infer(NUMERIC, example, True).notes == ()


@pytest.mark.parametrize(
    ("array", "key"),
    [
        (pa.array([True]), "boolean"),
        (pa.array([1.5], pa.float32()), "float32"),
        (pa.array([Decimal("1.5")]), "float64"),
        (pa.array(["a"], pa.large_string()), "string"),
        (pa.array(["a"]).dictionary_encode(), "string"),
        (pa.array([7]).dictionary_encode(), "int64"),
        (pa.array([NOON], pa.timestamp("ns", "Europe/Rome")), "datetime"),
        (pa.array([date(2026, 1, 31)]), "date"),
        (pa.array([date(2026, 1, 31)], pa.date64()), "date"),
    ],
)  # fmt: skip
def test_arrow_types_of_a_parquet_become_ours(array: pa.Array, key: str) -> None:
    facts = ModelFacts("E", feature_names=("c",))

    assert inputs(infer(facts, pa.table({"c": array}), True)) == (Column("c", key),)


def test_lists_of_one_shape_are_a_tensor_column() -> None:
    facts = ModelFacts("E", feature_names=("fixed", "free"))
    example = pa.table({"fixed": [[[1.0, 2.0]], [[3.0, 4.0]]], "free": [[1], [2, 3]]})

    assert inputs(infer(facts, example, True)) == (
        Column("fixed", "float64", shape=(1, 2)),
        Column("free", "int64", shape=(-1,)),
    )


def test_nan_in_the_example_counts_as_missing() -> None:
    example = pa.table({"a": [1.0, math.nan], "b": [1.0, 2.0]})

    assert [c.nullable for c in inputs(infer(NUMERIC, example, True))] == [True, False]


def test_all_rows_of_the_example_count() -> None:
    example = pa.table({"a": [1.0] * 5_000 + [None], "b": [1.0] * 5_001})

    assert inputs(infer(NUMERIC, example, True))[0].nullable


def test_columns_that_the_model_does_not_use_are_dropped_with_a_warning() -> None:
    example = pa.table({"age": [1], "target": [0], "city": ["Rome"], "id": [7]})

    inferred = infer(NAMED, example, True)

    assert inferred.signature.input_names == ("age", "city")
    (note,) = inferred.notes
    assert note.is_warning
    assert "`target`, `id`" in note.text


def test_the_pandas_index_of_a_parquet_is_no_column() -> None:
    example = pa.table({"a": [1.0], "b": [2.0], "__index_level_0__": [0]})

    assert infer(NUMERIC, example, True).signature.input_names == ("a", "b")


def test_a_column_that_the_model_was_fitted_on_must_be_there() -> None:
    refusal = refused(NAMED, {"age": [1], "City": ["Rome"]})

    assert refusal.reason == "example-does-not-fit"
    assert "lacks" in str(refusal)
    assert "`City`" in str(refusal)


def test_a_nameless_model_with_too_many_columns_does_not_guess_which_are_meant() -> None:
    refusal = refused(NUMERIC, {"a": [1], "b": [2], "target": [0]})

    assert refusal.reason == "example-does-not-fit"
    assert "takes 2 columns" in str(refusal)
    assert "the example has 3" in str(refusal)


def test_a_nameless_model_finds_x0_and_x1_among_more_columns() -> None:
    example = pa.table({"x0": [1.5], "x1": [2.5], "y": [0.5]})

    assert infer(NUMERIC, example, True).signature.input_names == ("x0", "x1")


def test_a_text_model_takes_the_one_column_of_the_example() -> None:
    facts = ModelFacts("E", input_form="series", columns={"x0": ColumnHint("string")})

    assert inputs(infer(facts, pa.table({"comment": ["good"]}), False)) == (
        Column("comment", "string"),
    )
    assert refused(facts, {"a": ["x"], "b": ["y"]}).reason == "example-does-not-fit"


def test_digits_that_the_model_knows_as_texts_are_texts() -> None:
    facts = ModelFacts("E", feature_names=("zip",), columns={"zip": ColumnHint("string")})

    assert inputs(infer(facts, pa.table({"zip": [10115]}), False)) == (Column("zip", "string"),)
    assert refused(facts, {"zip": [10115]}, typed=True).reason == "example-does-not-fit"


def test_truth_values_that_the_model_knows_are_boolean_whatever_a_csv_looks_like() -> None:
    facts = ModelFacts("E", feature_names=("member",), columns={"member": ColumnHint("boolean")})
    wanted = (Column("member", "boolean"),)

    assert inputs(infer(facts, pa.table({"member": ["True", "False"]}), False)) == wanted
    assert inputs(infer(facts, pa.table({"member": [1, 0]}), False)) == wanted
    kept = inputs(infer(facts, pa.table({"member": [1, 0]}), True))
    assert kept == (Column("member", "int64"),)
    assert refused(facts, {"member": ["True"]}, typed=True).reason == "example-does-not-fit"


def test_texts_for_a_model_of_numbers_are_refused_by_column() -> None:
    refusal = refused(NUMERIC, {"a": ["x"], "b": [1]})

    assert refusal.reason == "example-does-not-fit"
    assert refusal.evidence == {"column": "a"}


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array([datetime(2026, 1, 31)]), "no-offset"),
        (pa.array([b"x"]), "type-not-supported"),
        (pa.array([{"a": 1}]), "type-not-supported"),
        (pa.array([None]), "example-needed"),
    ],
)
def test_a_column_that_cannot_be_described_is_refused_by_name(array: Any, reason: str) -> None:
    refusal = refused(ModelFacts("E", feature_names=("c",)), {"c": array}, typed=True)

    assert refusal.reason == reason
    assert refusal.evidence["column"] == "c"


def test_an_empty_column_of_a_numeric_model_is_float64() -> None:
    example = pa.table({"a": pa.nulls(2), "b": [1.0, 2.0]})

    assert inputs(infer(NUMERIC, example, False))[0] == Column("a", "float64", nullable=True)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\tb", ""])
def test_a_column_name_that_cannot_be_used_is_refused(name: str) -> None:
    facts = ModelFacts("E", feature_names=(name,), numeric_only=True)

    assert refused(facts).reason == "column-name-refused"


def test_a_column_that_stands_twice_in_the_example_is_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])

    with pytest.raises(CheckRefused) as raised:
        infer(NUMERIC, table, True)

    assert raised.value.reason == "duplicate-column"


def test_outputs_are_the_columns_of_the_table_answer() -> None:
    assert infer(NUMERIC, None, False).signature.outputs == (
        Column("prediction", "int64", enum=(0, 1)),
        Column("probability_0", "float64"),
        Column("probability_1", "float64"),
    )


def test_several_outputs_have_a_column_each() -> None:
    facts = ModelFacts(
        "E",
        n_features=1,
        numeric_only=True,
        methods=("predict", "predict_proba"),
        outputs=(OutputFacts("y0", "boolean", (False, True)), OutputFacts("y1", "string", ("a",))),
    )

    assert [c.name for c in infer(facts, None, False).signature.outputs] == [
        "y0",
        "y1",
        "probability_y0_false",
        "probability_y0_true",
        "probability_y1_a",
    ]


def test_what_looks_at_no_input_takes_texts_and_numbers_where_nothing_is_known() -> None:
    facts = ModelFacts("E", feature_names=("a",), numeric_only=True, takes_anything=True)

    texts = infer(facts, pa.table({"a": ["x", None]}), False).signature.inputs
    assert texts == (Column("a", "string", nullable=True),)
    assert infer(facts, None, False).signature.inputs == (Column("a", "float64"),)


def test_a_transformer_answers_its_columns() -> None:
    facts = ModelFacts(
        "E",
        n_features=1,
        numeric_only=True,
        methods=("transform",),
        transform_names=("pca0", "pca1"),
    )

    assert infer(facts, None, False).signature.outputs == (
        Column("pca0", "float64"),
        Column("pca1", "float64"),
    )


def test_facts_survive_their_json_form() -> None:
    facts = ModelFacts(
        "onnx",
        libraries={"onnxruntime": "1"},
        input_form="tensor",
        feature_names=("a",),
        n_features=1,
        columns={"a": ColumnHint("float32", True, (1, "b"), True, True, (2, -1))},
        methods=("predict",),
        outputs=(OutputFacts("y", "int64", (0, 1)),),
        transform_names=("t",),
        numeric_only=True,
        types_declared=True,
        tensor_shape=(2, -1),
    )

    assert ModelFacts.from_json(facts.to_json()) == facts
    assert ModelFacts.from_json({"estimator": "E"}) == ModelFacts("E")
