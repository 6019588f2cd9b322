"""A chunk's rows stand in the table once, whatever is done twice, late or at the same time."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from dataclasses import replace

import pyarrow as pa
import pytest

from registry.errors import InvalidField, SinkAway, SinkRefused
from registry.sql import ChunkIdentity, Place, SinkFenced, write_chunk
from tests.services.elsewhere import PostgresPlace

JOB = uuid.UUID("01900000-0000-7000-8000-000000000001")
FIRST = ChunkIdentity(JOB, 0, 3, attempt=1, sha256="a" * 64)
ROWS = "select modelyard_row, score from scores order by modelyard_row"


def batch(start, scores, **more):
    columns = {"score": pa.array(scores, pa.float64()), **more}
    columns["modelyard_row"] = pa.array(range(start, start + len(scores)), pa.int64())
    return pa.RecordBatch.from_pydict(columns)


def write(place, identity, rows, table="scores", **options):
    return write_chunk(place, table, [rows], rows.schema, identity, **options)


def test_a_chunk_is_written_with_its_identity(database):
    assert write(database.place, FIRST, batch(0, [0.5, 0.25, 1.0]))
    assert database.run(ROWS) == [(0, 0.5), (1, 0.25), (2, 1.0)]
    assert database.run("select distinct modelyard_job from scores") == [(str(JOB),)]
    assert database.run("select * from modelyard_chunks") == [(str(JOB), 0, 3, 1, "a" * 64)]


def test_who_is_not_let_in_any_more_waits_and_is_told_why(postgresql):
    """A password is changed there first and here a little later."""
    uri = postgresql.place.uri.replace("user=postgres", "user=gone")
    with pytest.raises(SinkAway, match='role "gone" does not exist'):
        write(Place("postgresql", uri), FIRST, batch(0, [0.5]))


def test_the_same_chunk_again_writes_nothing(database):
    write(database.place, FIRST, batch(0, [0.5, 0.25, 1.0]))
    again = replace(FIRST, attempt=2)
    assert not write(database.place, again, batch(0, [9.0, 9.0, 9.0]))
    assert database.run(ROWS) == [(0, 0.5), (1, 0.25), (2, 1.0)]


def test_another_result_replaces_the_rows_of_its_range_alone(database):
    write(database.place, FIRST, batch(0, [0.5, 0.25, 1.0]))
    write(database.place, replace(FIRST, row_start=3, row_stop=5), batch(3, [2.0, 3.0]))
    other = replace(FIRST, job=uuid.uuid4())
    write(database.place, other, batch(0, [7.0, 7.0, 7.0]))
    assert write(database.place, replace(FIRST, attempt=2, sha256="b" * 64), batch(0, [0.1, 0.2]))
    mine = f"select modelyard_row, score from scores where modelyard_job = '{JOB}' order by 1"
    assert database.run(mine) == [(0, 0.1), (1, 0.2), (3, 2.0), (4, 3.0)]
    assert database.run("select count(*) from scores") == [(7,)]


def test_an_older_attempt_is_fenced_off(database):
    write(database.place, replace(FIRST, attempt=3, sha256="b" * 64), batch(0, [0.1]))
    with pytest.raises(SinkFenced):
        write(database.place, FIRST, batch(0, [0.5, 0.25, 1.0]))
    assert database.run(ROWS) == [(0, 0.1)]


def test_an_older_attempt_at_the_whole_is_fenced_off_by_a_piece_of_it(database):
    write(database.place, replace(FIRST, attempt=2, row_stop=1, sha256="b" * 64), batch(0, [0.1]))
    with pytest.raises(SinkFenced):
        write(database.place, FIRST, batch(0, [0.5, 0.25, 1.0]))
    assert database.run(ROWS) == [(0, 0.1)]


def test_pieces_of_a_chunk_take_the_place_of_its_many_attempts(database):
    """Cut up after its fifth attempt had written; of no piece there was an attempt before."""
    write(database.place, replace(FIRST, attempt=5), batch(0, [0.5, 0.25, 1.0]))
    last = replace(FIRST, attempt=1, row_start=1, sha256="b" * 64)
    assert write(database.place, last, batch(1, [7.0, 8.0]))
    for late in (4, 5):
        with pytest.raises(SinkFenced):
            write(database.place, replace(FIRST, attempt=late, sha256="c" * 64), batch(0, [9.0]))
    first = replace(FIRST, attempt=6, row_stop=1, sha256="d" * 64)
    assert write(database.place, first, batch(0, [6.0]))
    assert database.run(ROWS) == [(0, 6.0), (1, 7.0), (2, 8.0)]


def test_a_death_before_the_commit_leaves_nothing(database):
    class Dead(BaseException):
        pass

    def die(step):
        assert step == "sink.written"
        raise Dead

    with pytest.raises(Dead):
        write(database.place, FIRST, batch(0, [0.5]), reach=die)
    if isinstance(database, PostgresPlace):  # the empty tables were committed before
        assert database.run("select count(*) from scores") == [(0,)]
        assert database.run("select count(*) from modelyard_chunks") == [(0,)]
    else:
        assert database.run("select name from sqlite_master") == [("made",)]
    assert write(database.place, FIRST, batch(0, [0.5]))
    assert database.run(ROWS) == [(0, 0.5)]


def test_attempts_at_the_same_time_leave_each_row_once(database):
    identities = [replace(FIRST, attempt=n, sha256=str(n) * 64) for n in range(1, 5)]
    ends = []

    def work(identity):
        try:
            ends.append(write(database.place, identity, batch(0, [float(identity.attempt)] * 3)))
        except (SinkAway, SinkFenced) as error:
            ends.append(type(error))

    threads = [threading.Thread(target=work, args=(i,)) for i in identities]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ends) == 4
    assert True in ends
    rows = database.run(ROWS)
    assert [row for row, _ in rows] == [0, 1, 2]
    assert len({score for _, score in rows}) == 1


def test_chunks_at_the_same_time_all_arrive(database):
    def work(place):
        for start in (place * 10, place * 10 + 5):
            identity = ChunkIdentity(JOB, start, start + 5, 1, f"{start:064}")
            while True:
                try:
                    write(database.place, identity, batch(start, [1.0] * 5))
                    break
                except SinkAway:
                    continue

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [row for row, _ in database.run(ROWS)] == list(range(40))


def test_every_type_of_ours_has_a_column(postgresql):
    more = {
        "flag": pa.array([True]),
        "tiny": pa.array([-1], pa.int8()),
        "wide": pa.array([2**64 - 1], pa.uint64()),
        "single": pa.array([0.5], pa.float32()),
        "text": pa.array(["é\n"]),
        "at": pa.array([dt.datetime(2026, 1, 31, tzinfo=dt.UTC)], pa.timestamp("us", "UTC")),
        "day": pa.array([dt.date(2026, 1, 31)]),
        "list": pa.array([[1.5, None]]),
    }
    write(postgresql.place, FIRST, batch(0, [0.5], **more))
    found = postgresql.run("select flag, tiny, wide::text, single, text, at, day, list from scores")
    assert found == [
        (
            *(True, -1, str(2**64 - 1), 0.5, "é\n"),
            dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
            dt.date(2026, 1, 31),
            "[1.5,null]",
        )
    ]


def test_times_in_sqlite_are_rfc_3339(sqlite):
    at = pa.array([dt.datetime(2026, 1, 31, tzinfo=dt.UTC)], pa.timestamp("us", "UTC"))
    write(sqlite.place, FIRST, batch(0, [0.5], at=at))
    assert sqlite.run("select at from scores") == [("2026-01-31T00:00:00Z",)]


KEY = "modelyard_job text, modelyard_row bigint, primary key (modelyard_job, modelyard_row)"


def test_a_table_of_one_s_own_may_have_more_columns(database):
    database.run(f"create table scores (seen integer default 5, score double precision, {KEY})")
    write(database.place, FIRST, batch(0, [0.5]))
    assert database.run("select seen, score from scores") == [(5, 0.5)]


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        (f"other double precision, {KEY}", "score"),
        (f"score integer, {KEY}", "score"),
        (f"score real, {KEY}", "score"),
        ("score double precision, modelyard_job text, modelyard_row bigint", None),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_column(postgresql, columns, column):
    postgresql.run(f"create table scores ({columns})")
    with pytest.raises(SinkRefused) as refused:
        write(postgresql.place, FIRST, batch(0, [0.5]))
    assert refused.value.column == column


def test_a_sqlite_table_needs_the_columns_and_the_key_too(sqlite):
    sqlite.run("create table scores (score, modelyard_job, modelyard_row)")
    with pytest.raises(SinkRefused, match="primary key"):
        write(sqlite.place, FIRST, batch(0, [0.5]))
    sqlite.run("create unique index once on scores (modelyard_job, modelyard_row)")
    assert write(sqlite.place, FIRST, batch(0, [0.5]))


@pytest.mark.parametrize(
    ("name", "cells"),
    [("Score", pa.array([1.0])), ("nul", pa.array(["a\0b"])), ("x" * 64, pa.array([1.0]))],
)
def test_what_a_table_cannot_hold_is_refused_with_the_column(postgresql, name, cells):
    with pytest.raises(SinkRefused) as refused:
        write(postgresql.place, FIRST, batch(0, [0.5], **{name: cells}))
    assert (refused.value.column or "").casefold() == name.casefold()


@pytest.mark.parametrize("table", ["", "a\nb", "x" * 64, "modelyard_chunks", "a."])
def test_names_that_are_no_table_are_refused(database, table):
    with pytest.raises(InvalidField) as refused:
        write(database.place, FIRST, batch(0, [0.5]), table=table)
    assert refused.value.pointer == "/sink/table"


def test_names_are_quoted(postgresql):
    postgresql.run('create schema "Odd; schema"')
    odd = {'a"b; drop table x': pa.array([1.0])}
    write(postgresql.place, FIRST, batch(0, [0.5], **odd), table='Odd; schema.sco"res')
    assert postgresql.run('select score from "Odd; schema"."sco""res"') == [(0.5,)]


def test_a_role_that_may_not_write_is_told_so(postgresql):
    postgresql.run("create table scores (x int)", "create role reader login")
    place = Place("postgresql", postgresql.place.uri.replace("user=postgres", "user=reader"))
    with pytest.raises(SinkRefused, match="permission denied"):
        write(place, FIRST, batch(0, [0.5]), table="other")
    postgresql.run("drop role reader")


def test_a_database_that_is_away_is_waited_for(tmp_path):
    place = Place("postgresql", f"postgresql:///x?host={tmp_path}&user=nobody")
    with pytest.raises(SinkAway):
        write(place, FIRST, batch(0, [0.5]))


def test_missing_values_and_infinities_are_null(database):
    write(database.place, FIRST, batch(0, [None, float("nan"), float("inf")]))
    assert database.run(ROWS) == [(0, None), (1, None), (2, None)]


def test_a_chunk_without_results_takes_away_what_stood_there_and_makes_no_table(database):
    write(database.place, FIRST, batch(0, [0.5, 0.25, 1.0]))
    again = replace(FIRST, attempt=2, sha256="")
    assert not write_chunk(database.place, "other", [], None, again)
    assert write_chunk(database.place, "scores", [], None, again)
    assert database.run(ROWS) == []
