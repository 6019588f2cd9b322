"""What the reconciler rings for again, and what it gives up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db.models.functions import Now

from registry.models import Check, DatasetVersion, ModelVersion
from registry.principals import Principal
from serving.actions import reconcile as reconciling
from serving.actions.claims import claim_next
from serving.actions.reconcile import MAX_ATTEMPTS, reconcile
from serving.batch.pace import PACE
from serving.models import BatchChunk
from serving.runtimes.compiled.edition import COMPILE_EDITION
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[tuple[str, str]]:
    """What was rung for, by task and id."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.MODELYARD = {**settings.MODELYARD, "COMPILE_ROWS": 0}
    cache.clear()
    heard: list[tuple[str, str]] = []
    monkeypatch.setattr(reconciling, "_ring", lambda name, pk: heard.append((name, str(pk))))
    return heard


def version_that_waits(by: Principal, **values: Any) -> ModelVersion:
    version = ledger.ready_version(by, "waits")
    ModelVersion.objects.filter(pk=version.pk).update(
        status="pending", created_at=Now() - timedelta(minutes=2), **values
    )
    Check.objects.create(version=version, name="scan")
    return version


def dataset_that_waits(by: Principal, **values: Any) -> DatasetVersion:
    version = ledger.pending_dataset(by)
    DatasetVersion.objects.filter(pk=version.pk).update(
        created_at=Now() - timedelta(minutes=2), **values
    )
    return version


def test_a_job_that_nobody_works_on_is_rung_for(
    ana: Principal, rung: list[tuple[str, str]]
) -> None:
    dataset_of(ana, people_rows(5))
    job = ask(ana)
    reconcile()
    assert rung == [("serving.drive", str(job.pk))]


def test_a_lost_lease_is_taken_back(ana: Principal, rung: list[tuple[str, str]]) -> None:
    dataset_of(ana, people_rows(5))
    ask(ana)
    claim_next(owner="dead", pace=PACE)
    reconcile()
    assert rung == []
    BatchChunk.objects.update(lease_until=Now() - timedelta(seconds=1))
    reconcile()
    assert BatchChunk.objects.get().state == "pending"


def test_what_waits_for_its_first_reading_is_rung_for_and_not_at_every_pass(
    ana: Principal, rung: list[tuple[str, str]]
) -> None:
    version, read = version_that_waits(ana), dataset_that_waits(ana)
    for _ in range(3):
        reconcile()
    assert rung == [
        ("serving.check_version", str(version.pk)),
        ("registry.ingest_dataset", str(read.pk)),
    ]


def test_what_was_asked_for_just_now_had_its_ring(
    ana: Principal, rung: list[tuple[str, str]]
) -> None:
    ledger.pending_dataset(ana)
    reconcile()
    assert rung == []


def test_a_live_check_is_left_alone(ana: Principal, rung: list[tuple[str, str]]) -> None:
    version_that_waits(ana)
    ModelVersion.objects.filter(model__name="waits").update(
        status="checking", checking_until=Now() + timedelta(minutes=5)
    )
    reconcile()
    assert rung == []


def test_checks_that_never_end_reject_the_version(
    ana: Principal, rung: list[tuple[str, str]]
) -> None:
    version = version_that_waits(ana, check_attempts=MAX_ATTEMPTS)
    reconcile()
    version.refresh_from_db()
    assert (version.status, rung) == ("rejected", [])
    assert version.checks.get().summary == "Given up after 5 attempts: none came to an end."


def test_a_compile_that_never_ends_leaves_the_version_to_the_original(
    ana: Principal, rung: list[tuple[str, str]]
) -> None:
    version = version_that_waits(ana, check_attempts=MAX_ATTEMPTS)
    version.checks.update(verdict="passed")
    Check.objects.create(version=version, name="compile")
    reconcile()
    version.refresh_from_db()
    assert (version.status, version.engine) == ("ready", "original")
    check = version.checks.get(name="compile")
    assert (check.verdict, check.evidence["reason"]) == ("skipped", "graph-ended-worker")


def test_versions_that_no_converter_of_now_has_tried_are_rung_for_once(
    ana: Principal, rung: list[tuple[str, str]], settings: Any
) -> None:
    settings.MODELYARD = {**settings.MODELYARD, "COMPILE_ROWS": 200}
    version = ledger.ready_version(ana, "early")
    ModelVersion.objects.filter(pk=version.pk).update(runtime="sklearn", format="skops")
    tried = ledger.ready_version(ana, "tried")
    ModelVersion.objects.filter(pk=tried.pk).update(runtime="sklearn", format="skops")
    evidence = {"edition": COMPILE_EDITION}
    Check.objects.create(version=tried, name="compile", verdict="skipped", evidence=evidence)
    for _ in range(2):
        reconcile()
    compiles = [pk for name, pk in rung if name == "serving.compile"]
    assert compiles.count(str(version.pk)) == 1
    assert str(tried.pk) not in compiles


def test_a_dataset_that_is_never_read_is_rejected_and_fails_its_jobs(
    ana: Principal, rung: list[tuple[str, str]]
) -> None:
    read = dataset_that_waits(ana, read_attempts=MAX_ATTEMPTS)
    job = ask(ana)
    reconcile()
    reconcile()
    read.refresh_from_db()
    job.refresh_from_db()
    assert (read.status, read.errors[0]["code"]) == ("rejected", "worker-lost")
    assert (job.state, job.error["code"]) == ("failed", "dataset-rejected")


def test_without_a_cache_it_rings_all_the_same(
    ana: Principal, rung: list[tuple[str, str]], settings: Any
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/valkey.sock",
        }
    }
    read = dataset_that_waits(ana)
    reconcile()
    assert rung == [("registry.ingest_dataset", str(read.pk))]


def test_drain_works_until_nothing_is_left(
    ana: Principal, host: ObedientHost, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset_of(ana, people_rows(30))
    job = ask(ana, chunk_rows=10)
    call_command("drain")
    job.refresh_from_db()
    assert job.state == "completed"
    assert capsys.readouterr().out == "3 chunks done, 0 jobs left\n"


def test_drain_does_not_wait_for_a_dataset_that_nobody_reads(
    ana: Principal, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.pending_dataset(ana)
    ask(ana)
    call_command("drain")
    assert capsys.readouterr().out == "0 chunks done, 1 jobs left\n"


def test_drain_once_leaves_what_waits(
    ana: Principal, host: ObedientHost, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset_of(ana, people_rows(30))
    ask(ana)
    host.poison = set(range(100))
    call_command("drain", "--once")
    assert capsys.readouterr().out == "1 chunks done, 1 jobs left\n"
