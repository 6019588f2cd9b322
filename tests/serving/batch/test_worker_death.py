"""Workers that really die, at every named step: no row is lost, none is doubled.

Whatever the step, the same bytes come out as if nothing had happened.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from registry import storage
from registry.principals import Principal
from serving.actions.sweep import sweep_orphans
from serving.batch.failpoints import REAP, STEPS
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from tests.drawing import IS_LONG
from tests.services.postgres import PostgresServer
from tests.services.processes import wait_until
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ask, dataset_of, people_rows

ROWS = 60
# Between what the storage has and what the database says.
STEPS_THERE = ("rename.all", "commit.fenced", "finish.output", "commit.before", "commit.after")
pytestmark = pytest.mark.django_db(transaction=True)


class Mortal:
    """Commands the process of dying_worker.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def drive(self, step: str = "") -> str:
        """One drive that dies at the step, or lives; how it ended."""
        return self.say(step)

    def say(self, word: str) -> str:
        """What the process answers to a line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def mortal(
    django_db_setup: None, state_folder: Path, django_db_blocker: Any, repository: Path
) -> Iterator[Mortal]:
    with django_db_blocker.unblock():
        database = connection.settings_dict["NAME"]
    with mortal_on(f"sqlite:///{database}", state_folder, repository) as process:
        yield process


@pytest.fixture
def mortal_on_postgres(
    postgres_server: PostgresServer, state_folder: Path, repository: Path
) -> Iterator[Mortal]:
    with mortal_on(postgres_server.url("modelyard"), state_folder, repository) as process:
        yield process


@contextmanager
def mortal_on(database: str, state_folder: Path, repository: Path) -> Iterator[Mortal]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(repository),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "MODELYARD_HOME": str(state_folder),
        "DATABASE_URL": database,
        "SECRET_KEY": "only-for-tests-" + "x" * 50,
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dying_worker.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=state_folder,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield Mortal(process)
    finally:
        process.communicate()


def job_on_sixty_rows(by: Principal) -> BatchJob:
    rows = people_rows(ROWS)
    ages = ledger.pa.array([None if i % 20 == 7 else 20 + i % 50 for i in range(ROWS)])
    dataset_of(by, rows.set_column(1, "age", ages.cast("int64")))
    return ask(by, chunk_rows=20)


def end_waits() -> None:
    """As if leases and backoffs had run out."""
    BatchChunk.objects.filter(state="leased").update(lease_until=Now() - timedelta(seconds=1))
    BatchChunk.objects.update(not_before=None)


def live_to_the_end(mortal: Mortal, job: BatchJob) -> None:
    for _ in range(5):
        end_waits()
        assert mortal.drive() == "ended 0"
        job.refresh_from_db()
        if not job.is_active:
            return
    raise AssertionError(f"still {job.state}")


def digests(job: BatchJob) -> list[tuple[str, str]]:
    return list(job.chunks.in_row_order().values_list("output_sha256", "rejects_sha256"))


def assert_whole(job: BatchJob) -> None:
    """Every row came out once: among the results or among the rejects."""
    assert job.state == "completed_with_rejects"
    assert (job.rows_done, job.rows_rejected) == (ROWS, 3)
    scored = ledger.results(job).column("id").to_pylist()
    rejected = [line["id"] for line in ledger.rejects(job)]
    assert rejected == ["p7", "p27", "p47"]
    assert scored == [f"p{i}" for i in range(ROWS) if f"p{i}" not in rejected]
    counted = job.chunks.aggregate(out=Sum("rows_out"), bad=Sum("rejects"))
    assert (counted["out"], counted["bad"]) == (ROWS - 3, 3)
    assert job.output.dataset.versions.count() == 1


@pytest.fixture(autouse=True)
def _nobody_is_rung_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here only the mortal process works."""
    monkeypatch.setattr("registry.queue._ring", lambda *_: None)


@pytest.fixture
def undisturbed(transactional_ana: Principal, mortal: Mortal) -> tuple[BatchJob, list[Any]]:
    return second_job(transactional_ana, mortal)


