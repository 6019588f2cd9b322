"""A job on two machines that share no disk: PostgreSQL, Valkey and an S3 server, all real.

One machine loses its power in the middle; the other ends the job, with the same bytes as before.
"""

from __future__ import annotations

import hashlib
import io
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from celery import Celery
from django.db import transaction

from registry import storage
from registry.actions.datasets import upload_dataset
from registry.actions.models import create_model
from registry.actions.versions import Upload, register_version
from registry.models import DatasetVersion, ModelVersion
from registry.principals import Principal
from serving.actions.batch_jobs import create_job
from serving.models import BatchJob, ChunkAttempt
from tests import people
from tests.flows import stories
from tests.services.hosts import Host, Shared, running_hosts
from tests.services.postgres import PostgresServer
from tests.services.processes import wait_until
from tests.services.s3 import S3Server, running_s3
from tests.services.valkey import ValkeyServer, running_valkey

ROWS, CHUNK_ROWS = 600, 25
BAD = range(7, ROWS, 50)
LIMIT_S = 60.0
# A lost machine is noticed soon, and each chunk takes long enough to be interrupted.
PACE = {"lease_s": 1.5, "loss_wait_s": 0.1, "reconcile_every_s": 1.0}
STEPS_S = 0.01
pytestmark = [pytest.mark.postgres, pytest.mark.long]


@pytest.fixture
def s3(settings: Any) -> Iterator[S3Server]:
    """An S3 server, and this process keeps its files there."""
    from registry.management import preparation

    with running_s3() as server:
        settings.STORAGES = {**settings.STORAGES, "default": server.as_storage()}
        preparation.ensure_bucket()
        yield server


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[ValkeyServer]:
    """A Valkey on a port; what this process rings for is heard there."""
    with running_valkey() as server:
        app = Celery("ringing", broker=server.url, set_as_current=False)
        app.conf.broker_transport_options = {"global_keyprefix": "modelyard:"}
        app.conf.task_default_queue = "modelyard"

        def ring(task_name: str, ids: list[str]) -> None:
            app.send_task(task_name, args=ids)

        monkeypatch.setattr("registry.queue._ring", ring)
        yield server
        app.close()


@pytest.fixture
def machines(
    postgres: Any,
    postgres_server: PostgresServer,
    broker: ValkeyServer,
    s3: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Host, Host]]:
    """Two machines; nothing runs on them yet."""
    shared = Shared(postgres_server.url("modelyard"), broker.url, s3.url)
    folder = tmp_path_factory.mktemp("m")
    both = (
        Host("anvil", folder / "a", shared, PACE, STEPS_S),
        Host("bellows", folder / "b", shared, PACE, STEPS_S),
    )
    with running_hosts(*both):
        yield both


def customers() -> bytes:
    """Rows with ids; a few lack the age that the model needs."""
    cities = ["Rome", "Oslo", "Bern", None]
    frame = pd.DataFrame(
        {
            "id": range(ROWS),
            "age": pd.array([None if i in BAD else 20 + i % 60 for i in range(ROWS)], "Int64"),
            "income": [i / 7 for i in range(ROWS)],
            "city": [cities[i % 4] for i in range(ROWS)],
        }
    )
    return frame.to_csv(index=False).encode()


def registered(by: Principal) -> tuple[ModelVersion, DatasetVersion]:
    """The model churn and the dataset customers, not looked at by any worker yet."""
    body, example = stories.as_skops(stories.churn()), stories.as_csv()
    version = register_version(
        by=by,
        model=create_model(by=by, name="churn"),
        artifact=Upload(storage.put_bytes(body), "skops", "churn.skops"),
        example=Upload(storage.put_bytes(example), "csv", "example.csv"),
    )
    upload = Upload(storage.put(io.BytesIO(customers())), "csv", "customers.csv")
    rows, _ = upload_dataset(by=by, name="customers", upload=upload)
    return version, rows


