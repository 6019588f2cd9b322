"""What is uploaded comes out of a job's kept columns as it was, or is refused where it stands."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.models import DatasetVersion
from registry.signature.types import Column, Signature
from registry.tabular import read_batches
from serving.actions.drive import drive
from serving.models import BatchJob
from tests import people, things
from tests.people import Person
from tests.serving.batch import ledger

pytestmark = pytest.mark.django_db

_HARD_TEXTS = [
    *[
        "",
        " ",
        '"',
        ",",
        "\n",
        "\r",
        "\r\n",
        'a"b,c\nd',
        "NA",
        "null",
        "true",
        "007",
        "1e5",
        "=1+1",
    ],
    *["\ufeff", "\u2028", "\x0b", "é", "e\u0301", "👩\u200d🔬", "\0", "2026-01-31", "\\N"],
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(_HARD_TEXTS)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=OFFSETS)
# Kind -> what is drawn, Arrow's type, and a first cell that leaves no doubt about the kind.
KINDS: dict[str, tuple[st.SearchStrategy[Any], pa.DataType, Any]] = {
    "boolean": (st.booleans(), pa.bool_(), True),
    "int64": (st.integers(-(2**63), 2**63 - 1), pa.int64(), 2**53 + 1),
    "uint64": (st.integers(0, 2**64 - 1), pa.uint64(), 2**64 - 1),
    "float64": (st.floats(allow_nan=False, allow_infinity=False), pa.float64(), 5e-324),
    "string": (TEXTS, pa.string(), "a text"),
    "date": (st.dates(), pa.date32(), dt.date(2026, 3, 29)),
    "datetime": (
        MOMENTS,
        pa.timestamp("us", "UTC"),
        dt.datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=dt.UTC),
    ),
}
NAMES = ("größe", "with space", "c3")
Rows = list[dict[str, Any]]
Kinds = dict[str, str]


@st.composite
def tables(draw: Any) -> tuple[Kinds, Rows]:
    """Up to three columns, beside those that the model reads; the first row has every cell."""
    kinds = dict(zip(NAMES, draw(st.lists(st.sampled_from(list(KINDS)), max_size=3)), strict=False))
    count = draw(st.integers(0, 4))
    first = {name: KINDS[kind][2] for name, kind in kinds.items()}
    rows = [first] + [
        {name: draw(st.none() | KINDS[kind][0]) for name, kind in kinds.items()}
        for _ in range(count)
    ]
    return kinds, [{"age": 42, "city": "Rome"} | row for row in rows]


def as_csv(kinds: Kinds, rows: Rows) -> bytes:
    """By our own hand: texts in quotes, nothing at all for null, times with their offset."""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return '"' + value.replace('"', '""') + '"'
        return text_of(value, keeps_offset=True)

    lines = [",".join(rows[0])] + [",".join(cell(value) for value in row.values()) for row in rows]
    return ("\r\n".join(lines) + "\r\n").encode()


def as_jsonl(kinds: Kinds, rows: Rows) -> bytes:
    def cell(value: Any) -> Any:
        is_time = isinstance(value, dt.date)
        return text_of(value, keeps_offset=True) if is_time else value

    lines = [json.dumps({name: cell(value) for name, value in row.items()}) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def as_parquet(kinds: Kinds, rows: Rows) -> bytes:
    types = {"age": pa.int64(), "city": pa.string()} | {n: KINDS[k][1] for n, k in kinds.items()}
    table = pa.table({n: pa.array([row[n] for row in rows], types[n]) for n in rows[0]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Kinds, Rows], bytes]] = {
    "csv": as_csv,
    "jsonl": as_jsonl,
    "parquet": as_parquet,
}


def text_of(value: Any, *, keeps_offset: bool = False) -> str:
    """One spelling of a value: of an instant that in UTC, of a float all of its digits."""
    if isinstance(value, dt.datetime):
        return (value if keeps_offset else value.astimezone(dt.UTC)).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


def spelled(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else text_of(value) for value in values]


def downloaded(client: Client, job: BatchJob, format: str, columns: list[Column]) -> pa.Table:
    answer = client.get(f"/api/v1/batch-jobs/{job.pk}/results?format={format}")
    assert answer.status_code == 200, answer.content
    body = b"".join(answer.streaming_content)  # type: ignore[arg-type]
    if format == "parquet":
        return pq.read_table(io.BytesIO(body))
    return pa.Table.from_batches(read_batches(io.BytesIO(body), format, columns=columns))


def assert_says_where(version: DatasetVersion, format: str) -> None:
    assert version.errors
    for error in version.errors:
        assert error["code"]
        if format != "parquet":
            # JSON Lines have no header before the first row.
            assert error["line"] >= (2 if format == "csv" else 1), error


@pytest.fixture
def olga(db: None) -> Person:
    """Publishes, and owns the model churn."""
    olga = people.owner()
    ledger.ready_version(olga.by)
    return olga


@pytest.fixture
def client(olga: Person) -> Client:
    return olga.client()


_NUMBERS = itertools.count()


@pytest.mark.parametrize("format", sorted(WRITERS))
@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(table=tables())
def test_kept_columns_come_out_as_they_went_in(
    olga: Person, host: ledger.ObedientHost, client: Client, format: str, table: Any
) -> None:
    kinds, rows = table
    body = WRITERS[format](kinds, rows)
    with transaction.atomic():
        name = f"customers-{next(_NUMBERS)}"
        version = things.a_dataset_version(olga, name, body, format)
        if version.status == "rejected":
            assert_says_where(version, format)
        else:
            _compare(olga, client, name, rows)
        transaction.set_rollback(True)


def _compare(olga: Person, client: Client, dataset: str, rows: Rows) -> None:
    job = ledger.ask(olga.by, dataset=dataset, chunk_rows=2)
    drive(owner="w")
    job.refresh_from_db()
    assert job.state == "completed", job.error
    assert job.output is not None
    columns = list(Signature.from_json({"inputs": job.output.columns}).inputs)
    for format in WRITERS:
        found = downloaded(client, job, format, columns)
        for column in rows[0]:
            wanted = spelled([row[column] for row in rows])
            kept = spelled(found.column(column).to_pylist())
            assert [_same(text) for text in kept] == [_same(text) for text in wanted], format
        assert found.column("prediction").to_pylist() == ["yes"] * len(rows)


def _same(text: str | None) -> str | None:
    """A time that was kept as text, as JSON Lines may, is the same instant in another spelling."""
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return text
    return text_of(moment) if moment.tzinfo else text


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_a_text_that_no_csv_can_hold_is_refused_where_it_stands(olga: Person, format: str) -> None:
    rows = [{"age": 42, "note": "fine"}, {"age": 43, "note": "a\0b"}]
    body = WRITERS[format]({"age": "int64", "note": "string"}, rows)
    version = things.a_dataset_version(olga, "nul", body, format)
    assert version.status == "rejected"
    error = version.errors[0]
    if format == "csv":
        assert error["line"] == 3
    else:
        assert (error["row"], error["column"]) == (1, "note")
        assert (error["code"], error["expected"]) == ("bad-encoding", "text without NUL characters")
