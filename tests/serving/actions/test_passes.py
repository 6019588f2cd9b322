"""Passes hold while nothing has changed, and no longer than they may."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry import changes
from registry.actions import access
from registry.actions.access import create_api_key
from registry.errors import KeyExpired, ModelNotFound, NotAuthenticated
from registry.models import ApiKey
from registry.principals import Principal
from serving.actions import passes as passes_module
from serving.actions.passes import Passes
from tests.serving.batch import ledger

pytestmark = pytest.mark.usefixtures("only_our_news")


class World:
    """Ana with the model churn and a key."""

    def __init__(self, **options: Any) -> None:
        self.ana = ledger.person("ana")
        self.version = ledger.ready_version(self.ana)
        self.key, self.text = create_api_key(by=self.ana, user=self.ana.user, name="k", **options)


@pytest.fixture
def world(transactional_db: None) -> World:
    """Where transactions are real."""
    return World()


def test_a_pass_is_at_hand_once_it_was_found(world: World) -> None:
    passes = Passes()
    assert passes.known(world.text, "churn") is None

    found = passes.find(world.text, "churn")

    assert passes.known(world.text, "churn") is found
    assert found.principal.id == f"key:{world.key.public_id}"
    assert found.resolution.targets[0].version_id == world.version.pk
    assert passes.known(world.text, "churn", 1) is None
    assert passes.find(world.text, "churn", 1).resolution == found.resolution


def test_spellings_of_a_name_share_a_pass_and_errors_keep_them(world: World) -> None:
    passes = Passes()
    found = passes.find(world.text, "Churn")

    assert passes.known(world.text, "churn") is found
    assert passes.find(world.text, "CHURN") is found
    assert len(passes._kept) == 1
    with pytest.raises(ModelNotFound, match="“NoSuch”"):
        passes.find(world.text, "NoSuch")


def test_another_secret_opens_nothing(world: World) -> None:
    passes = Passes()
    passes.find(world.text, "churn")
    wrong = world.text[:-1] + ("A" if world.text[-1] != "A" else "B")

    assert passes.known(wrong, "churn") is None
    with pytest.raises(NotAuthenticated):
        passes.find(wrong, "churn")
    assert passes.known(world.text, "churn") is not None


def test_the_text_of_a_key_is_not_kept(world: World) -> None:
    passes = Passes()
    found = passes.find(world.text, "churn")

    assert world.text[12:] not in repr((passes._kept, passes._flights, vars(found.principal.user)))
    assert not passes._flights


def test_refusals_are_not_kept(world: World) -> None:
    passes = Passes()
    with pytest.raises(ModelNotFound):
        passes.find(world.text, "other")
    ledger.ready_version(world.ana, "other")

    assert passes.find(world.text, "other").resolution.targets[0].model == "other"


def test_any_change_ends_all_passes(world: World) -> None:
    passes = Passes()
    passes.find(world.text, "churn")

    changes.announce()

    assert passes.known(world.text, "churn") is None


def test_what_began_to_be_read_before_a_change_is_not_used_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = Passes()
    resolve = passes_module.resolve

    def meanwhile(by: Principal, ref: str) -> Any:
        found = resolve(by, ref)
        changes.announce()
        return found

    monkeypatch.setattr(passes_module, "resolve", meanwhile)

    assert passes.find(world.text, "churn").resolution.targets
    assert passes.known(world.text, "churn") is None


@pytest.mark.parametrize(("is_in_touch", "age_s"), [(False, 1.1), (True, 30.1)])
def test_a_pass_ages_faster_where_no_news_would_come(
    world: World, monkeypatch: pytest.MonkeyPatch, is_in_touch: bool, age_s: float
) -> None:
    passes = Passes()
    passes.find(world.text, "churn")
    monkeypatch.setattr(changes, "is_in_touch", lambda now_s: is_in_touch)
    now_s = time.monotonic()

    monkeypatch.setattr(changes.time, "monotonic", lambda: now_s + age_s - 0.5)
    assert passes.known(world.text, "churn") is not None or age_s < 2
    monkeypatch.setattr(changes.time, "monotonic", lambda: now_s + age_s)
    assert passes.known(world.text, "churn") is None


def test_the_end_of_a_key_is_seen_to_the_moment(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = timezone.now() + timedelta(hours=1)
    world, passes = World(expires_at=end), Passes()
    passes.find(world.text, "churn")
    assert passes.known(world.text, "churn") is not None

    monkeypatch.setattr(access.timezone, "now", lambda: end)
    with pytest.raises(KeyExpired):
        passes.known(world.text, "churn")


def test_passes_are_bounded(world: World) -> None:
    passes = Passes(size=2)
    for name in ("first", "second", "third"):
        ledger.ready_version(world.ana, name)
    for name in ("first", "second", "third"):
        passes.find(world.text, name)

    assert passes.known(world.text, "first") is None
    assert passes.known(world.text, "third") is not None


@pytest.mark.django_db
def test_what_a_transaction_sees_is_not_kept() -> None:
    world, passes = World(), Passes()

    assert passes.find(world.text, "churn").resolution.targets
    assert passes.known(world.text, "churn") is None


def test_who_was_let_in_before_a_change_is_looked_at_again(world: World) -> None:
    passes = Passes()
    before = Principal(world.ana.user, ApiKey.objects.select_related("user").get())
    assert passes.resolve(before, "churn").targets

    ApiKey.objects.update(scopes=["publish"], all_models=False)
    with pytest.raises(ModelNotFound):
        passes.resolve(before, "churn")
    ApiKey.objects.update(revoked_at=timezone.now())
    with pytest.raises(KeyExpired):
        passes.resolve(before, "churn")
    ApiKey.objects.all().delete()
    with pytest.raises(NotAuthenticated):
        passes.resolve(before, "churn")