def asked(by: Principal, version: ModelVersion) -> BatchJob:
    return create_job(
        by=by, model="churn", version=version.number, dataset="customers", chunk_rows=CHUNK_ROWS
    )


def digests(job: BatchJob) -> list[tuple[int, int, str, str]]:
    fields = ("row_start", "row_stop", "output_sha256", "rejects_sha256")
    return list(job.chunks.in_row_order().values_list(*fields))


def until(is_so: Callable[[], bool], what: str, *hosts: Host) -> None:
    wait_until(is_so, LIMIT_S, what, lambda: "\n".join(host.story() for host in hosts))


def ended(job: BatchJob, *hosts: Host) -> BatchJob:
    mine = BatchJob.objects.filter(pk=job.pk)
    until(lambda: not mine.active().exists(), f"{job} ends", *hosts)
    job.refresh_from_db()
    return job


def ids_of(names: list[str]) -> list[int]:
    """The ids in the files of these names, in their order."""
    return [row for name in names if name for row in pq.read_table(read(name))["id"].to_pylist()]


def read(name: str) -> io.BytesIO:
    with storage.open_named(name) as file:
        return io.BytesIO(file.read())


def assert_whole(job: BatchJob) -> None:
    """Each row came out once, and each file that is named is there with its digest."""
    assert job.state == "completed_with_rejects", job.error
    chunks = list(job.chunks.in_row_order())
    assert ids_of([c.output_name for c in chunks]) == [i for i in range(ROWS) if i not in BAD]
    assert ids_of([c.rejects_name for c in chunks]) == list(BAD)
    for chunk in chunks:
        body = read(chunk.output_name).getvalue()
        assert hashlib.sha256(body).hexdigest() == chunk.output_sha256


def workers_of(job: BatchJob, **found: str) -> set[str]:
    """The machines that attempts at the job's chunks ran on."""
    attempts = ChunkAttempt.objects.filter(chunk__job=job, **found)
    return {worker.split(":")[0] for worker in attempts.values_list("worker", flat=True)}


def halted_at_work(host: Host, job: BatchJob) -> bool:
    """Whether the machine stands still with chunks of the job in hand, and both have ended some.

    When not, it goes on. A row that it was about to write is locked and does not count.
    """
    if workers_of(job, outcome="done") != {"anvil", "bellows"}:
        return False
    host.signal_all(signal.SIGSTOP)
    with transaction.atomic():
        owners = job.chunks.select_for_update(skip_locked=True).filter(state="leased")
        held = [o for o in owners.values_list("lease_owner", flat=True) if o.startswith(host.name)]
    if not held:
        host.signal_all(signal.SIGCONT)
    return bool(held)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_machine_may_die_and_the_other_ends_the_job_with_the_same_bytes(
    machines: tuple[Host, Host],
) -> None:
    anvil, bellows = machines
    by = people.owner().by
    # Checks need a model host; what is compiled then is scored by the workers themselves. So the
    # machine without one begins to work when the checks are done.
    anvil.start("modelhost")
    anvil.start("worker")
    anvil.wait_until_ready("modelhost", "worker")
    version, rows = registered(by)
    ready = ModelVersion.objects.filter(pk=version.pk, status="ready")
    until(ready.exists, "the version is ready", *machines)
    until(
        DatasetVersion.objects.filter(pk=rows.pk, status="ready").exists,
        "the dataset is read",
        *machines,
    )

    bellows.start("worker")
    bellows.wait_until_ready("worker")
    undisturbed = ended(asked(by, version), *machines)
    assert_whole(undisturbed)

    job = asked(by, version)
    until(lambda: halted_at_work(anvil, job), "both machines work on it", *machines)
    anvil.crash()
    ended(job, bellows)

    assert_whole(job)
    assert digests(job) == digests(undisturbed)
    assert "anvil" in workers_of(job, outcome="lost")
    assert not [*files_below(anvil.home / "storage"), *files_below(bellows.home / "storage")]
