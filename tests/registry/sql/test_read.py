"""Queries are read as they are, or refused with the column: PostgreSQL and SQLite, real ones."""

from __future__ import annotations

import datetime as dt
import itertools
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.errors import SourceAway, SourceRefused
from registry.sql import Place, read_query, reader_of_query, sessions, sqlite_cells
from registry.tabular import TabularError, to_parts
from tests.services.processes import wait_until


def read(place, query, **options):
    with read_query(place, query, **options) as (columns, batches):
        table = pa.Table.from_batches(
            list(batches), pa.schema([(column.name, column.arrow) for column in columns])
        )
    return {column.name: column.type for column in columns}, table.to_pydict()


def refusal(place, query, **options):
    with pytest.raises((SourceRefused, TabularError)) as caught:
        read(place, query, **options)
    return caught.value


def test_the_types_of_postgresql_become_ours(postgresql):
    types, cells = read(
        postgresql.place,
        """select true as b, 1::int2 as i2, 2 as i4, 3::int8 as i8,
        0.5::float4 as f4, 0.1::float8 as f8,
        'x'::text as t, 'y'::varchar(3) as v, 'z'::char(3) as c, '2026-01-31'::date as d,
        '2026-01-31 12:00+02'::timestamptz as ts, '{"a": 1}'::jsonb as j,
        'c9f3a1de-1111-4222-8333-0123456789ab'::uuid as u, null as nothing,
        12::numeric(5,0) as n0, 1.10::numeric(5,2) as n2, 7::numeric as n, 7.25::numeric as nf""",
    )
    assert " ".join(types.values()) == (
        "boolean int16 int32 int64 float32 float64 string string string date datetime "
        "string string string int64 float64 int64 float64"
    )
    assert [column[0] for column in cells.values()] == [
        *[True, 1, 2, 3, 0.5, 0.1, "x", "y", "z  ", dt.date(2026, 1, 31)],
        dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC),
        *['{"a": 1}', "c9f3a1de-1111-4222-8333-0123456789ab", None, 12, 1.1, 7, 7.25],
    ]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("'1'::money", "type-not-supported"),
        ("1::oid", "type-not-supported"),
        ("'\\x00'::bytea", "type-not-supported"),
        ("'1 day'::interval", "type-not-supported"),
        ("'12:00'::time", "type-not-supported"),
        ("'1.1.1.1'::inet", "type-not-supported"),
        ("array[1]", "nested-values"),
        ("'2026-01-01 00:00'::timestamp", "no-offset"),
        ("12345678901234567890.5::numeric", "loses-precision"),
        ("9223372036854775808::numeric(19,0)", "loses-precision"),
    ],
)
def test_what_postgresql_has_and_we_have_not_is_refused_by_its_column(postgresql, cell, reason):
    refused = refusal(postgresql.place, f"select 1 as fine, {cell} as odd")
    assert (refused.reason, refused.evidence["column"]) == (reason, "odd")
    assert refused.errors()[0]["column"] == "odd"


def test_a_numeric_that_no_float_tells_apart_is_refused_with_its_row(postgresql):
    refused = refusal(
        postgresql.place,
        "select * from (values (1.5), (0.1234567890123456)) as v(n)",
    )
    assert (refused.reason, refused.evidence["row"]) == ("loses-precision", 1)
    assert "CAST" in str(refused)


def test_a_bare_numeric_is_whole_until_a_row_is_not(postgresql):
    cell = "case when g < 50000 then g::numeric else 0.5 end"
    query = f"select {cell} as n from generate_series(1, 60000) g"
    types, cells = read(postgresql.place, query)
    assert types == {"n": "float64"}
    assert (cells["n"][0], cells["n"][-1]) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("'infinity'::timestamptz", "out-of-range"),
        ("'-infinity'::date", "out-of-range"),
        ("'4000-01-01 BC'::date", "out-of-range"),
        ("'Infinity'::float8", "not-finite"),
        ("'Infinity'::numeric", "not-finite"),
    ],
)
def test_values_without_end_are_refused_with_their_row(postgresql, cell, code):
    refused = refusal(
        postgresql.place, f"select * from (values (0, null), (1, {cell})) as v(id, odd)"
    )
    problem = refused.problems[0]
    assert (problem.row, problem.column, problem.code) == (1, "odd", code)


