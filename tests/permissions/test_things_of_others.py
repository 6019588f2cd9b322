"""A name or id of somebody else's, anywhere in a request, is answered as one that nobody has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.core.files import File
from django.db import transaction

from registry.api.kinds import KINDS, NAMES_MAX
from tests import drawing, things
from tests.permissions.asking import read, send
from tests.permissions.places import answer_for, held_by, values
from tests.permissions.requests import JSON, REQUESTS, Sample
from tests.permissions.routes import Route, all_routes
from tests.permissions.rules import DONE, HIDDEN, Row, rows_of
from tests.permissions.strangers import comparable, told_of_other, unnamed
from tests.permissions.table import TABLE
from tests.permissions.world import Who, World

ROWS = [row for row in rows_of(TABLE) if row.level not in ("closed", "nobody", "refused")]
NOTHING = Sample()
# They see their own side and nothing of the other: one by grants, one by the limit of a key.
LOOKERS = ("manager of own", "limited key")
_QUERY = {"query": "SELECT 1"}
_CRON = {"name": "new-one", "cron": "0 0 29 2 *"}
_HERE = {"model": "own-model", "dataset": "own-data"}
_THERE = (
    {"model": "other-model"},
    {"model": "other-model@spare"},
    {"model": "other-model", "version": 1},
    {"dataset": "other-data"},
    {"dataset": "other-data@1"},
    {"sink": {"connection": "other-connection", "table": "t"}},
)
_FROM_THERE = {"model": "own-model", "source": {"connection": "other-connection", **_QUERY}}
_HOOK = {"target_url": "http://127.0.0.1:9/"}
_KEY = {"name": "new-one", "scopes": ["read"]}
# Bodies that name something of the other side, one level down too.
NAMING: list[tuple[str, str, Any]] = [
    *(("POST", "/api/v1/batch-jobs", _HERE | there) for there in _THERE),
    ("POST", "/api/v1/batch-jobs", _FROM_THERE),
    *(("POST", "/api/v1/schedules", _CRON | _HERE | there) for there in _THERE),
    ("POST", "/api/v1/schedules", _CRON | _FROM_THERE),
    *(("PATCH", "/api/v1/schedules/own-model-nightly", there) for there in _THERE),
    ("PATCH", "/api/v1/schedules/own-model-nightly", {"source": _FROM_THERE["source"]}),
    ("POST", "/api/v1/datasets", {"name": "own-data", "source": _FROM_THERE["source"]}),
    ("POST", "/api/v1/api-keys", _KEY | {"models": ["other-model"]}),
    ("POST", "/api/v1/api-keys", _KEY | {"models": ["own-model", "other-model"]}),
    ("POST", "/api/v1/api-keys", _KEY | {"user": "other-keeper"}),
    ("POST", "/api/v1/webhooks", _HOOK | {"model": "other-model"}),
]


@pytest.fixture(params=LOOKERS)
def who(request: pytest.FixtureRequest, world: World) -> Who:
    return world.named(request.param)


def told(who: Who, method: str, path: str, sample: Sample, *, is_page: bool) -> tuple[int, bytes]:
    """Status and body; what it did is undone."""
    cookies = who.client.cookies.copy()
    with transaction.atomic():
        answer = send(who, method, path, _fresh(sample), is_page=is_page)
        found = answer.status_code, read(answer)
        transaction.set_rollback(True)
    who.client.cookies = cookies
    return found


def assert_alike(
    world: World, who: Who, method: str, there: tuple[str, Sample], *, is_page: bool = False
) -> None:
    """What names a thing of the other side is answered as what names nothing."""
    path, sample = there
    nowhere = unnamed(path, world), replace(sample, body=_unnamed_body(sample.body, world))
    first, second = (
        told(who, method, path, sample, is_page=is_page) for path, sample in (there, nowhere)
    )
    where = f"{method} {path} {sample.body}"
    assert first[0] == second[0], (where, first[1][:300], second[1][:300])
    assert comparable(first[1], world) == comparable(second[1], world), where


def _unnamed_body(body: Any, world: World) -> Any:
    """Files stay as they are: they name nothing."""
    if not isinstance(body, dict):
        return body
    return {k: v if isinstance(v, File) else unnamed(v, world) for k, v in body.items()}


def _fresh(sample: Sample) -> Sample:
    """With its files at their beginning."""
    for value in (sample.body or {}).values() if isinstance(sample.body, dict) else ():
        if isinstance(value, File):
            value.seek(0)
    return sample


def hidden_rows(who: Who) -> Iterator[tuple[Row, Route]]:
    """What the other side's things are hidden at."""
    for row in ROWS:
        route = all_routes()[row.pattern]
        if route.parameters and answer_for(row, route, who, "other") == HIDDEN:
            yield row, route


def test_in_a_path_it_does_not_exist(world: World, who: Who) -> None:
    count = 0
    for row, route in hidden_rows(who):
        path = route.path(values(route, held_by(world, who, "other")))
        if path == unnamed(path, world):
            continue
        maker = REQUESTS.get(row.key)
        sample = maker(held_by(world, who, "own")) if maker else NOTHING
        assert_alike(world, who, row.method, (path, sample), is_page=route.is_page)
        count += 1
    assert count > 40


