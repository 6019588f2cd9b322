"""The try-it form, batch jobs and schedules in the browser's pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from registry.actions.access import set_grant
from registry.errors import InvalidRows, ModelFailed, RowProblem
from registry.models import Connection, Grant
from registry.principals import Principal
from serving.api.lane import Call
from serving.models import BatchJob, Schedule, ScheduledSlot
from serving.protocols.base import Encoded
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

TYPED = {"in0": "42", "in1": "Rome", "in2": "1.5", "in3": "true", "in4": "2026-01-31"}
JOB = {"model": "churn", "dataset": "customers@1", "on_row_error": "reject"}
TIMES = {"cron": "0 6 * * *", "timezone": "UTC", "overlap": "skip", "missed": "skip"}
NEW_JOB, NEW_SCHEDULE = "/admin/serving/batchjob/add/", "/admin/serving/schedule/add/"


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.queue._ring", lambda *args: None)


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


# --- try it ---------------------------------------------------------------------------------------


class Lane:
    """Stands for the lane: remembers the call and answers, or refuses."""

    def __init__(self, outcome: bytes | Exception) -> None:
        self.outcome = outcome
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> Encoded:
        self.calls.append(call)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Encoded(self.outcome, "application/json", {})


def try_it(client: Client, world: World, **headers: str) -> Any:
    page = reverse("admin:serving_try-it", args=[world.ready.pk])
    return client.post(page, TYPED, headers=headers)


def test_a_row_goes_down_the_lane_and_its_answer_is_shown(
    owner: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"predictions": ["yes"], "probabilities": [{"no": 0.1, "yes": 0.9}]}'
    lane = Lane(body)
    monkeypatch.setattr("serving.admin.try_it.handle", lane)
    shown = try_it(owner, world, **{"HX-Request": "true"}).content.decode()
    assert b'"balance [EUR]": 1.5' in lane.calls[0].body
    assert lane.calls[0].resolution.targets[0].number == 1
    assert "answer-value" in shown
    assert "90.0%" in shown
    assert "<html" not in shown


def test_without_scripts_the_answer_is_a_whole_page(
    owner: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.admin.try_it.handle", Lane(b'{"predictions": ["yes"]}'))
    shown = try_it(owner, world).content.decode()
    assert "<html" in shown
    assert "answer-value" in shown


def test_bad_cells_are_told_beside_their_fields(
    owner: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = RowProblem(0, "age", "not-an-integer", "int64", "42.5")
    refusal = InvalidRows([problem], count=1, bad_rows=1, rows=1)
    monkeypatch.setattr("serving.admin.try_it.handle", Lane(refusal))
    shown = try_it(owner, world, **{"HX-Request": "true"}).content.decode()
    assert "not-an-integer: expected int64" in shown
    assert 'value="42"' in shown


def test_a_failing_model_is_a_word_and_no_error_page(
    owner: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.admin.try_it.handle", Lane(ModelFailed("It raised.")))
    answer = try_it(owner, world, **{"HX-Request": "true"})
    assert answer.status_code == 200
    assert "The model failed" in answer.content.decode()


def test_only_who_may_score_can_try(world: World, signed_in: SignIn) -> None:
    stranger = signed_in(world.stranger)
    assert try_it(stranger, world).status_code == 404
    set_grant(by=Principal(world.admin), governed=world.model, user=world.stranger, role="viewer")
    assert try_it(stranger, world).status_code == 403
    page = stranger.get(reverse("admin:registry_modelversion_change", args=[world.ready.pk]))
    assert "Score this row" not in page.content.decode()


def test_the_form_is_made_from_the_signature(owner: Client, world: World) -> None:
    page = owner.get(reverse("admin:registry_modelversion_change", args=[world.ready.pk]))
    shown = page.content.decode()
    assert "int64, 0 to 120" in shown
    assert '<option value="Oslo"' in shown
    pending = owner.get(reverse("admin:registry_modelversion_change", args=[world.pending.pk]))
    assert "Score this row" not in pending.content.decode()


# --- batch jobs -----------------------------------------------------------------------------------


def test_a_job_is_asked_for_and_its_page_follows(owner: Client) -> None:
    answer = owner.post(NEW_JOB, {**JOB, "keep_columns": "age, city"}, follow=True)
    job = BatchJob.objects.latest("id")
    assert answer.redirect_chain[-1][0].endswith(f"{job.pk}/")
    assert (job.keep_columns, job.outputs, job.state) == (["age", "city"], None, "queued")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"model": "nothing"}, "no model “nothing”"),
        ({"model": "churn@3"}, "is no ref"),
        ({"version": "3"}, "is rejected"),
        ({"dataset": "customers@2"}, "was rejected"),
        ({"dataset": "customers@99"}, "has no version 99"),
        ({"keep_columns": "age, nope"}, "has no column"),
        ({"outputs": ["decision"]}, "has no output"),
        ({"chunk_rows": "0"}, "greater than or equal to 1"),
        ({"model": ""}, "This field is required"),
    ],
)
def test_a_job_that_cannot_be_is_refused_on_its_form(
    owner: Client, fields: dict[str, Any], word: str
) -> None:
    before = BatchJob.objects.count()
    answer = owner.post(NEW_JOB, {**JOB, **fields})
    assert answer.status_code == 200
    assert word in answer.content.decode()
    assert BatchJob.objects.count() == before


def test_the_progress_stops_asking_when_the_job_has_ended(owner: Client, world: World) -> None:
    running = owner.get(reverse("admin:serving_batchjob_live", args=[world.running.pk]))
    assert "hx-trigger" in running.content.decode()
    assert "400 of 1\u202f200 rows" in running.content.decode()
    ended = owner.get(reverse("admin:serving_batchjob_live", args=[world.failed.pk]))
    assert "hx-trigger" not in ended.content.decode()
    assert ended["HX-Refresh"] == "true"


def test_rejects_are_shown_with_their_reasons_and_harmless(owner: Client, world: World) -> None:
    page = owner.get(reverse("admin:serving_batchjob_change", args=[world.rejecting.pk]))
    shown = page.content.decode()
    assert "not-in-enum" in shown
    assert "&lt;b&gt;Atlantis&lt;/b&gt;" in shown
    assert "/results?format=csv" in shown


def test_a_job_is_cancelled_and_one_that_ended_is_not(owner: Client, world: World) -> None:
    for job in (world.running, world.failed):
        owner.get(reverse("admin:serving_batchjob_cancel", args=[job.pk]))
    assert BatchJob.objects.get(pk=world.running.pk).state == "running"
    owner.post(reverse("admin:serving_batchjob_cancel", args=[world.running.pk]))
    assert BatchJob.objects.get(pk=world.running.pk).state == "cancelled"
    page = reverse("admin:serving_batchjob_cancel", args=[world.failed.pk])
    assert "cannot be cancelled" in said(owner.post(page, follow=True))


def test_a_failed_job_runs_again(owner: Client, world: World) -> None:
    owner.post(reverse("admin:serving_batchjob_retry", args=[world.failed.pk]))
    assert BatchJob.objects.get(pk=world.failed.pk).state == "running"


SOURCE = {"source_connection": "shop", "source_query": "select 1 as age"}
SINK = {"sink_connection": "shop", "sink_table": "scores"}


@pytest.fixture
def shop(world: World) -> Connection:
    row = Connection.objects.create(
        name="shop",
        driver="postgresql",
        address="postgresql://reader@127.0.0.1:5432/shop",
        allows_writing=True,
        owner=world.owner,
    )
    Grant.objects.create(user=world.owner, role="publisher", connection=row)
    return row


def test_a_job_reads_from_elsewhere_and_writes_to_a_table(owner: Client, shop: Connection) -> None:
    types = {"source_types": '{"age": "int64"}'}
    owner.post(NEW_JOB, {**JOB, "dataset": "", **SOURCE, **types, **SINK})
    job = BatchJob.objects.latest("id")
    assert job.dataset_version.source == {
        "connection": "shop",
        "query": "select 1 as age",
        "types": {"age": "int64"},
    }
    assert (job.sink_connection, job.sink_table) == (shop, "scores")


@pytest.mark.parametrize(
    ("fields", "field", "word"),
    [
        (SOURCE, "dataset", "Either dataset or source"),
        ({"dataset": ""}, "dataset", "Either dataset or source"),
        ({"dataset": "", "source_query": "select 1"}, "source_connection", "A text was expected"),
        ({"dataset": "", "source_connection": "shop"}, "source_query", "A text was expected"),
        ({"dataset": "", "source_prefix": "tmp/"}, "source_prefix", "begins with"),
        ({"dataset": "", **SOURCE, "source_types": "[1]"}, "source_types", "An object"),
        (
            {"dataset": "", **SOURCE, "source_types": '{"age": "number"}'},
            "source_types",
            "at /source/types/age",
        ),
        ({"dataset": "", **SOURCE, "source_prefix": "inbox/"}, "source_connection", "is none of"),
        ({"sink_connection": "shop"}, "sink_table", "A text was expected"),
        ({**SINK, "sink_table": "modelyard_chunks"}, "sink_table", "modelyard_chunks"),
        ({**SINK, "sink_connection": "nowhere"}, None, "nowhere"),
    ],
)
def test_what_is_wrong_elsewhere_is_told_beside_its_field(
    owner: Client, shop: Connection, fields: dict[str, str], field: str | None, word: str
) -> None:
    before = BatchJob.objects.count()
    answer = owner.post(NEW_JOB, {**JOB, **fields})
    form = answer.context["form"]
    told = form.errors[field] if field else form.non_field_errors()
    assert word in " ".join(told)
    assert BatchJob.objects.count() == before
    assert all(
        group["is_open"] for group in form.groups[:2] if any(f.errors for f in group["fields"])
    )


def test_a_stranger_asks_for_no_job(world: World, signed_in: SignIn) -> None:
    answer = signed_in(world.stranger).post(NEW_JOB, JOB)
    assert "no model “churn” that you may see" in answer.content.decode()


# --- schedules ------------------------------------------------------------------------------------


def test_a_schedule_is_made_changed_switched_and_taken_away(owner: Client) -> None:
    owner.post(NEW_SCHEDULE, {**JOB, **TIMES, "name": "weekly", "enabled": "on"})
    schedule = Schedule.objects.get(name="weekly")

    def on(page: str) -> str:
        return reverse(f"admin:serving_schedule_{page}", args=[schedule.pk])

    owner.post(on("edit"), {**JOB, **TIMES, "cron": "@weekly", "enabled": "on"})
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.enabled) == ("0 0 * * 0", True)
    owner.post(on("switch"), {"enabled": "off"})
    schedule.refresh_from_db()
    assert not schedule.enabled
    answer = owner.post(on("delete"), follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/serving/schedule/"
    assert owner.get(on("change")).status_code == 404


def test_a_schedule_from_elsewhere_is_made_shown_and_changed(
    owner: Client, shop: Connection
) -> None:
    owner.post(
        NEW_SCHEDULE,
        {
            **JOB,
            **TIMES,
            **SOURCE,
            **SINK,
            "dataset": "",
            "name": "weekly",
            "priority": "3",
            "compare_with": "@challenger",
        },
    )
    schedule = Schedule.objects.get(name="weekly")
    assert schedule.source == {"connection": "shop", "query": "select 1 as age"}
    assert (schedule.sink, schedule.priority) == ({"connection": "shop", "table": "scores"}, 3)
    page = owner.get(reverse("admin:serving_schedule_change", args=[schedule.pk])).content.decode()
    assert "a query of shop" in page
    assert "scores" in page
    assert "a query of shop by churn" in owner.get("/admin/serving/schedule/").content.decode()

    edit = reverse("admin:serving_schedule_edit", args=[schedule.pk])
    form = owner.get(edit).context["form"]
    assert form["compare_with"].value() == schedule.compare_with == "@challenger"
    assert form["source_query"].value() == "select 1 as age"
    assert [group["is_open"] for group in form.groups] == [True, True, False]
    owner.post(edit, {**JOB, **TIMES})
    schedule.refresh_from_db()
    assert (schedule.source, schedule.sink, schedule.dataset_ref) == (None, None, "customers@1")


def test_a_schedule_says_why_its_last_run_could_not_start(owner: Client, world: World) -> None:
    Schedule.objects.filter(pk=world.schedule.pk).update(error="gone: nobody", error_at=Now())
    page = owner.get(reverse("admin:serving_schedule_change", args=[world.schedule.pk]))
    assert "gone: nobody" in page.content.decode()
    assert "cannot start" in owner.get("/admin/serving/schedule/").content.decode()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"cron": "* * *"}, "Five fields were expected"),
        ({"cron": "0 0 30 2 *"}, "never comes"),
        ({"cron": "@reboot"}, "is not taken"),
        ({"timezone": "Mars/Base"}, "Not a zone"),
        ({"name": "NIGHTLY-CHURN"}, "There is, or was, a schedule"),
        ({"name": "no name"}, "Not a name"),
        ({"dataset": "nothing"}, "no dataset “nothing”"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_on_its_form(
    owner: Client, fields: dict[str, str], word: str
) -> None:
    before = Schedule.objects.count()
    answer = owner.post(NEW_SCHEDULE, {**JOB, **TIMES, "name": "fresh", **fields})
    assert answer.status_code == 200
    assert word in answer.content.decode()
    assert Schedule.objects.count() == before


def test_the_next_five_times_are_told_while_one_types(owner: Client) -> None:
    page = reverse("admin:serving_schedule_next-times")
    shown = owner.get(page, {"cron": "30 2 * * *", "timezone": "Europe/Rome"}).content.decode()
    assert shown.count("<li>") == 5
    assert "02:30 CE" in shown
    wrong = owner.get(page, {"cron": "99 * * * *", "timezone": "UTC"}).content.decode()
    assert "cannot be read" in wrong
    assert owner.get(page).status_code == 200


def test_run_now_makes_a_job_and_a_slot_that_says_by_hand(owner: Client, world: World) -> None:
    page = reverse("admin:serving_schedule_run-now", args=[world.schedule.pk])
    before = ScheduledSlot.objects.count()
    owner.get(page)
    assert ScheduledSlot.objects.count() == before
    answer = owner.post(page)
    assert "/batchjob/" in answer["Location"]
    shown = owner.get(reverse("admin:serving_schedule_change", args=[world.schedule.pk]))
    assert "by hand" in shown.content.decode()
