"""The express lane, which Django never sees, answers everybody as the table says."""

from __future__ import annotations

import json

import pytest

from tests.permissions.asking import API_OUTCOMES
from tests.permissions.places import answer_for, held_by, values
from tests.permissions.requests import JSON, REQUESTS
from tests.permissions.routes import all_routes
from tests.permissions.rules import ASKED_IN, DONE, SIDES, Row, rows_of
from tests.permissions.table import SCORING
from tests.permissions.world import Who, World
from tests.serving.api.conftest import one_connection  # noqa: F401  # a fixture
from tests.serving.api.doors import Asked, express_door

ROWS = [row for row in rows_of(SCORING) if row.method == "POST" and row.level == "scorer"]


def key_of(who: Who) -> str | None:
    """The text of a key of theirs that reaches as far as they do; None where they have none."""
    if who.standing.comes_with in ("key", "dead key"):
        return str(who.client.defaults["HTTP_AUTHORIZATION"])
    if who.person is None or not (who.standing.granted or who.standing.everywhere):
        return None
    return f"Bearer {who.person.key()[1]}"


@pytest.mark.usefixtures("one_connection", "only_our_news")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.pattern)
def test_scoring_in_front_of_django_is_for_those_who_may(world: World, row: Row) -> None:
    (express, behind), route = express_door(), all_routes()[row.pattern]
    answered = 0
    for who in world.everybody:
        key = key_of(who)
        if key is None:
            continue
        for side in SIDES:
            held = held_by(world, who, side)
            path, body = route.path(values(route, held)), REQUESTS[row.key](held).body
            headers = {"Content-Type": JSON, "Authorization": key}
            asked = Asked(path=path, body=json.dumps(body).encode(), headers=headers)
            wanted = answer_for(row, route, who, side)
            # What the first call finds out is remembered for the second.
            for _ in range(2):
                status = express.ask(asked).code
                told = API_OUTCOMES.get(status, DONE if status == 200 else str(status))
                assert told == wanted, (who.standing.name, side)
            answered += 2 * (wanted != ASKED_IN)
    assert behind.requests < answered / 2 + 20
