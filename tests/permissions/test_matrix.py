"""Every route by everybody on both sides: the answer is the one that the table gives."""

from __future__ import annotations

import pytest

from registry import roles
from tests import drawing
from tests.permissions.asking import ask
from tests.permissions.places import answer_for
from tests.permissions.requests import REQUESTS
from tests.permissions.routes import Route, all_routes
from tests.permissions.rules import DONE, SIDES, Row, Side, Standing, rows_of
from tests.permissions.table import TABLE
from tests.permissions.world import World

ROWS = rows_of(TABLE)


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert sorted(all_routes()) == sorted(TABLE)


def test_every_method_of_a_route_has_its_level() -> None:
    for pattern, route in all_routes().items():
        named = {row.method for row in ROWS if row.pattern == pattern}
        if route.methods is None:
            assert named in ({"GET"}, {"POST"}, {"GET", "POST"}), pattern
        elif not route.is_page:
            assert named == set(route.methods), pattern


def test_every_row_that_changes_something_has_a_request_that_does_it() -> None:
    wanted = {row.key for row in ROWS if row.method != "GET"}

    assert wanted == REQUESTS.keys()


def near(level: str) -> set[str]:
    """The roles between which the answer changes; the ends for levels that name no role."""
    named = next((word for word in level.split() if word in roles.ROLES), None)
    if named is None:
        return {roles.VIEWER, roles.MANAGER}
    below = roles.ROLES.index(named) - 1
    return {named, roles.ROLES[max(below, 0)]}


def is_asked(row: Row, route: Route, standing: Standing, side: Side) -> bool:
    """Whether it is tried: all in a long run, else whoever could show that a level is wrong.

    That are the roles on both sides of the level, whoever holds nothing, and the manager of one
    side on the other. Who holds the same on both sides asks on one.
    """
    if drawing.IS_LONG:
        return True
    if standing.granted and side == "other":
        return standing.granted == roles.MANAGER
    if standing.granted:
        return standing.granted in near(row.level)
    if standing.is_limited:
        return not route.is_page
    if side != SIDES[len(row.key + standing.name) % 2] and not row.level.startswith("owner"):
        return False
    return _is_asked_at_page(row, standing) if route.is_page else _is_asked_of_api(row, standing)


def _is_asked_at_page(row: Row, standing: Standing) -> bool:
    """Pages take long, and a key opens none: one stands for all keys."""
    if standing.comes_with in ("key", "dead key"):
        return standing.name == "key admin"
    if standing.everywhere is None or not standing.is_staff:
        return True
    is_for_groups = row.level.endswith("everywhere") or row.level.startswith("owner")
    return is_for_groups and standing.everywhere in near(row.level)


def _is_asked_of_api(row: Row, standing: Standing) -> bool:
    if standing.comes_with == "key":
        return standing.scope in near(row.level)
    if standing.everywhere is None or standing.comes_with == "dead key":
        return True
    return standing.is_staff and standing.everywhere in near(row.level)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_everybody_is_answered_as_the_table_says(world: World, row: Row) -> None:
    route = all_routes()[row.pattern]
    wrong = []
    for who in world.everybody:
        for side in SIDES:
            if not is_asked(row, route, who.standing, side):
                continue
            told = ask(world, who, route, row, side)
            wanted = answer_for(row, route, who, side)
            if told.outcome != wanted:
                wrong.append(f"{who.standing.name} on {side}: {told.outcome}, not {wanted}")
            elif told.outcome != DONE and (told.events or told.writes):
                wrong.append(f"{who.standing.name} on {side} was refused, and wrote {told.writes}")
    assert not wrong, "\n".join([row.key, *wrong])
