"""Routes as actions: what is taken, what is refused and where, and what a bare name calls then."""

from __future__ import annotations

from typing import Any

import pytest

from registry.actions.aliases import move_alias, remove_alias
from registry.actions.models import update_model
from registry.actions.versions import archive_version
from registry.errors import (
    AliasNotFound,
    DomainError,
    InvalidField,
    NotAllowed,
    StateConflict,
    VersionNotFound,
    VersionNotReady,
    VersionNotServable,
)
from registry.models import AuditEvent, ModelVersion
from serving.actions.routes import clear_route, route_state, set_route, written
from serving.actions.targets import called_version, resolve, resolve_version
from serving.models import Route
from tests.people import grant, manager, person
from tests.serving.routes.conftest import Shop

pytestmark = pytest.mark.django_db
CHAMPION, CHALLENGER = {"alias": "champion", "weight": 90}, {"alias": "challenger", "weight": 10}
SPLIT = [CHAMPION, CHALLENGER]


def numbers(shop: Shop, ref: str = "churn") -> dict[int, int]:
    """The weight of each version that answers the ref."""
    found = resolve(shop.olga.by, ref)
    return dict(zip((t.number for t in found.targets), found.weights, strict=True))


def set_to(shop: Shop, *targets: Any, mirror: Any = None) -> Route | None:
    return set_route(by=shop.olga.by, model=shop.model, targets=list(targets), mirror=mirror)


def stand(shop: Shop, number: int, status: str) -> None:
    ModelVersion.objects.filter(pk=shop.versions[number].pk).update(status=status)


# --- what a name calls ----------------------------------------------------------------------------


def test_without_a_route_the_bare_name_calls_the_champion(shop: Shop) -> None:
    assert numbers(shop) == {1: 100}
    assert written(shop.model) == {"targets": [], "mirror": []}


def test_a_bare_name_calls_its_route_and_an_alias_what_it_points_to(shop: Shop) -> None:
    set_to(shop, CHAMPION, {"version": 3, "weight": 10}, mirror=[{"alias": "challenger"}])
    found = resolve(shop.olga.by, "churn")
    assert [t.number for t in found.targets] == [1, 3]
    assert (found.weights, found.names) == ((90, 10), ("champion", "3"))
    assert [t.number for t in found.mirrors] == [2]
    assert numbers(shop, "churn@challenger") == {2: 100}
    assert resolve(shop.olga.by, "churn@challenger").mirrors == ()
    assert resolve_version(shop.olga.by, "churn", 3).mirrors == ()


def test_targets_by_alias_follow_the_alias(shop: Shop) -> None:
    set_to(shop, *SPLIT)
    move_alias(by=shop.olga.by, version=shop.versions[3], alias="challenger")
    assert numbers(shop) == {1: 90, 3: 10}


def test_the_same_key_gets_the_same_version_while_the_weights_stand(shop: Shop) -> None:
    set_to(shop, {"alias": "champion", "weight": 50}, {"alias": "challenger", "weight": 50})
    keys = [f"k{n}" for n in range(200)]
    before = resolve(shop.olga.by, "churn")
    first = [before.pick(key).number for key in keys]
    assert set(first) == {1, 2}
    move_alias(by=shop.olga.by, version=shop.versions[3], alias="challenger")
    after = resolve(shop.olga.by, "churn")
    second = [after.pick(key).number for key in keys]
    assert second == [3 if number == 2 else number for number in first]


def test_two_aliases_of_one_version_share_it(shop: Shop) -> None:
    set_to(shop, *SPLIT)
    move_alias(by=shop.olga.by, version=shop.versions[1], alias="challenger")
    found = resolve(shop.olga.by, "churn")
    assert {found.pick(f"k{n}").number for n in range(50)} == {1}


@pytest.mark.parametrize("status", ["quarantined", "archived"])
def test_what_cannot_be_served_leaves_its_part_to_the_others(shop: Shop, status: str) -> None:
    set_to(shop, *SPLIT, mirror=[{"version": 3}])
    stand(shop, 1, status)
    stand(shop, 3, status)
    assert numbers(shop) == {2: 10}
    assert resolve(shop.olga.by, "churn").pick("anybody").number == 2
    assert resolve(shop.olga.by, "churn").mirrors == ()
    state = route_state(shop.model)
    assert [entry.percent for entry in state.targets] == [0.0, 100.0]


def test_an_alias_that_is_gone_leaves_its_part_to_the_others(shop: Shop) -> None:
    set_to(shop, *SPLIT)
    remove_alias(by=shop.olga.by, model=shop.model, alias="challenger")
    assert numbers(shop) == {1: 90}
    assert [entry.version for entry in route_state(shop.model).targets] == [shop.versions[1], None]


@pytest.mark.parametrize(
    ("status", "error"), [("quarantined", VersionNotReady), ("archived", VersionNotServable)]
)
def test_a_route_with_nobody_left_says_why(
    shop: Shop, status: str, error: type[DomainError]
) -> None:
    set_to(shop, {"version": 3, "weight": 100}, {"alias": "champion", "weight": 0})
    stand(shop, 3, status)
    with pytest.raises(error, match=f"churn version 3 is {status}"):
        resolve(shop.olga.by, "churn")


