"""The verdicts of checks, and what they make of a version.

``record_check`` alone moves a version out of ``checking``:

1. a failed check rejects the version and skips the checks that are left;
2. a check that asks for a reviewer quarantines it and opens an approval request, which is bound to
   the bytes and to the version of the gate that looked at them;
3. when no check is pending any more, the version is ready, and the first ready version of a
   model that needs no approval becomes its champion.

A later look of a newer gate takes a ready version back to quarantine: see ``second_looks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry import audit
from registry.actions.aliases import place_alias
from registry.actions.announcing import announce_request
from registry.actions.approval_evidence import evidence_of
from registry.errors import StateConflict
from registry.models import AliasChange, ApprovalRequest, Check, ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.approval_request import ApprovalSubject
from registry.models.check import CheckName, Verdict, checks_for
from registry.models.model_version import VersionStatus
from registry.principals import Principal
from registry.signals import version_settled

REVIEW_REASON = (
    "Its checks have passed; loading this format executes code from the file, so somebody other "
    "than the uploader has to approve these bytes."
)


@transaction.atomic
def record_findings(version: ModelVersion, **found: Any) -> None:
    """Write what the checks found: ``signature``, ``facts`` (JSON), digests of what is kept.

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

    ``needs_review`` quarantines: the bytes wait for somebody other than the uploader. Evidence of
    the scan says by ``gate_version`` which gate has looked. Returns the version as it stands
    afterwards. Raises StateConflict when it is not being checked.
    """
    version = locked(version)
    if version.status != VersionStatus.CHECKING:
        raise StateConflict(f"{version} is not being checked.")
    write_verdict(version, name, verdict, summary, evidence or {})
    if verdict == Verdict.FAILED:
        _reject(version, summary)
    elif needs_review:
        ask_for_review(version, REVIEW_REASON)
        settle(version, VersionStatus.QUARANTINED, REVIEW_REASON)
    elif not version.checks.filter(verdict=Verdict.PENDING).exists():
        make_ready(version)
    return version


@transaction.atomic
def return_to_pending(version: ModelVersion, *, reason: str) -> bool:
    """Give a claimed version back, so that its checks run again; False if it has moved on."""
    version = locked(version)
    if version.status != VersionStatus.CHECKING:
        return False
    ModelVersion.objects.move(version, VersionStatus.PENDING)
    audit.record(None, "version.recheck", version, reason=reason)
    return True


@transaction.atomic
def restart_checks(version: ModelVersion) -> None:
    """Let the checks of a quarantined or rejected version run from the start."""
    version = locked(version)
    if not ModelVersion.objects.move(version, VersionStatus.PENDING):
        raise StateConflict(f"{version} is {version.status}, not quarantined or rejected.")
    ModelVersion.objects.filter(pk=version.pk).update(
        settled_at=None, check_attempts=0, compiled_sha256="", pinned_to=""
    )
    version.checks.update(verdict=Verdict.PENDING, summary="", evidence={}, decided_at=None)
    await_all_checks(version)


@transaction.atomic
def reject_quarantined(version: ModelVersion, *, summary: str) -> None:
    """A reviewer said no: the version is rejected."""
    version = locked(version)
    if version.status != VersionStatus.QUARANTINED:
        raise StateConflict(f"{version} is {version.status}, not quarantined.")
    _reject(version, summary, skipped="Not run: a reviewer has rejected the version.")


def await_all_checks(version: ModelVersion) -> None:
    """Make the checks that there are by now and were not when the version was registered."""
    for name in checks_for(version.runtime):
        Check.objects.get_or_create(version=version, name=name)


def locked(version: ModelVersion) -> ModelVersion:
    """The row as it stands now, with its model and artifact, held until the transaction ends."""
    rows = ModelVersion.objects.select_for_update(of=("self",))
    return rows.select_related("model", "artifact").get(pk=version.pk)


def write_verdict(
    version: ModelVersion, name: str, verdict: str, summary: str, evidence: Mapping[str, Any]
) -> None:
    """Write one verdict down; the scan's also tells the version which gate has looked."""
    version.checks.filter(name=name).update(
        verdict=verdict, summary=summary, evidence=dict(evidence), decided_at=timezone.now()
    )
    if name == CheckName.SCAN:
        version.gate_version = str(evidence.get("gate_version", ""))
        ModelVersion.objects.filter(pk=version.pk).update(gate_version=version.gate_version)


def settle(version: ModelVersion, status: VersionStatus, reason: str = "") -> None:
    """Move the version to a status in which it stays, with its event."""
    before = version.status
    if not ModelVersion.objects.move(version, status):
        raise StateConflict(f"{version} is {before} and cannot become {status}.")
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


def ask_for_review(version: ModelVersion, reason: str) -> ApprovalRequest:
    """The pending request for the release of a version, its evidence as the checks stand now."""
    request, is_new = ApprovalRequest.objects.update_or_create(
        subject=ApprovalSubject.VERSION,
        version=version,
        alias="",
        state="pending",
        defaults={"gate_version": version.gate_version, "evidence": evidence_of(version)},
        create_defaults={
            "model": version.model,
            "sha256": version.artifact.sha256,
            "gate_version": version.gate_version,
            "requested_by": version.created_by,
            "request_reason": reason,
            "evidence": evidence_of(version),
        },
    )
    if is_new:
        announce_request(request)
    return request


def make_ready(version: ModelVersion) -> None:
    """The version can be called from now on; the first of its model becomes champion."""
    model = RegisteredModel.objects.select_for_update().get(pk=version.model_id)
    ModelVersion.objects.filter(pk=version.pk).update(ready_at=timezone.now())
    settle(version, VersionStatus.READY)
    is_first = not model.versions.exclude(pk=version.pk).filter(ready_at__isnull=False).exists()
    has_moved = AliasChange.objects.of(model, CHAMPION).exists()
    is_open = not model.approval_required and model.archived_at is None
    if is_first and not has_moved and is_open:
        place_alias(
            by=Principal(version.created_by),
            version=version,
            alias=CHAMPION,
            reason="First ready version.",
        )


def _reject(
    version: ModelVersion, reason: str, *, skipped: str = "Not run: an earlier check failed."
) -> None:
    pending = version.checks.filter(verdict=Verdict.PENDING)
    pending.update(verdict=Verdict.SKIPPED, summary=skipped)
    settle(version, VersionStatus.REJECTED, reason)
