"""Owner, team-mate, stranger, and whoever is not signed in, before every page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from registry.actions.access import set_grant
from registry.models import User
from registry.principals import Principal
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

LISTS = (
    "registry_registeredmodel",
    "registry_modelversion",
    "registry_approvalrequest",
    "registry_dataset",
    "registry_datasetversion",
    "registry_apikey",
    "registry_auditevent",
    "registry_webhook",
    "serving_batchjob",
    "serving_schedule",
)
ROWS = (
    ("registry_registeredmodel_change", "model"),
    ("registry_registeredmodel_card", "model"),
    ("registry_modelversion_change", "ready"),
    ("registry_modelversion_change", "pending"),
    ("registry_modelversion_change", "quarantined"),
    ("registry_modelversion_change", "rejected"),
    ("registry_modelversion_checks", "pending"),
    ("registry_approvalrequest_change", "approval"),
    ("registry_dataset_change", "dataset"),
    ("registry_datasetversion_change", "table"),
    ("registry_datasetversion_change", "refused"),
    ("registry_datasetversion_change", "waiting"),
    ("registry_datasetversion_reading", "waiting"),
)
WORK = (
    ("serving_batchjob_change", "running"),
    ("serving_batchjob_change", "failed"),
    ("serving_batchjob_change", "rejecting"),
    ("serving_batchjob_live", "running"),
    ("serving_schedule_change", "schedule"),
)
FOR_MANAGERS = ("registry_user", "auth_group")


def address(name: str, world: World, row: str) -> str:
    return reverse(f"admin:{name}", args=[getattr(world, row).pk])


@pytest.mark.parametrize("name", LISTS)
def test_every_list_answers_everybody_of_the_staff(
    world: World, signed_in: SignIn, name: str
) -> None:
    for user in (world.admin, world.owner, world.mate, world.stranger):
        assert signed_in(user).get(reverse(f"admin:{name}_changelist")).status_code == 200


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_shows_to_owner_and_team_mate_and_does_not_exist_for_a_stranger(
    world: World, signed_in: SignIn, name: str, row: str
) -> None:
    page = address(name, world, row)
    assert signed_in(world.owner).get(page).status_code == 200
    assert signed_in(world.mate).get(page).status_code == 200
    assert signed_in(world.stranger).get(page).status_code == 404


@pytest.mark.parametrize(("name", "row"), WORK)
def test_jobs_and_schedules_show_to_their_owner_and_not_to_a_stranger(
    world: World, signed_in: SignIn, name: str, row: str
) -> None:
    page = address(name, world, row)
    assert signed_in(world.owner).get(page).status_code == 200
    assert signed_in(world.stranger).get(page).status_code == 404


@pytest.mark.parametrize(("name", "row"), WORK)
def test_jobs_and_schedules_show_to_a_team_mate_with_a_role_on_everything(
    world: World, signed_in: SignIn, name: str, row: str
) -> None:
    assert signed_in(world.mate).get(address(name, world, row)).status_code == 200


def test_a_strangers_lists_are_empty_and_say_what_to_do(world: World, signed_in: SignIn) -> None:
    page = signed_in(world.stranger).get(reverse("admin:registry_registeredmodel_changelist"))
    assert b"churn" not in page.content
    assert b"No model yet" in page.content


def test_the_first_page_tells_somebody_without_a_role_what_to_do(
    world: World, signed_in: SignIn
) -> None:
    page = signed_in(world.stranger).get(reverse("admin:index")).content.decode()
    assert "You have no role yet" in page
    assert "churn" not in page


def test_a_grant_on_one_model_shows_that_model_alone(world: World, signed_in: SignIn) -> None:
    set_grant(by=Principal(world.admin), governed=world.model, user=world.stranger, role="viewer")
    client = signed_in(world.stranger)
    page = client.get(reverse("admin:registry_registeredmodel_changelist")).content.decode()
    assert "churn" in page
    assert "prices" not in page
    assert client.get(address("registry_dataset_change", world, "dataset")).status_code == 404


@pytest.mark.parametrize("name", FOR_MANAGERS)
def test_people_show_to_managers_only(world: World, signed_in: SignIn, name: str) -> None:
    page = reverse(f"admin:{name}_changelist")
    assert signed_in(world.admin).get(page).status_code == 200
    assert signed_in(world.owner).get(page).status_code == 403
    assert signed_in(world.stranger).get(page).status_code == 403


def test_keys_of_others_do_not_exist_for_whoever_is_no_manager(
    world: World, signed_in: SignIn
) -> None:
    page = reverse("admin:registry_apikey_change", args=[world.key.pk])
    assert signed_in(world.owner).get(page).status_code == 200
    assert signed_in(world.mate).get(page).status_code == 404
    assert signed_in(world.admin).get(page).status_code == 200


def test_whoever_is_not_signed_in_is_asked_to(world: World) -> None:
    for name in LISTS:
        answer = Client().get(reverse(f"admin:{name}_changelist"))
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


def test_whoever_is_not_of_the_staff_is_asked_to_sign_in_as_somebody_else(
    world: World, signed_in: SignIn
) -> None:
    User.objects.filter(pk=world.mate.pk).update(is_staff=False)
    world.mate.refresh_from_db()
    answer = signed_in(world.mate).get(reverse("admin:index"), follow=True)
    assert "who may not open these pages" in answer.content.decode()


@pytest.mark.parametrize(
    "name",
    ["registry_registeredmodel_edit", "registry_registeredmodel_change"],
)
def test_a_viewer_is_shown_no_way_to_change_a_model(
    world: World, signed_in: SignIn, name: str
) -> None:
    set_grant(by=Principal(world.admin), governed=world.model, user=world.stranger, role="viewer")
    answer = signed_in(world.stranger).get(address(name, world, "model"))
    if name.endswith("_edit"):
        assert answer.status_code == 403
    else:
        assert b"Upload a version" not in answer.content
        assert b"Move or add an alias" not in answer.content


def test_a_viewer_who_moves_an_alias_is_refused(world: World, signed_in: SignIn) -> None:
    set_grant(by=Principal(world.admin), governed=world.model, user=world.stranger, role="viewer")
    page = address("registry_registeredmodel_aliases", world, "model")
    client = signed_in(world.stranger)
    form = {"alias": "champion", "version": str(world.ready.pk)}
    answer = client.post(page, form)
    assert answer.status_code == 403
    assert "needs the role publisher" in answer.content.decode()
    assert client.get(page).status_code == 200