def test_what_takes_one_version_only_takes_the_champion_else_the_heaviest(shop: Shop) -> None:
    set_to(shop, {"version": 3, "weight": 70}, {"alias": "challenger", "weight": 30})
    assert called_version(shop.olga.by, "churn").number == 1
    remove_alias(by=shop.olga.by, model=shop.model, alias="champion")
    assert called_version(shop.olga.by, "churn").number == 3
    clear_route(by=shop.olga.by, model=shop.model)
    with pytest.raises(VersionNotReady, match="has no champion yet"):
        called_version(shop.olga.by, "churn")


def test_who_may_only_look_cannot_score_by_a_route(shop: Shop) -> None:
    set_to(shop, *SPLIT)
    vera = person("vera")
    grant(vera, shop.model, "viewer")
    with pytest.raises(NotAllowed):
        resolve(vera.by, "churn")


# --- setting --------------------------------------------------------------------------------------


def test_a_route_is_written_whole_and_read_back_as_it_was_sent(shop: Shop) -> None:
    body = {"targets": SPLIT, "mirror": [{"version": 3}]}
    set_route(by=shop.olga.by, model=shop.model, **body)
    assert written(shop.model) == body
    set_to(shop, {"version": 2, "weight": 100.0})
    assert written(shop.model) == {"targets": [{"version": 2, "weight": 100}], "mirror": []}


def test_each_change_is_one_event_and_no_change_is_none(shop: Shop) -> None:
    set_to(shop, *SPLIT)
    set_to(shop, *SPLIT)
    clear_route(by=shop.olga.by, model=shop.model, reason="over")
    clear_route(by=shop.olga.by, model=shop.model)
    events = AuditEvent.objects.filter(action__startswith="route.").order_by("id")
    assert [event.action for event in events] == ["route.set", "route.clear"]
    assert events[0].before == events[1].after == {"targets": [], "mirror": []}
    assert events[1].before["targets"] == SPLIT
    assert events[1].reason == "over"


def test_two_empty_lists_take_the_route_away(shop: Shop) -> None:
    set_to(shop, *SPLIT)
    assert set_to(shop, mirror=[]) is None
    assert not Route.objects.exists()


def test_a_wrong_route_is_not_written(shop: Shop) -> None:
    with pytest.raises(InvalidField, match="add to 90, not to 100") as caught:
        set_to(shop, CHAMPION)
    assert caught.value.pointer == "/targets"
    assert not Route.objects.exists()


@pytest.mark.parametrize(
    ("entry", "status", "error", "member"),
    [
        ({"version": 9}, "ready", VersionNotFound, "version"),
        ({"alias": "shadow"}, "ready", AliasNotFound, "alias"),
        ({"version": 3}, "pending", VersionNotReady, "version"),
        ({"version": 3}, "quarantined", VersionNotReady, "version"),
        ({"version": 3}, "rejected", VersionNotServable, "version"),
        ({"version": 3}, "archived", VersionNotServable, "version"),
    ],
)
@pytest.mark.parametrize("place", ["targets", "mirror"])
def test_who_cannot_answer_is_refused_where_it_stands(
    shop: Shop, entry: Any, status: str, error: type[DomainError], member: str, place: str
) -> None:
    stand(shop, 3, status)
    body: dict[str, Any] = {"targets": SPLIT, "mirror": [entry]}
    if place == "targets":
        body = {"targets": [CHAMPION, {**entry, "weight": 10}], "mirror": []}
    with pytest.raises(error) as caught:
        set_route(by=shop.olga.by, model=shop.model, **body)
    index = 1 if place == "targets" else 0
    assert caught.value.facts["pointer"] == f"/{place}/{index}/{member}"


def test_a_version_that_a_route_names_is_not_archived(shop: Shop) -> None:
    set_to(shop, CHAMPION, {"version": 3, "weight": 10})
    with pytest.raises(StateConflict, match="take it out first"):
        archive_version(by=shop.olga.by, version=shop.versions[3])
    clear_route(by=shop.olga.by, model=shop.model)
    assert archive_version(by=shop.olga.by, version=shop.versions[3]).status == "archived"


# --- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("scorer", False), ("publisher", True), ("manager", True)]
)
def test_a_route_needs_the_role_that_aliases_need(shop: Shop, role: str, may: bool) -> None:
    tariq = person("tariq")
    grant(tariq, shop.model, role)
    for act in (
        lambda: set_route(by=tariq.by, model=shop.model, targets=SPLIT),
        lambda: clear_route(by=tariq.by, model=shop.model),
    ):
        if may:
            act()
        else:
            with pytest.raises(NotAllowed):
                act()


def test_on_a_guarded_model_managers_route_between_approved_aliases(shop: Shop) -> None:
    update_model(by=shop.olga.by, model=shop.model, approval_required=True)
    pavel = person("pavel")
    grant(pavel, shop.model, "publisher")
    with pytest.raises(NotAllowed):
        set_route(by=pavel.by, model=shop.model, targets=SPLIT)
    with pytest.raises(NotAllowed):
        clear_route(by=pavel.by, model=shop.model)
    marie = manager()
    bare = [CHAMPION, {"version": 3, "weight": 10}]
    with pytest.raises(StateConflict, match="takes aliases only") as caught:
        set_route(by=marie.by, model=shop.model, targets=bare)
    assert caught.value.facts["pointer"] == "/targets/1/version"
    set_route(by=marie.by, model=shop.model, targets=SPLIT, mirror=[{"version": 3}])
    assert numbers(shop) == {1: 90, 2: 10}
