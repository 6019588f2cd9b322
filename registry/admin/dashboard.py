"""What the first page shows of the registry: counts, what waits, what happened last."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet

from registry import roles
from registry.actions.approval_subjects import words_of
from registry.models import (
    ApprovalRequest,
    AuditEvent,
    Dataset,
    ModelVersion,
    RegisteredModel,
)
from registry.models.model_version import VersionStatus
from registry.principals import Principal

RECENT_EVENTS = 8
RECENT_VERSIONS = 6
WAITING_SHOWN = 5


def overview(principal: Principal) -> dict[str, Any]:
    """The context of the first page; each entry is one query."""
    return {
        "counts": _counts(principal),
        "waiting": [(row, words_of(row)) for row in _waiting(principal)[:WAITING_SHOWN]],
        "recent_versions": _versions(principal)[:RECENT_VERSIONS],
        "recent_events": list(events_for(principal)[:RECENT_EVENTS]),
        "may_register": principal.may_everywhere(roles.PUBLISHER),
        "has_any_role": principal.global_role is not None or principal.user.grants.exists(),
    }


def events_for(principal: Principal) -> QuerySet[AuditEvent]:
    """The audit trail that somebody may read: all of it for a manager, else their own doings."""
    if principal.may_everywhere(roles.MANAGER):
        return AuditEvent.objects.all()
    return AuditEvent.objects.filter(actor_id=str(principal.user.pk))


def _counts(principal: Principal) -> dict[str, int]:
    """Of what is in use: archived models, with their versions, and datasets are left out."""
    of_models_in_use = ModelVersion.objects.visible_to(principal).filter(
        model__archived_at__isnull=True
    )
    versions = of_models_in_use.aggregate(
        ready=Count("pk", filter=Q(status=VersionStatus.READY)),
        open=Count("pk", filter=Q(status__in=(VersionStatus.PENDING, VersionStatus.CHECKING))),
    )
    return {
        "models": RegisteredModel.objects.visible_to(principal).in_use().count(),
        "ready": versions["ready"],
        "checking": versions["open"],
        "datasets": Dataset.objects.visible_to(principal).in_use().count(),
    }


def _waiting(principal: Principal) -> QuerySet[ApprovalRequest]:
    rows = ApprovalRequest.objects.visible_to(principal).pending()
    return rows.select_related(
        "model", "version__model", "dataset_version__dataset", "requested_by"
    )


def _versions(principal: Principal) -> QuerySet[ModelVersion]:
    rows = ModelVersion.objects.visible_to(principal)
    return rows.select_related("model", "created_by").prefetch_related("aliases")
