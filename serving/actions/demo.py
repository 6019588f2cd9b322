"""Loads the demo into an empty registry, by the same actions as everybody else's uploads.

The work is done once: a marker file says that it began, so that a start which was cut off goes on
where it stopped, and a registry that people have used is never touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

from django.db import transaction

from registry import storage
from registry.actions.access import create_api_key
from registry.actions.datasets import upload_dataset
from registry.actions.models import create_model
from registry.actions.versions import Upload, register_version
from registry.conf import conf
from registry.models import Dataset, ModelVersion, RegisteredModel
from registry.models.model_version import VersionStatus
from registry.principals import Principal
from serving.actions.batch_jobs import create_job
from serving.actions.schedules import create_schedule
from serving.demo.model_cards import MODEL_CARDS
from serving.demo.training import Trained, penguins_csv, trained_models
from serving.models import BatchJob, Schedule

DATASET = "penguins-2026"
SCHEDULE = "penguins-nightly"
KEY_FILE = "demo.key"
Wait = Callable[[Callable[[], bool], str], None]


def is_wanted() -> bool:
    """Whether the registry is empty, or an earlier loading was cut off."""
    return _marker().exists() or not RegisteredModel.objects.exists()


def load(by: Principal, wait: Wait) -> None:
    """Make three models, a dataset, a finished batch job, a schedule, and the key file.

    ``wait(condition, what)`` returns when the condition holds; the workers do the rest.
    """
    _marker().touch()
    versions = [_register(by, trained) for trained in trained_models() if _is_new(trained.name)]
    _upload_penguins(by)
    write_key(by)
    for version in versions:
        wait(lambda v=version: _is_settled(v), f"the checks of {version}")  # type: ignore[misc]
    _score_penguins(by, wait)
    _marker().unlink(missing_ok=True)


def write_key(by: Principal) -> Path:
    """A key of the demo's reader and scorer in a file that only its owner may read."""
    path = conf.home / KEY_FILE
    if not path.exists():
        with transaction.atomic():
            _, text = create_api_key(by=by, user=by.user, name="demo")
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(text + "\n")
    return path


def _marker() -> Path:
    return conf.home / "demo.loading"


def _is_new(name: str) -> bool:
    return not ModelVersion.objects.filter(model__name=name).exists()


def _is_settled(version: ModelVersion) -> bool:
    version.refresh_from_db(fields=["status"])
    return version.status not in (VersionStatus.PENDING, VersionStatus.CHECKING)


@transaction.atomic
def _register(by: Principal, trained: Trained) -> ModelVersion:
    model = RegisteredModel.objects.named(trained.name).first() or create_model(
        by=by,
        name=trained.name,
        description=trained.description,
        card=MODEL_CARDS[trained.name],
        tags=trained.tags,
    )
    return register_version(
        by=by,
        model=model,
        artifact=Upload(storage.put_bytes(trained.artifact), "skops", f"{trained.name}.skops"),
        example=Upload(storage.put_bytes(trained.example), "parquet", "example.parquet"),
        expected=storage.put_bytes(trained.expected),
        metrics=trained.metrics,
        source="The demo, trained at the first start.",
    )


def _upload_penguins(by: Principal) -> None:
    if not Dataset.objects.named(DATASET).exists():
        stored = storage.put(io.BytesIO(penguins_csv()))
        upload_dataset(
            by=by,
            name=DATASET,
            upload=Upload(stored, "csv", "penguins.csv"),
            description="The 344 Palmer penguins, without their species.",
        )


def _score_penguins(by: Principal, wait: Wait) -> None:
    if not BatchJob.objects.exists():
        job = create_job(by=by, model="penguins", dataset=DATASET)
        mine = BatchJob.objects.filter(pk=job.pk)
        wait(lambda: not mine.active().exists(), "the demo's batch job")
    if not Schedule.objects.exists():
        create_schedule(
            by=by,
            name=SCHEDULE,
            model="penguins",
            dataset=DATASET,
            cron="30 2 * * *",
            timezone="Europe/Rome",
        )
