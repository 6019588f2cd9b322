"""Stories: bad input of every kind gets a clear answer at once or a rejection, and leaves nothing.

What is refused at once changes neither a table nor the storage. What can only be found out by
opening the file ends as ``rejected``: its row stays as the evidence, and no scratch file stays.
"""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flows.stories import (
    ROW,
    as_csv,
    as_joblib,
    as_onnx,
    as_skops,
    checked,
    churn,
    example,
    failed_check,
    ok,
    plain,
    problem,
    refused_field,
    send_dataset,
    upload,
)
from tests.services.processes import wait_until
from tests.services.stack import Stack

JSON = {"Content-Type": "application/json"}
TABLES = (
    "registry_registeredmodel", "registry_modelversion", "registry_artifact", "registry_check",
    "registry_alias", "registry_aliaschange", "registry_approvalrequest", "registry_grant",
    "registry_dataset", "registry_datasetversion", "registry_apikey", "registry_user",
    "registry_idempotencyrecord", "serving_batchjob", "serving_batchchunk", "serving_schedule",
)  # fmt: skip
AT_WORK = (
    "SELECT COUNT(*) FROM registry_modelversion WHERE status IN ('pending', 'checking')",
    "SELECT COUNT(*) FROM registry_datasetversion WHERE status = 'pending'",
    "SELECT COUNT(*) FROM serving_batchjob WHERE state IN ('queued', 'running')",
)


def counted(home: Path, queries: tuple[str, ...]) -> list[int]:
    """What each query counts in the database of a started service."""
    path = f"file:{home}/modelyard.sqlite3?mode=ro"
    with closing(sqlite3.connect(path, uri=True, timeout=10)) as database:
        return [int(database.execute(query).fetchone()[0]) for query in queries]


def kept(home: Path) -> tuple[dict[str, int], set[str]]:
    """How many rows each table has, and every file of the storage."""
    rows = counted(home, tuple(f"SELECT COUNT(*) FROM {table}" for table in TABLES))
    files = {str(path) for path in (home / "storage").rglob("*") if path.is_file()}
    return dict(zip(TABLES, rows, strict=True)), files


def scratch(home: Path) -> list[str]:
    return [path.name for path in (home / "tmp").rglob("*") if path.is_file()]


@contextmanager
def nothing_is_kept(stack: Stack) -> Iterator[None]:
    """What happens inside leaves every table and the storage as they were."""
    wait_until(lambda: not any(counted(stack.home, AT_WORK)), 60, "nothing is at work")
    before = kept(stack.home)
    yield
    wait_until(lambda: not scratch(stack.home), 5, "no scratch file is left")
    assert kept(stack.home) == before


PATHS = (
    "/models",
    "/models/story/predict",
    "/models/story/versions/1/predict",
    "/models/story/versions",
    "/batch-jobs",
    "/schedules",
    "/api-keys",
)
MALFORMED: dict[str, bytes] = {
    "5,000 nested arrays": b"[" * 5000 + b"]" * 5000,
    "5,000 nested arrays in a field": b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "33 nested objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "a name twice": b'{"name": "a", "name": "b"}',
    "a name twice, escaped": b'{"name": "a", "n\\u0061me": "b"}',
    "a number beyond float64": b'{"name": 1e999}',
    "400 digits": b'{"name": ' + b"9" * 400 + b"}",
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "half a document": b'{"name":',
    "two documents": b"{} {}",
    "a comment": b'{"name": "a" /* b */}',
    "single quotes": b"{'name': 'a'}",
    "a trailing comma": b'{"name": "a",}',
    "bytes that are not UTF-8": b'{"name": "\xff"}',
    "half a surrogate pair": b'{"name": "\\ud800"}',
    "a control character": b'{"name": "\x01"}',
}


@pytest.mark.parametrize("path", PATHS)
def test_json_that_cannot_be_read_says_what_and_where(
    live_stack: Stack, olga: httpx.Client, model: str, path: str
) -> None:
    with nothing_is_kept(live_stack):
        for what, body in MALFORMED.items():
            found = problem(olga.post(path, content=body, headers=JSON), 400, "malformed-body")
            named = ("line 1, column", "twice", "nested", "deep")
            assert any(word in found["detail"] for word in named), (what, found["detail"])


