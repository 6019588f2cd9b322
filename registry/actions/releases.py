"""Releasing quarantined bytes: what one approval says, and for how long it holds.

An approval is about exact bytes as one version of the gate has seen them. It holds for every
version of the same model with the same bytes in the same format, except where the approver has
uploaded them, and ends when a newer gate no longer passes them or a reviewer rejects them.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from registry import audit
from registry.actions.verdicts import locked, make_ready, restart_checks
from registry.conf import conf
from registry.errors import NotAllowed, StateConflict
from registry.models import ApprovalRequest, ModelVersion
from registry.models.approval_request import ApprovalState, ApprovalSubject
from registry.models.check import CheckName, Verdict
from registry.models.model_version import VersionStatus
from registry.principals import Principal
from registry.scan.edition import gate_version
from registry.signals import version_released


def uploaders(version: ModelVersion) -> set[Any]:
    """Who has sent these bytes to this model: a corrected version has them from another one."""
    same = ModelVersion.objects.filter(
        model=version.model_id, artifact__sha256=version.artifact.sha256
    )
    return {version.created_by_id, *same.values_list("created_by", flat=True)}


def standing_approval(version: ModelVersion) -> ApprovalRequest | None:
    """The approval that releases these bytes already, under the gate of now; None without one.

    The newest decision about the bytes counts, so that a rejection takes an approval back.
    """
    newest = (
        ApprovalRequest.objects.filter(
            subject=ApprovalSubject.VERSION,
            model=version.model_id,
            sha256=version.artifact.sha256,
            version__format=version.format,
            decided_at__isnull=False,
        )
        .select_related("version__model", "decided_by")
        .order_by("-decided_at", "-id")
        .first()
    )
    if newest is None or newest.state != ApprovalState.APPROVED:
        return None
    if newest.gate_version != gate_version() or newest.decided_by_id in uploaders(version):
        return None
    return newest


def note_reuse(version: ModelVersion, approval: ApprovalRequest) -> None:
    """Write down that a version goes on by an approval of the same bytes."""
    if approval.version_id == version.pk:
        return
    audit.record(
        None,
        "version.released",
        version,
        after={"approval": str(approval.pk), "sha256": approval.sha256},
        reason=f"The same bytes were approved as {approval.version} by {approval.decided_by}.",
    )


def require_same_bytes(request: ApprovalRequest, version: ModelVersion) -> None:
    """Raise StateConflict where the version has other bytes than the request is bound to."""
    if version.artifact.sha256 != request.sha256:
        raise StateConflict("The request is bound to other bytes than the version has now.")


def require_releasable(request: ApprovalRequest, version: ModelVersion) -> None:
    """Raise StateConflict where an approval would not be about what the gate has seen by now."""
    require_same_bytes(request, version)
    if conf.model_file_policy == "refuse":
        raise StateConflict("This server takes no files that execute code (MODEL_FILE_POLICY).")
    if version.checks.filter(name=CheckName.SCAN, verdict=Verdict.FAILED).exists():
        raise StateConflict(
            "The gate refuses these bytes now, and nobody can approve that away: see the scan."
        )
    if request.gate_version != gate_version():
        raise StateConflict(
            f"The request is bound to gate {request.gate_version or 'unknown'}, the gate is "
            f"{gate_version()} now: look again with `manage.py regate`."
        )


@transaction.atomic
def release(version: ModelVersion, *, approved_by: Principal) -> None:
    """Make an approved version ready; where a check has not run yet, all run from the start.

    Raises StateConflict when it is not quarantined, NotAllowed for its uploader.
    """
    version = locked(version)
    if version.status != VersionStatus.QUARANTINED:
        raise StateConflict(f"{version} is {version.status}, not quarantined.")
    if approved_by.user.pk in uploaders(version):
        raise NotAllowed("Who has uploaded these bytes cannot release them.")
    is_checked = not version.checks.filter(verdict=Verdict.PENDING).exists()
    if is_checked and version.gate_version == gate_version():
        make_ready(version)
        return
    restart_checks(version)
    version_released.send(ModelVersion, version=version)
