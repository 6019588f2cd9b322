"""The report of a comparison: against numpy, and the same however the rows are cut."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.monitoring import comparison
from serving.monitoring.comparison import Summary, merged, without_cells
from serving.monitoring.label_tally import LABELS_MAX
from serving.monitoring.number_tally import EDGES, NumberTally, bin_of, exact_sum
from serving.runtimes.base import KINDS, Answer, Block
from tests.drawing import amount

Column = list[Any]
NAN, INF = float("nan"), float("inf")
numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 1),
    st.sampled_from(
        [0.0, 0.5, 1e-9, 5e-324, 1e-300, 1.7e308, -1.7e308, 0.001, 0.002, 1e6, NAN, INF]
    ),
)
labels = st.sampled_from(["no", "yes", "maybe", None, "nul\0byte"])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Column]:
    """Labels and two probabilities of both versions, with keys."""
    rows = draw(st.integers(1, 40))

    def column(values: st.SearchStrategy[Any]) -> Column:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    return {
        "a": column(labels),
        "b": column(labels),
        "p": column(numbers),
        "q": column(numbers),
        "r": column(numbers),
        "s": column(numbers),
    }


def answer_of(label: Column, no: Column, yes: Column) -> Answer:
    columns = (pa.array(no, pa.float64()), pa.array(yes, pa.float64()))
    return Answer(
        len(label),
        (
            Block("prediction", None, None, (pa.array(label, pa.string()),)),
            Block("probabilities", None, ("no", "yes"), columns),
        ),
    )


def summary_of(table: dict[str, Column], start: int, stop: int) -> Summary:
    """Rows ``start`` up to ``stop`` of a table, which begins at row 1,000 of a dataset."""
    part = {name: values[start:stop] for name, values in table.items()}
    rows = np.arange(start, stop) + 1_000
    keys = pa.table({"id": [f"p{row}" for row in rows]})
    summary = Summary()
    ours, theirs = (
        answer_of(part["a"], part["p"], part["q"]),
        answer_of(part["b"], part["r"], part["s"]),
    )
    summary.add(ours, theirs, rows, keys)
    return summary


def written(summary: Summary) -> dict[str, Any]:
    """What comes back from a JSON column that keeps no order of members."""
    read: dict[str, Any] = json.loads(
        json.dumps(summary.to_json(), sort_keys=True, allow_nan=False)
    )
    return read


def report_of(table: dict[str, Column], *cuts: int) -> dict[str, Any]:
    bounds = [0, *cuts, len(table["a"])]
    parts = [summary_of(table, a, b) for a, b in pairwise(bounds)]
    return merged(written(part) for part in parts)


def changes(table: dict[str, Column], ours: str, theirs: str) -> Any:
    """Of pairs of finite numbers, as exact fractions."""
    pairs = zip(table[ours], table[theirs], strict=True)
    most = np.finfo(float).max
    return [
        Fraction(min(max(a - b, -most), most))
        for a, b in pairs
        if math.isfinite(a) and math.isfinite(b)
    ]


@settings(max_examples=amount(1_000, short=60), deadline=None)
@given(tables())
def test_the_report_is_what_numpy_says(table: dict[str, Column]) -> None:
    report = report_of(table)
    is_other = [a != b for a, b in zip(table["a"], table["b"], strict=True)]
    assert report["labels"][0]["differ"] == sum(is_other)

    shown = {value: key for key, value in enumerate(report["labels"][0]["labels"])}
    pairs = Counter(zip(table["a"], table["b"], strict=True))
    for (a, b), count in pairs.items():
        one, two = (None if v is None else v.replace("\0", "␀") for v in (a, b))
        assert report["labels"][0]["counts"][shown[one]][shown[two]] == count
    assert np.sum(report["labels"][0]["counts"]) == len(is_other)

    for found, (ours, theirs) in zip(report["numbers"], (("p", "r"), ("q", "s")), strict=True):
        exact = changes(table, ours, theirs)
        distances = np.array([float(abs(one)) for one in exact])
        assert found["count"] == len(exact)
        assert found["equal"] == int((distances == 0).sum())
        if not exact:
            assert found["mean"] is found["p50"] is found["largest"] is None
            continue
        assert found["mean"] == float(sum(map(abs, exact)) / len(exact))
        assert found["mean_change"] == float(sum(exact) / len(exact))
        assert found["largest"] == distances.max()
        for name, share in (("p50", 50), ("p90", 90), ("p99", 99)):
            expected = np.percentile(distances, share, method="inverted_cdf")
            assert is_near(found[name], expected)
        bounds = np.array([np.nextafter(0, 1), *EDGES, INF])
        counts, _ = np.histogram(distances[distances > 0], bounds)
        assert [bar["count"] for bar in found["histogram"]] == np.trim_zeros(counts).tolist()


def is_near(found: float, expected: float) -> bool:
    """The same, or in the same bin; all below 1e-12 and above 1e12 are one."""
    if expected == 0 or found == 0:
        return found == expected
    return found == expected or bin_of(found) == bin_of(expected)


@settings(max_examples=amount(1_000, short=60), deadline=None)
@given(tables(), st.data())
def test_the_report_does_not_depend_on_how_rows_are_cut(
    table: dict[str, Column], data: st.DataObject
) -> None:
    rows = len(table["a"])
    cuts = sorted(data.draw(st.sets(st.integers(1, rows), max_size=6)) - {rows})
    assert json.dumps(report_of(table, *cuts)) == json.dumps(report_of(table))


@settings(max_examples=amount(2_000, short=100), deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_sums_are_exact(values: list[float]) -> None:
    assert Fraction(exact_sum(np.array(values, float)), 1 << 1074) == sum(map(Fraction, values))


def test_the_rows_that_lie_farthest_apart_come_first_with_their_keys() -> None:
    table = {
        "a": ["no", "no", "yes", "no"],
        "b": ["no", "yes", "yes", "no"],
        "p": [0.9, 0.9, 0.2, NAN],
        "q": [0.1, 0.1, 0.8, 0.5],
        "r": [0.9, 0.4, 0.25, 0.5],
        "s": [0.1, 0.6, 0.75, 0.5],
    }
    report = report_of(table, 2)
    assert [mover["row"] for mover in report["movers"]] == [1_003, 1_001, 1_002]
    assert [mover["distance"] for mover in report["movers"]] == [None, 0.5, pytest.approx(0.05)]
    assert report["movers"][1]["keys"] == {"id": "p1001"}
    assert report["movers"][1]["values"] == [
        {"column": "prediction", "kind": "prediction", "version": "no", "compared": "yes"},
        {"column": "probability_no", "kind": "probabilities", "version": 0.9, "compared": 0.4},
    ]
    assert (report["rows"], report["differ"], report["agreement"]) == (4, 2, 0.5)


def test_of_many_movers_a_hundred_are_kept_and_equal_ones_by_row() -> None:
    count = 500
    apart = [0.5 if i % 2 else 0.25 for i in range(count)]
    table = {
        "a": ["no"] * count,
        "b": ["no"] * count,
        "p": apart,
        "q": [0.0] * count,
        "r": [0.0] * count,
        "s": [0.0] * count,
    }
    rows = [mover["row"] for mover in report_of(table, 7, 300, 301)["movers"]]
    assert rows == [1_001 + 2 * i for i in range(100)]


def test_more_labels_than_anybody_reads_are_only_counted() -> None:
    rows = LABELS_MAX + 1
    table = {
        "a": [f"l{i}" for i in range(rows)],
        "b": [f"l{i}" for i in range(rows)],
        **{name: [0.0] * rows for name in "pqrs"},
    }
    for cuts in ((), (10,), (25, 50)):
        told = report_of(table, *cuts)["labels"][0]
        assert (told["labels"], told["counts"], told["differ"]) == (None, None, 0)


def test_one_and_true_are_two_labels() -> None:
    summary = Summary()
    ours = Answer(2, (Block("prediction", None, None, (pa.array([1, 0]),)),))
    theirs = Answer(2, (Block("prediction", None, None, (pa.array([True, False]),)),))
    summary.add(ours, theirs, np.arange(2))
    report = merged([written(summary)])
    assert json.dumps(report["labels"][0]["labels"]) == "[false, true, 0, 1]"
    assert report["agreement"] == 0


def test_a_summary_stays_small() -> None:
    """Long texts, many columns, values in every bin."""
    rows, columns = 5_000, 60
    rng = np.random.default_rng(7)
    blocks = []
    for _ in range(2):
        spread = rng.random((columns, rows)) * 2.0 ** rng.integers(-60, 60, (columns, rows))
        arrays = tuple(pa.array(one) for one in spread)
        labels = tuple(f"label {i} " + "x" * 500 for i in range(columns))
        blocks.append(Block("probabilities", None, labels, arrays))
    keys = pa.table({f"key {i}" + "k" * 500: ["v" * 5_000] * rows for i in range(40)})
    summary = Summary()
    ours, theirs = (Answer(rows, (block,)) for block in blocks)
    summary.add(ours, theirs, np.arange(rows), keys)
    text = json.dumps(written(summary))
    assert len(text) < 600_000
    assert merged([json.loads(text)])["columns_left_out"] == columns - comparison.COLUMNS_MAX


def test_without_cells_there_are_rows_and_figures_alone() -> None:
    table = {
        "a": ["secret", "b"],
        "b": ["other", "b"],
        "p": [0.5, 0.5],
        "q": [0.5, 0.5],
        "r": [0.25, 0.5],
        "s": [0.75, 0.5],
    }
    report = report_of({**table, "a": ["no", "b"], "b": ["yes", "b"]})
    bare = without_cells(report, {"probabilities"})
    assert bare["labels"][0]["labels"] is bare["labels"][0]["counts"] is None
    assert bare["labels"][0]["differ"] == 1
    assert bare["movers"][0]["keys"] == {}
    assert [value["kind"] for value in bare["movers"][0]["values"]] == ["probabilities"]
    assert report["movers"][0]["keys"] == {"id": "p1000"}


def test_what_may_not_be_written_down_never_reaches_a_summary() -> None:
    summary = Summary(shown={"probabilities"})
    ours, theirs = answer_of(["secret"], [0.5], [0.5]), answer_of(["other"], [0.25], [0.75])
    summary.add(ours, theirs, np.arange(1))
    text = json.dumps(summary.to_json())
    assert "secret" not in text
    assert "other" not in text
    assert summary.differ == 1


def test_rows_are_ranked_by_every_kind_of_output() -> None:
    assert sorted(comparison._RANKED) == sorted(KINDS)


def test_nothing_compared_has_no_figures() -> None:
    report = merged([])
    assert report["agreement"] is None
    assert report["movers"] == []
    assert NumberTally().report()["p50"] is None
