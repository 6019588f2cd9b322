"""Downloads: no text of a table becomes a formula in the spreadsheet that opens it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from registry.tabular import write_chunks
from serving.actions.drive import drive
from tests import people, things
from tests.attacks.routes import doors
from tests.serving.batch import ledger

pytestmark = pytest.mark.django_db

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")', "=a,b")
HARMLESS = ("a=1", " =1", "'=1", "", "\n=1", "Rome")
BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
# Which of the declared routes hold whose rows.
DATA = ("/api/v1/datasets/customers/download", "/api/v1/datasets/customers/versions/1/download")


@pytest.fixture
def owner(db: None, monkeypatch: pytest.MonkeyPatch) -> people.Person:
    """Olga has a dataset whose texts and one name begin like formulas, and a job with rejects."""
    from serving.actions import scoring

    monkeypatch.setattr(scoring, "host", ledger.ObedientHost)
    olga = people.owner()
    ledger.ready_version(olga.by)
    texts = [*FORMULAS, *HARMLESS]
    rows = pa.table(
        {"=id": texts, "age": [None if i < len(FORMULAS) else -i for i in range(len(texts))]},
        schema=pa.schema([("=id", pa.string()), ("age", pa.int64())]),
    )
    scored = rows.append_column("city", pa.array(texts, pa.string()))
    columns = [
        {"name": "=id", "type": "string", "nullable": False},
        {"name": "age", "type": "int64", "nullable": True},
        {"name": "city", "type": "string", "nullable": True},
    ]
    ledger.dataset_of(olga.by, scored, columns=columns)
    return olga


@pytest.fixture
def paths(owner: people.Person) -> list[str]:
    """A download of each route that knows of formulas."""
    body = {"model": "churn", "dataset": "customers"}
    asked = owner.client().post("/api/v1/batch-jobs", body, content_type="application/json")
    drive(owner="w1")
    job = f"/api/v1/batch-jobs/{asked.json()['id']}"
    return [*DATA, f"{job}/rejects", f"{job}/results"]


def table(client: Client, path: str) -> list[list[str]]:
    answer = client.get(path)
    assert answer.status_code == 200, path
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    return list(csv.reader(io.StringIO(text, newline="")))


def test_every_route_that_sends_a_table_knows_of_formulas(paths: list[str]) -> None:
    sends = {
        door.route
        for door in doors()
        for parameter in getattr(door.call, "query", ())
        if parameter.name == "format" and "csv" in (parameter.choices or ())
    }
    knows = {
        d.route for d in doors() if any(q.name == "safe" for q in getattr(d.call, "query", ()))
    }

    assert sends == knows
    assert len(knows) == len(paths)


@pytest.mark.parametrize("which", range(4))
def test_a_session_and_who_asks_get_an_apostrophe_and_a_key_gets_the_cells(
    owner: people.Person, paths: list[str], which: int
) -> None:
    path = paths[which]
    exact = table(owner.client(), path)
    safe = table(owner.client(), f"{path}?safe=1")

    assert table(owner.session(), path) == table(owner.session(), f"{path}?safe=0") == safe
    assert [[_defused(cell) for cell in line] for line in exact] == safe
    assert safe != exact, "this download has nothing to defuse"


def _defused(cell: str) -> str:
    """What a cell becomes; the one text that is a number too is in ``FORMULAS``."""
    is_number = cell.removeprefix("-").replace(".", "", 1).isdigit() and cell not in FORMULAS
    return f"'{cell}" if cell.startswith(BEGINNINGS) and not is_number else cell


def test_numbers_dates_and_times_stay_as_they_are() -> None:
    cells = pa.table(
        {
            "whole": pa.array([-5], pa.int64()),
            "float": pa.array([-1e-300], pa.float64()),
            "day": pa.array([-1], pa.date32()),
            "list": pa.array([["=1"]], pa.list_(pa.string())),
            "text": pa.array(["-5"], pa.string()),
        }
    )

    written = b"".join(write_chunks("csv", cells.to_batches(), cells.schema, safe=True))

    assert written.splitlines()[1] == b'-5,-1e-300,1969-12-31,"[""=1""]",\'-5'


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_however_a_text_is_held_it_is_a_text(kind: pa.DataType) -> None:
    cells = pa.table({"text": pa.array(["=1"], pa.string()).cast(kind)})

    written = b"".join(write_chunks("csv", cells.to_batches(), cells.schema, safe=True))

    assert written == b"text\r\n'=1\r\n"


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_formats_that_no_spreadsheet_calculates_stay_exact_in_a_session(
    owner: people.Person, format: str
) -> None:
    answer = owner.session().get(f"{DATA[0]}?format={format}")
    body = b"".join(answer.streaming_content)  # type: ignore[arg-type]

    if format == "jsonl":
        cells = [json.loads(line)["=id"] for line in body.splitlines()]
    else:
        cells = pq.read_table(io.BytesIO(body)).column("=id").to_pylist()
    assert cells == [*FORMULAS, *HARMLESS]


@pytest.mark.parametrize(("format", "suffix"), [("csv", "csv.txt"), ("csv.gz", "csv.txt.gz")])
def test_the_bytes_as_they_came_have_a_name_that_no_spreadsheet_opens(
    format: str, suffix: str
) -> None:
    olga = people.owner()
    body = b"text\r\n=1+1\r\n"
    things.a_dataset_version(olga, body=body, format=format, is_read=False)
    path = "/api/v1/datasets/customers/versions/1/download?format=original"

    def sent(client: Client, more: str = "") -> tuple[bytes, str]:
        answer: Any = client.get(path + more)
        return b"".join(answer.streaming_content), answer["Content-Disposition"]

    assert sent(olga.client()) == (body, f'attachment; filename="customers-v1.{format}"')
    for who in (sent(olga.client(), "&safe=1"), sent(olga.session())):
        assert who == (body, f'attachment; filename="customers-v1.{suffix}"')


def test_the_pages_say_so(owner: people.Person, paths: list[str]) -> None:
    owner.user.is_staff = True
    owner.user.save()
    session = owner.session()
    job = paths[2].split("/")[-2]
    version = owner.client().get("/api/v1/datasets/customers/versions/1").json()["id"]

    for page in (
        f"/admin/serving/batchjob/{job}/",
        f"/admin/registry/datasetversion/{version}/",
    ):
        shown = session.get(page).content.decode()
        assert "safe for spreadsheets" in shown, page