def second_job(by: Principal, mortal: Mortal) -> tuple[BatchJob, list[Any]]:
    """A second job on the same rows, and the digests that the first one came to."""
    first = job_on_sixty_rows(by)
    live_to_the_end(mortal, first)
    assert_whole(first)
    return ask(by, chunk_rows=20), digests(first)


def test_a_worker_may_die_at_any_step(
    undisturbed: tuple[BatchJob, list[Any]], mortal: Mortal
) -> None:
    die_at_each_step(*undisturbed, mortal)


@pytest.mark.postgres
def test_a_worker_may_die_at_any_step_on_postgresql(
    transactional_ana: Principal, mortal_on_postgres: Mortal
) -> None:
    job, expected = second_job(transactional_ana, mortal_on_postgres)
    die_at_each_step(job, expected, mortal_on_postgres, STEPS if IS_LONG else STEPS_THERE)


@pytest.mark.postgres
def test_a_worker_that_wakes_after_its_lease_writes_nothing(
    transactional_ana: Principal, mortal_on_postgres: Mortal
) -> None:
    """A real process, stopped in the middle; whoever took its chunk meanwhile has the say."""
    mortal = mortal_on_postgres
    job, expected = second_job(transactional_ana, mortal)
    for step in ("score.first", "rename.all", "commit.fenced"):
        assert mortal.say(f"pause {step}") == "stopped", step
        if step == "commit.fenced":
            end_its_session()  # as the database does with one that is silent in a transaction
        live_to_the_end(mortal, job)

        mortal.say("go on")

        assert_whole(job)
        assert digests(job) == expected, step
        folder = storage.local_path(job.chunks.first().output_name).parent
        names = {n for pair in job.chunks.values_list("output_name", "rejects_name") for n in pair}
        assert {f"batch/{job.pk}/{path.name}" for path in folder.iterdir()} == names
        attempts = ChunkAttempt.objects.filter(chunk__job=job)
        assert set(attempts.values_list("outcome", flat=True)) == {"lost", "fenced", "done"}, step
        assert attempts.filter(outcome="done").count() == 3
        job = ask(Principal(job.created_by), chunk_rows=20)


def end_its_session() -> None:
    """End the sessions that are idle in a transaction, and wait until they are gone."""
    others = (
        "FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )

    def is_none_left() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) {others}")
            return not cursor.fetchall()

    wait_until(is_none_left, 10, "the session has ended")


def die_at_each_step(
    job: BatchJob, expected: list[Any], mortal: Mortal, steps: Sequence[str] = STEPS
) -> None:
    # One test for all of them: emptying a real database after each takes longer than they do.
    for step in steps:
        assert mortal.drive(step) == "killed", step
        end_waits()
        if BatchChunk.objects.expired().exists():
            assert mortal.drive(REAP) == "killed", "so may who takes the lease back"
        live_to_the_end(mortal, job)
        assert_whole(job)
        assert digests(job) == expected, step
        job = ask(Principal(job.created_by), chunk_rows=20)


def test_worker_after_worker_may_die(
    undisturbed: tuple[BatchJob, list[Any]], mortal: Mortal
) -> None:
    job, expected = undisturbed
    for step in STEPS:
        end_waits()
        mortal.drive(step)
    live_to_the_end(mortal, job)
    assert_whole(job)
    assert digests(job) == expected
    assert ChunkAttempt.objects.filter(chunk__job=job, outcome="done").count() == 3


def test_files_that_no_row_names_are_swept_and_the_others_stay(
    undisturbed: tuple[BatchJob, list[Any]], mortal: Mortal
) -> None:
    job, _ = undisturbed
    assert mortal.drive("rename.all") == "killed"
    live_to_the_end(mortal, job)
    folder = storage.local_path(job.chunks.first().output_name).parent
    assert len(list(folder.iterdir())) == 8

    sweep_orphans()
    assert len(list(folder.iterdir())) == 8

    sweep_orphans(older_than=timedelta(0))
    assert len(list(folder.iterdir())) == 6
    assert_whole(job)
