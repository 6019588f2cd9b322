"""Deciding approval requests: by somebody else than the requester and the uploader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry import audit, roles
from registry.actions import fields
from registry.actions.announcing import announce_decision
from registry.actions.approval_evidence import evidence_now
from registry.actions.approval_subjects import about, decision_on, is_involved
from registry.errors import InvalidField, NotAllowed, StateConflict
from registry.models import ApprovalRequest
from registry.models.approval_request import ApprovalState
from registry.principals import Principal, require


@transaction.atomic
def approve(*, by: Principal, request: ApprovalRequest, reason: str) -> ApprovalRequest:
    """Approve, and do what was asked for: release the version, move the alias, raise the tier.

    Raises NotAllowed for the requester and the uploader, StateConflict when it is decided already,
    or bound to other bytes or to another version of the gate than there are now.
    """
    _require_decision(by, request, reason)
    decision = decision_on(request)
    decision.hold(request)
    decision.check(request)
    _decide(by, request, ApprovalState.APPROVED, reason)
    decision.grant(by, request)
    return request


@transaction.atomic
def reject(*, by: Principal, request: ApprovalRequest, reason: str) -> ApprovalRequest:
    """Say no: a quarantined version becomes rejected; an alias, or a tier, stays as it is."""
    _require_decision(by, request, reason)
    decision = decision_on(request)
    decision.hold(request)  # first, as an approval does: else the two could wait for each other
    _decide(by, request, ApprovalState.REJECTED, reason)
    decision.refuse(by, request, reason)
    return request


@transaction.atomic
def attach_evidence(
    request: ApprovalRequest, key: str, evidence: Mapping[str, Any], *, most: int
) -> bool:
    """Put something beside what a reviewer is shown; False when the request is decided already.

    ``key`` is ``<sort>:<id>``; of a sort those ``most`` are kept whose ids are the newest. The same
    key again replaces what was there.
    """
    rows = ApprovalRequest.objects.select_for_update().pending()
    held = rows.filter(pk=request.pk).first()
    if held is None:
        return False
    sort = key.partition(":")[0]
    found = {**held.evidence, key: dict(evidence)}
    for old in sorted(name for name in found if name.startswith(f"{sort}:"))[:-most]:
        del found[old]
    held.evidence = request.evidence = found
    held.save(update_fields=["evidence"])
    audit.record(None, "approval.evidence", request, after={"evidence": key})
    return key in found


def _require_decision(by: Principal, request: ApprovalRequest, reason: str) -> None:
    require(by, roles.APPROVER, about(request))
    if is_involved(by, request):
        raise NotAllowed("Somebody other than the requester and the uploader decides.")
    if not fields.check_text(reason, pointer="/reason").strip():
        raise InvalidField("A decision needs its reason.", pointer="/reason")


def _decide(by: Principal, request: ApprovalRequest, state: ApprovalState, reason: str) -> None:
    # As it stands now, with what was attached since the request was read.
    rows = ApprovalRequest.objects.select_for_update()
    request.evidence = rows.values_list("evidence", flat=True).get(pk=request.pk)
    decision = {
        "state": state,
        "evidence": evidence_now(request),
        "decided_by": by.user,
        "decided_at": timezone.now(),
        "reason": reason,
    }
    if not ApprovalRequest.objects.decide(request, **decision):
        request.refresh_from_db()
        raise StateConflict(f"The request is {request.state} already.")
    for field, value in decision.items():
        setattr(request, field, value)
    audit.record(
        by,
        f"approval.{state}",
        request,
        before={"state": "pending"},
        after={"state": state},
        reason=reason,
    )
    announce_decision(request)
