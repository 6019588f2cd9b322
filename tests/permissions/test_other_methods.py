"""What a row of the table does not name changes nothing, and HEAD and OPTIONS tell no more."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests import drawing
from tests.permissions.asking import is_write, read
from tests.permissions.places import held_by, values
from tests.permissions.routes import METHODS, Route, all_routes
from tests.permissions.rules import rows_of
from tests.permissions.strangers import told_of_other
from tests.permissions.table import TABLE
from tests.permissions.world import Who, World

NAMED = {
    pattern: {row.method for row in rows_of({pattern: cells})} for pattern, cells in TABLE.items()
}


def knock(world: World, who: Who, route: Route, method: str) -> tuple[int, bytes, list[str]]:
    """Status, body and what was written, of a request without a body for a thing of one's own."""
    path = route.path(values(route, held_by(world, who, "own")))
    cookies = who.client.cookies.copy()
    with transaction.atomic():
        with CaptureQueriesContext(connection) as queries:
            answer = who.client.generic(method, path)
            body = read(answer)
        transaction.set_rollback(True)
    who.client.cookies = cookies
    writes = [one["sql"] for one in queries.captured_queries if is_write(one["sql"])]
    return answer.status_code, body, writes


def test_a_method_that_is_not_named_does_nothing(world: World) -> None:
    who = world.named("manager everywhere")
    for pattern, route in all_routes().items():
        # Pages know no other methods than GET and POST: one stands for the rest.
        tried = METHODS if drawing.IS_LONG or not route.is_page else ("POST", "DELETE")
        for method in set(tried) - NAMED[pattern]:
            status, _, writes = knock(world, who, route, method)
            assert not writes, (method, pattern)
            if not route.is_page:
                assert status == 405, (method, pattern)


@pytest.mark.parametrize("name", ["manager of own", "stranger"])
def test_head_and_options_tell_no_more_than_get(world: World, name: str) -> None:
    who = world.named(name)
    for pattern, route in all_routes().items():
        options = knock(world, who, route, "OPTIONS")
        assert not options[2], pattern
        assert not told_of_other(world, who, options[1]), pattern
        is_open = TABLE[pattern].startswith(("GET open", "GET closed"))
        if "GET" in NAMED[pattern] and not is_open and not (route.is_page and name == "stranger"):
            status, body, _ = knock(world, who, route, "HEAD")
            assert (status, body) == (knock(world, who, route, "GET")[0], b""), pattern


def test_the_method_cannot_be_said_in_another_place(world: World) -> None:
    """Headers and fields that other servers read for it are passed over."""
    who = world.named("manager everywhere")
    for extra in ({"X-HTTP-Method-Override": "DELETE"}, {"X-Method-Override": "DELETE"}):
        answer = who.client.get("/api/v1/schedules/own-model-nightly", headers=extra)
        assert answer.status_code == 200
    answer = who.client.post("/api/v1/schedules/own-model-nightly", {"_method": "DELETE"})
    assert answer.status_code == 405
