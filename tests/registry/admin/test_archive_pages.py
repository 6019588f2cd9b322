"""Pages of an archived model: what they say, what they no longer offer, and the way back."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from registry.models import AuditEvent, RegisteredModel
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

LIST = "/admin/registry/registeredmodel/"


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def page(world: World, name: str = "change") -> str:
    return reverse(f"admin:registry_registeredmodel_{name}", args=[world.model.pk])


def archived(world: World) -> bool:
    return RegisteredModel.objects.get(pk=world.model.pk).archived_at is not None


def test_a_model_is_archived_and_taken_back_with_a_button(owner: Client, world: World) -> None:
    assert "Archive …" in owner.get(page(world)).content.decode()
    shown = owner.post(page(world, "archive"), follow=True).content.decode()
    assert archived(world)
    assert "churn is archived: none of its versions can be called." in shown
    assert "Take back into use" in shown
    for gone in ("Upload a version", "Move or add an alias", "Yes, remove", "Try it"):
        assert gone not in shown
    shown = owner.post(page(world, "unarchive"), follow=True).content.decode()
    assert not archived(world)
    assert "churn is in use again." in shown
    assert "Upload a version" in shown
    actions = AuditEvent.objects.order_by("-id").values_list("action", flat=True)[:2]
    assert list(actions) == ["model.unarchive", "model.archive"]


def test_a_version_of_it_says_why_it_cannot_be_called(owner: Client, world: World) -> None:
    owner.post(page(world, "archive"))
    url = reverse("admin:registry_modelversion_change", args=[world.ready.pk])
    shown = owner.get(url).content.decode()
    assert "Its model is archived" in shown
    assert "Score this row" not in shown


def test_lists_leave_it_out_unless_it_is_asked_for(owner: Client, world: World) -> None:
    link = page(world)
    owner.post(page(world, "archive"))
    assert link not in owner.get(LIST).content.decode()
    assert link in owner.get(f"{LIST}?archived=yes").content.decode()
    form = owner.get(reverse("admin:registry_modelversion_add")).content.decode()
    assert '<option value="churn">' not in form
    job = owner.get("/admin/serving/batchjob/add/").content.decode()
    assert '<option value="churn">' not in job


def test_a_get_and_who_may_not_change_nothing(
    owner: Client, world: World, signed_in: SignIn
) -> None:
    owner.get(page(world, "archive"))
    assert not archived(world)
    assert signed_in(world.stranger).post(page(world, "archive")).status_code == 404
    assert not archived(world)
    twice = owner.post(page(world, "unarchive"), follow=True).content.decode()
    assert "is not archived" in twice
