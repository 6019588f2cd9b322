"""A column that a door does not name is not written, whoever puts it into a request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from registry.api.shapes import In
from tests import drawing
from tests.permissions.asking import read, send
from tests.permissions.places import answer_for, held_by, values
from tests.permissions.planting import columns, known_ids, planted, snapshot
from tests.permissions.requests import REQUESTS, Sample
from tests.permissions.routes import Route, all_routes
from tests.permissions.rules import DONE, Row, rows_of
from tests.permissions.table import TABLE
from tests.permissions.world import Who, World

# What a body may set of columns of the same name; all others are the server's own.
_SETTABLE = """
    name description tags metrics reason card rules
    kind classification tier format signature source version model dataset alias role
    from_version training_dataset artifact mirror url
    outputs keep_columns on_row_error chunk_rows priority sink
    compare_with cron timezone overlap missed enabled
    approval_required capture_percent retention_days legal_hold pinned_to
    driver address allows_reading allows_writing scopes expires_at user events secret
"""
SETTABLE = frozenset(_SETTABLE.split())
WRITING = [
    row for row in rows_of(TABLE)
    if row.method != "GET" and not row.case and row.key in REQUESTS
]  # fmt: skip
OF_API = [row for row in WRITING if not all_routes()[row.pattern].is_page]
OF_PAGES = [row for row in WRITING if all_routes()[row.pattern].is_page]


def bodies_of(row: Row) -> list[type[In]]:
    """What the door of a row says that it reads."""
    door = getattr(all_routes()[row.pattern].door, row.method.lower())
    said = getattr(door, "body", None)
    found = list(said.values()) if isinstance(said, Mapping) else [said]
    return [one for one in found if isinstance(one, type) and issubclass(one, In)]


def test_no_body_has_a_member_that_is_a_column_of_the_servers_own() -> None:
    found = {
        f"{row.key}: {name}"
        for row in OF_API for body in bodies_of(row) for name in body().fields
        if name in columns() and name not in SETTABLE
    }  # fmt: skip
    assert not found


def did(
    who: Who, row: Row, route: Route, path: str, sample: Sample
) -> tuple[int, bytes, Counter[str]]:
    """The answer, and all rows as they stood then; it is undone."""
    cookies = who.client.cookies.copy()
    known = known_ids()
    with transaction.atomic():
        answer = send(who, row.method, path, sample, is_page=route.is_page)
        told = answer.status_code, read(answer), snapshot(known)
        transaction.set_rollback(True)
    who.client.cookies = cookies
    return told


@pytest.mark.parametrize("row", OF_API, ids=lambda row: row.key)
def test_a_member_of_the_servers_own_is_refused_or_has_no_effect(world: World, row: Row) -> None:
    who, route = world.named("manager everywhere"), all_routes()[row.pattern]
    held = held_by(world, who, "own")
    path = route.path(values(route, held))
    bodies = bodies_of(row)
    members = {name for body in bodies for name in body().fields}
    extra = {k: v for k, v in planted(world, as_text=False).items() if k not in members}
    sample, again = REQUESTS[row.key](held), REQUESTS[row.key](held)
    plain = did(who, row, route, path, sample)
    more = replace(again, body={**(again.body or {}), **_texts(extra, again)})

    status, body, after = did(who, row, route, path, more)

    if bodies:
        assert (status, b'"pointer":"/' in body) == (422, True), body[:300]
    # Bodies that no door reads are passed over; those of rows have protocols of their own.
    assert after == (snapshot(known_ids()) if status >= 400 else plain[2])


def _texts(extra: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """A form holds texts."""
    return {name: str(value) for name, value in extra.items()} if sample.is_form else extra


NESTED = (
    ("PUT", "models/own-model/route", {"targets": [{"version": 1, "weight": 100, "id": 1}]}),
    ("PUT", "models/own-model/route", {"targets": [], "mirror": [{"version": 1, "model": "x"}]}),
    (
        "POST",
        "batch-jobs",
        {
            "model": "own-model",
            "dataset": "own-data",
            "sink": {"connection": "own-connection", "table": "t", "state": "done"},
        },
    ),
    (
        "POST",
        "batch-jobs",
        {
            "model": "own-model",
            "source": {"connection": "own-connection", "query": "SELECT 1", "owner": "x"},
        },
    ),
)


@pytest.mark.parametrize(("method", "path", "body"), NESTED)
def test_a_member_that_is_too_much_one_level_down_is_refused(
    world: World, method: str, path: str, body: Any
) -> None:
    who = world.named("manager everywhere")

    answer = send(who, method, f"/api/v1/{path}", Sample(body), is_page=False)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")


def fields_shown(who: Who, path: str) -> set[str]:
    """The names of the fields that a page shows to somebody."""
    return set(re.findall(r'name="([^"]+)"', read(who.client.get(path)).decode()))


def people_at(world: World, row: Row, route: Route) -> list[Who]:
    """The lowest who may, for whom most is left out; in a long run all who may."""
    mays = [
        who for who in world.everybody
        if who.standing.comes_with == "session" and answer_for(row, route, who, "own") == DONE
    ]  # fmt: skip
    return mays if drawing.IS_LONG else mays[:1]


@pytest.mark.parametrize("row", OF_PAGES, ids=lambda row: row.key)
def test_a_field_that_a_page_does_not_show_has_no_effect(world: World, row: Row) -> None:
    route = all_routes()[row.pattern]
    for who in people_at(world, row, route):
        held = held_by(world, who, "own")
        path = route.path(values(route, held))
        sample, again = REQUESTS[row.key](held), REQUESTS[row.key](held)
        shown = fields_shown(who, path) | set(sample.body or {})
        extra = {k: v for k, v in planted(world, as_text=True).items() if k not in shown}
        plain = did(who, row, route, path, sample)

        more = did(who, row, route, path, replace(again, body={**(again.body or {}), **extra}))

        assert (more[0], more[2] - plain[2], plain[2] - more[2]) == (plain[0], Counter(), Counter())
