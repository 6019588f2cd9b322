"""Pages of keys, users and groups."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from registry.actions.access import KEY_PATTERN, authenticate_key
from registry.errors import KeyExpired
from registry.models import ApiKey, AuditEvent, GroupRole, User
from registry.principals import Principal
from tests.browser.world import PASSWORD, World
from tests.registry.admin.conftest import SignIn

NEW_KEY = "/admin/registry/apikey/add/"
NEW_USER = "/admin/registry/user/add/"
PERSON = {"username": "zoe", "password": PASSWORD, "is_staff": "on", "is_active": "on"}


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


@pytest.fixture
def admin(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.admin)


def key_text(answer: Any) -> str:
    found = KEY_PATTERN.search(answer.content.decode())
    assert found is not None
    return found[0]


def test_a_new_key_is_shown_once_and_works(owner: Client, world: World) -> None:
    form = {"name": "notebook", "scopes": ["read"], "models": ["churn"], "expires_in_days": "30"}
    answer = owner.post(NEW_KEY, form)
    assert "no-store" in answer["Cache-Control"]
    by = authenticate_key(key_text(answer))
    assert by.user == world.owner
    assert by.model_ids == {world.model.pk}
    assert by.api_key is not None
    page = owner.get(reverse("admin:registry_apikey_change", args=[by.api_key.pk]))
    assert KEY_PATTERN.search(page.content.decode()) is None


def test_only_scopes_that_one_holds_are_offered_and_taken(world: World, signed_in: SignIn) -> None:
    mate = signed_in(world.mate)
    page = mate.get(NEW_KEY).content.decode()
    assert "approve:" in page
    assert "admin:" not in page
    answer = mate.post(NEW_KEY, {"name": "x", "scopes": ["admin"], "expires_in_days": "30"})
    assert "Select a valid choice" in answer.content.decode()
    assert not ApiKey.objects.filter(name="x").exists()


def test_rotating_shows_the_new_key_and_ends_the_old_one(owner: Client, world: World) -> None:
    text = key_text(owner.post(NEW_KEY, {"name": "old", "scopes": ["read"], "expires_in_days": ""}))
    old = ApiKey.objects.get(name="old")
    fresh = key_text(owner.post(reverse("admin:registry_apikey_rotate", args=[old.pk])))
    assert authenticate_key(fresh).user == world.owner
    with pytest.raises(KeyExpired):
        authenticate_key(text)


def test_a_revoked_key_cannot_be_rotated_and_says_so(owner: Client, world: World) -> None:
    owner.post(reverse("admin:registry_apikey_revoke", args=[world.key.pk]))
    page = reverse("admin:registry_apikey_rotate", args=[world.key.pk])
    answer = owner.post(page, follow=True)
    assert "was revoked" in " ".join(str(m) for m in answer.context["messages"])


def test_chosen_keys_are_revoked_together(owner: Client, world: World) -> None:
    form = {"action": "revoke_chosen", "_selected_action": [str(world.key.pk)], "index": 0}
    owner.post("/admin/registry/apikey/", form)
    world.key.refresh_from_db()
    assert world.key.revoked_at is not None


def test_a_manager_makes_a_user_who_can_sign_in(admin: Client, world: World) -> None:
    group = Group.objects.get(name="Publishers")
    answer = admin.post(NEW_USER, {**PERSON, "groups": [group.pk]}, follow=True)
    assert answer.status_code == 200
    zoe = User.objects.get(username="zoe")
    assert Principal(zoe).global_role == "publisher"
    assert zoe.check_password(PASSWORD)
    event = AuditEvent.objects.get(action="user.create")
    assert PASSWORD not in str(event.after)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"username": "ADA"}, "There is a user “ADA” already"),
        # As accounts are kept, it is the same name in other letters.
        ({"username": "\uff21\uff24\uff21"}, "There is a user “ADA” already"),
        ({"username": "a b"}, "Enter a valid username"),
        ({"password": "short"}, "too short"),
    ],
)
def test_a_wrong_user_is_refused_on_the_form(
    admin: Client, fields: dict[str, str], word: str
) -> None:
    before = User.objects.count()
    assert word in admin.post(NEW_USER, {**PERSON, **fields}).content.decode()
    assert User.objects.count() == before


def test_nobody_locks_themselves_out(admin: Client, world: World) -> None:
    page = reverse("admin:registry_user_change", args=[world.admin.pk])
    answer = admin.post(page, {"username": "admin", "is_active": "on"})
    assert "lock yourself out" in answer.content.decode()
    assert User.objects.get(pk=world.admin.pk).is_staff


def test_a_manager_who_is_no_superuser_cannot_change_one(world: World, signed_in: SignIn) -> None:
    group, _ = Group.objects.get_or_create(name="Managers")
    GroupRole.objects.get_or_create(group=group, defaults={"role": "manager"})
    world.mate.groups.add(group)
    client = signed_in(world.mate)
    page = reverse("admin:registry_user_password", args=[world.admin.pk])
    answer = client.post(page, {"password": "another-long-password"})
    assert "Only a superuser changes a superuser" in answer.content.decode()
    assert User.objects.get(pk=world.admin.pk).check_password(PASSWORD)


def test_a_group_gets_its_role_and_loses_it(admin: Client) -> None:
    admin.post("/admin/auth/group/add/", {"name": "Night shift", "role": "scorer"})
    group = Group.objects.get(name="Night shift")
    assert group.held_role.role == "scorer"
    admin.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "Night", "role": ""})
    assert not GroupRole.objects.filter(group=group).exists()
    actions = AuditEvent.objects.filter(object_id=str(group.pk)).values_list("action", flat=True)
    assert sorted(actions) == ["group.create", "group.update"]


def test_whoever_is_no_manager_makes_no_user(owner: Client) -> None:
    assert owner.post(NEW_USER, PERSON).status_code == 403
    assert not User.objects.filter(username="zoe").exists()
