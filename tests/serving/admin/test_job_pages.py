"""Pages of a batch job: its chunks over time, and how two versions differ."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from registry.actions.access import set_grant
from registry.actions.approvals import attach_evidence
from registry.principals import Principal
from serving.actions.comparing import shown_report
from serving.admin import comparison
from serving.admin.job_page import JobPage
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

NEW_JOB = "/admin/serving/batchjob/add/"


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def page(name: str, job: BatchJob) -> str:
    return reverse(f"admin:serving_batchjob_{name}", args=[job.pk])


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode())


def many_chunks(job: BatchJob, count: int) -> None:
    start = 10_000
    BatchChunk.objects.bulk_create(
        BatchChunk(
            job=job,
            index=100 + i,
            row_start=start + i,
            row_stop=start + i + 1,
            state="done",
            rows_out=1,
            attempt=2,
        )
        for i in range(count)
    )
    chunks = BatchChunk.objects.filter(job=job, index__gte=100)
    ChunkAttempt.objects.bulk_create(
        ChunkAttempt(chunk=chunk, attempt=n, worker="w", started_at=timezone.now(), outcome=outcome)
        for chunk in chunks
        for n, outcome in ((1, "lost"), (2, "done"))
    )
    BatchJob.objects.filter(pk=job.pk).update(chunks_total=3 + count, chunks_done=1 + count)


# --- chunks over time -----------------------------------------------------------------------------


def test_a_job_shows_who_tried_what_and_what_it_took(owner: Client, world: World) -> None:
    shown = text(owner.get(page("change", world.running)))
    for words in (
        "host-a/worker-1",
        "1.93 s of processor",
        "score 1.40 s",
        "ended by SIGKILL",
        "host-b/worker-2",
        "120 rows so far",
        "120 more scored",
        "1 done, 1 running, 1 waiting, 0 failed",
    ):
        assert words in shown.replace("\xa0", " ")


def test_the_live_part_costs_the_same_for_three_chunks_and_for_many(
    owner: Client, world: World
) -> None:
    by = Principal(world.owner)
    job = BatchJob.objects.get(pk=world.running.pk)
    request: HttpRequest = RequestFactory().get("/")
    with CaptureQueriesContext(connection) as few:
        JobPage(request, job, by).live_context()
    many_chunks(job, 300)
    job.refresh_from_db()
    with CaptureQueriesContext(connection) as many:
        shown = JobPage(request, job, by).live_context()
    assert len(few) <= 6
    assert len(many) <= 6
    assert len(shown["timeline"].lanes) == 30
    assert shown["counts"] == {"total": 303, "pending": 1, "leased": 1, "done": 301, "failed": 0}
    grouped = [q["sql"] for q in many if "GROUP BY" in q["sql"].upper()]
    assert grouped == []


def test_failing_and_running_chunks_are_shown_before_all_others(
    owner: Client, world: World
) -> None:
    many_chunks(world.failed, 200)
    shown = text(owner.get(page("change", world.failed)))
    assert "30 of 203 are shown" in shown
    assert "model-failed" in shown


def test_all_chunks_are_turned_over_page_by_page(owner: Client, world: World) -> None:
    many_chunks(world.running, 120)
    url = page("chunks", world.running)
    first = owner.get(url)
    assert len(first.context["timeline"].lanes) == 50
    following = first.context["next_row"]
    assert f"from={following}" in text(first)
    second = owner.get(f"{url}?from={following}")
    assert second.context["timeline"].lanes[0].chunk.row_start == following
    last = owner.get(f"{url}?from={second.context['next_row']}")
    assert len(last.context["timeline"].lanes) == 23
    assert last.context["next_row"] is None


def test_chunks_are_narrowed_by_state(owner: Client, world: World) -> None:
    url = page("chunks", world.failed)
    found = owner.get(f"{url}?state=failed")
    assert [lane.chunk.state for lane in found.context["timeline"].lanes] == ["failed"]
    assert "No chunk here" in text(owner.get(f"{url}?state=leased"))
    for odd in ("?state=nowhere", "?from=-1", "?from=9" + "9" * 40, "?from=x"):
        assert owner.get(url + odd).status_code == 200


def test_lanes_lie_within_the_time_that_is_shown(owner: Client, world: World) -> None:
    for lane in owner.get(page("chunks", world.failed)).context["timeline"].lanes:
        for span in lane.spans:
            assert span.x >= 0
            assert span.x + span.width <= 1000.1


def test_what_is_left_is_reckoned_from_the_retry_on(owner: Client, world: World) -> None:
    began = timezone.now() - timedelta(seconds=100)
    BatchJob.objects.filter(pk=world.running.pk).update(
        started_at=timezone.now() - timedelta(days=3),
        retried_at=began,
        rows_total=1200,
        rows_done=700,
        rows_at_retry=600,
    )
    shown = owner.get(page("change", world.running)).context["eta_s"]
    assert shown == pytest.approx(500, abs=10)


def test_a_paused_job_says_why(owner: Client, world: World) -> None:
    BatchJob.objects.filter(pk=world.running.pk).update(paused_reason="sink-unavailable")
    shown = text(owner.get(page("change", world.running)))
    assert "The database that the results are written into does not answer" in shown


# --- two versions ---------------------------------------------------------------------------------


def test_the_report_stands_on_a_page_of_its_own(owner: Client, world: World) -> None:
    job = world.compared
    assert page("comparison", job) in text(owner.get(page("change", job)))
    shown = text(owner.get(page("comparison", job)))
    for words in ("same labels", "probability_yes", "C-00", "histogram", "Mean change"):
        assert words in shown


def test_a_job_without_a_comparison_has_no_such_page(owner: Client, world: World) -> None:
    assert owner.get(page("comparison", world.rejecting)).status_code == 404
    assert page("comparison", world.rejecting) not in text(
        owner.get(page("change", world.rejecting))
    )


def test_a_stranger_sees_neither(world: World, signed_in: SignIn) -> None:
    stranger = signed_in(world.stranger)
    for name in ("comparison", "chunks"):
        assert stranger.get(page(name, world.compared)).status_code == 404


def test_who_may_not_read_the_dataset_is_shown_no_keys(world: World, signed_in: SignIn) -> None:
    BatchJob.objects.filter(pk=world.compared.pk).update(created_by=world.stranger)
    set_grant(by=Principal(world.admin), governed=world.model, user=world.stranger, role="viewer")
    shown = text(signed_in(world.stranger).get(page("comparison", world.compared)))
    assert "C-00" not in shown
    assert "Rows that lie farthest apart" in shown


def test_a_request_shows_the_comparison_and_no_keys(
    world: World, signed_in: SignIn, owner: Client
) -> None:
    report = shown_report(world.compared, with_cells=False)
    key = f"comparison:{world.compared.pk}"
    assert attach_evidence(world.approval, key, report, most=3)
    url = reverse("admin:registry_approvalrequest_change", args=[world.approval.pk])
    shown = text(signed_in(world.admin).get(url))
    assert "same labels" in shown
    assert page("comparison", world.compared) in shown
    assert "C-00" not in shown
    assert text(owner.get(url)).count("same labels") == 1


def test_numbers_that_lie_apart_are_not_said_to_agree(world: World) -> None:
    (number, *_) = world.compared.report["numbers"]
    report = {**world.compared.report, "differ": 0, "agreement": None, "labels": [], "movers": []}
    found = {**report, "rows": 9, "numbers": [{**number, "equal": 0}]}
    told = render_to_string("serving/comparison_report.html", {"shown": comparison.shown(found)})
    assert "rows differ" not in told
    assert "rows with the same number" in told


def test_many_labels_are_shown_by_their_most_frequent_differences() -> None:
    names = [f"l{i}" for i in range(12)]
    counts = [[i + j if i != j else 50 for j in range(12)] for i in range(12)]
    one = {"column": "kind", "count": 2_000, "differ": 400, "labels": names, "counts": counts}
    report = {"rows": 2_000, "differ": 400, "agreement": 0.8, "movers": [], "numbers": []}
    shown = comparison.shown({**report, "labels": [one]})["labels"][0]
    assert shown["matrix"] is None
    assert shown["changes"][0][:3] == ("l10", "l11", 21)
    assert shown["changes_left_out"] == 12 * 11 - 10


# --- the form -------------------------------------------------------------------------------------


def test_a_comparison_is_asked_for_on_the_form(
    owner: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.queue._ring", lambda *args: None)
    asked = {"model": "churn", "dataset": "customers@1", "on_row_error": "reject"}
    refused = owner.post(NEW_JOB, {**asked, "compare_with": "@champion"})
    assert "compared with itself" in text(refused)
    refused = owner.post(NEW_JOB, {**asked, "priority": "11"})
    assert "priority" in refused.context["form"].errors
    owner.post(NEW_JOB, {**asked, "compare_with": " ", "priority": "-3"})
    job = BatchJob.objects.latest("id")
    assert (job.priority, job.compared_version) == (-3, None)


def test_schedules_are_asked_for_it_too(owner: Client) -> None:
    shown = text(owner.get("/admin/serving/schedule/add/"))
    assert 'name="compare_with"' in shown
