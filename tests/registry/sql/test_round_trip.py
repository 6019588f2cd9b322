"""Arrow to a table to a query and back: every value of every type exact, or refused by column."""

from __future__ import annotations

import math
import uuid

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import SinkRefused
from registry.signature.dtypes import DTYPES
from registry.sql import ChunkIdentity, read_query, write_chunk
from registry.sql.tables import ROW
from tests.registry.tabular.test_round_trip import TEXTS, VALUES

# A text of a table may hold what a CSV file cannot.
CELLS = VALUES | {"string": TEXTS | st.just("a\0b")}
KEYS = st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5)


@st.composite
def tables(draw, cells=CELLS):
    keys, rows = draw(KEYS), draw(st.integers(1, 5))
    columns = {
        f"c {place}": pa.array(
            draw(st.lists(st.none() | cells[key], min_size=rows, max_size=rows)), DTYPES[key].arrow
        )
        for place, key in enumerate(keys)
    }
    return dict(zip(columns, keys, strict=True)), pa.table(columns)


def write(place, table):
    numbered = table.append_column(ROW, pa.array(range(table.num_rows), pa.int64()))
    identity = ChunkIdentity(uuid.uuid4(), 0, table.num_rows, 1, "a" * 64)
    write_chunk(place, "kept", numbered.to_batches(), numbered.schema, identity)


def read(place, keys):
    columns = ", ".join(f'"{name}"' for name in keys)
    query = f"select {columns} from kept order by {ROW}"
    with read_query(place, query, types=keys) as (_, batches):
        return [batch.to_pydict() for batch in batches]


def unsigned_zero(cell):
    return 0.0 if isinstance(cell, float) and cell == 0 else cell


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=tables())
def test_every_value_comes_back_from_postgresql_or_is_refused(postgresql, drawn):
    keys, table = drawn
    postgresql.run("drop table if exists kept, modelyard_chunks")
    nul = [n for n, c in table.to_pydict().items() if any("\0" in x for x in c if type(x) is str)]
    if nul:
        with pytest.raises(SinkRefused) as refused:
            write(postgresql.place, table)
        assert refused.value.column == nul[0]
        return
    write(postgresql.place, table)
    assert repr(read(postgresql.place, keys)) == repr([table.to_pydict()])


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=tables(VALUES | {"string": TEXTS}))
def test_every_value_comes_back_from_sqlite(sqlite, drawn):
    keys, table = drawn
    sqlite.run("drop table if exists kept", "drop table if exists modelyard_chunks")
    write(sqlite.place, table)
    # A SQLite file keeps no sign of a zero.
    wanted = {name: [unsigned_zero(c) for c in cells] for name, cells in table.to_pydict().items()}
    assert repr(read(sqlite.place, keys)) == repr([wanted])


@pytest.mark.parametrize("number", [2.0**53, 5e-324, math.pi, -1e308])
def test_hard_floats_come_back_without_being_declared(database, number):
    write(database.place, pa.table({"x": [number, 0.5]}))
    with read_query(database.place, f"select x from kept order by {ROW}") as (columns, batches):
        assert [column.type for column in columns] == ["float64"]
        assert [cell for batch in batches for cell in batch["x"].to_pylist()] == [number, 0.5]
