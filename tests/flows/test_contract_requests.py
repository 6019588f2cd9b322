"""Stories: what holds for every request: ids, headers, lists, expansion, idempotency."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.flows.conftest import People
from tests.flows.stories import as_skops, ok, plain, problem, send_dataset, upload
from tests.services.stack import Stack


def test_every_answer_has_a_request_id_and_keeps_a_good_one(
    live_stack: Stack, olga: httpx.Client
) -> None:
    for path in ("/", "/healthz", "/nowhere", "/api/v1/nowhere", "/api/v1/me", "/static/none"):
        assert httpx.get(f"{live_stack.url}{path}").headers["X-Request-Id"], path
    assert (
        olga.get("/me", headers={"X-Request-Id": "my-Trace.1"}).headers["X-Request-Id"]
        == "my-Trace.1"
    )
    for bad in ("a b", "x" * 300, "<script>"):
        answer = olga.get("/nowhere", headers={"X-Request-Id": bad})
        assert bad not in problem(answer, 404, "not-found")["instance"]


def test_answers_are_private_and_name_no_server_code(olga: httpx.Client) -> None:
    answer = olga.get("/me")

    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize("path", ["/nowhere", "/models/", "/model", "/models/story/route/x"])
def test_what_is_not_there_is_a_problem_below_the_api(olga: httpx.Client, path: str) -> None:
    problem(olga.get(path), 404, "not-found")


def test_lists_have_the_shape_of_page_numbers(olga: httpx.Client) -> None:
    for number in range(3):
        ok(olga.post("/models", json={"name": f"list-{number}", "tags": {"set": "lists"}}), 201)

    newest = ok(olga.get("/models?tag=set:lists&page_size=2"))
    last = ok(olga.get(newest["next"]))

    assert (newest["count"], newest["previous"]) == (3, None)
    assert [m["name"] for m in newest["results"]] == ["list-2", "list-1"]
    assert ([m["name"] for m in last["results"]], last["next"]) == (["list-0"], None)
    ordered = ok(olga.get("/models?tag=set:lists&ordering=name"))["results"]
    assert [m["name"] for m in ordered] == ["list-0", "list-1", "list-2"]
    found = ok(olga.get("/models?search=LIST-1"))["results"]
    assert [m["name"] for m in found] == ["list-1"]
    assert all(uuid.UUID(m["id"]).version == 7 for m in ordered)


@pytest.mark.parametrize(
    "path",
    [
        "/models?page=0",
        "/models?page=x",
        "/models?page_size=0",
        "/models?page_size=x",
        "/models?tag=none",
        "/models?ordering=secret",
        "/models?colour=red",
        "/models?expand=secrets",
        "/models?expand=versions.model.versions.model",
        "/models/story/versions?status=done",
        "/batch-jobs?state=done",
        "/approvals?subject=person",
        "/datasets?tier=gold",
        "/schedules?enabled=maybe",
    ],
)
def test_a_parameter_that_is_not_understood_is_named(
    olga: httpx.Client, model: str, path: str
) -> None:
    wrong = path.partition("?")[2].partition("=")[0]

    found = problem(olga.get(path), 400, "malformed-parameter")

    assert wrong in found["detail"] or "neighbour" in found["detail"], found["detail"]


def test_a_page_beyond_the_last_is_not_found_and_a_page_has_at_most_two_hundred(
    olga: httpx.Client,
) -> None:
    problem(olga.get("/models?page=9999"), 404, "not-found")
    assert len(ok(olga.get("/models?page_size=500"))["results"]) <= 200


def test_a_client_walks_the_graph_by_links_and_expands_up_to_three_hops(
    people: People, model: str
) -> None:
    marie = people.marie
    found = ok(marie.get(f"/models/{model}"))
    version = ok(marie.get(found["links"]["champion"]))
    assert ok(marie.get(version["links"]["model"]))["id"] == found["id"]
    for name, url in {**found["links"], **version["links"]}.items():
        assert url is None or marie.get(url).status_code == 200, (name, url)

    whole = ok(marie.get(f"/models/{model}?expand=champion,versions.model.aliases"))

    assert whole["champion"]["number"] == 1
    assert whole["versions"][0]["model"]["aliases"][0]["name"] == "champion"
    listed = ok(marie.get(f"/models/{model}/versions?expand=model"))["results"]
    assert listed[0]["model"]["name"] == model


def test_the_same_idempotency_key_and_body_replays_the_answer(
    people: People, olga: httpx.Client
) -> None:
    headers = {"Idempotency-Key": "make-idem-a"}
    body = {"name": "idem-a"}

    first = olga.post("/models", json=body, headers=headers)
    again = olga.post("/models", content=b' {"name" : "idem-a"}',
                      headers={**headers, "Content-Type": "application/json"})  # fmt: skip

    assert ok(first, 201) == ok(again, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Location"] == first.headers["Location"]
    other = olga.post("/models", json={"name": "idem-b"}, headers=headers)
    problem(other, 409, "idempotency-mismatch")
    # Another principal, and another route, have keys of their own.
    ok(people.anna.post("/models", json={"name": "idem-c"}, headers=headers), 201)
    ok(olga.post("/api-keys", json={"name": "k"}, headers=headers), 201)


def test_a_refused_request_leaves_its_idempotency_key_free(olga: httpx.Client) -> None:
    headers = {"Idempotency-Key": "make-idem-d"}
    problem(olga.post("/models", json={"name": "a b"}, headers=headers), 422, "invalid-field")

    assert ok(olga.post("/models", json={"name": "idem-d"}, headers=headers), 201)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_what_is_no_idempotency_key_is_named(olga: httpx.Client, key: str) -> None:
    answer = olga.post("/models", json={"name": "idem-e"}, headers={"Idempotency-Key": key})

    assert "Idempotency-Key" in problem(answer, 400, "malformed-parameter")["detail"]


def test_uploads_replay_by_the_bytes_of_their_files(olga: httpx.Client) -> None:
    body = as_skops(plain())
    headers = {"Idempotency-Key": "upload-1"}

    first, again = (
        upload(olga, "idem-files", body, headers=headers, source="one") for _ in range(2)
    )
    other = upload(olga, "idem-files", body + b"\0", headers=headers, source="one")
    rows = [send_dataset(olga, "idem-rows", b"a\n1\n", headers=headers) for _ in range(2)]

    assert ok(first, 202) == ok(again, 202)
    assert again.headers["Idempotency-Replayed"] == "true"
    problem(other, 409, "idempotency-mismatch")
    assert ok(olga.get("/models/idem-files"))["latest_version"] == 1
    assert [r.status_code for r in rows] == [202, 202]
    assert ok(olga.get("/datasets/idem-rows"))["latest_version"] == 1


def test_of_equal_requests_at_the_same_time_one_makes_the_object(olga: httpx.Client) -> None:
    def make(_: int) -> httpx.Response:
        return olga.post("/models", json={"name": "idem-race"}, headers=headers)

    headers = {"Idempotency-Key": "race"}
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(make, range(6)))

    codes: set[Any] = {(a.status_code, a.json().get("code")) for a in answers}
    assert codes <= {(201, None), (409, "idempotency-in-progress")}
    fresh = [a for a in answers if a.status_code == 201 and
             "Idempotency-Replayed" not in a.headers]  # fmt: skip
    assert len(fresh) == 1
