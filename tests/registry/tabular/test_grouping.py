"""Groups of rows are bounded by number and by bytes, and do not depend on batches."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.tabular.grouping import Groups, regrouped

COLUMNS = {
    "t": (pa.string(), st.none() | st.text(max_size=9)),
    "n": (pa.int64(), st.none() | st.integers(0, 9)),
    "b": (pa.bool_(), st.none() | st.booleans()),
    "l": (pa.list_(pa.string()), st.none() | st.lists(st.text(max_size=3), max_size=3)),
    "f": (pa.list_(pa.float64(), 2), st.none() | st.just([0.5, 1.5])),
}


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 12))
    cells = {
        name: pa.array(draw(st.lists(some, min_size=rows, max_size=rows)), kind)
        for name, (kind, some) in COLUMNS.items()
    }
    return pa.table(cells).slice(draw(st.integers(0, 3)))


def cost(row):
    """What a row counts, said once more."""
    texts = [row["t"] or "", *(row["l"] or [])]
    return sum(len(text.encode()) for text in texts) + 8 + 1 + 16


def cut_by_hand(table, rows, most_bytes):
    groups = [[]]
    for row in table.to_pylist():
        group = groups[-1]
        if group and (len(group) == rows or sum(map(cost, group)) + cost(row) > most_bytes):
            groups.append([])
        groups[-1].append(row)
    return [group for group in groups if group]


@given(table=tables(), rows=st.integers(1, 6), most_bytes=st.integers(1, 120), data=st.data())
def test_groups_are_those_that_counting_row_by_row_gives(table, rows, most_bytes, data):
    cuts = data.draw(st.lists(st.integers(0, table.num_rows), max_size=4).map(sorted))
    bounds = [0, *cuts, table.num_rows]
    batches = [
        batch for a, b in itertools.pairwise(bounds) for batch in table.slice(a, b - a).to_batches()
    ]
    found = [group.to_pylist() for group in regrouped(batches, table.schema, rows, most_bytes)]
    assert found == cut_by_hand(table, rows, most_bytes)


def test_a_row_that_is_larger_than_a_group_is_one():
    groups = Groups(most_bytes=10)
    batch = pa.record_batch({"t": ["a" * 30, "b", "c" * 30, "d" * 30]})
    found = [[b.num_rows for b in group] for group in groups.add(batch)]
    assert [*found, [b.num_rows for b in groups.rest()]] == [[1], [1], [1], [1]]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.binary(), pa.large_binary()])
def test_all_sorts_of_text_are_counted(kind):
    batch = pa.record_batch({"t": pa.array(["aaaa", None, "bbbb"]).cast(kind)})
    tables = regrouped([batch], batch.schema, most_bytes=5)
    assert [table.num_rows for table in tables] == [2, 1]
