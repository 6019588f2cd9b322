"""Registering versions, and the verdicts that decide where a version stands.

``record_check`` alone moves a version out of ``checking``:

1. a failed check rejects the version and skips the checks that are left;
2. a scan that asks for a reviewer quarantines it and opens an approval request;
3. when no check is pending any more, the version is ready, and the first ready version of a
   model that needs no approval becomes its champion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from registry import audit, roles
from registry.actions import fields
from registry.actions.aliases import place_alias
from registry.errors import InvalidField, NotAllowed, StateConflict
from registry.formats import FORMATS
from registry.models import (
    AliasChange,
    ApprovalRequest,
    Artifact,
    Check,
    DatasetVersion,
    ModelVersion,
    RegisteredModel,
)
from registry.models.alias import CHAMPION
from registry.models.approval_request import ApprovalSubject
from registry.models.check import FIRST_CHECKS, Verdict
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
    "released_sha256",
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
    and InvalidField for a signature, metrics or tags that do not parse.
    """
    require(by, roles.PUBLISHER, model)
    held, _ = Artifact.objects.get_or_create(
        sha256=artifact.stored.sha256,
        format=artifact.format,
        defaults={"size_bytes": artifact.stored.size_bytes},
    )
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
    if version.artifact.gone_at is not None:
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
    """Change what may change on a version: description, tags, metrics."""
    require(by, roles.PUBLISHER, version.model)
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
    """Take a version out of use for good. Refused while an alias points to it."""
    require(by, roles.PUBLISHER, version.model)
    version = _locked(version)
    aliases = list(version.aliases.values_list("name", flat=True))
    if aliases:
        raise StateConflict(f"{version} is {', '.join(aliases)}: move the alias first.")
    before = version.status
    if not ModelVersion.objects.move(version, VersionStatus.ARCHIVED):
        raise StateConflict(f"{version} is {version.status} and cannot be archived.")
    audit.record(
        by, "version.archive", version, before={"status": before}, after={"status": "archived"}
    )
    version.refresh_from_db()
    version_settled.send(ModelVersion, version=version)
    return version


@transaction.atomic
def record_findings(version: ModelVersion, **found: Any) -> None:
    """Write what the checks found: ``signature``, ``facts`` (JSON), ``golden_sha256``.

    Only while the version is being checked; raises StateConflict otherwise.
    """
    rows = ModelVersion.objects.filter(pk=version.pk, status=VersionStatus.CHECKING)
    if not rows.update(**found):
        raise StateConflict(f"{version} is not being checked.")
    for field, value in found.items():
        setattr(version, field, value)


@transaction.atomic
def record_check(
    version: ModelVersion,
    name: str,
    verdict: str,
    summary: str,
    evidence: Mapping[str, Any] | None = None,
    *,
    needs_review: bool = False,
) -> ModelVersion:
    """Write one verdict and move the version as the module's docstring says.

    ``needs_review`` quarantines: the bytes wait for somebody other than the uploader. Returns the
    version as it stands afterwards. Raises StateConflict when it is not being checked.
    """
    version = _locked(version)
    if version.status != VersionStatus.CHECKING:
        raise StateConflict(f"{version} is not being checked.")
    version.checks.filter(name=name).update(
        verdict=verdict, summary=summary, evidence=dict(evidence or {}), decided_at=timezone.now()
    )
    if verdict == Verdict.FAILED:
        _reject(version, summary)
    elif needs_review:
        _quarantine(version, summary, evidence or {})
    elif not version.checks.filter(verdict=Verdict.PENDING).exists():
        _make_ready(version)
    return version


@transaction.atomic
def return_to_pending(version: ModelVersion, *, reason: str) -> bool:
    """Give a claimed version back, so that its checks run again; False if it has moved on."""
    version = _locked(version)
    if version.status != VersionStatus.CHECKING:
        return False
    ModelVersion.objects.move(version, VersionStatus.PENDING)
    audit.record(None, "version.recheck", version, reason=reason)
    return True


@transaction.atomic
def restart_checks(version: ModelVersion, *, approved_by: Principal) -> None:
    """Release a quarantined version: bound to its bytes, its checks run from the start."""
    version = _locked(version)
    if not ModelVersion.objects.move(version, VersionStatus.PENDING):
        raise StateConflict(f"{version} is {version.status}, not quarantined.")
    if version.created_by_id == approved_by.user.pk:
        raise NotAllowed("The uploader cannot release the version.")
    ModelVersion.objects.filter(pk=version.pk).update(
        released_sha256=version.artifact.sha256, settled_at=None
    )
    version.checks.update(verdict=Verdict.PENDING, summary="", evidence={}, decided_at=None)


@transaction.atomic
def reject_quarantined(version: ModelVersion, *, summary: str) -> None:
    """A reviewer said no: the version is rejected."""
    version = _locked(version)
    if version.status != VersionStatus.QUARANTINED:
        raise StateConflict(f"{version} is {version.status}, not quarantined.")
    _reject(version, summary, skipped="Not run: a reviewer has rejected the version.")


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
    version.number = models.values_list("next_number", flat=True).get() - 1
    version.save(force_insert=True)
    Check.objects.bulk_create(Check(version=version, name=name) for name in FIRST_CHECKS)
    audit.record(
        by,
        "version.register",
        version,
        after={"format": version.format, "sha256": version.artifact.sha256},
    )
    version_registered.send(ModelVersion, version=version)
    return version


def _locked(version: ModelVersion) -> ModelVersion:
    rows = ModelVersion.objects.select_for_update(of=("self",))
    return rows.select_related("model", "artifact").get(pk=version.pk)


def _settle(version: ModelVersion, status: VersionStatus, reason: str = "") -> None:
    before = version.status
    ModelVersion.objects.move(version, status)
    ModelVersion.objects.filter(pk=version.pk).update(
        settled_at=timezone.now(), checking_until=None
    )
    version.refresh_from_db()
    audit.record(
        None,
        f"version.{status}",
        version,
        before={"status": before},
        after={"status": status},
        reason=reason,
    )
    version_settled.send(ModelVersion, version=version)


def _reject(
    version: ModelVersion, reason: str, *, skipped: str = "Not run: an earlier check failed."
) -> None:
    pending = version.checks.filter(verdict=Verdict.PENDING)
    pending.update(verdict=Verdict.SKIPPED, summary=skipped)
    _settle(version, VersionStatus.REJECTED, reason)


def _quarantine(version: ModelVersion, reason: str, evidence: Mapping[str, Any]) -> None:
    ApprovalRequest.objects.get_or_create(
        subject=ApprovalSubject.VERSION,
        version=version,
        alias="",
        state="pending",
        defaults={
            "model": version.model,
            "sha256": version.artifact.sha256,
            "requested_by": version.created_by,
            "request_reason": reason,
            "evidence": dict(evidence),
        },
    )
    _settle(version, VersionStatus.QUARANTINED, reason)


def _make_ready(version: ModelVersion) -> None:
    model = RegisteredModel.objects.select_for_update().get(pk=version.model_id)
    ModelVersion.objects.filter(pk=version.pk).update(ready_at=timezone.now())
    _settle(version, VersionStatus.READY)
    is_first = not model.versions.exclude(pk=version.pk).filter(ready_at__isnull=False).exists()
    has_moved = AliasChange.objects.of(model, CHAMPION).exists()
    if is_first and not has_moved and not model.approval_required:
        place_alias(
            by=Principal(version.created_by),
            version=version,
            alias=CHAMPION,
            reason="First ready version.",
        )