def test_nan_is_a_missing_number_as_in_files(postgresql):
    assert read(postgresql.place, "select 'NaN'::float8 as f, 'NaN'::numeric as n")[1] == {
        "f": [None],
        "n": [None],
    }


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '/tmp/modelyard-never'",
        "set default_transaction_read_only = off",
        "insert into t values (1)",
        "select 1; select 2",
        "select 1) as q; drop table t; select * from (select 2",
        "with gone as (delete from t returning 1) select * from gone",
        "explain select 1",
        "show all",
        "",
        " ;; ",
        "select 1 \0",
    ],
)
def test_only_one_query_is_a_query_in_postgresql(postgresql, query):
    postgresql.run("create table t (a int)", "insert into t values (1)")
    assert refusal(postgresql.place, query).reason in ("not-a-query", "query-failed")
    assert postgresql.run("select count(*) from t") == [(1,)]


def test_functions_cannot_write_in_a_read_only_transaction(postgresql):
    postgresql.run(
        "create table t (a int)",
        "create function f() returns int language sql as 'insert into t values (1) returning a'",
    )
    refused = refusal(postgresql.place, "select f() as a")
    assert "read-only" in str(refused)
    assert postgresql.run("select count(*) from t") == [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        "attach '/tmp/modelyard-never.db' as o",
        "pragma table_info(made)",
        "select * from pragma_database_list",
        "insert into made values (1)",
        "delete from made returning x",
        "select 1; select 2",
        "select 1) as q; drop table made; select * from (select 2",
        "",
    ],
)
def test_only_one_query_is_a_query_in_sqlite(sqlite, query):
    refused = refusal(sqlite.place, query)
    assert refused.reason in ("not-a-query", "query-failed")
    assert sqlite.run("select count(*) from sqlite_master") == [(1,)]


@pytest.mark.parametrize(
    "query", ["select 1 as a -- done", "select 1 as a;", "values (1)", "\nselect 1 as a\n;\n"]
)
def test_comments_and_a_semicolon_at_the_end_are_taken(database, query):
    assert list(read(database.place, query)[1].values()) == [[1]]


def test_two_columns_of_one_name_are_refused(database):
    refused = refusal(database.place, "select 1 as a, 2 as b, 3 as a")
    assert (refused.reason, refused.evidence["column"]) == ("duplicate-column", "a")


def test_a_query_that_the_database_refuses_says_why(database):
    refused = refusal(database.place, "select * from nowhere")
    assert refused.reason == "query-failed"
    assert "nowhere" in str(refused)
    assert "modelyard_query" not in str(refused)


def test_an_error_among_the_rows_is_the_query_s(postgresql):
    refused = refusal(
        postgresql.place, "select 1 / (5000 - g) as x from generate_series(1, 9000) g"
    )
    assert (refused.reason, "division by zero" in str(refused)) == ("query-failed", True)


def test_rows_keep_the_order_of_the_query(database):
    database.run("create table t (k integer, v integer)")
    database.run("insert into t values (3, 1), (1, 2), (2, null)")
    assert read(database.place, "select k, v from t order by k desc")[1] == {
        "k": [3, 2, 1],
        "v": [1, None, 2],
    }


def test_no_rows_are_a_table_of_no_rows(database):
    assert read(database.place, "select 1 as a where 1 = 0")[1] == {"a": []}


def test_batches_are_no_larger_than_was_asked(postgresql):
    with read_query(
        postgresql.place, "select g from generate_series(1, 2500) g", batch_rows=1000
    ) as (_, batches):
        assert [batch.num_rows for batch in batches] == [1000, 1000, 500]


def test_sqlite_columns_have_one_type_whatever_comes_first(sqlite):
    sqlite.run("create table t (k integer, late, real_late, wide integer)")
    sqlite.run(
        "with recursive r(x) as (select 1 union all select x + 1 from r where x < 40000) "
        "insert into t select x, null, x, 4611686018427387905 from r"
    )
    sqlite.run("insert into t values (0, 'x', 0.5, -9223372036854775808)")
    types, cells = read(sqlite.place, "select * from t")
    assert types == {"k": "int64", "late": "string", "real_late": "float64", "wide": "int64"}
    assert (cells["late"][0], cells["late"][-1]) == (None, "x")
    assert (cells["real_late"][0], cells["real_late"][-1]) == (1.0, 0.5)
    assert (cells["wide"][0], cells["wide"][-1]) == (4611686018427387905, -(2**63))


