"""Routes, comparisons and records on the pages, for the owner, a team-mate and a stranger."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registry.actions.access import set_grant
from registry.models import AuditEvent, RegisteredModel
from registry.principals import Principal
from serving.actions.routes import set_route, written
from serving.admin.records import NewestPages
from serving.models import MirroredAnswer, PredictionRecord
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

FILLED = {"target0": "@champion", "weight0": "90", "target1": "2", "weight1": "10"}


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def page(world: World) -> str:
    return reverse("admin:registry_registeredmodel_change", args=[world.model.pk])


def form(world: World) -> str:
    return reverse("admin:serving_route", args=[world.model.pk])


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def route(world: World) -> None:
    targets = [{"alias": "champion", "weight": 70}, {"version": 2, "weight": 30}]
    mirror = [{"alias": "challenger"}]
    set_route(by=Principal(world.owner), model=world.model, targets=targets, mirror=mirror)


def test_a_route_is_written_on_its_page_and_shown_on_the_models(
    owner: Client, world: World
) -> None:
    assert "No route: the champion answers" in text(owner.get(page(world)))
    sent = {**FILLED, "mirror0": "@challenger", "reason": "to see"}
    answer = owner.post(form(world), sent, follow=True)
    assert answer.redirect_chain == [(page(world), 302)]
    assert written(world.model) == {
        "targets": [{"alias": "champion", "weight": 90}, {"version": 2, "weight": 10}],
        "mirror": [{"alias": "challenger"}],
    }
    assert AuditEvent.objects.get(action="route.set").reason == "to see"
    shown = text(answer)
    assert "90 %" in shown
    assert "nobody; it gets copies" in shown


def test_the_form_shows_the_route_and_leaves_lines_to_spare(owner: Client, world: World) -> None:
    route(world)
    shown = text(owner.get(form(world)))
    assert '<option value="@champion" selected>champion (version 1 now)</option>' in shown
    assert 'name="weight1" value="30"' in shown
    assert "target3" in shown
    assert "mirror1" in shown
    assert "version 3" not in shown  # it was rejected


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"weight1": "11"}, None, "add to 101"),
        ({"weight1": "110"}, "weight1", "less than or equal to 100"),
        ({"weight1": "x"}, "weight1", "whole number"),
        ({"target1": "@champion"}, "target1", "stands in line 1"),
        ({"weight1": ""}, "weight1", "Write its weight"),
        ({"target1": ""}, "target1", "Choose who gets this weight"),
        ({"weight2": "10"}, "target2", "Choose who gets this weight"),
        ({"target1": "3"}, "target1", "not one of the available choices"),
        (
            {"target0": "", "weight0": "", "target2": "2", "weight2": "90"},
            "target2",
            "stands in line 2",
        ),
        (dict.fromkeys(FILLED, "") | {"mirror0": "2"}, None, "Choose who answers"),
        (dict.fromkeys(FILLED, ""), None, "take the route away"),
    ],
)
def test_errors_stand_beside_their_lines(
    owner: Client, world: World, changes: dict[str, str], field: str | None, said: str
) -> None:
    route(world)
    before = written(world.model)
    answer = owner.post(form(world), {**FILLED, **changes})
    errors = answer.context["form"].errors
    assert list(errors) == [field or "__all__"]
    assert said in str(errors)
    assert said in text(answer)
    assert written(world.model) == before


def test_without_a_route_the_form_begins_with_the_champion(owner: Client, world: World) -> None:
    shown = text(owner.get(form(world)))
    assert '<option value="@champion" selected>' in shown
    assert 'name="weight0" value="100"' in shown


def test_a_mirror_without_requests_says_so(owner: Client, world: World) -> None:
    assert "Mirrored answers" not in text(owner.get(page(world)))
    route(world)
    assert "No request was mirrored yet." in text(owner.get(page(world)))


def test_a_version_that_went_meanwhile_is_an_error_beside_its_line(
    owner: Client, world: World
) -> None:
    route(world)
    world.model.versions.filter(number=2).update(status="quarantined")
    shown = text(owner.get(form(world)))
    assert "2 (not ready)" in shown
    answer = owner.post(form(world), FILLED)
    assert "is quarantined" in str(answer.context["form"].errors["target1"])
    assert "its part goes to the others" in text(owner.get(page(world)))


def test_a_route_is_taken_away(owner: Client, world: World) -> None:
    route(world)
    clear = reverse("admin:serving_route-clear", args=[world.model.pk])
    assert owner.get(clear).status_code == 302
    assert written(world.model)["targets"]
    assert "The champion answers all of churn again" in text(owner.post(clear, follow=True))
    assert not written(world.model)["targets"]


def test_on_a_guarded_model_managers_choose_among_aliases(
    owner: Client, world: World, signed_in: SignIn
) -> None:
    RegisteredModel.objects.filter(pk=world.model.pk).update(approval_required=True)
    shown = text(owner.get(form(world)))
    targets, mirrors = shown.split("Who gets a copy")
    assert "version 2</option>" not in targets
    assert "version 2</option>" in mirrors
    set_grant(by=Principal(world.admin), governed=world.model, user=world.mate, role="publisher")
    assert signed_in(world.mate).get(form(world)).status_code == 403


def test_who_sees_what(world: World, signed_in: SignIn) -> None:
    route(world)
    eve = signed_in(world.stranger)
    assert eve.get(form(world)).status_code == 404
    assert eve.post(form(world), FILLED).status_code == 404
    set_grant(by=Principal(world.admin), governed=world.model, user=world.stranger, role="scorer")
    shown = text(eve.get(page(world)))
    assert "Answers now" in shown
    assert "Change the route" not in shown
    assert "Captured requests" not in shown
    assert eve.get(form(world)).status_code == 403
    clear = reverse("admin:serving_route-clear", args=[world.model.pk])
    assert "This needs the role publisher" in text(eve.post(clear, follow=True))
    assert written(world.model)["targets"]


def test_comparisons_stand_on_the_models_page(
    owner: Client, world: World, signed_in: SignIn
) -> None:
    MirroredAnswer.objects.create(
        model=world.model,
        served=world.ready,
        mirror=world.model.versions.get(number=2),
        day=date(2026, 3, 1),
        requests=4,
        rows=1_234,
        rows_differ=7,
        numbers=8,
        difference_sum=0.8,
        difference_max=0.25,
        served_seconds=0.004,
        mirror_seconds=0.012,
        examples=[{"request_id": "monday", "row": 0, "inputs": [42], "served": {}, "mirror": {}}],
    )
    shown = text(owner.get(page(world)))
    for word in (
        "version 1, version 2",
        "0.6 %",
        "1 234",
        "at most 0.25",
        "1.00 ms",
        "mirror 3.00 ms",
        "monday",
    ):
        assert word in shown
    set_grant(
        by=Principal(world.admin), governed=world.model, user=world.stranger, role="publisher"
    )
    eve = text(signed_in(world.stranger).get(page(world)))
    assert "at most 0.25" in eve
    assert "monday" not in eve


# --- records --------------------------------------------------------------------------------------


def add_record(world: World, **values: Any) -> PredictionRecord:
    return PredictionRecord.objects.create(
        model=world.model,
        version=world.ready,
        request_id="monday-1",
        by="key:abc",
        rows=1,
        latency_ms=1.5,
        created_at=timezone.now(),
        **{"inputs": [[42, "Rome", None, True, None]], "answers": {"predictions": ["yes"]}}
        | values,
    )


def test_records_are_listed_and_shown_to_managers_of_their_model(
    owner: Client, world: World, signed_in: SignIn, django_assert_max_num_queries: Any
) -> None:
    record = add_record(world)
    listed = reverse("admin:serving_predictionrecord_changelist")
    with django_assert_max_num_queries(14):
        assert "monday-1" in text(owner.get(listed))
    assert "monday-1" in text(owner.get(f"{listed}?q=CHURN"))
    assert "monday-1" not in text(owner.get(f"{listed}?q=prices"))
    assert "monday-1" in text(owner.get(f"{listed}?model__id__exact={world.model.pk}"))
    one = reverse("admin:serving_predictionrecord_change", args=[record.pk])
    shown = text(owner.get(one))
    for word in ("balance [EUR]", "Rome", "1.5 ms", "key:abc", "predictions"):
        assert word in shown
    eve = signed_in(world.stranger)
    assert "monday-1" not in text(eve.get(listed))
    assert eve.get(one).status_code == 404


def test_the_records_of_a_model_say_whose_they_are(owner: Client, world: World) -> None:
    add_record(world)
    href = f"{reverse('admin:serving_predictionrecord_changelist')}?q=churn"
    assert f'href="{href}"' in text(owner.get(page(world)))
    listed = text(owner.get(href))
    assert 'value="churn"' in listed
    assert ">Clear</a>" in listed


def test_a_record_without_inputs_says_why(owner: Client, world: World) -> None:
    record = add_record(world, inputs=None, answers=None)
    one = reverse("admin:serving_predictionrecord_change", args=[record.pk])
    assert text(owner.get(one)).count("too long to be kept") == 2
    RegisteredModel.objects.update(classification="restricted")
    assert "churn is restricted: inputs are not kept" in text(owner.get(one))


def test_a_list_counts_no_further_than_needed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        add_record(world)
    monkeypatch.setattr("registry.paging.COUNTED_TO", 2)
    assert NewestPages(PredictionRecord.objects.order_by("-id"), 1).num_pages == 2


def test_the_captured_share_is_set_where_the_model_is_edited(owner: Client, world: World) -> None:
    assert "None are kept" in text(owner.get(page(world)))
    edit = reverse("admin:registry_registeredmodel_edit", args=[world.model.pk])
    sent = {"description": "d", "tags": "", "classification": "internal"}
    owner.post(edit, {**sent, "capture_percent": "5"})
    assert "<strong>5 %</strong>" in text(owner.get(page(world)))
    owner.post(edit, {**sent, "capture_percent": ""})
    assert RegisteredModel.objects.get(pk=world.model.pk).capture_percent == 5
    assert "less than or equal to 100" in text(owner.post(edit, {**sent, "capture_percent": "101"}))
