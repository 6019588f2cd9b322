"""How far the rows of a job go: classification, archive, retention, and into which sinks."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry import storage
from registry.actions.dataset_changes import update_dataset
from registry.actions.models import update_model
from registry.actions.pruning import prune
from registry.actions.retention import erase_expired
from registry.errors import NotAllowed, RowsErased, SinkAway, SinkRefused, StateConflict
from registry.models import Connection, Dataset, DatasetVersion, Grant, RegisteredModel
from registry.principals import Principal
from serving.actions import deliveries
from serving.actions.batch_jobs import retry_job
from serving.actions.batch_results import rejects_of, results_of, shown_error
from serving.actions.drive import drive
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of
from tests.serving.batch.test_rejects import rows_without_some_ages

pytestmark = pytest.mark.django_db

SINK = {"connection": "reports", "table": "scores"}


def with_role(role: str, name: str = "bert") -> Principal:
    """Somebody with this role on the dataset, who may score with the model."""
    bert = ledger.person(name)
    ledger.grant(bert, role, Dataset.objects.get(name="customers"))
    ledger.grant(bert, "scorer", RegisteredModel.objects.get())
    return bert


def connection_of(by: Principal, classification: str) -> Connection:
    row = Connection.objects.create(
        name="reports",
        driver="sqlite",
        address="/tmp/reports.sqlite",
        allows_writing=True,
        classification=classification,
        owner=by.user,
    )
    Grant.objects.create(user=by.user, role="publisher", connection=row)
    return row


def done_job(by: Principal, **values: Any) -> BatchJob:
    """A job that has rejected one of five rows."""
    dataset_of(by, rows_without_some_ages(5, {1}), **values)
    job = ask(by)
    drive(owner="w1")
    job = BatchJob.objects.select_related("output__dataset", "dataset_version", "model").get()
    assert job.state == "completed_with_rejects"
    return job


@pytest.mark.parametrize(
    ("classification", "role", "may"),
    [
        ("internal", "viewer", True),
        ("confidential", "viewer", False),
        ("confidential", "scorer", True),
        ("restricted", "scorer", False),
        ("restricted", "publisher", True),
    ],
)
def test_a_job_reads_what_its_asker_may_have(
    ana: Principal, classification: str, role: str, may: bool
) -> None:
    dataset_of(ana, rows_without_some_ages(5, set()), classification=classification)
    bert = with_role(role)
    if may:
        assert ask(bert).state == "queued"
        return
    with pytest.raises(NotAllowed, match=f"The rows are {classification}"):
        ask(bert)
    assert not BatchJob.objects.exists()


def test_a_job_that_waits_reads_no_rows_that_became_stricter(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, rows_without_some_ages(5, set()))
    ask(with_role("scorer"))
    Dataset.objects.update(classification="restricted")
    drive(owner="w1")
    job = BatchJob.objects.get()
    assert (job.state, job.output) == ("failed", None)
    assert job.error["code"] == "not-allowed"


@pytest.mark.parametrize("read", [results_of, rejects_of])
@pytest.mark.parametrize("of", [Dataset, RegisteredModel])
def test_results_and_rejects_are_as_strict_as_the_stricter_of_model_and_dataset(
    ana: Principal, host: ObedientHost, read: Any, of: Any
) -> None:
    job = done_job(ana)
    viewer = with_role("viewer")
    assert read(job, by=viewer).parts
    of.objects.exclude(pk=job.output.dataset_id).update(classification="confidential")
    job = BatchJob.objects.get()
    with pytest.raises(NotAllowed, match="The results are confidential"):
        read(job, by=viewer)
    assert read(job, by=with_role("scorer", "cora")).parts
    assert read(job, by=ana).parts


def test_an_output_is_as_strict_as_its_model(ana: Principal, host: ObedientHost) -> None:
    RegisteredModel.objects.update(classification="restricted")
    assert done_job(ana).output.dataset.classification == "restricted"


def test_results_are_as_strict_as_their_model_later_too(ana: Principal, host: ObedientHost) -> None:
    output = done_job(ana).output.dataset
    cora, model = with_role("manager", "cora"), RegisteredModel.objects.get()
    ledger.grant(cora, "manager", output)
    update_model(by=ana, model=model, classification="restricted")
    output.refresh_from_db()
    assert output.classification == "restricted"
    with pytest.raises(NotAllowed, match="made from stricter data"):
        update_dataset(by=cora, dataset=output, classification="internal")
    assert update_dataset(by=ana, dataset=output, classification="public")


@pytest.mark.parametrize(
    ("results", "takes", "fits"),
    [
        ("internal", "public", False),
        ("internal", "internal", True),
        ("confidential", "internal", False),
        ("confidential", "restricted", True),
    ],
)
@pytest.mark.parametrize("of", ["model", "dataset"])
def test_a_sink_must_be_as_strict_as_the_results(
    ana: Principal, results: str, takes: str, fits: bool, of: str
) -> None:
    dataset = dataset_of(ana, rows_without_some_ages(5, set())).dataset
    row: Any = dataset if of == "dataset" else RegisteredModel.objects.get()
    type(row).objects.update(classification=results)
    connection_of(ana, takes)
    if fits:
        assert ask(ana, sink=SINK).sink_table == "scores"
        return
    with pytest.raises(SinkRefused, match=f"are {results}.*takes at most {takes}"):
        ask(ana, sink=SINK)


def test_a_sink_that_has_become_too_open_gets_nothing(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "write_chunk", lambda *a, **k: pytest.fail("it was written"))
    dataset_of(ana, rows_without_some_ages(5, set()))
    connection_of(ana, "internal")
    job = ask(ana, sink=SINK)
    Dataset.objects.filter(name="customers").update(classification="confidential")
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "sink-refused")


@pytest.mark.parametrize(
    ("error", "classification", "told"),
    [
        (SinkRefused("No: ada."), "internal", "No: ada."),
        (SinkRefused("No: ada."), "confidential", "may repeat cells"),
        (SinkRefused("Too long.", column="name"), "confidential", "Too long."),
        (SinkAway("Twice. DETAIL: Key (a)=(ada)", retry_after_s=1), "confidential", "Twice."),
    ],
)
def test_what_a_sink_says_repeats_no_hidden_cell(
    ana: Principal,
    host: ObedientHost,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    classification: str,
    told: str,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(deliveries, "write_chunk", refuse)
    monkeypatch.setattr(deliveries, "place", lambda _: None)
    dataset_of(ana, rows_without_some_ages(5, set()), classification=classification)
    connection_of(ana, "restricted")
    job = ask(ana, sink=SINK)
    drive(owner="w1")
    job.refresh_from_db()
    said = str(job.error) + str(list(ChunkAttempt.objects.values_list("reason")))
    assert told in said
    assert ("ada" in said) == (classification == "internal")


def test_no_job_reads_an_archived_dataset(ana: Principal, host: ObedientHost) -> None:
    job = done_job(ana)
    Dataset.objects.filter(name="customers").update(archived_at=timezone.now())
    with pytest.raises(StateConflict, match="“customers” is archived"):
        ask(ana)
    with pytest.raises(StateConflict, match="“customers” is archived"):
        retry_job(by=ana, job=job)


def expire(**dataset: Any) -> None:
    """As if these datasets had been kept long enough."""
    rows = Dataset.objects.filter(**dataset)
    rows.update(retention_days=30)
    born = timezone.now() - timedelta(days=31)
    DatasetVersion.objects.filter(dataset__in=rows).update(created_at=born)


def test_rows_are_not_erased_while_a_job_reads_them(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, rows_without_some_ages(5, set()))
    ask(ana)
    expire(name="customers")
    assert erase_expired().versions == 0
    drive(owner="w1")
    assert erase_expired().versions == 1


def prune_as_foreseen() -> None:
    """A day after: what goes is what a dry run has said."""
    for found in (*storage.listed("blobs/"), *storage.listed("batch/")):
        os.utime(storage.local_path(found.name), (1, 1))
    foreseen = list(prune(dry_run=True))
    assert DatasetVersion.objects.filter(erased_at__isnull=False).count() == 0
    assert list(prune()) == foreseen


def test_rejects_go_with_the_rows_that_were_rejected(ana: Principal, host: ObedientHost) -> None:
    job = done_job(ana)
    rejects = BatchChunk.objects.get().rejects_name
    expire(name="customers")
    prune_as_foreseen()
    assert not storage.exists(rejects)
    job = BatchJob.objects.get()
    assert job.rows_rejected == 1
    with pytest.raises(RowsErased, match="customers@1"):
        rejects_of(job, by=ana)
    with pytest.raises(RowsErased):
        retry_job(by=ana, job=job)
    assert results_of(job, by=ana).parts


def test_the_results_of_a_job_may_be_erased_too(ana: Principal, host: ObedientHost) -> None:
    job = done_job(ana)
    (part,) = job.output.parts
    expire(pk=job.output.dataset_id)
    prune_as_foreseen()
    assert not storage.exists(part["name"])
    job = BatchJob.objects.get()
    with pytest.raises(RowsErased):
        results_of(job, by=ana)
    with pytest.raises(RowsErased):
        retry_job(by=ana, job=job)


def test_no_job_reads_erased_rows(ana: Principal) -> None:
    dataset_of(ana, rows_without_some_ages(5, set()))
    expire(name="customers")
    erase_expired()
    with pytest.raises(RowsErased, match="customers@1 were erased on"):
        ask(ana)


def test_results_are_kept_no_longer_than_what_they_were_made_from(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, rows_without_some_ages(5, {1}))
    Dataset.objects.update(retention_days=30)
    ask(ana)
    drive(owner="w1")
    assert BatchJob.objects.get().output.dataset.retention_days == 30


@pytest.mark.parametrize("becomes", ["confidential", "erased"])
def test_why_a_job_failed_repeats_no_cell_once_cells_are_hidden(
    ana: Principal, host: ObedientHost, becomes: str
) -> None:
    dataset_of(ana, rows_without_some_ages(5, {1}))
    ask(ana, on_row_error="fail")
    drive(owner="w1")
    job = BatchJob.objects.get()
    (refused,) = shown_error(job)["errors"]
    assert {"row", "received"} <= set(refused)
    if becomes == "erased":
        expire(name="customers")
        erase_expired()
    else:
        Dataset.objects.update(classification="confidential")
    (refused,) = shown_error(BatchJob.objects.get())["errors"]
    assert refused["row"] == 1
    assert "received" not in refused


def test_a_comparison_forgets_the_keys_of_erased_rows(ana: Principal, host: ObedientHost) -> None:
    job = done_job(ana)
    other = job.version
    other.pk, other.number = None, 2
    other._state.adding = True
    other.id = type(other)._meta.pk.get_default()
    other.save()
    mover = {"row": 0, "distance": 1.0, "values": [], "keys": {"id": "p0"}}
    report = {"movers": [mover], "labels": [], "numbers": [], "rows": 5}
    BatchJob.objects.update(report=report, compared_version=other, compared_sha256="1" * 64)
    expire(name="customers")
    erase_expired()
    assert "p0" not in str(BatchJob.objects.get().report)