def test_below_a_thing_of_ones_own_it_does_not_exist(world: World, who: Who) -> None:
    path = f"/api/v1/models/own-model/records/{world.sides['other'].record.pk}"

    assert_alike(world, who, "GET", (path, NOTHING))


def test_in_a_body_it_does_not_exist(world: World, who: Who) -> None:
    for method, path, body in NAMING:
        # A key is limited to models: it may name other things.
        if "other-model" in str(body) or not who.standing.is_limited:
            assert_alike(world, who, method, (path, Sample(body)))


def test_in_a_form_of_the_api_it_does_not_exist(world: World) -> None:
    who = world.named("manager of own")
    for named in ("other-data", "other-data@1"):
        body = {"artifact": things.model_file("new"), "training_dataset": named}
        there = ("/api/v1/models/own-model/versions", Sample(body, is_form=True))
        assert_alike(world, who, "POST", there)
    upload = Sample({"name": "other-data", "file": things.table_file()}, is_form=True)
    assert_alike(world, who, "POST", ("/api/v1/datasets", upload))


def test_in_what_a_page_sends_it_does_not_exist(world: World) -> None:
    who = world.named("manager of own")
    mine, theirs = held_by(world, who, "own"), world.sides["other"]
    count = 0
    for row in ROWS:
        route = all_routes()[row.pattern]
        if row.method != "POST" or not route.is_page or row.key not in REQUESTS:
            continue
        # At a page of one's own, with a body that was made for the other side.
        path, sample = route.path(values(route, mine)), REQUESTS[row.key](theirs)
        if isinstance(sample.body, dict) and _unnamed_body(sample.body, world) != sample.body:
            assert_alike(world, who, "POST", (path, sample), is_page=True)
            count += 1
    assert count >= 6


def test_in_a_query_it_finds_nothing(world: World, who: Who) -> None:
    held = world.sides["other"]
    names = {"model": "other-model", "dataset": "other-data", "schedule": "other-model-nightly"}
    for route in all_routes().values():
        for parameter in route.query_of("GET"):
            if parameter.type != "text" or parameter.choices or parameter.many:
                continue
            path = route.path(values(route, held_by(world, who, "own")))
            asked = [names.get(parameter.name, "other-model"), str(held.model.pk)]
            for value in asked[: drawing.amount(2, short=1)]:
                if not (who.standing.is_limited and value == "other-data"):
                    assert_alike(world, who, "GET", (f"{path}?{parameter.name}={value}", NOTHING))


def test_in_the_search_of_a_list_of_pages_it_finds_nothing(world: World) -> None:
    who = world.named("manager of own")
    lists = [p for p in all_routes() if p.startswith("admin/") and p.count("/") == 3]
    assert len(lists) > 8
    for pattern in lists:
        for name in ("other-model", "other-data"):
            there = (f"/{pattern}?q={name}", NOTHING)
            assert_alike(world, who, "GET", there, is_page=True)


def expansions() -> list[str]:
    """What can be put in place, one kind of object at a time; in a long run two hops deep."""
    found = []
    for kind in KINDS.values():
        hops = [(name, edge.kind) for name, edge in kind.edges.items()]
        deep = [f"{name}.{further}" for name, to in hops for further in KINDS[to].edges]
        every = [*kind.edges, *(deep if drawing.IS_LONG else ())]
        found += [
            ",".join(every[start : start + NAMES_MAX]) for start in range(0, len(every), NAMES_MAX)
        ]
    return sorted(set(found))


def test_nothing_that_may_be_read_tells_of_it(world: World, who: Who) -> None:
    """Links, lists, lineage, expanded neighbours: the sides have used each other's things."""
    asked, expanded = 0, expansions()
    for row in ROWS:
        route = all_routes()[row.pattern]
        if row.method != "GET" or answer_for(row, route, who, "own") != DONE:
            continue
        path = route.path(values(route, held_by(world, who, "own")))
        can_expand = any(p.name == "expand" for p in route.query_of("GET"))
        for query in ("", *(f"?expand={tree}" for tree in expanded if can_expand)):
            status, body = told(who, "GET", path + query, NOTHING, is_page=route.is_page)
            asked += status == 200
            assert not told_of_other(world, who, body), path + query
    assert asked > 60


def test_the_other_side_would_be_told_of_where_it_may_be_seen(world: World) -> None:
    """Else the test above could not fail."""
    marie = world.named("manager everywhere")
    for path in ("/api/v1/models/own-model/versions/1", "/api/v1/batch-jobs?page_size=200"):
        body = told(marie, "GET", path, NOTHING, is_page=False)[1]
        assert told_of_other(world, marie, body), path


def test_the_key_of_a_repeated_call_is_not_shared(world: World) -> None:
    """Two people may use the same Idempotency-Key: neither hears of the other's call."""
    body = _KEY | {"name": "twice"}
    answers = []
    for name in ("publisher of own", "manager of own"):
        client = world.named(name).client
        answers.append(
            client.post(
                "/api/v1/api-keys", body, content_type=JSON, headers={"Idempotency-Key": "same"}
            )
        )
    first, second = answers
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotency-Replayed" not in second


def test_the_digest_of_a_hidden_file_opens_nothing(world: World, who: Who) -> None:
    sha256 = world.sides["other"].version.artifact.sha256
    path = "/api/v1/models/other-model/versions/1/artifact"
    headers = {"If-None-Match": f'"{sha256}"'}

    assert who.client.get(path, headers=headers).status_code == 404
