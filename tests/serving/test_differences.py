"""How two answers to the same rows differ, by table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from serving.monitoring.differences import Differences, differences
from serving.runtimes.base import Answer, Block


def labels(*values: Any, output: str | None = None) -> Block:
    return Block("prediction", output, None, (pa.array(values),))


def probabilities(**columns: list[float]) -> Block:
    arrays = tuple(pa.array(column, pa.float64()) for column in columns.values())
    return Block("probabilities", None, tuple(columns), arrays)


def answer(*blocks: Block) -> Answer:
    return Answer(len(blocks[0].arrays[0]), blocks)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (labels("a", "b", "c"), labels("a", "x", "y"), Differences(3, [1, 2])),
        (labels(1, 2), labels(1, 2), Differences(2)),
        (labels(1, 0), labels(True, False), Differences(2, [0, 1])),
        (labels("1", "2"), labels(1, 2), Differences(2, [0, 1])),
        (labels("a", None), labels(None, None), Differences(2, [0])),
        (labels(1.0, 2.0), labels(1.5, 1.0), Differences(2, [], 2, 1.5, 1.0)),
        (labels(1, 2), labels(1.0, 2.5), Differences(2, [1])),
        (labels(NAN, 1.0, NAN), labels(NAN, NAN, 2.0), Differences(3, [1, 2])),
        (labels(INF, INF, 1.0), labels(INF, -INF, 1.0), Differences(3, [1], 1, 0.0, 0.0)),
        (
            probabilities(no=[0.25, 1.0], yes=[0.75, 0.0]),
            probabilities(no=[0.5, 1.0], yes=[0.5, 0.0]),
            Differences(2, [], 4, 0.5, 0.25),
        ),
        (
            probabilities(no=[0.5], yes=[0.5]),
            probabilities(no=[0.25], maybe=[0.75]),
            Differences(1, [], 3, 1.5, 0.75),
        ),
        (labels("a", output="x"), labels("b", output="y"), Differences(1)),
    ],
)
def test_two_answers_differ_by(one: Block, other: Block, expected: Differences) -> None:
    assert differences(answer(one), answer(other)) == expected


def test_several_outputs_are_compared_by_name() -> None:
    one = answer(labels("a", "b", output="x"), labels("c", "d", output="y"))
    other = answer(labels("c", "x", output="y"), labels("a", "b", output="x"))
    assert differences(one, other).differing == [1]


def test_what_only_one_side_tells_is_not_compared() -> None:
    one = answer(labels("a"), probabilities(a=[1.0]))
    assert differences(one, answer(labels("a"))) == Differences(1)


def test_answers_to_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1 answers to 2 rows"):
        differences(answer(labels("a", "b")), answer(labels("a")))


def test_no_rows_do_not_differ() -> None:
    empty = Answer(0, (Block("prediction", None, None, (pa.array([], pa.float64()),)),))
    assert differences(empty, empty) == Differences(0)