@pytest.mark.parametrize("path", PATHS)
def test_json_of_another_shape_is_an_invalid_field(
    live_stack: Stack, olga: httpx.Client, model: str, path: str
) -> None:
    with nothing_is_kept(live_stack):
        for body in (b"null", b"5", b'"text"', b"[]", b"{}", b'{"zork": 1}'):
            found = problem(olga.post(path, content=body, headers=JSON), 422, "invalid-field")
            assert "pointer" in found, body


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_body_is_refused(
    live_stack: Stack, olga: httpx.Client, model: str, path: str
) -> None:
    with nothing_is_kept(live_stack):
        answer = olga.post(path, content=b"", headers=JSON)
        assert answer.status_code in (400, 422)
        problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("path", [*PATHS, "/datasets"])
@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"]
)
def test_a_body_of_another_type_is_told_which_are_read(
    live_stack: Stack, olga: httpx.Client, model: str, path: str, media: str
) -> None:
    with nothing_is_kept(live_stack):
        answer = olga.post(path, content=b'{"name": "a"}', headers={"Content-Type": media})
        assert problem(answer, 415, "unsupported-media-type")["accepted"]


def test_a_body_over_the_cap_is_told_the_cap(
    live_stack: Stack, olga: httpx.Client, model: str
) -> None:
    body = b'{"name": "' + b"x" * (6 << 20) + b'"}'
    with nothing_is_kept(live_stack):
        for path in PATHS:
            found = problem(olga.post(path, content=body, headers=JSON), 413, "too-large")
            assert found["limit_bytes"] == 6 << 20
        in_chunks = olga.post("/models", content=pieces(body, 1 << 16), headers=JSON)
        assert problem(in_chunks, 413, "too-large")["limit_bytes"] == 6 << 20


