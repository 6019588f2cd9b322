"""Roles, scopes and keys: what somebody may do follows from both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import roles
from registry.actions import access
from registry.errors import InvalidField, NotAllowed, NotAuthenticated
from registry.models import ApiKey, Dataset, RegisteredModel
from registry.principals import Principal, find_model, require
from tests import people, things

pytestmark = pytest.mark.django_db


@pytest.fixture
def model():
    return things.a_model(people.owner())


@pytest.mark.parametrize("held", roles.ROLES)
@pytest.mark.parametrize("asked", roles.ROLES)
def test_roles_are_cumulative(model, held, asked):
    mate = people.team_mate(model, role=held)

    assert mate.by.may(asked, model) == (roles.rank(held) >= roles.rank(asked))


@pytest.mark.parametrize("scope", roles.SCOPES)
@pytest.mark.parametrize("asked", roles.ROLES)
def test_a_key_narrows_its_user_down_to_its_scopes(model, scope, asked):
    mate = people.team_mate(model, role="manager")
    key, _ = mate.key(scopes=[scope])

    allowed = Principal(mate.user, key).may(asked, model)

    assert allowed == (roles.rank(roles.SCOPE_ROLES[scope]) >= roles.rank(asked))


def test_a_groups_role_holds_for_everything_and_a_grant_for_one(model):
    other = things.a_model(people.manager(), "fraud")
    scorer = people.person("sid", role="scorer")
    mate = people.team_mate(model)

    assert scorer.by.may("scorer", model)
    assert scorer.by.may("scorer", other)
    assert mate.by.may("scorer", model)
    assert not mate.by.may("viewer", other)


def test_the_higher_of_group_and_grant_counts(model):
    viewer = people.person("vera", role="viewer")
    people.grant(viewer, model, "publisher")

    assert viewer.by.may("publisher", model)


def test_who_left_may_do_nothing(model):
    gone = people.person("gone", role="manager", is_active=False)

    assert not gone.by.may("viewer", model)
    assert not RegisteredModel.objects.visible_to(gone.by).exists()


def test_a_refusal_says_whether_the_scope_or_the_role_is_missing(model):
    mate = people.team_mate(model, role="publisher")
    key, _ = mate.key(scopes=["read"])

    with pytest.raises(NotAllowed, match="scope “publish”"):
        require(Principal(mate.user, key), "publisher", model)
    with pytest.raises(NotAllowed, match="role manager on churn"):
        require(mate.by, "manager", model)


def test_a_dataset_is_not_hidden_by_a_key_that_is_limited_to_models(model):
    mate = people.team_mate(model)
    dataset = things.a_dataset_version(people.manager(), is_read=False).dataset
    people.grant(mate, dataset, "viewer")
    key, _ = mate.key(models=["churn"])

    assert list(Dataset.objects.visible_to(Principal(mate.user, key))) == [dataset]


def test_a_key_that_is_limited_to_models_manages_nothing_else(model):
    marie = people.manager()
    dataset = things.a_dataset_version(marie, is_read=False).dataset
    key, _ = marie.key(models=["churn"])
    limited = Principal(marie.user, key)

    assert limited.may("manager", model)
    assert limited.may("approver", dataset)
    with pytest.raises(NotAllowed, match="limited to models: it manages nothing else"):
        require(limited, "manager", dataset)


def test_a_key_stands_for_its_user_and_notes_its_use_once_a_minute(model):
    mate = people.team_mate(model)
    key, text = mate.key()

    by = access.authenticate_key(text, request_id="r-1")
    key.refresh_from_db()
    first = key.last_used_at
    access.authenticate_key(text)
    key.refresh_from_db()

    assert (by.user, by.api_key, by.request_id) == (mate.user, key, "r-1")
    assert key.last_used_at == first
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    access.authenticate_key(text)
    key.refresh_from_db()
    assert key.last_used_at > first


@pytest.mark.parametrize("text", ["", "my_", "my_abcdefgh_short", "xy_abcdefgh_" + "a" * 43])
def test_what_is_not_written_like_a_key_is_unknown(text):
    with pytest.raises(NotAuthenticated):
        access.authenticate_key(text)


def test_a_key_is_found_by_its_names_and_limited_to_what_is_seen(model):
    mate = people.team_mate(model)
    things.a_model(people.manager(), "fraud")

    with pytest.raises(InvalidField, match="fraud"):
        mate.key(models=["churn", "fraud"])
    key, _ = mate.key(models=["CHURN"])

    assert find_model(Principal(mate.user, key), "churn") == model


def test_a_grant_replaces_the_one_before_and_its_removal_is_audited(model):
    mate = people.team_mate(model, role="viewer")
    boss = people.manager()

    access.set_grant(by=boss.by, governed=model, user=mate.user, role="publisher")
    assert mate.by.may("publisher", model)

    assert access.remove_grant(by=boss.by, governed=model, user=mate.user)
    assert not access.remove_grant(by=boss.by, governed=model, user=mate.user)
    assert not mate.by.may("viewer", model)


def test_only_a_manager_sets_grants(model):
    mate = people.team_mate(model, role="approver")

    with pytest.raises(NotAllowed):
        access.set_grant(by=mate.by, governed=model, user=mate.user, role="manager")
    with pytest.raises(NotAllowed):
        access.remove_grant(by=mate.by, governed=model, user=mate.user)
