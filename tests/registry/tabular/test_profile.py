"""The column profile: exact where it says so, bounded, the same every time, and never NaN."""

from __future__ import annotations

import datetime as dt
import json
import statistics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.signature.types import Column
from registry.tabular import Profiler


def profile(array: pa.Array, key: str, pieces: int = 1, **column):
    profiler = Profiler([Column("a", key, **column)])
    size = max(1, -(-len(array) // pieces))
    for start in range(0, len(array), size):
        profiler.add(pa.record_batch({"a": array.slice(start, size)}))
    found = profiler.result()[0]
    json.dumps(found, allow_nan=False)
    return found


def test_numbers_have_range_mean_spread_quantiles_and_histogram():
    found = profile(pa.array([1, 2, 3, 4, None]), "int64")
    assert (found["count"], found["nulls"]) == (5, 1)
    assert (found["min"], found["max"], found["mean"]) == (1, 4, 2.5)
    assert found["std"] == pytest.approx(statistics.stdev([1, 2, 3, 4]))
    assert found["quantiles"]["0.5"] == 2
    assert sum(found["histogram"]["counts"]) == 4
    assert found["distinct"] == {"exactly": 4}
    assert found["sampled"] is False


def test_texts_have_their_most_frequent_values():
    found = profile(pa.array(["b", "a", "b", None, ""]), "string", pieces=3)
    assert found["top"] == [
        {"value": "b", "count": 2},
        {"value": "", "count": 1},
        {"value": "a", "count": 1},
    ]
    assert found["distinct"] == {"exactly": 3}
    assert "min" not in found


def test_times_and_booleans_are_json():
    moment = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    found = profile(pa.array([moment], pa.timestamp("us", "UTC")), "datetime")
    assert found["min"] == found["max"] == found["top"][0]["value"] == "2026-01-31T12:00:00Z"
    assert profile(pa.array([moment.date()]), "date")["min"] == "2026-01-31"
    assert profile(pa.array([True, True, False]), "boolean")["top"][0] == {
        "value": True,
        "count": 2,
    }


def test_many_distinct_values_are_only_bounded():
    found = profile(pa.array([str(n) for n in range(5000)]), "string", pieces=7)
    assert found["distinct"] == {"more_than": 1000}
    assert "top" not in found


def test_exactly_a_thousand_distinct_values_are_counted():
    values = [str(n) for n in range(1000)] * 3
    assert profile(pa.array(values), "string", pieces=4)["distinct"] == {"exactly": 1000}


def test_a_long_column_is_sampled_evenly_and_the_same_every_time():
    values = pa.array(np.arange(200_000.0))
    once, again = (profile(values, "float64", pieces=9) for _ in range(2))
    assert once == again
    assert once["sampled"] is True
    assert once["quantiles"]["0.5"] == pytest.approx(100_000, rel=0.05)
    assert once["mean"] == pytest.approx(99_999.5)


@pytest.mark.parametrize(
    ("array", "key"),
    [
        (pa.array([], pa.float64()), "float64"),
        (pa.array([None], pa.float64()), "float64"),
        (pa.array([1.0]), "float64"),
        (pa.array([1e308, 1.7e308, -1.7e308]), "float64"),
        (pa.array([5e-324, 1e-323]), "float64"),
        (pa.array([2**63, 2**64 - 1], pa.uint64()), "uint64"),
        (pa.array([-(2**63), 2**63 - 1]), "int64"),
        (pa.array([0.1], pa.float32()), "float32"),
        (pa.array([None, None], pa.string()), "string"),
        (pa.array([], pa.bool_()), "boolean"),
    ],
)
def test_extreme_and_empty_columns_are_json_without_nan(array, key):
    found = profile(array, key)
    assert found["count"] == len(array)


def test_a_tensor_column_has_its_counts_alone():
    found = profile(pa.array([[1.0], None]), "float64", shape=(1,))
    assert found == {"name": "a", "type": "float64", "count": 2, "nulls": 1}


def test_zero_and_minus_zero_are_one_value():
    found = profile(pa.array([0.0, -0.0, 0.0, 1.0]), "float64")
    assert [entry["count"] for entry in found["top"]] == [3, 1]


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=40),
    st.integers(1, 5),
)
def test_exact_figures_do_not_depend_on_the_batches(values, pieces):
    array = pa.array(values, pa.float64())
    whole, cut = profile(array, "float64"), profile(array, "float64", pieces)
    for key in ("count", "nulls", "min", "max", "distinct", "top"):
        assert whole.get(key) == cut.get(key)
    present = [value for value in values if value is not None]
    if len(present) > 1:
        assert cut["mean"] == pytest.approx(statistics.fmean(present), abs=1e-6)
        assert cut["std"] == pytest.approx(statistics.stdev(present), abs=1e-6)
