"""Pages of models and versions: making, describing, moving aliases, archiving, deciding."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registry.actions.models import update_model
from registry.actions.second_looks import record_second_look
from registry.models import Alias, ApprovalRequest, AuditEvent, ModelVersion, RegisteredModel
from registry.principals import Principal
from tests.browser.world import World
from tests.cards import CARD
from tests.registry.admin.conftest import SignIn

NEW = {"name": "wine", "kind": "model", "classification": "internal", "description": "", "tags": ""}


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def on(world: World, page: str) -> str:
    return reverse(f"admin:registry_registeredmodel_{page}", args=[world.model.pk])


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_a_model_is_made_and_its_page_shown(owner: Client) -> None:
    answer = owner.post(
        reverse("admin:registry_registeredmodel_add"), {**NEW, "tags": "team: risk"}, follow=True
    )
    assert answer.status_code == 200
    assert RegisteredModel.objects.get(name="wine").tags == {"team": "risk"}
    assert "No version yet" in answer.content.decode()


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("name", "not a name", "Not a name"),
        ("name", "CHURN", "There is a model “CHURN” already"),
        ("name", "", "This field is required"),
        ("tags", "no colon here", "Line 1 is no “key: value”"),
        ("tags", "a: 1\na: 2", "Line 2: the key “a” comes twice"),
        ("kind", "nonsense", "Select a valid choice"),
    ],
)
def test_a_refused_field_is_shown_on_the_form_and_nothing_is_made(
    owner: Client, field: str, value: str, word: str
) -> None:
    before = RegisteredModel.objects.count()
    answer = owner.post(reverse("admin:registry_registeredmodel_add"), {**NEW, field: value})
    assert answer.status_code == 200
    assert word in answer.content.decode()
    assert RegisteredModel.objects.count() == before


def test_whoever_may_not_make_models_is_refused(world: World, signed_in: SignIn) -> None:
    answer = signed_in(world.stranger).post(reverse("admin:registry_registeredmodel_add"), NEW)
    assert answer.status_code == 403
    assert not RegisteredModel.objects.filter(name="wine").exists()


def test_a_manager_of_the_model_changes_its_rules(owner: Client, world: World) -> None:
    owner.post(
        on(world, "edit"),
        {
            "description": "new",
            "tags": "",
            "classification": "restricted",
            "approval_required": "on",
        },
    )
    world.model.refresh_from_db()
    assert (world.model.classification, world.model.approval_required) == ("restricted", True)


def test_an_alias_is_moved_with_its_reason(owner: Client, world: World) -> None:
    second = world.model.versions.get(number=2)
    answer = owner.post(
        on(world, "aliases"),
        {"alias": "champion", "version": second.pk, "reason": "better"},
        follow=True,
    )
    assert "points to version 2 now" in said(answer)
    assert Alias.objects.get(model=world.model, name="champion").version == second
    history = owner.get(f"{on(world, 'change')}alias-history/champion/").content.decode()
    assert "better" in history


def test_a_guarded_alias_waits_for_somebody_else(owner: Client, world: World) -> None:
    update_model(by=Principal(world.owner), model=world.model, approval_required=True, card=CARD)
    second = world.model.versions.get(number=2)
    answer = owner.post(
        on(world, "aliases"), {"alias": "champion", "version": second.pk}, follow=True
    )
    assert "waits for somebody else" in said(answer)
    assert Alias.objects.get(model=world.model, name="champion").version == world.ready


def test_a_wrong_alias_comes_back_on_the_open_form(owner: Client, world: World) -> None:
    answer = owner.post(on(world, "aliases"), {"alias": "latest", "version": world.ready.pk})
    assert "Not an alias" in answer.content.decode()
    assert '<details class="reveal" open>' in answer.content.decode()


def test_an_alias_cannot_be_moved_to_a_version_that_is_not_ready(
    owner: Client, world: World
) -> None:
    answer = owner.post(on(world, "aliases"), {"alias": "x", "version": world.rejected.pk})
    assert "Select a valid choice" in answer.content.decode()


def test_an_alias_is_removed_by_a_post_alone(owner: Client, world: World) -> None:
    looked = owner.get(on(world, "alias-removal"), {"alias": "challenger"}, follow=True)
    assert said(looked) == ""
    assert Alias.objects.filter(model=world.model, name="challenger").exists()
    owner.post(on(world, "alias-removal"), {"alias": "challenger"})
    assert not Alias.objects.filter(model=world.model, name="challenger").exists()


def test_a_grant_is_given_and_taken(owner: Client, world: World) -> None:
    owner.post(on(world, "grants"), {"user": "eve", "role": "scorer"})
    assert world.model.grants.get(user=world.stranger).role == "scorer"
    owner.post(on(world, "grant-removal"), {"user": "eve"})
    assert not world.model.grants.filter(user=world.stranger).exists()


def test_an_unknown_user_gets_no_grant_and_a_word(owner: Client, world: World) -> None:
    answer = owner.post(on(world, "grants"), {"user": "nobody", "role": "scorer"}, follow=True)
    assert "There is no user “nobody”" in said(answer)


def test_a_version_with_an_alias_is_not_archived_and_says_why(owner: Client, world: World) -> None:
    page = reverse("admin:registry_modelversion_archive", args=[world.ready.pk])
    assert "move the alias first" in said(owner.post(page, follow=True))
    page = reverse("admin:registry_modelversion_archive", args=[world.rejected.pk])
    owner.post(page)
    assert ModelVersion.objects.get(pk=world.rejected.pk).status == "archived"


def test_looking_at_an_action_with_get_changes_nothing(owner: Client, world: World) -> None:
    for row, page in ((world.rejected, "archive"),):
        owner.get(reverse(f"admin:registry_modelversion_{page}", args=[row.pk]))
    assert ModelVersion.objects.get(pk=world.rejected.pk).status == "rejected"


def test_a_corrected_signature_makes_the_next_version(owner: Client, world: World) -> None:
    page = reverse("admin:registry_modelversion_correct", args=[world.ready.pk])
    body = '{"inputs": [{"name": "age", "type": "float64"}], "outputs": []}'
    answer = owner.post(page, {"signature": body}, follow=True)
    assert "as declared, not yet checked" in answer.content.decode()
    assert world.model.versions.latest("number").from_version == world.ready


def test_a_wrong_signature_names_its_place(owner: Client, world: World) -> None:
    page = reverse("admin:registry_modelversion_correct", args=[world.ready.pk])
    body = '{"inputs": [{"name": "age", "type": "int31"}], "outputs": []}'
    assert "/inputs/0/type" in owner.post(page, {"signature": body}).content.decode()
    assert "JSON" in owner.post(page, {"signature": "{no"}).content.decode()


def test_settled_checks_tell_the_page_to_load_again_and_running_ones_do_not(
    owner: Client, world: World
) -> None:
    page = "admin:registry_modelversion_checks"
    moving = owner.get(reverse(page, args=[world.pending.pk]))
    assert "hx-trigger" in moving.content.decode()
    assert "HX-Refresh" not in moving
    settled = owner.get(reverse(page, args=[world.ready.pk]))
    assert "hx-trigger" not in settled.content.decode()
    assert settled["HX-Refresh"] == "true"


def test_evidence_is_a_table_of_rows_and_columns(owner: Client, world: World) -> None:
    page = reverse("admin:registry_modelversion_change", args=[world.rejected.pk])
    shown = owner.get(page).content.decode()
    assert "<span>not-an-integer</span></td>" in shown
    assert "<span>20.7</span></td>" in shown


def decision(world: World) -> str:
    return reverse("admin:registry_approvalrequest_decide", args=[world.approval.pk])


def test_the_uploader_cannot_decide_and_is_told_so(owner: Client, world: World) -> None:
    page = owner.get(reverse("admin:registry_modelversion_change", args=[world.quarantined.pk]))
    assert "somebody else has to decide" in page.content.decode()
    answer = owner.post(decision(world), {"decision": "approve", "reason": "mine"}, follow=True)
    assert ApprovalRequest.objects.get(pk=world.approval.pk).state == "pending"
    assert answer.status_code == 200


def test_a_reviewer_sees_what_every_check_has_seen(world: World, signed_in: SignIn) -> None:
    mate = signed_in(world.mate)
    url = reverse("admin:registry_approvalrequest_change", args=[world.approval.pk])
    page = mate.get(url).content.decode()
    for part in ("sklearn.pipeline.Pipeline", "scikit-learn 1.9.1", world.approval.gate_version):
        assert part in page
    assert "Names in the file (27)" in page
    assert "<summary>7 more</summary>" in page
    assert page.count('class="step-head"') == 5
    assert 'value="approve"' in page


def test_nobody_is_offered_to_approve_what_another_gate_has_seen(
    world: World, signed_in: SignIn
) -> None:
    ApprovalRequest.objects.update(gate_version="1-000000000000")
    url = reverse("admin:registry_approvalrequest_change", args=[world.approval.pk])
    page = signed_in(world.mate).get(url).content.decode()
    assert "manage.py regate" in page
    assert 'value="approve"' not in page
    assert 'value="reject"' in page


def test_a_version_that_a_newer_gate_refuses_says_so(owner: Client, world: World) -> None:
    record_second_look(
        world.ready,
        verdict="failed",
        summary="The file names builtins.exec.",
        evidence={"reason": "pickle-untrusted-global", "global": "builtins.exec", "offset": 1377},
    )
    url = reverse("admin:registry_modelversion_change", args=[world.ready.pk])
    page = owner.get(url).content.decode()
    assert "refuses it now" in page
    assert f'href="{reverse("docs-errors")}#reason-pickle-untrusted-global"' in page
    assert "<dt>Refused name</dt><dd>builtins.exec</dd>" in page


def test_the_version_of_the_trainer_stands_beside_those_of_this_server(
    owner: Client, world: World
) -> None:
    libraries = {"scikit-learn": "1.9.1", "trained-with": "1.7.2"}
    ModelVersion.objects.filter(pk=world.ready.pk).update(
        facts={**(world.ready.facts or {}), "libraries": libraries}
    )
    url = reverse("admin:registry_modelversion_change", args=[world.ready.pk])
    page = owner.get(url).content.decode()
    assert "<dt>saved by</dt><dd>scikit-learn 1.7.2</dd>" in page
    assert "<dt>scikit-learn</dt><dd>1.9.1</dd>" in page


@pytest.mark.parametrize(
    ("policy", "words"),
    [("gate", "confined process"), ("approve", "other than you"), ("refuse", "takes no joblib")],
)
def test_the_upload_page_says_what_the_policy_makes_of_a_file(
    owner: Client, settings: Any, policy: str, words: str
) -> None:
    settings.MODELYARD = {**settings.MODELYARD, "MODEL_FILE_POLICY": policy}
    assert words in owner.get(reverse("admin:registry_modelversion_add")).content.decode()


@pytest.mark.parametrize(
    ("decided", "state", "status"),
    [("approve", "approved", "ready"), ("reject", "rejected", "rejected")],
)
def test_an_approver_decides_with_a_reason(
    world: World, signed_in: SignIn, decided: str, state: str, status: str
) -> None:
    mate = signed_in(world.mate)
    answer = mate.post(decision(world), {"decision": decided, "reason": ""}, follow=True)
    assert "needs its reason" in said(answer)
    mate.post(decision(world), {"decision": decided, "reason": "looked at the globals"})
    world.approval.refresh_from_db()
    world.quarantined.refresh_from_db()
    assert (world.approval.state, world.quarantined.status) == (state, status)
    again = mate.post(decision(world), {"decision": decided, "reason": "again"}, follow=True)
    assert f"is {state} already" in said(again)


def test_raw_html_of_a_model_card_is_shown_as_text(owner: Client, world: World) -> None:
    page = owner.get(on(world, "change")).content.decode()
    assert "<strong>leave</strong>" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_the_commands_to_paste_have_the_real_columns(owner: Client, world: World) -> None:
    page = owner.get(on(world, "change")).content.decode()
    assert "/api/v1/models/churn/predict" in page
    assert "age,city,balance [EUR],is member,joined" in page


def test_changes_leave_events_that_only_managers_read_all_of(
    owner: Client, world: World, signed_in: SignIn
) -> None:
    owner.post(on(world, "alias-removal"), {"alias": "challenger", "reason": ""})
    event = AuditEvent.objects.filter(action="alias.remove").get()
    page = reverse("admin:registry_auditevent_change", args=[event.pk])
    assert owner.get(page).status_code == 200
    assert signed_in(world.admin).get(page).status_code == 200
    assert signed_in(world.mate).get(page).status_code == 404


def test_nothing_governed_can_be_deleted(world: World, signed_in: SignIn) -> None:
    admin = signed_in(world.admin)
    for name, row in (("registeredmodel", world.model), ("modelversion", world.ready)):
        assert admin.post(f"/admin/registry/{name}/{row.pk}/delete/").status_code == 404
