"""What is there before the chaos: people, models with their checks done, datasets that are read."""

from __future__ import annotations

import io
import time

from registry import storage
from registry.actions.connections import create_connection
from registry.actions.datasets import upload_dataset
from registry.actions.ingest import ingest_dataset
from registry.actions.models import create_model
from registry.actions.versions import Upload, register_version, update_version
from registry.actions.webhooks import create_webhook
from registry.models import Grant, ModelVersion, RegisteredModel
from registry.principals import Principal
from serving.actions import drive as driving
from serving.actions.batch_jobs import create_job
from serving.actions.probes import check_version
from serving.actions.schedules import create_schedule
from serving.batch.pace import Pace
from serving.models import BatchJob
from tests import people
from tests.chaos import plan
from tests.chaos.checks import ENDS
from tests.chaos.mortal import POISON_AGE
from tests.registry.webhooks.outbox import SECRET

# (name, cron, zone, overlap)
SCHEDULES = (
    ("each-minute", "* * * * *", "UTC", "allow"),
    ("each-other-minute", "*/2 * * * *", "Europe/Rome", "queue"),
)
UNDISTURBED_LIMIT_S = 240


def make_world(warehouse: str, listener: str) -> list[Principal]:
    """Register everything; three people who may ask for jobs.

    ``warehouse`` is the address of the database that results are delivered to, ``listener`` the
    URL that is told of each job's end.
    """
    askers = [people.person(name, role="manager").by for name in ("ada", "ben", "cleo")]
    _connect(askers, warehouse)
    create_webhook(by=askers[0], target_url=listener, secret=SECRET, events=list(ENDS.values()))
    for name in plan.MODELS:
        _register(askers[0], name)
    for name in plan.COMPARED:
        _register_another(askers[0], name)
    for name, rows in plan.DATASETS.items():
        stored = storage.put(io.BytesIO(_csv(name, rows)))
        version, _ = upload_dataset(
            by=askers[0], name=name, upload=Upload(stored, "csv", f"{name}.csv")
        )
        ingest_dataset(version.pk)
        version.refresh_from_db()
        assert version.status == "ready", version.errors
    return askers


def score_undisturbed(by: Principal) -> dict[str, BatchJob]:
    """Each combination once, by this process alone."""
    jobs = {one.name: create_job(by=by, **one.asked()) for one in plan.COMBINATIONS}
    deadline_s = time.monotonic() + UNDISTURBED_LIMIT_S
    while BatchJob.objects.active().exists():
        assert time.monotonic() < deadline_s, "the undisturbed run does not end"
        if not driving.drive(owner="undisturbed", pace=Pace(backoff_s=0.1, loss_wait_s=0.1)):
            time.sleep(0.1)
    for name, job in jobs.items():
        job.refresh_from_db()
        assert job.state == plan.BY_NAME[name].ends, (name, job.state, job.error)
    return jobs


def make_schedules(by: Principal) -> None:
    """Two schedules; their jobs are of the combination ``scheduled``."""
    asked = plan.BY_NAME["scheduled"].asked()
    for name, cron, zone, overlap in SCHEDULES:
        create_schedule(by=by, name=name, cron=cron, timezone=zone, overlap=overlap, **asked)


def _connect(askers: list[Principal], warehouse: str) -> None:
    connection = create_connection(
        by=askers[0],
        name="warehouse",
        driver="postgresql",
        address=warehouse,
        allows_writing=True,
    )
    for asker in askers[1:]:
        Grant.objects.create(user=asker.user, role="publisher", connection=connection)


def _register(by: Principal, name: str) -> None:
    from tests.flows import stories

    version = _registered(by, create_model(by=by, name=name), stories.churn())
    version.model.aliases.get_or_create(name="champion", defaults={"version": version})
    if name != "swift":
        update_version(by=by, version=version, pinned_to="original")
    if name == "mortal":
        ModelVersion.objects.filter(pk=version.pk).update(runtime="mortal")
    version.refresh_from_db()
    assert version.compiled_sha256
    assert (version.engine == "onnx") == (name == "swift"), version.engine


def _register_another(by: Principal, name: str) -> None:
    """A second version of other opinions, which answers from its original."""
    from sklearn.base import clone

    from tests.flows import stories

    labels = ["yes", "no", "yes", "no", "no", "yes"]
    estimator = clone(stories.churn()).fit(stories.CUSTOMERS, labels)
    version = _registered(by, RegisteredModel.objects.get(name=name), estimator)
    assert version.number == plan.COMPARED_NUMBER
    update_version(by=by, version=version, pinned_to="original")


def _registered(by: Principal, model: RegisteredModel, estimator: object) -> ModelVersion:
    from tests.flows import stories

    version = register_version(
        by=by,
        model=model,
        artifact=Upload(storage.put_bytes(stories.as_skops(estimator)), "skops", model.name),
        example=Upload(storage.put_bytes(stories.as_csv()), "csv", "example.csv"),
    )
    check_version(version.pk)
    version.refresh_from_db()
    assert version.status == "ready", [c.summary for c in version.checks.all()]
    return version


def _csv(name: str, rows: int) -> bytes:
    cities = ("Rome", "Oslo", "Bern", "")
    lines = ["id,age,income,city"]
    for row in range(rows):
        age = "" if plan.is_bad(row) else 20 + row % 60
        if name == "poisoned" and row == plan.POISONED_ROW:
            age = POISON_AGE
        lines.append(f"{row},{age},{row / 7},{cities[row % 4]}")
    return "\n".join([*lines, ""]).encode()