def pieces(body: bytes, size: int = 7) -> Iterator[bytes]:
    """The body in pieces, so that it is sent without its length."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_a_chunked_body_is_read_like_any_other(olga: httpx.Client, model: str) -> None:
    body = json.dumps({"instances": [ROW]}).encode()

    answer = olga.post(f"/models/{model}/predict", content=pieces(body), headers=JSON)

    assert ok(answer) | {"request_id": ""} == ok(
        olga.post(f"/models/{model}/predict", content=body, headers=JSON)
    ) | {"request_id": ""}
    name = {"name": "bad-chunked"}
    ok(olga.post("/models", content=pieces(json.dumps(name).encode()), headers=JSON), 201)


def form(*parts: tuple[str, str, bytes], last: bytes = b"--bound--\r\n") -> bytes:
    """A form by hand: name, file name (or nothing) and body of each part."""
    written = b""
    for name, file_name, body in parts:
        label = f'; filename="{file_name}"' if file_name else ""
        head = f'--bound\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'
        written += head.encode() + body + b"\r\n"
    return written + last


FORM = {"Content-Type": "multipart/form-data; boundary=bound"}
ROWS_PART = ("file", "rows.csv", b"a,b\n1,2\n")
NAME_PART = ("name", "", b"bad-form")


def test_a_chunked_form_is_read_like_any_other(olga: httpx.Client) -> None:
    body = form(("name", "", b"bad-chunked-form"), ROWS_PART)

    version = checked(olga, olga.post("/datasets", content=pieces(body), headers=FORM))

    assert (version["status"], version["rows"]) == ("ready", 1)


FORMS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "cut off before its end": (form(NAME_PART, ROWS_PART, last=b""), FORM, 400,
                               "malformed-multipart"),
    "cut off within a file": (form(NAME_PART, ROWS_PART)[:-30], FORM, 400, "malformed-multipart"),
    "cut off within a head": (form(NAME_PART, ROWS_PART)[:90], FORM, 400, "malformed-multipart"),
    "another boundary": (form(NAME_PART, ROWS_PART),
                         {"Content-Type": "multipart/form-data; boundary=other"}, 400,
                         "malformed-multipart"),
    "no boundary": (form(NAME_PART, ROWS_PART), {"Content-Type": "multipart/form-data"}, 400,
                    "malformed-multipart"),
    "no file": (form(NAME_PART), FORM, 422, "invalid-field"),
    "no name": (form(ROWS_PART), FORM, 422, "invalid-field"),
    "a file for a name": (form(("name", "n.txt", b"a b"), ROWS_PART), FORM, 422, "invalid-field"),
    "a text for a file": (form(NAME_PART, ("file", "", b"a,b\n1,2\n")), FORM, 422,
                          "invalid-field"),
    "an unknown file": (form(NAME_PART, ROWS_PART, ("zork", "z.csv", b"a\n1\n")), FORM, 422,
                        "invalid-field"),
    "an unknown text": (form(NAME_PART, ROWS_PART, ("zork", "", b"1")), FORM, 422,
                        "invalid-field"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORMS)
def test_a_form_that_is_wrong_is_refused_and_nothing_of_it_kept(
    live_stack: Stack, olga: httpx.Client, what: str
) -> None:
    body, headers, status, code = FORMS[what]
    with nothing_is_kept(live_stack):
        problem(olga.post("/datasets", content=body, headers=headers), status, code)
        problem(olga.post("/datasets", content=pieces(body), headers=headers), status, code)


def test_a_form_of_nothing_is_refused(live_stack: Stack, olga: httpx.Client) -> None:
    with nothing_is_kept(live_stack):
        problem(olga.post("/datasets", content=b"", headers=FORM), 400, "malformed-multipart")
        in_chunks = olga.post("/datasets", content=pieces(b""), headers=FORM)
        problem(in_chunks, 400, "malformed-multipart")


def broken_off(stack: Stack, olga: httpx.Client, path: str, media: str, body: bytes) -> bytes:
    """Send half of what the head promises, then close; what the service answers, if anything."""
    host, _, port = stack.url.removeprefix("http://").partition(":")
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {olga.headers['Authorization']}\r\nContent-Type: {media}\r\n"
        f"Content-Length: {2 * len(body)}\r\n\r\n"
    )
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1 << 16)


def test_an_upload_that_breaks_off_leaves_nothing(
    live_stack: Stack, olga: httpx.Client, model: str
) -> None:
    half = form(("artifact", "m.skops", as_skops(plain())), last=b"")
    with nothing_is_kept(live_stack):
        for path, media, body in (
            ("/datasets", FORM["Content-Type"], form(NAME_PART, ROWS_PART, last=b"")),
            ("/models/bad-broken/versions?create=true", FORM["Content-Type"], half),
            ("/models/story/predict", "application/json", b'{"instances": ['),
            ("/models", "application/json", b'{"name": "bad-broken"'),
        ):
            answer = broken_off(live_stack, olga, path, media, body)
            assert answer[:12] in (b"", b"HTTP/1.1 400"), answer
    problem(olga.get("/models/bad-broken"), 404, "model-not-found")


WRONG_FILES: dict[str, tuple[bytes, dict[str, str]]] = {
    "an empty file": (b"", {}),
    "a text": (b"hello, this is no model at all", {}),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), {}),
    "a zip without a schema": (b"PK\x03\x04", {"format": "joblib"}),
    "skops as joblib": (b"", {"format": "joblib"}),
    "onnx as skops": (b"", {"format": "skops"}),
    "pickle of protocol 0": (b"cos\nsystem\n(S'true'\ntR.", {}),
}


@pytest.mark.parametrize("what", WRONG_FILES)
def test_a_file_that_is_no_model_is_unreadable_at_once(
    live_stack: Stack, olga: httpx.Client, what: str
) -> None:
    body, fields = WRONG_FILES[what]
    body = body or {"skops as joblib": as_skops(plain()), "onnx as skops": as_onnx()}.get(what, b"")
    with nothing_is_kept(live_stack):
        refused = upload(olga, "bad-file", body, "model.bin", **fields)
        assert len(problem(refused, 422, "unreadable-artifact")["detail"]) > 15
    problem(olga.get("/models/bad-file"), 404, "model-not-found")


def cuts(body: bytes) -> list[int]:
    """Where to cut: within the first bytes, in between, and just before the end."""
    size = len(body)
    points = {1, 2, 3, 4, 8, 30, size // 4, size // 2, size * 3 // 4, size - 22, size - 2, size - 1}
    return sorted(point for point in points if 0 < point < size)


TRUNCATED = {
    "skops": lambda: as_skops(churn()),
    "joblib": lambda: as_joblib(churn()),
    "joblib, compressed": lambda: as_joblib(churn(), compress=3),
    "onnx": as_onnx,
}


@pytest.mark.parametrize("format", TRUNCATED)
def test_a_model_file_cut_off_anywhere_is_refused_or_rejected(
    live_stack: Stack, olga: httpx.Client, format: str
) -> None:
    whole = TRUNCATED[format]()
    taken: dict[int, httpx.Response] = {}
    for cut in cuts(whole):
        answer = upload(olga, f"cut-{format[:6]}-{len(format)}", whole[:cut], "model.bin")
        if answer.status_code == 202:
            taken[cut] = answer
        else:
            problem(answer, 422, "unreadable-artifact")

    assert len(taken) >= 8
    for cut, answer in taken.items():
        failed = failed_check(checked(olga, answer))
        assert failed["name"] == "scan", (cut, failed)
        assert failed["evidence"]["reason"], (cut, failed)
        assert len(failed["summary"]) > 20, (cut, failed)
    wait_until(lambda: not scratch(live_stack.home), 5, "no scratch file is left")


UNFIT: dict[str, tuple[bytes, str, str, dict[str, Any]]] = {
    "a column is missing": (
        b"age,city\n1,Rome\n", "e.csv", "example-does-not-fit", {"missing": ["income"]},
    ),
    "a ragged line": (
        b"age,income,city\n1,2,Rome\n1,2\n", "e.csv", "ragged-rows", {"line": 3, "row": 1},
    ),
    "bytes that are not UTF-8": (
        b"age,income,city\n1,2,\xff\n", "e.csv", "bad-encoding", {},
    ),
    "no Parquet": (b"PAR1 but no more", "e.parquet", "malformed-file", {}),
    "no JSON": (b'[{"age": 1', "e.json", "malformed-json", {}),
    "no rows": (b"age,income,city\n", "e.csv", "example-needed", {}),
}  # fmt: skip


def test_an_example_that_does_not_fit_rejects_the_version_and_says_where(
    live_stack: Stack, olga: httpx.Client
) -> None:
    body = as_skops(churn())
    taken = {
        what: upload(olga, "bad-example", body, **example(rows, name))
        for what, (rows, name, _, _) in UNFIT.items()
    }

    for what, (_, _, reason, told) in UNFIT.items():
        failed = failed_check(checked(olga, taken[what]))
        evidence = failed["evidence"]
        assert (failed["name"], evidence["reason"]) == ("signature", reason), (what, failed)
        where = {**evidence, **(evidence.get("errors") or [{}])[0]}
        assert told.items() <= where.items(), (what, evidence)
    wait_until(lambda: not scratch(live_stack.home), 5, "no scratch file is left")


def test_an_example_outside_a_declared_signature_names_row_and_column(
    olga: httpx.Client,
) -> None:
    inputs = [
        {"name": "age", "type": "int64"},
        {"name": "income", "type": "float64"},
        {"name": "city", "type": "string", "enum": ["Rome", "Oslo"]},
    ]
    taken = upload(
        olga, "bad-declared", as_skops(churn()), signature={"inputs": inputs}, **example()
    )

    evidence = failed_check(checked(olga, taken))["evidence"]

    cells = [(e["row"], e["column"], e["code"]) for e in evidence["errors"]]
    assert cells == [
        (2, "income", "null-not-allowed"), (3, "city", "not-in-enum"), (5, "city", "not-in-enum"),
    ]  # fmt: skip
    assert evidence["error_count"] == 3


def test_an_unknown_zone_and_an_impossible_cron_leave_no_schedule(
    live_stack: Stack, olga: httpx.Client, model: str, rows: str
) -> None:
    body = {"name": "bad-schedule", "model": model, "dataset": rows, "cron": "0 0 * * *"}
    with nothing_is_kept(live_stack):
        refused_field(olga.post("/schedules", json={**body, "timezone": "Mars/Base"}), "/timezone")
        refused_field(olga.post("/schedules", json={**body, "cron": "0 0 30 2 *"}), "/cron")


def test_a_refused_job_leaves_no_job(
    live_stack: Stack, olga: httpx.Client, model: str, rows: str
) -> None:
    with nothing_is_kept(live_stack):
        body = {"model": model, "dataset": rows, "keep_columns": ["shoe"]}
        refused_field(olga.post("/batch-jobs", json=body), "/keep_columns/0")


def test_text_that_is_no_table_is_no_request_to_score(olga: httpx.Client, model: str) -> None:
    for body, media, status, code in (
        (b"", "text/csv", 400, "malformed-body"),
        (b"age,income,city\n1,2\n", "text/csv", 422, "invalid-rows"),
        (b"age,age\n1,2\n", "text/csv", 422, "invalid-field"),
        (b"age,income,city\n1,2,\xff\n", "text/csv", 400, "malformed-body"),
        (b"not arrow", "application/vnd.apache.arrow.stream", 400, "malformed-body"),
        (b"PAR1 not parquet", "application/vnd.apache.parquet", 400, "malformed-body"),
        (b"", "application/vnd.apache.parquet", 400, "malformed-body"),
    ):
        headers = {"Content-Type": media}
        answer = olga.post(f"/models/{model}/predict", content=body, headers=headers)
        problem(answer, status, code)


def test_rejected_data_leaves_its_row_as_evidence_and_no_scratch_file(
    live_stack: Stack, olga: httpx.Client
) -> None:
    version = checked(olga, send_dataset(olga, "bad-ragged", as_csv() + b"1,2\n"))

    assert (version["status"], version["errors"][0]["line"]) == ("rejected", 8)
    wait_until(lambda: not scratch(live_stack.home), 5, "no scratch file is left")
