"""What a later look of a newer gate makes of versions that were checked before.

A ready version that no longer passes goes to quarantine and is not served; a later look that
passes brings it back. Approvals go over to the gate that passes their bytes. Nobody but the gate
decides here: what it refuses cannot be approved.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.db import transaction

from registry import audit
from registry.actions.approval_evidence import evidence_of
from registry.actions.file_policy import executes_code, policy_format
from registry.actions.releases import standing_approval
from registry.actions.verdicts import (
    ask_for_review,
    locked,
    restart_checks,
    settle,
    write_verdict,
)
from registry.conf import conf
from registry.models import ApprovalRequest, ModelVersion
from registry.models.approval_request import ApprovalState, ApprovalSubject
from registry.models.check import CheckName, Verdict
from registry.models.model_version import VersionStatus
from registry.signals import version_released


class Outcome(StrEnum):
    """What became of a version by being looked at again."""

    STANDS = "stands"
    TAKEN = "taken out of service"
    BACK = "back in service"
    HELD = "stays in quarantine"
    RECHECK = "checks run again"
    REFUSED = "stays rejected"
    MOVED_ON = "moved on meanwhile"


_SETTLED = (VersionStatus.READY, VersionStatus.QUARANTINED, VersionStatus.REJECTED)


def outcome_of(version: ModelVersion, *, passes: bool) -> Outcome:
    """What a look would make of the version. Changes nothing."""
    if version.status not in _SETTLED:
        return Outcome.MOVED_ON
    if version.status == VersionStatus.REJECTED:
        return Outcome.RECHECK if passes else Outcome.REFUSED
    if version.status == VersionStatus.READY:
        return Outcome.STANDS if passes else Outcome.TAKEN
    return Outcome.BACK if passes and _may_come_back(version) else Outcome.HELD


@transaction.atomic
def record_second_look(
    version: ModelVersion, *, verdict: str, summary: str, evidence: Mapping[str, Any]
) -> Outcome:
    """Write the scan of a settled version anew and move the version as ``outcome_of`` says.

    A rejected version that passes now gets all its checks again. ``evidence`` has the
    ``gate_version`` that approvals go over to. Does nothing twice.
    """
    version = locked(version)
    passes = verdict != Verdict.FAILED
    outcome = outcome_of(version, passes=passes)
    if outcome is Outcome.MOVED_ON:
        return outcome
    if outcome is Outcome.RECHECK:
        restart_checks(version)
        audit.record(None, "version.recheck", version, reason="The gate passes its bytes now.")
        version_released.send(ModelVersion, version=version)
        return outcome
    write_verdict(version, CheckName.SCAN, verdict, summary, evidence)
    if outcome is Outcome.TAKEN:
        settle(version, VersionStatus.QUARANTINED, f"The gate no longer passes it. {summary}")
    elif passes:
        outcome = _carried(version, outcome)
    return outcome


def _carried(version: ModelVersion, outcome: Outcome) -> Outcome:
    _carry_approvals(version)
    # Its approval may have come over just now.
    outcome = outcome_of(version, passes=True)
    if outcome is Outcome.BACK:
        settle(version, VersionStatus.READY, "The gate passes it again.")
    elif version.status == VersionStatus.QUARANTINED and _was_ready(version):
        ask_for_review(version, "The gate passes it again; nobody has approved these bytes.")
    return outcome


def _carry_approvals(version: ModelVersion) -> None:
    """Bind the requests about these bytes to the gate that passes them now."""
    requests = ApprovalRequest.objects.filter(version=version, subject=ApprovalSubject.VERSION)
    for request in requests.exclude(state=ApprovalState.REJECTED):
        before = request.gate_version
        if before == version.gate_version:
            continue
        changed: dict[str, Any] = {"gate_version": version.gate_version}
        if request.state == ApprovalState.PENDING:
            changed["evidence"] = evidence_of(version)
        ApprovalRequest.objects.filter(pk=request.pk).update(**changed)
        audit.record(
            None,
            "approval.carried",
            request,
            before={"gate_version": before},
            after={"gate_version": version.gate_version},
            reason="The newer gate passes the same bytes.",
        )


def _may_come_back(version: ModelVersion) -> bool:
    """Only what was ready before, and as the policy has it: a policy of now may ask for more."""
    if not _was_ready(version):
        return False
    scans = version.checks.filter(name=CheckName.SCAN).values_list("evidence", flat=True)
    if (
        not executes_code(policy_format(version, scans.first() or {}))
        or conf.model_file_policy == "gate"
    ):
        return True
    return conf.model_file_policy == "approve" and _is_approved(version)


def _was_ready(version: ModelVersion) -> bool:
    return version.ready_at is not None


def _is_approved(version: ModelVersion) -> bool:
    """By an approval of the gate of now, or by one of these bytes that is about to come over."""
    own = ApprovalRequest.objects.filter(
        version=version, subject=ApprovalSubject.VERSION, state=ApprovalState.APPROVED
    )
    return own.exists() or standing_approval(version) is not None