@pytest.mark.parametrize(
    ("first", "odd", "reason"),
    [
        ("'text'", "5", "mixed-types"),
        ("1.5", "9007199254740993", "loses-precision"),
        ("1", "x'00'", "type-not-supported"),
    ],
)
def test_a_sqlite_column_of_several_types_is_refused_with_its_row(sqlite, first, odd, reason):
    sqlite.run("create table t (a)", f"insert into t values ({first}), ({first}), ({odd})")
    refused = refusal(sqlite.place, "select 1 as fine, a from t")
    assert (refused.reason, refused.evidence["column"], refused.evidence["row"]) == (reason, "a", 2)
    assert refused.errors()[0]["row"] == 2


def test_text_that_is_not_utf_8_is_refused(sqlite):
    sqlite.run("create table t (a)", "insert into t values (cast(x'ff41' as text))")
    assert "UTF" in str(refusal(sqlite.place, "select a from t")).upper()


def test_declared_types_say_what_sqlite_cannot(sqlite):
    sqlite.run(
        "create table t (flag boolean, day date, at text, small integer)",
        "insert into t values (1, '2026-01-31', '2026-01-31T12:00:00+02:00', 7)",
        "insert into t values (0, null, null, 8)",
    )
    declared = {"flag": "boolean", "day": "date", "at": "datetime", "small": "int8"}
    types, cells = read(sqlite.place, "select * from t", types=declared)
    assert types == declared
    assert cells == {
        "flag": [True, False],
        "day": [dt.date(2026, 1, 31), None],
        "at": [dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC), None],
        "small": [7, 8],
    }
    refused = refusal(sqlite.place, "select 2 as flag", types={"flag": "boolean"})
    assert [(p.row, p.column, p.code) for p in refused.problems] == [(0, "flag", "not-a-boolean")]
    refused = refusal(sqlite.place, "select 2 as flag", types={"flog": "boolean"})
    assert (refused.reason, refused.evidence["column"]) == ("unknown-column", "flog")


def test_a_query_that_takes_too_long_ends(postgresql):
    refused = refusal(postgresql.place, "select 1 as a, pg_sleep(30)::text", deadline_s=0.2)
    assert refused.reason == "took-too-long"


def test_a_query_that_takes_its_own_time_limit_away_ends_all_the_same(postgresql, monkeypatch):
    monkeypatch.setattr(sessions, "CANCEL_AFTER_S", 0.3)
    query = "select set_config('statement_timeout', '0', false) as a, pg_sleep(0.1)::text"
    with reader_of_query(postgresql.place, query, deadline_s=0.4) as reader:
        columns = reader.find()
        assert len(list(reader.inferred(columns))) == 1
        reader._query = "select 'x' as a, pg_sleep(30)::text"
        with pytest.raises(SourceRefused) as caught:
            list(reader.inferred(columns))
    assert caught.value.reason == "took-too-long"


def test_a_session_that_is_ended_under_a_query_is_a_source_that_is_away(postgresql):
    query = "select g, pg_sleep(0.01)::text from generate_series(1, 100000) g"
    caught = []

    def ask():
        try:
            read(postgresql.place, query)
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    running = "from pg_stat_activity where query like 'COPY (SELECT * FROM (_select g, pg_sleep%'"
    wait_until(lambda: postgresql.run(f"select 1 {running}"), 20, "the query runs")
    postgresql.run(f"select pg_terminate_backend(pid) {running}")
    thread.join(20)
    assert [type(error) for error in caught] == [SourceAway]
    assert not postgresql.run(f"select 1 {running}")


def test_nobody_there_is_a_source_that_is_away(tmp_path):
    place = Place("postgresql", f"postgresql:///x?host={tmp_path}&user=nobody")
    with pytest.raises(SourceAway, match="does not answer"), read_query(place, "select 1"):
        pass


def test_a_database_that_is_not_there_is_refused(postgresql):
    uri = postgresql.place.uri.replace(postgresql.name, "nothing_of_the_kind")
    refused = refusal(Place("postgresql", uri), "select 1 as a")
    assert refused.reason == "not-permitted"


