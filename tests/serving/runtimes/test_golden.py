"""Golden rows are kept whole, and a difference is named by row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from serving.runtimes.base import Answer, Block
from serving.runtimes.golden import Golden, compare

NAN = float("nan")


def answer(labels: list[Any], yes: list[float] | None = None) -> Answer:
    blocks = [Block("prediction", None, None, (pa.array(labels),))]
    if yes is not None:
        no = [1 - p for p in yes]
        blocks.append(Block("probabilities", None, ("no", "yes"), (pa.array(no), pa.array(yes))))
    return Answer(len(labels), tuple(blocks))


def test_equal_answers_do_not_differ() -> None:
    assert compare(answer(["a", "b"], [0.1, NAN]), answer(["a", "b"], [0.1, NAN])) is None
    assert compare(Answer(0, ()), Answer(0, ())) is None


@pytest.mark.parametrize(
    ("expected", "got", "row", "column"),
    [
        (answer(["a", "b"]), answer(["a", "c"]), 1, "prediction"),
        (answer([1, 2]), answer([1, 3]), 1, "prediction"),
        (answer([True, False]), answer([True, True]), 1, "prediction"),
        (answer([1.0, 2.0]), answer([1.0, 2.0 + 1e-8]), 1, "prediction"),
        (answer([1.0, NAN]), answer([1.0, 2.0]), 1, "prediction"),
        (answer([1.0, float("inf")]), answer([1.0, 2.0]), 1, "prediction"),
        (answer(["a", None]), answer(["a", "b"]), 1, "prediction"),
        (answer([True, False]), answer([1, 0]), 0, "prediction"),
        (answer(["a", "b"], [0.1, 0.2]), answer(["a", "b"], [0.3, 0.2]), 0, "probabilities[no]"),
        (
            answer(["a", "b"], [0.1, 0.2]),
            answer(["a", "x"], [0.3, 0.2]),
            0,
            "probabilities[no]",
        ),
    ],
)
def test_the_first_difference_is_named(
    expected: Answer, got: Answer, row: int, column: str
) -> None:
    difference = compare(expected, got)
    assert difference is not None
    assert (difference.row, difference.column) == (row, column)
    assert f"Row {row}, {column.split('[')[0]}" in str(difference)


@pytest.mark.parametrize("factor", [1.0, 1e6, 1e-300])
def test_numbers_may_differ_by_the_tolerance_and_no_more(factor: float) -> None:
    value = 3.0 * factor
    near, far = value * (1 + 0.9e-9), value * (1 + 2e-9) + 2e-12
    assert compare(answer([value]), answer([near])) is None
    assert compare(answer([value]), answer([far])) is not None
    assert compare(answer([value]), answer([value * (1 + 1e-7)]), rtol=1e-6) is None


def test_a_whole_number_may_have_come_as_a_decimal() -> None:
    assert compare(answer([1, 2]), answer([1.0, 2.0])) is None


def test_all_rows_that_differ_are_counted_once() -> None:
    difference = compare(answer(["a", "b"], [0.1, 0.2]), answer(["x", "b"], [0.5, 0.2]))
    assert difference is not None
    assert (difference.rows, round(difference.largest, 9)) == (1, 0.4)


@pytest.mark.parametrize(
    "other",
    [
        answer(["a"]),
        answer(["a", "b"], [0.1, 0.2]),
        Answer(2, (Block("prediction", "y0", None, (pa.array(["a", "b"]),)),)),
    ],
)
def test_another_shape_is_a_difference_of_all_rows(other: Answer) -> None:
    difference = compare(answer(["a", "b"]), other)
    assert difference is not None
    assert difference.row is None
    assert difference.rows == 2
    assert "another shape" in str(difference)


def test_labels_of_another_order_are_another_shape() -> None:
    one, two = answer(["a"], [0.5]), answer(["a"], [0.5])
    turned = Block("probabilities", None, ("yes", "no"), two.blocks[1].arrays)
    assert compare(one, Answer(1, (two.blocks[0], turned))) is not None


def test_a_difference_is_json_without_nan() -> None:
    difference = compare(answer([NAN]), answer([1.0]))
    assert difference is not None
    assert difference.to_json()["expected"] == "nan"


def golden() -> Golden:
    schema = pa.schema([pa.field("größe (cm)", pa.int64(), nullable=False), ("t", pa.string())])
    inputs = pa.RecordBatch.from_pydict({"größe (cm)": [1, 2], "t": ["x", None]}, schema=schema)
    return Golden(inputs, answer(["a", "b"], [0.1, NAN]))


def test_golden_rows_come_back_from_their_bytes() -> None:
    back = Golden.from_bytes(golden().to_bytes())
    assert back.inputs.equals(golden().inputs, check_metadata=True)
    assert back.inputs.schema.field(0).nullable is False
    assert compare(golden().answer, back.answer) is None
    assert back.kinds == ("prediction", "probabilities")


def test_golden_rows_have_the_same_bytes_each_time() -> None:
    assert golden().to_bytes() == golden().to_bytes()


def test_damaged_golden_rows_are_refused() -> None:
    whole = golden().to_bytes()
    for damaged in (b"", whole[:10], whole[:200], b"XXXX" + whole[4:], whole[:-40]):
        with pytest.raises(ValueError, match=r"golden|damaged"):
            Golden.from_bytes(damaged)


def test_answers_of_another_count_than_the_rows_are_refused() -> None:
    wrong = Golden(golden().inputs, answer(["a"]))
    with pytest.raises(ValueError, match="count"):
        Golden.from_bytes(wrong.to_bytes())


def test_many_rows_are_compared_in_a_moment() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    one = Answer(1000, (Block("prediction", None, None, (pa.array(values),)),))
    assert compare(one, one) is None
