"""The end of a job is told to webhooks, in the transaction of the end and once for each end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction

from registry.actions.webhooks import create_webhook
from registry.models import Dataset, RegisteredModel, WebhookDelivery
from registry.principals import Principal
from registry.queue import SEND_WEBHOOKS
from serving.actions import reconcile as reconciling
from serving.actions.batch_jobs import cancel_job, fail_job, retry_job
from serving.actions.drive import drive
from serving.models import BatchJob
from tests.serving.batch import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.MODELYARD = settings.MODELYARD | {
        "OUTGOING_HOSTS": ("hooks.example.org",),
        "PUBLIC_URL": "https://models.example.org/yard",
    }


def listens(by: Principal, **values: Any) -> None:
    create_webhook(by=by, target_url="https://hooks.example.org/", **values)


def bodies() -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in WebhookDelivery.objects.order_by("id")]


def test_a_job_that_is_done_is_told_of_with_its_figures(
    ana: Principal, host: ledger.ObedientHost
) -> None:
    ledger.dataset_of(ana, ledger.people_rows(3))
    job = ledger.ask(ana)
    listens(ana, model="churn")
    drive(owner="w")

    (body,) = bodies()
    job.refresh_from_db()
    assert body["event"] == "batch-job.completed"
    assert body["url"] == f"https://models.example.org/yard/api/v1/batch-jobs/{job.pk}"
    told = body["job"]
    assert {key: told[key] for key in ("id", "state", "model", "version", "dataset")} == {
        "id": str(job.pk),
        "state": "completed",
        "model": "churn",
        "version": 1,
        "dataset": "customers@1",
    }
    assert (told["rows_total"], told["rows_done"], told["rows_rejected"]) == (3, 3, 0)
    assert told["output_dataset"] == f"churn-job-{job.pk}"
    assert (told["error"], told["created_by"]) == (None, "ana")
    assert told["finished_at"] == body["at"]


def test_each_end_of_a_job_is_told_once(ana: Principal, host: ledger.ObedientHost) -> None:
    ledger.dataset_of(ana, ledger.people_rows(3))
    job = ledger.ask(ana)
    listens(ana)
    for _ in range(2):
        fail_job(job, {"code": "internal", "detail": "Why.", "errors": [{"received": "secret"}]})
        fail_job(job, {"code": "internal", "detail": "Why."})
        job = retry_job(by=ana, job=BatchJob.objects.get(pk=job.pk))
    cancel_job(by=ana, job=job)

    assert [body["event"] for body in bodies()] == [
        "batch-job.failed",
        "batch-job.failed",
        "batch-job.cancelled",
    ]
    assert bodies()[0]["job"]["error"] == {"code": "internal", "detail": "Why."}
    assert bodies()[2]["job"]["state"] == "cancelled"


def test_an_end_that_is_undone_is_not_told(ana: Principal) -> None:
    ledger.dataset_of(ana, ledger.people_rows(3))
    job = ledger.ask(ana)
    listens(ana)
    with transaction.atomic():
        fail_job(job, {"code": "internal", "detail": "Why."})
        transaction.set_rollback(True)
    assert bodies() == []


def test_who_does_not_see_the_dataset_is_not_told(ana: Principal) -> None:
    ledger.dataset_of(ana, ledger.people_rows(3))
    ben, eva = ledger.person("ben"), ledger.person("eva")
    model = RegisteredModel.objects.get(name="churn")
    for one in (ben, eva):
        ledger.grant(one, "scorer", model)
        listens(one)
    ledger.grant(eva, "viewer", Dataset.objects.get(name="customers"))
    cancel_job(by=ana, job=ledger.ask(ana))
    assert [row.webhook.owner for row in WebhookDelivery.objects.all()] == [eva.user]


def test_without_webhooks_an_end_costs_one_question(
    ana: Principal, django_assert_num_queries: Any
) -> None:
    from serving.actions.announcing import announce_end

    ledger.dataset_of(ana, ledger.people_rows(3))
    job = ledger.ask(ana)
    with django_assert_num_queries(1):
        assert announce_end(job) == 0


def test_what_waits_in_the_outbox_is_rung_for_again(
    ana: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(reconciling, "_ring", lambda name, *ids: heard.append(name))
    ledger.dataset_of(ana, ledger.people_rows(3))
    listens(ana)
    reconciling.reconcile()
    assert SEND_WEBHOOKS not in heard
    cancel_job(by=ana, job=ledger.ask(ana))
    reconciling.reconcile()
    assert SEND_WEBHOOKS in heard