def test_a_file_that_is_not_there_is_refused_and_not_made(tmp_path):
    refused = refusal(Place("sqlite", str(tmp_path / "none.db")), "select 1 as a")
    assert refused.reason == "not-permitted"
    assert not (tmp_path / "none.db").exists()


def test_all_answers_of_one_reader_see_one_state(postgresql):
    postgresql.run("create table t (a int)", "insert into t values (1)")
    with reader_of_query(postgresql.place, "select * from t") as reader:
        columns = reader.find()
        assert sum(b.num_rows for b in reader.inferred(columns)) == 1
        postgresql.run("insert into t values (2)")
        assert sum(b.num_rows for b in reader.inferred(columns)) == 1


def test_no_more_bytes_are_read_than_are_allowed(postgresql):
    query = "select repeat('x', 1000) as a from generate_series(1, 1000)"
    with reader_of_query(postgresql.place, query, max_bytes=100_000) as reader:
        columns = reader.find()
        with pytest.raises(TabularError, match="limit"):
            list(reader.inferred(columns))


def test_a_guess_that_fails_is_read_again_from_the_same_state(postgresql, tmp_path):
    postgresql.run(
        "create table t as select case when g < 390000 then g::numeric else 0.5 end as n, g "
        "from generate_series(1, 400000) g"
    )
    numbers = itertools.count()
    with reader_of_query(postgresql.place, "select * from t order by g") as reader:
        assert reader.guess()[0][0].type == "int64"
    with reader_of_query(postgresql.place, "select * from t order by g") as reader:
        found = to_parts(reader, lambda: tmp_path / f"{next(numbers)}.parquet")
    assert [column.type for column in found.columns] == ["float64", "int32"]
    assert found.rows == 400_000
    assert pq.read_table(found.parts[0].path)["g"].to_pylist() == list(range(1, 400_001))


def test_leaving_in_the_middle_of_the_rows_is_no_matter(postgresql):
    query = "select g, repeat('x', 200) as t from generate_series(1, 300000) g"
    with read_query(postgresql.place, query, batch_rows=10) as (_, batches):
        assert next(batches).num_rows == 10
    running = (
        "select count(*) from pg_stat_activity where query like '%generate_series(1, 300000)%'"
    )
    wait_until(
        lambda: postgresql.run(running + " and pid <> pg_backend_pid()") == [(0,)], 20, "end"
    )


ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select "


@pytest.mark.parametrize("wanted", ["n from r where n < 0", "count(*) as n from r"])
def test_a_query_to_sqlite_that_never_comes_to_a_row_ends(sqlite, wanted):
    refused = refusal(sqlite.place, ENDLESS + wanted, deadline_s=0.2)
    assert refused.reason == "took-too-long"


def test_a_query_to_sqlite_that_never_comes_to_its_next_row_ends(sqlite, monkeypatch):
    sqlite.run("create table t (n integer)", "insert into t values (1), (2)")
    # Quick while its types are found, endless while its rows are read.
    slow = ENDLESS + "count(*) as n from r, t"
    monkeypatch.setattr(sqlite_cells, "statement", lambda query, kinds: slow)
    refused = refusal(sqlite.place, "select n from t", deadline_s=0.2)
    assert refused.reason == "took-too-long"


def test_a_cell_that_sqlite_would_make_larger_than_any_may_be_is_refused(sqlite):
    refused = refusal(sqlite.place, "select zeroblob(1000000000) as a")
    assert (refused.reason, "too big" in str(refused)) == ("query-failed", True)


def test_long_texts_come_in_small_batches(sqlite):
    query = f"{ENDLESS}hex(zeroblob(500000)) as wide, n from r limit 20"
    with read_query(sqlite.place, query) as (_, batches):
        sizes = [batch.num_rows for batch in batches]
    assert (sum(sizes), max(sizes)) == (20, 5)


def test_all_answers_of_one_reader_of_sqlite_see_one_state(sqlite):
    sqlite.run("pragma journal_mode = wal", "create table t (a int)", "insert into t values (1)")
    with reader_of_query(sqlite.place, "select * from t") as reader:
        columns = reader.find()
        sqlite.run("insert into t values ('text')")
        assert [b.to_pydict() for b in reader.inferred(columns)] == [{"a": [1]}]
