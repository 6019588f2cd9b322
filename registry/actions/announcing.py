"""Tells webhooks and people that an approval is asked for or decided, and that an alias has moved.

Both outboxes are written in the transaction of the change: the deliveries of webhooks, and for
mails the request itself, which remembers who was written to (see ``mailing``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from registry.actions.webhooks import (
    ALIAS_MOVED,
    APPROVAL_APPROVED,
    APPROVAL_REJECTED,
    APPROVAL_REQUESTED,
    announce,
    is_anybody_told,
)
from registry.conf import conf
from registry.models import AliasChange, ApprovalRequest, RegisteredModel
from registry.models.approval_request import ApprovalState
from registry.principals import Principal
from registry.queue import SEND_MAILS, enqueue

_DECIDED = {
    ApprovalState.APPROVED: APPROVAL_APPROVED,
    ApprovalState.REJECTED: APPROVAL_REJECTED,
}


def announce_request(request: ApprovalRequest) -> None:
    """Tell that somebody has to decide. To be called in the transaction that opens the request."""
    _tell(APPROVAL_REQUESTED, request, request.created_at)


def announce_decision(request: ApprovalRequest) -> None:
    """Tell how it was decided. To be called in the transaction of the decision."""
    assert request.decided_at is not None  # a named constraint says so
    _tell(_DECIDED[ApprovalState(request.state)], request, request.decided_at)


def announce_move(change: AliasChange) -> None:
    """Tell that an alias points elsewhere, or is gone. To be called in the move's transaction."""
    model = change.model
    if not is_anybody_told(model.pk):
        return
    announce(
        ALIAS_MOVED,
        change,
        occasion="moved",
        facts={
            "alias": {
                "model": model.name,
                "alias": change.alias,
                "from": change.from_version.number if change.from_version else None,
                "to": change.to_version.number if change.to_version else None,
                "by": change.by.get_username(),
                "approved_by": change.approved_by.get_username() if change.approved_by else None,
                "reason": change.reason,
            },
            "url": f"{conf.public_url}/api/v1/models/{model.name}/aliases/{change.alias}/history",
        },
        model=model,
        at=change.at,
        is_seen_by=lambda by: RegisteredModel.objects.visible_to(by).filter(pk=model.pk).exists(),
    )


def _tell(event: str, request: ApprovalRequest, at: datetime) -> None:
    if conf.sends_mail:
        enqueue(SEND_MAILS)
    if not is_anybody_told(request.model_id):
        return
    announce(
        event,
        request,
        occasion=request.state,
        facts={
            "approval": _facts(request),
            "url": f"{conf.public_url}/api/v1/approvals/{request.pk}",
        },
        model=request.model,
        at=at,
        is_seen_by=lambda by: _is_seen(by, request),
    )


def _is_seen(by: Principal, request: ApprovalRequest) -> bool:
    return ApprovalRequest.objects.visible_to(by).filter(pk=request.pk).exists()


def _facts(request: ApprovalRequest) -> dict[str, Any]:
    """What a list of requests shows of it, without the evidence."""
    data = request.dataset_version
    return {
        "id": str(request.pk),
        "subject": request.subject,
        "model": request.model.name if request.model else None,
        "version": request.version.number if request.version else None,
        "alias": request.alias or None,
        "dataset": data.dataset.name if data else None,
        "dataset_version": data.number if data else None,
        "tier": request.tier or None,
        "state": request.state,
        "requested_by": request.requested_by.get_username(),
        "request_reason": request.request_reason,
        "decided_by": request.decided_by.get_username() if request.decided_by else None,
        "reason": request.reason,
    }
