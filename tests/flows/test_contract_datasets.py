"""Stories: datasets: their files, versions, types and profiles, and why one is rejected."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.flows.conftest import People
from tests.flows.stories import (
    CUSTOMERS,
    as_csv,
    checked,
    dataset,
    ok,
    problem,
    refused_field,
    send_dataset,
    settled,
)

TYPES = [("age", "int64", False), ("income", "float64", True), ("city", "string", False)]


def parquet_of(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "csv": (as_csv(), "rows.csv"),
    "csv.gz": (gzip.compress(as_csv(), mtime=0), "rows.csv.gz"),
    "jsonl": (CUSTOMERS.to_json(orient="records", lines=True).encode(), "rows.jsonl"),
    "parquet": (parquet_of(pa.Table.from_pandas(CUSTOMERS, preserve_index=False)), "r.parquet"),
}


@pytest.mark.parametrize("format", FILES)
def test_a_file_of_every_format_becomes_typed_rows_with_a_profile(
    olga: httpx.Client, format: str
) -> None:
    body, file_name = FILES[format]
    name = f"data-{format}"

    taken = send_dataset(olga, name, body, file_name, tier="curated", classification="public")

    first = ok(taken, 202)
    assert taken.headers["Location"] == first["url"]
    assert (first["number"], first["status"], first["rows"]) == (1, "pending", None)
    assert first["sha256"] == hashlib.sha256(body).hexdigest()
    version = settled(olga, taken.headers["Location"])
    assert (version["status"], version["format"], version["tier"]) == ("ready", format, "curated")
    assert (version["rows"], version["size_bytes"]) == (6, len(body))
    assert [(c["name"], c["type"], c["nullable"]) for c in version["columns"]] == TYPES
    income = version["columns"][1]["profile"]
    assert (income["count"], income["nulls"], income["min"], income["max"]) == (6, 1, 1.5, 9.25)
    assert version["columns"][2]["profile"]["top"][0] == {"value": "Bern", "count": 2}
    assert ok(olga.get(f"/datasets/{name}"))["classification"] == "public"


def test_downloads_are_exact_in_every_format_and_the_original_bytes_are_kept(
    olga: httpx.Client,
) -> None:
    body = b'city,n,t\r\n"a ""b"", c",1,=1+1\r\n"two\r\nlines",,-5\r\n'
    url = dataset(olga, "data-exact", body)["links"]["download"]

    in_csv = olga.get(url, params={"format": "csv"})
    assert pd.read_csv(io.BytesIO(in_csv.content))["city"].tolist() == ['a "b", c', "two\r\nlines"]
    assert "=1+1" in in_csv.text
    assert "'=1+1" in olga.get(url, params={"format": "csv", "safe": 1}).text
    in_parquet = olga.get(url, params={"format": "parquet"})
    assert in_parquet.headers["Content-Disposition"].endswith('"data-exact-v1.parquet"')
    assert in_parquet.headers["Content-Disposition"].startswith("attachment")
    assert pq.read_table(io.BytesIO(in_parquet.content))["n"].to_pylist() == [1, None]
    lines = olga.get(url, params={"format": "jsonl"}).text.splitlines()
    assert json.loads(lines[0]) == {"city": 'a "b", c', "n": 1, "t": "=1+1"}
    assert olga.get(url, params={"format": "original"}).content == body
    problem(olga.get(url, params={"format": "xlsx"}), 400, "malformed-parameter")


def test_the_same_bytes_again_are_the_same_version_and_others_the_next(olga: httpx.Client) -> None:
    first = dataset(olga, "data-again", b"a\n1\n")

    same = send_dataset(olga, "data-again", b"a\n1\n")
    other = checked(olga, send_dataset(olga, "DATA-again", b"a\n1.5\n"))
    back = checked(olga, send_dataset(olga, "data-again", b"a\n1\n"))

    assert ok(same)["id"] == first["id"]
    assert same.headers["Location"] == first["url"]
    assert (other["number"], other["dataset"]) == (2, "data-again")
    # Only the newest version counts: going back to older bytes is a version of its own.
    assert (back["number"], back["sha256"]) == (3, first["sha256"])
    newest = ok(olga.get("/datasets/data-again"))
    assert (newest["latest_version"], newest["sha256"]) == (3, first["sha256"])
    numbers = [v["number"] for v in ok(olga.get("/datasets/data-again/versions"))["results"]]
    assert numbers == [3, 2, 1]


def table_with(column: pa.Array) -> bytes:
    return parquet_of(pa.table({"fine": pa.array([1, 2]), "odd": column}))


REJECTED: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "a short line": (
        b"a,b\n1,2\n3\n", "r.csv", {"line": 3, "code": "ragged-row", "expected": "2 fields"},
    ),
    "a long line after a quoted line break": (
        b'a,b\n1,"x\ny"\n3,4,5\n', "r.csv", {"line": 4, "row": 1, "code": "ragged-row"},
    ),
    "an empty file": (b"", "r.csv", {"line": 1, "code": "empty-file"}),
    "one name twice": (b"a,a\n1,2\n", "r.csv", {"column": "a", "code": "duplicate-column"}),
    "a column without a name": (b"a,\n1,2\n", "r.csv", {"code": "empty-column-name"}),
    "Latin-1": ("a\nx\nSão\n".encode("latin-1"), "r.csv", {"line": 3, "code": "bad-encoding"}),
    "a quote that is not closed": (b'a\n"x\n', "r.csv", {"line": 2, "code": "unclosed-quote"}),
    "half a gzip file": (FILES["csv.gz"][0][:-9], "r.csv.gz", {"code": "malformed-file"}),
    "a broken JSON line": (
        b'{"a":1}\n{"a":\n', "r.jsonl", {"line": 2, "code": "malformed-json"},
    ),
    "texts among numbers in JSON": (
        b'{"a":1}\n{"a":"x"}\n', "r.jsonl", {"line": 2, "column": "a", "code": "not-a-number"},
    ),
    "no Parquet at all": (b"PAR1 but no more", "r.parquet", {"code": "malformed-file"}),
    "half a Parquet file": (FILES["parquet"][0][:-20], "r.parquet", {"code": "malformed-file"}),
    "lists in Parquet": (
        table_with(pa.array([[1], [2]])), "r.parquet", {"column": "odd", "code": "nested-values"},
    ),
    "objects in Parquet": (
        table_with(pa.array([{"x": 1}, {"x": 2}])), "r.parquet",
        {"column": "odd", "code": "nested-values"},
    ),
    "durations in Parquet": (
        table_with(pa.array([1, 2], pa.duration("s"))), "r.parquet",
        {"column": "odd", "code": "type-not-supported"},
    ),
    "times without a zone in Parquet": (
        table_with(pa.array([1, 2], pa.timestamp("us"))), "r.parquet",
        {"column": "odd", "code": "no-offset"},
    ),
}  # fmt: skip


def test_what_cannot_be_read_ends_as_rejected_and_says_where(olga: httpx.Client) -> None:
    taken = {
        what: send_dataset(olga, f"rejected-{number}", body, file_name)
        for number, (what, (body, file_name, _)) in enumerate(REJECTED.items())
    }

    for what, (_, _, expected) in REJECTED.items():
        version = checked(olga, taken[what])
        assert (version["status"], version["rows"]) == ("rejected", None), what
        error = version["errors"][0]
        assert expected.items() <= error.items(), (what, error)
        assert version["error_count"] >= 1, what
        assert len(error.get("detail", "ragged")) >= 6, what
    first = ok(olga.get("/datasets/rejected-0"))
    assert (first["status"], first["rows"]) == ("rejected", None)
    problem(olga.get("/datasets/rejected-0/versions/1/download"), 409, "state-conflict")


def test_every_ragged_line_is_counted_and_a_hundred_are_shown(olga: httpx.Client) -> None:
    body = b"a,b\n" + b"1\n" * 150

    version = checked(olga, send_dataset(olga, "data-ragged", body))

    assert (len(version["errors"]), version["error_count"]) == (100, 150)
    assert [e["line"] for e in version["errors"][:3]] == [2, 3, 4]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": "a b"}, "/name"),
        ({"tier": "gold"}, "/tier"),
        ({"classification": "hush"}, "/classification"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_field_that_is_wrong_is_refused_at_once(
    olga: httpx.Client, fields: dict[str, str], pointer: str
) -> None:
    answer = send_dataset(olga, **{"name": "data-none", "body": b"a\n1\n", **fields})  # type: ignore[arg-type]

    refused_field(answer, pointer)
    problem(olga.get("/datasets/data-none"), 404, "dataset-not-found")


@pytest.mark.parametrize("file_name", ["rows.xlsx", "rows", "rows.zip"])
def test_a_file_of_no_known_format_is_refused_at_once(olga: httpx.Client, file_name: str) -> None:
    refused_field(send_dataset(olga, "data-none", b"PK\x03\x04\x00", file_name), "/file")


def test_whoever_may_not_publish_to_a_dataset_adds_no_version(people: People) -> None:
    dataset(people.olga, "data-own", b"a\n1\n")

    problem(send_dataset(people.vera, "data-own", b"a\n2\n"), 403, "not-allowed")

    assert ok(people.olga.get("/datasets/data-own"))["latest_version"] == 1


def test_unknown_datasets_and_versions_are_not_found(olga: httpx.Client, rows: str) -> None:
    problem(olga.get("/datasets/nowhere"), 404, "dataset-not-found")
    for number in ("99", "x", "0"):
        problem(olga.get(f"/datasets/{rows}/versions/{number}"), 404, "version-not-found")


def test_wide_integers_times_dates_and_texts_survive(olga: httpx.Client) -> None:
    body = (
        b"id,seen,day,code,flag\n"
        b"9007199254740993,2026-01-31T12:00:00+02:00,2026-01-31,007,true\n"
        b"-1,2026-02-01T00:00:00Z,2026-02-28,1e5x,false\n"
    )
    version = dataset(olga, "data-types", body)

    assert [(c["name"], c["type"]) for c in version["columns"]] == [
        ("id", "int64"), ("seen", "datetime"), ("day", "date"), ("code", "string"),
        ("flag", "boolean"),
    ]  # fmt: skip
    lines = olga.get(version["links"]["download"], params={"format": "jsonl"}).text.splitlines()
    assert json.loads(lines[0]) == {
        "id": 9007199254740993, "seen": "2026-01-31T10:00:00Z", "day": "2026-01-31",
        "code": "007", "flag": True,
    }  # fmt: skip
