"""What a route is asked for with: read strictly, refused with the place of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from registry.errors import InvalidField
from serving.actions.route_entries import Entry, read_entries

CHAMPION, CHALLENGER = {"alias": "champion", "weight": 90}, {"alias": "challenger", "weight": 10}
SPLIT = [CHAMPION, CHALLENGER]


def test_entries_are_read_with_their_places() -> None:
    targets, mirrors = read_entries([CHAMPION, {"version": 3.0, "weight": 10}], [{"version": 2}])
    assert targets == [
        Entry("/targets/0", "champion", None, 90),
        Entry("/targets/1", "", 3, 10),
    ]
    assert mirrors == [Entry("/mirror/0", "", 2)]


def test_nothing_at_all_is_no_route() -> None:
    assert read_entries([], []) == ([], [])


def test_a_mirror_may_answer_others_itself() -> None:
    _, mirrors = read_entries(SPLIT, [{"alias": "challenger"}])
    assert mirrors == [Entry("/mirror/0", "challenger", None)]


@pytest.mark.parametrize(
    ("targets", "mirror", "pointer", "said"),
    [
        ({}, None, "/targets", "list"),
        ("champion", None, "/targets", "list"),
        (SPLIT, {}, "/mirror", "list"),
        (["champion"], None, "/targets/0", "object"),
        ([{"weight": 100}], None, "/targets/0", "version or an alias"),
        (
            [{"version": 1, "alias": "champion", "weight": 100}],
            None,
            "/targets/0",
            "one of the two",
        ),
        ([{"version": 1}], None, "/targets/0", "weight is missing"),
        ([{"version": 1, "wieght": 100}], None, "/targets/0/wieght", "“weight”"),
        ([{"version": 1, "weight": 10}], None, "/targets", "add to 10, not to 100"),
        ([CHAMPION, {"version": 2, "weight": 11}], None, "/targets", "add to 101"),
        ([{"version": 1, "weight": 99.5}], None, "/targets/0/weight", "whole number"),
        ([{"version": 1, "weight": True}], None, "/targets/0/weight", "whole number"),
        ([{"version": 1, "weight": "100"}], None, "/targets/0/weight", "whole number"),
        ([{"version": 1, "weight": 1e400}], None, "/targets/0/weight", "whole number"),
        ([CHAMPION, {"version": 2, "weight": -1}], None, "/targets/1/weight", "0 to 100"),
        ([{"version": 0, "weight": 100}], None, "/targets/0/version", "from 1 on"),
        ([{"version": "1", "weight": 100}], None, "/targets/0/version", "whole number"),
        ([{"version": 2**31, "weight": 100}], None, "/targets/0/version", "whole number"),
        ([{"alias": "v3", "weight": 100}], None, "/targets/0/alias", "Not an alias"),
        ([{"alias": None, "weight": 100}], None, "/targets/0/alias", "Not an alias"),
        ([CHAMPION, CHAMPION], None, "/targets/1", "“champion” stands at /targets/0"),
        (SPLIT, [{"version": 3}, {"version": 3}], "/mirror/1", "Version 3 stands at /mirror/0"),
        ([{"version": 3, "weight": 100}], [{"version": 3}], "/mirror/0", "stands at /targets/0"),
        (SPLIT, [{"version": 3, "weight": 5}], "/mirror/0/weight", "Unknown field"),
        ([], [{"version": 3}], "/targets", "Somebody has to answer"),
        ([{"version": n, "weight": 0} for n in range(11)], None, "/targets", "At most 10"),
        (SPLIT, [{"version": n} for n in range(4)], "/mirror", "At most 3"),
    ],
)
def test_a_wrong_route_is_refused_where_it_is_wrong(
    targets: Any, mirror: Any, pointer: str, said: str
) -> None:
    with pytest.raises(InvalidField, match=said) as caught:
        read_entries(targets, [] if mirror is None else mirror)
    assert caught.value.pointer == pointer
