"""Stories: rows come from a PostgreSQL database elsewhere, and the results go back into it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.flows.conftest import People
from tests.flows.stories import job, ok, problem, settled
from tests.services.elsewhere import PostgresPlace

SECRET = "a-password-nobody-sees"
QUERY = "select id, age, income, city from customers order by id"


@pytest.fixture(scope="module")
def shop(_elsewhere: PostgresPlace) -> Iterator[PostgresPlace]:
    """A shop's database: eight customers, one without an age, and a role that may read them."""
    _elsewhere.run(
        "create table customers (id int, age float8, income float8, city text)",
        "insert into customers select g, nullif(20.0 + g, 25.0), g * 1.5, "
        "(array['Rome', 'Oslo', null])[1 + g % 3] from generate_series(1, 8) g",
        f"create role reader login password '{SECRET}'",
        "grant select on customers to reader",
    )
    yield _elsewhere
    _elsewhere.run("drop table if exists customers, scores, modelyard_chunks", "drop role reader")


@pytest.fixture(scope="module")
def connections(people: People, shop: PostgresPlace) -> None:
    """One to read by, with the role that may only read, and one to write by; Olga uses both."""
    reading = shop.address.replace("user=postgres", "user=reader")
    for name, address, options in (
        ("shop", reading, {"secret": SECRET}),
        ("reports", shop.address, {"allows_reading": False, "allows_writing": True}),
    ):
        body = {"name": name, "driver": "postgresql", "address": address, **options}
        ok(people.marie.post("/connections", json=body), 201)
        granted = people.marie.put(f"/connections/{name}/grants/olga", json={"role": "publisher"})
        ok(granted, 200)


def test_a_query_is_scored_and_its_results_stand_in_a_table(
    olga: httpx.Client, model: str, shop: PostgresPlace, connections: None
) -> None:
    done = job(
        olga,
        model=model,
        source={"connection": "shop", "query": QUERY},
        sink={"connection": "reports", "table": "scores"},
        chunk_rows=3,
    )
    assert done["state"] == "completed_with_rejects", done
    assert (done["rows_total"], done["rows_rejected"]) == (8, 1)
    assert done["sink"] == {"connection": "reports", "table": "scores"}
    written = shop.run("select modelyard_row, id, prediction from scores order by modelyard_row")
    assert [(row, number) for row, number, _ in written] == [
        (number - 1, number) for number in range(1, 9) if number != 5
    ]
    results = olga.get(f"/batch-jobs/{done['id']}/results?format=jsonl").text
    predicted = [json.loads(line)["prediction"] for line in results.splitlines()]
    assert [prediction for *_, prediction in written] == predicted


def test_trying_says_whether_it_answers_and_may_write(people: People, connections: None) -> None:
    tried = [ok(people.marie.post(f"/connections/{n}/test"), 200) for n in ("shop", "reports")]
    assert [(found["ok"], found["may_write"]) for found in tried] == [(True, False), (True, True)]


def test_a_query_becomes_a_dataset_that_can_be_downloaded(
    olga: httpx.Client, connections: None
) -> None:
    source = {"connection": "shop", "query": "select city from customers"}
    accepted = ok(olga.post("/datasets", json={"name": "shop-cities", "source": source}), 202)
    version = settled(olga, accepted["url"])
    assert (version["status"], version["rows"], version["format"]) == ("ready", 8, "sql")
    assert version["columns"][0]["name"] == "city"


def test_what_may_not_be_read_is_said_in_the_database_s_own_words(
    olga: httpx.Client, model: str, connections: None
) -> None:
    source = {"connection": "shop", "query": "select rolname, rolpassword from pg_authid"}
    done = job(olga, model=model, source=source)
    assert (done["state"], done["error"]["code"]) == ("failed", "dataset-rejected")
    assert "permission denied" in str(done["error"]["errors"])


def test_nobody_uses_a_connection_without_a_role_on_it(
    people: People, model: str, connections: None
) -> None:
    source = {"connection": "shop", "query": QUERY}
    answer = people.vera.post("/datasets", json={"name": "mine", "source": source})
    problem(answer, 403, "not-allowed")
    answer = people.marie.get("/connections")
    assert SECRET not in answer.text
