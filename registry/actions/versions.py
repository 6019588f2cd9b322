"""Registering versions, correcting them, and taking them out of use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from registry import audit, roles
from registry.actions import fields
from registry.actions.compiled import pin_version
from registry.actions.verdicts import locked
from registry.errors import InvalidField, StateConflict
from registry.formats import FORMATS
from registry.models import (
    Artifact,
    Check,
    DatasetVersion,
    ModelVersion,
    RegisteredModel,
)
from registry.models.approval_request import ApprovalSubject
from registry.models.check import checks_for
from registry.models.model_version import VersionStatus
from registry.principals import Principal, require
from registry.signals import version_registered, version_settled
from registry.signature.types import Signature
from registry.storage import Stored

# What a corrected version takes over from the one that it corrects.
_KEPT = (
    "model",
    "artifact",
    "format",
    "runtime",
    "file_label",
    "example_sha256",
    "example_format",
    "expected_sha256",
    "metrics",
    "tags",
    "description",
    "source",
    "training_dataset",
)


@dataclass(frozen=True, slots=True)
class Upload:
    """Stored bytes with the key of their format, and the client's file name as a mere label."""

    stored: Stored
    format: str
    label: str = ""


@transaction.atomic
def register_version(
    *,
    by: Principal,
    model: RegisteredModel,
    artifact: Upload,
    example: Upload | None = None,
    expected: Stored | None = None,
    signature: object = None,
    metrics: object = None,
    tags: object = None,
    description: str = "",
    source: str = "",
    training_dataset: DatasetVersion | None = None,
) -> ModelVersion:
    """Take a version in as ``pending``; its checks run in a worker.

    ``signature`` is JSON as in the reference, or None to have it inferred. Raises NotAllowed,
    InvalidField for a signature, metrics or tags that do not parse, and StateConflict for an
    archived model.
    """
    require(by, roles.PUBLISHER, model)
    held, _ = Artifact.objects.get_or_create(
        sha256=artifact.stored.sha256,
        format=artifact.format,
        defaults={"size_bytes": artifact.stored.size_bytes},
    )
    # Held until the end: who prunes looks for versions that need it, and does not see this one.
    Artifact.objects.filter(pk=held.pk).update(gone_at=None)
    version = ModelVersion(
        model=model,
        artifact=held,
        format=artifact.format,
        runtime=FORMATS[artifact.format].runtime,
        file_label=artifact.label[:255],
        example_sha256=example.stored.sha256 if example else "",
        example_format=example.format if example else "",
        expected_sha256=expected.sha256 if expected else "",
        declared_signature=_parsed_signature(signature),
        metrics=fields.check_metrics(metrics if metrics is not None else {}),
        tags=fields.check_tags(tags if tags is not None else {}),
        description=fields.check_text(description, pointer="/description"),
        source=fields.check_text(source, pointer="/source"),
        training_dataset=training_dataset,
        created_by=by.user,
    )
    return _take_in(by, version)


@transaction.atomic
def correct_version(*, by: Principal, version: ModelVersion, signature: object) -> ModelVersion:
    """Register the same bytes again with a corrected signature, as the next version."""
    require(by, roles.PUBLISHER, version.model)
    if signature is None:
        raise InvalidField("A corrected version needs its signature.", pointer="/signature")
    # As it stands now, and held: bytes of a rejected version may be let go at this moment.
    version = locked(version)
    kept = Artifact.objects.filter(pk=version.artifact_id, gone_at__isnull=True)
    if not kept.update(gone_at=None):
        raise StateConflict(f"The bytes of {version} are no longer kept.")
    corrected = ModelVersion(
        **{name: getattr(version, name) for name in _KEPT},
        from_version=version,
        declared_signature=_parsed_signature(signature),
        created_by=by.user,
    )
    return _take_in(by, corrected)


@transaction.atomic
def update_version(*, by: Principal, version: ModelVersion, **values: Any) -> ModelVersion:
    """Change what may change on a version: description, tags, metrics, and ``pinned_to``.

    Raises what ``pin_version`` does.
    """
    require(by, roles.PUBLISHER, version.model)
    if "pinned_to" in values:
        version = pin_version(by=by, version=version, engine=values.pop("pinned_to"))
    checks: dict[str, Callable[[Any], Any]] = {
        "description": lambda v: fields.check_text(v, pointer="/description"),
        "tags": fields.check_tags,
        "metrics": fields.check_metrics,
    }
    before, after = fields.changed(version, {k: checks[k](v) for k, v in values.items()})
    if after:
        ModelVersion.objects.filter(pk=version.pk).update(**after)
        audit.record(by, "version.update", version, before=before, after=after)
        version.refresh_from_db()
    return version


@transaction.atomic
def archive_version(*, by: Principal, version: ModelVersion) -> ModelVersion:
    """Take a version out of use for good.

    Raises StateConflict while an alias points to it or a reviewer is asked about it.
    """
    require(by, roles.PUBLISHER, version.model)
    version = locked(version)
    aliases = list(version.aliases.values_list("name", flat=True))
    if aliases:
        raise StateConflict(f"{version} is {', '.join(aliases)}: move the alias first.")
    if version.approval_requests.pending().filter(subject=ApprovalSubject.VERSION).exists():
        raise StateConflict(f"{version} waits for a reviewer: decide its request first.")
    before = version.status
    if not ModelVersion.objects.move(version, VersionStatus.ARCHIVED):
        raise StateConflict(f"{version} is {version.status} and cannot be archived.")
    audit.record(
        by, "version.archive", version, before={"status": before}, after={"status": "archived"}
    )
    version.refresh_from_db()
    version_settled.send(ModelVersion, version=version)
    return version


def _parsed_signature(signature: object) -> dict[str, Any] | None:
    if signature is None:
        return None
    try:
        return Signature.from_json(signature).to_json()
    except InvalidField as error:
        # The field of the request, then the place in it.
        raise InvalidField(error.detail, pointer=f"/signature{error.pointer}") from None


def _take_in(by: Principal, version: ModelVersion) -> ModelVersion:
    models = RegisteredModel.objects.filter(pk=version.model_id)
    models.update(next_number=F("next_number") + 1)
    models.get().require_in_use()
    version.number = models.values_list("next_number", flat=True).get() - 1
    version.save(force_insert=True)
    names = checks_for(version.runtime)
    Check.objects.bulk_create(Check(version=version, name=name) for name in names)
    audit.record(
        by,
        "version.register",
        version,
        after={"format": version.format, "sha256": version.artifact.sha256},
    )
    version_registered.send(ModelVersion, version=version)
    return version
