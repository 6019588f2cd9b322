"""Datasets: taking rows in, settling what became of them, and the outputs of batch jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from registry import audit, roles
from registry.actions import fields
from registry.actions.dataset_changes import check_classification
from registry.actions.profiling import want_profile
from registry.actions.versions import Upload
from registry.errors import NameTaken, StateConflict
from registry.models import Dataset, DatasetVersion, Grant, User
from registry.models.dataset_version import DatasetStatus, Tier
from registry.models.registered_model import Classification
from registry.principals import Principal, require, require_everywhere
from registry.queue import INGEST_DATASET, enqueue
from registry.signals import dataset_settled


@transaction.atomic
def upload_dataset(
    *,
    by: Principal,
    name: str,
    upload: Upload,
    tier: str = Tier.RAW,
    classification: str | None = None,
    description: str | None = None,
) -> tuple[DatasetVersion, bool]:
    """Take bytes in as the first or next version of a dataset; it is read in a worker.

    Returns the version and whether it is new: the same bytes as the newest version that was not
    rejected are that version, unless it was erased. ``classification`` and ``description`` count
    for a new dataset only. Raises InvalidField, NotAllowed, StateConflict for an archived dataset
    and for a tier that only a promotion gives, NameTaken for a name that the caller may not see.
    """
    fields.check_name(name)
    fields.check_choice(tier, list(Tier.values), pointer="/tier")
    dataset = _dataset_for(by, name, classification, description)
    _require_tier(dataset, tier)
    newest = dataset.versions.exclude(status=DatasetStatus.REJECTED).order_by("-number").first()
    is_same = newest is not None and newest.sha256 == upload.stored.sha256
    if newest is not None and is_same and newest.erased_at is None:
        return newest, False
    version = _next_version(
        dataset,
        created_by=by.user,
        tier=tier,
        format=upload.format,
        file_label=upload.label[:255],
        sha256=upload.stored.sha256,
        size_bytes=upload.stored.size_bytes,
    )
    audit.record(by, "dataset.upload", version, after={"sha256": version.sha256})
    enqueue(INGEST_DATASET, version.pk)
    return version, True


@transaction.atomic
def read_from_source(
    *,
    by: Principal,
    name: str,
    source: Mapping[str, Any],
    format: str,
    tier: str = Tier.RAW,
    classification: str | None = None,
    description: str | None = None,
) -> DatasetVersion:
    """The first or next version of a dataset, read by a worker from where ``source`` says.

    What is read then is kept: reading the version again gives the same rows. The caller has
    checked the source. Raises InvalidField, NotAllowed, NameTaken, StateConflict.
    """
    fields.check_name(name)
    fields.check_choice(tier, list(Tier.values), pointer="/tier")
    dataset = _dataset_for(by, name, classification, description)
    _require_tier(dataset, tier)
    return _begin_reading(by, dataset, source, format, tier)


@transaction.atomic
def read_for_job(
    *,
    by: Principal,
    name: str,
    source: Mapping[str, Any],
    format: str,
    classification: str,
    description: str,
) -> DatasetVersion:
    """The same for a batch job: a dataset of its own, as its output is; the asker manages it."""
    dataset = Dataset.objects.create(
        name=name, owner=by.user, classification=classification, description=description
    )
    Grant.objects.create(user=by.user, role=roles.MANAGER, dataset=dataset)
    return _begin_reading(by, dataset, source, format, Tier.RAW)


def _begin_reading(
    by: Principal, dataset: Dataset, source: Mapping[str, Any], format: str, tier: str
) -> DatasetVersion:
    version = _next_version(
        dataset, created_by=by.user, tier=tier, format=format, source=dict(source)
    )
    audit.record(by, "dataset.read", version, after={"source": dict(source)})
    enqueue(INGEST_DATASET, version.pk)
    return version


@transaction.atomic
def record_ingested(
    version: DatasetVersion,
    *,
    rows: int,
    columns: Sequence[Mapping[str, Any]],
    profile: Sequence[Mapping[str, Any]],
    parts: Sequence[Mapping[str, Any]],
) -> bool:
    """The bytes were read whole: the version is ready. False when it was settled before."""
    return _settle(
        version,
        status=DatasetStatus.READY,
        rows=rows,
        columns=list(columns),
        profile=list(profile),
        parts=list(parts),
    )


@transaction.atomic
def record_refused(
    version: DatasetVersion, *, errors: Sequence[Mapping[str, Any]], error_count: int
) -> bool:
    """The bytes cannot be read as a table: rejected, with line and column of each problem."""
    return _settle(
        version,
        status=DatasetStatus.REJECTED,
        errors=list(errors),
        error_count=error_count,
    )


@transaction.atomic
def create_output(
    *,
    by: User,
    name: str,
    rows: int,
    columns: Sequence[Mapping[str, Any]],
    parts: Sequence[Mapping[str, Any]],
    size_bytes: int,
    parents: Iterable[DatasetVersion],
    classification: str,
    description: str = "",
) -> DatasetVersion:
    """The result of a batch job as a dataset of its own, ready at once; parts stay where they are.

    ``sha256`` stays empty: the digests of the parts are the identity of the whole. The rows are
    kept no longer than those that they were made from. A worker finds their figures afterwards.
    """
    parents = list(parents)
    kept_for = [days for p in parents if (days := p.dataset.retention_days) is not None]
    dataset = Dataset.objects.create(
        name=name,
        owner=by,
        classification=classification,
        description=description,
        retention_days=min(kept_for, default=None),
    )
    Grant.objects.create(user=by, role=roles.MANAGER, dataset=dataset)
    version = _next_version(
        dataset,
        created_by=by,
        tier=Tier.RAW,
        format="parquet",
        status=DatasetStatus.READY,
        rows=rows,
        columns=list(columns),
        parts=list(parts),
        size_bytes=size_bytes,
        settled_at=timezone.now(),
    )
    version.parents.set(parents)
    want_profile(version)
    audit.record(Principal(by), "dataset.output", version, after={"rows": rows})
    return version


def _dataset_for(
    by: Principal, name: str, classification: str | None, description: str | None
) -> Dataset:
    known = Dataset.objects.select_for_update().named(name).first()
    if known is None:
        return _create(by, name, classification, description)
    if not Dataset.objects.visible_to(by).filter(pk=known.pk).exists():
        # Who may make none is not told which names are taken.
        require_everywhere(by, roles.PUBLISHER)
        raise NameTaken(f"There is a dataset “{name}” already; names ignore case.")
    require(by, roles.PUBLISHER, known)
    if known.archived_at is not None:
        raise StateConflict(f"The dataset “{known}” is archived: it takes no further version.")
    return known


def _create(
    by: Principal, name: str, classification: str | None, description: str | None
) -> Dataset:
    require_everywhere(by, roles.PUBLISHER)
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(
                name=name,
                owner=by.user,
                classification=check_classification(classification or Classification.INTERNAL),
                description=fields.check_text(description or "", pointer="/description"),
            )
    except IntegrityError:
        raise NameTaken(f"There is a dataset “{name}” already; names ignore case.") from None
    Grant.objects.create(user=by.user, role=roles.MANAGER, dataset=dataset)
    audit.record(by, "dataset.create", dataset, after={"name": name})
    return dataset


def _require_tier(dataset: Dataset, tier: str) -> None:
    """Where there are rules nobody goes round them by saying that rows are curated already."""
    if dataset.rules and tier != Tier.RAW:
        raise StateConflict(
            f"The dataset “{dataset}” has rules: a version begins as raw, and is promoted."
        )


def _next_version(dataset: Dataset, **values: Any) -> DatasetVersion:
    rows = Dataset.objects.filter(pk=dataset.pk)
    rows.update(next_number=F("next_number") + 1)
    number = rows.values_list("next_number", flat=True).get() - 1
    return DatasetVersion.objects.create(dataset=dataset, number=number, **values)


def _settle(version: DatasetVersion, **values: Any) -> bool:
    rows = DatasetVersion.objects.filter(pk=version.pk, status=DatasetStatus.PENDING)
    if not rows.update(settled_at=timezone.now(), reading_until=None, **values):
        return False
    version.refresh_from_db()
    audit.record(None, f"dataset.{version.status}", version, after={"rows": version.rows})
    dataset_settled.send(DatasetVersion, version=version)
    return True
