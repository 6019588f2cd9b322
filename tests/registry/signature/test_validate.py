"""The validator over whole requests: every bad cell named, good rows typed, all forms alike."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.errors import InvalidField, InvalidRows, RowProblem
from registry.signature.types import Column, Signature
from registry.signature.validate import (
    FEW_CELLS,
    Validated,
    validate_columns,
    validate_rows,
    validate_table,
)

SIGNATURE = Signature(
    (
        Column("age", "int64", min=0, max=120),
        Column("city", "string", nullable=True, enum=("Rome", "Oslo")),
        Column("sepal length (cm)", "float64", nullable=True),
    )
)
GOOD = {"age": 42, "city": "Rome", "sepal length (cm)": 5.1}


def named(checked: Validated) -> list[tuple[int, str | None, str]]:
    return [(p.row, p.column, p.code) for p in checked.problems]


def test_good_rows_become_a_batch_in_signature_order_and_types() -> None:
    checked = validate_rows(SIGNATURE, [GOOD, [7, None, 1], {"city": "Oslo", "age": 1.0}])

    assert checked.batch.schema == SIGNATURE.input_schema()
    assert checked.batch.to_pylist() == [
        GOOD,
        {"age": 7, "city": None, "sepal length (cm)": 1.0},
        {"age": 1, "city": "Oslo", "sepal length (cm)": None},
    ]
    assert (checked.n_rows, checked.problem_count, checked.problems) == (3, 0, ())
    assert checked.row_numbers.tolist() == [0, 1, 2]
    checked.refuse_bad_rows()


def test_the_example_of_the_reference_is_named_as_it_says() -> None:
    checked = validate_rows(SIGNATURE, [GOOD, GOOD | {"age": 20.7}, GOOD])

    assert checked.problems == (RowProblem(1, "age", "not-an-integer", "int64", "20.7"),)
    with pytest.raises(InvalidRows, match=r"^1 of 3 rows were refused\.$"):
        checked.refuse_bad_rows()


def test_all_problems_of_all_rows_are_found_in_order_of_row_and_column() -> None:
    checked = validate_rows(
        SIGNATURE,
        [
            {"age": "42", "city": "Paris", "sepal length (cm)": True},
            GOOD,
            {"city": None, "agee": 3},
            [1, None],
            "row",
            GOOD | {"age": 121},
        ],
    )

    assert named(checked) == [
        (0, "age", "not-an-integer"),
        (0, "city", "not-in-enum"),
        (0, "sepal length (cm)", "not-a-number"),
        (2, "age", "missing"),
        (2, "agee", "unknown-column"),
        (3, None, "wrong-length"),
        (4, None, "not-an-object"),
        (5, "age", "out-of-range"),
    ]
    assert checked.problem_count == 8
    assert checked.bad_rows.tolist() == [0, 2, 3, 4, 5]
    assert checked.row_numbers.tolist() == [1]
    assert checked.batch.to_pylist() == [GOOD]


def test_problems_say_what_was_expected_and_what_came() -> None:
    row = {"age": -1, "city": "rome", "sepal length (cm)": None, "Sepal Length": "x" * 50}
    problems = {p.column: p for p in validate_rows(SIGNATURE, [row]).problems}

    assert problems["age"].expected == "0 to 120"
    assert problems["city"].expected == "one of Rome, Oslo"
    assert problems["Sepal Length"].expected == "sepal length (cm)"  # the nearest known column
    assert problems["Sepal Length"].received == "x" * 39 + "…"


def test_a_missing_cell_has_nothing_received() -> None:
    (problem,) = validate_rows(SIGNATURE, [{}]).problems

    assert problem == RowProblem(0, "age", "missing", "int64", None)


def test_only_the_first_hundred_are_kept_and_all_are_counted() -> None:
    rows: list[Any] = [{"age": "x", "city": 1, "sepal length (cm)": "y", "z": 0}] * 60
    rows += [5] * 200

    checked = validate_rows(SIGNATURE, rows)

    assert checked.problem_count == 60 * 4 + 200
    assert len(checked.problems) == 100
    assert named(checked)[:5] == [
        (0, "age", "not-an-integer"),
        (0, "city", "not-a-string"),
        (0, "sepal length (cm)", "not-a-number"),
        (0, "z", "unknown-column"),
        (1, "age", "not-an-integer"),
    ]
    assert named(checked)[-1] == (24, "z", "unknown-column")


@pytest.mark.parametrize("padding", [0, FEW_CELLS + 5])
def test_few_and_many_rows_are_judged_alike(padding: int) -> None:
    rows = [GOOD | {"age": 1.5}, GOOD | {"city": ""}, GOOD | {"age": None}, *[GOOD] * padding]

    checked = validate_rows(SIGNATURE, rows)

    assert named(checked) == [
        (0, "age", "not-an-integer"),
        (1, "city", "not-in-enum"),
        (2, "age", "null-not-allowed"),
    ]
    assert checked.batch.num_rows == padding


def forms(rows: list[dict[str, Any]]) -> dict[str, Validated]:
    columns = {name: [row.get(name) for row in rows] for name in SIGNATURE.input_names}
    return {
        "objects": validate_rows(SIGNATURE, rows),
        "lists": validate_rows(SIGNATURE, [list(r) for r in zip(*columns.values(), strict=True)]),
        "columns": validate_columns(SIGNATURE, columns),
        "arrow": validate_table(SIGNATURE, pa.table(columns)),
    }


@pytest.mark.parametrize("repeated", [1, 20])
def test_rows_lists_columns_and_arrow_get_the_same_verdict(repeated: int) -> None:
    rows = [
        GOOD,
        {"age": None, "city": "Rome", "sepal length (cm)": 1.0},
        {"age": 121, "city": None, "sepal length (cm)": None},
        {"age": 5, "city": "Paris", "sepal length (cm)": 2.5},
    ] * repeated
    verdicts = forms(rows)

    first = verdicts["objects"]
    assert first.problem_count == 3 * repeated
    for checked in verdicts.values():
        assert checked.problems == first.problems
        assert checked.batch == first.batch
        assert checked.row_numbers.tolist() == first.row_numbers.tolist()


def test_column_order_is_free_and_names_are_exact() -> None:
    reordered = {name: [GOOD[name]] for name in reversed(list(GOOD))}
    assert validate_columns(SIGNATURE, reordered).batch.to_pylist() == [GOOD]

    checked = validate_columns(SIGNATURE, {"Age": [1], "city": [None]})
    assert named(checked) == [(0, "age", "missing"), (0, "Age", "unknown-column")]
    assert checked.problems[1].expected == "age"


def test_a_missing_column_is_missing_in_every_row_as_with_rows() -> None:
    by_columns = validate_columns(SIGNATURE, {"city": ["Rome", "Oslo"]})
    by_rows = validate_rows(SIGNATURE, [{"city": "Rome"}, {"city": "Oslo"}])

    assert by_columns.problems == by_rows.problems
    assert by_columns.problem_count == 2


@pytest.mark.parametrize(
    ("columns", "pointer"),
    [
        ({"age": [1, 2], "city": ["Rome"]}, "/columns/city"),
        ({"age": [], "a/b~c": []}, "/columns/a~1b~0c"),
        ({"city": []}, "/columns"),
        ({}, "/columns"),
    ],
)
def test_a_wrong_shape_of_the_whole_is_named_by_its_pointer(
    columns: dict[str, list[Any]], pointer: str
) -> None:
    with pytest.raises(InvalidField) as raised:
        validate_columns(SIGNATURE, columns)

    assert raised.value.pointer == pointer


def test_a_column_that_stands_twice_is_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["age", "age"])

    with pytest.raises(InvalidField, match="`age` stands there twice"):
        validate_table(SIGNATURE, table)


def test_no_rows_are_an_empty_batch_of_the_right_types() -> None:
    for checked in (
        validate_rows(SIGNATURE, []),
        validate_columns(SIGNATURE, {name: [] for name in SIGNATURE.input_names}),
    ):
        assert checked.batch.schema == SIGNATURE.input_schema()
        assert (checked.n_rows, checked.batch.num_rows, checked.problem_count) == (0, 0, 0)


def test_lines_of_a_file_go_into_the_problems() -> None:
    checked = validate_columns(SIGNATURE, {"age": [1, "x", None]}, lines=[2, 5, 6])

    assert [p.line for p in checked.problems] == [5, 6]


def test_lines_are_not_looked_up_for_clean_rows() -> None:
    class Costly(list[int]):
        def __getitem__(self, row: Any) -> Any:
            raise AssertionError("looked up")

    validate_columns(SIGNATURE, {"age": [1]}, lines=Costly([2]))


def test_nan_in_a_table_is_null_and_refused_where_null_is() -> None:
    nullable = validate_columns(SIGNATURE, {"age": [1], "sepal length (cm)": pa.array([math.nan])})
    assert nullable.batch.column(2).null_count == 1

    refused = validate_columns(SIGNATURE, {"age": pa.array([math.nan])})
    assert named(refused) == [(0, "age", "null-not-allowed")]


def test_an_all_missing_column_of_another_type_is_null() -> None:
    # pandas writes an empty text column as float64 NaN.
    checked = validate_columns(SIGNATURE, {"age": [1], "city": pa.array([math.nan])})

    assert checked.batch.column(1).to_pylist() == [None]


@pytest.mark.parametrize(
    "cities",
    [
        pa.array(["Rome", "Oslo"]).dictionary_encode(),
        pa.array(["Rome", "Oslo"], pa.large_string()),
        pa.array(["Rome", "Oslo"], pa.string_view()),
        pa.chunked_array([["Rome"], ["Oslo"]]),
        pa.chunked_array([pa.array(["x", "Rome", "Oslo"]).slice(1)]),
    ],
    ids=["dictionary", "large", "view", "chunked", "sliced"],
)
def test_encodings_of_arrow_do_not_matter(cities: Any) -> None:
    checked = validate_columns(SIGNATURE, {"age": np_column([1, 2]), "city": cities})

    assert checked.batch.column(1).to_pylist() == ["Rome", "Oslo"]
    assert checked.batch.column(1).type == pa.string()


def np_column(values: list[int]) -> pa.Array:
    return pa.array(np.array(values, dtype=np.uint8))


def test_times_are_kept_in_utc() -> None:
    signature = Signature((Column("at", "datetime"),))
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)

    for cells in (
        ["2026-01-31T14:00:00+02:00"],
        ["2026-01-31T14:00:00+02:00"] * (FEW_CELLS + 1),
        pa.array([noon], pa.timestamp("s", "Europe/Rome")),
    ):
        checked = validate_columns(signature, {"at": cells})
        assert checked.batch.column(0)[0].as_py() == noon
        assert checked.batch.schema.field("at").type == pa.timestamp("us", "UTC")


TENSORS = Signature((Column("image", "float32", shape=(2, -1)),))


@pytest.mark.parametrize("repeated", [1, FEW_CELLS + 1])
def test_a_tensor_column_is_a_nested_list(repeated: int) -> None:
    checked = validate_rows(TENSORS, [{"image": [[1, 2], [3, 4]]}] * repeated)

    assert checked.batch.schema.field("image").type == pa.list_(pa.list_(pa.float32()))
    assert checked.batch.column(0)[0].as_py() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ([[1, 2]], "wrong-shape"),
        ([[1, 2], [3]], "wrong-shape"),
        ([1, 2], "wrong-shape"),
        (5, "wrong-shape"),
        ([[1, [2]], [3, 4]], "wrong-shape"),
        ([[1, None], [3, 4]], "null-not-allowed"),
        ([[1, "2"], [3, 4]], "not-a-number"),
        ([[1, True], [3, 4]], "not-a-number"),
        ([[1, 2**24 + 1], [3, 4]], "loses-precision"),
        (None, "null-not-allowed"),
    ],
)
@pytest.mark.parametrize("padding", [0, FEW_CELLS + 1])
def test_a_tensor_that_does_not_fit_is_named(image: Any, code: str, padding: int) -> None:
    good = {"image": [[1, 2], [3, 4]]}
    checked = validate_rows(TENSORS, [good, {"image": image}, *[good] * padding])

    assert named(checked) == [(1, "image", code)]
    assert checked.problems[0].expected is not None
    assert checked.batch.num_rows == 1 + padding


def test_a_fixed_size_list_of_arrow_is_a_tensor() -> None:
    signature = Signature((Column("v", "float64", nullable=True, shape=(3,)),))
    array = pa.array([[1.0, 2.0, 3.0], None, [4.0, 5.0, 6.0]], pa.list_(pa.float32(), 3))

    checked = validate_columns(signature, {"v": array})

    assert checked.batch.column(0).to_pylist() == [[1.0, 2.0, 3.0], None, [4.0, 5.0, 6.0]]


def test_many_unknown_names_against_a_wide_signature_take_bounded_work() -> None:
    wide = Signature(tuple(Column(f"feature_{i}", "float64", nullable=True) for i in range(2_000)))
    row = {f"unknown_{i}": 1 for i in range(1_000)}

    checked = validate_rows(wide, [row])

    assert checked.problem_count == 1_000
    assert checked.problems[0].expected is not None
    assert checked.problems[-1].expected is None  # by then the work is used up
