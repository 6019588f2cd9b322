"""What the page of one alias shows: every move, and where it pointed at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from registry import roles
from registry.actions.aliases import move_in_force, with_previous
from registry.admin.access import principal_of
from registry.models import Alias, AliasChange, RegisteredModel
from registry.models.model_version import VersionStatus
from registry.panels import contents_of

HISTORY_SHOWN = 200


def alias_context(request: HttpRequest, model: RegisteredModel, alias: str) -> dict[str, Any]:
    """The context of ``registry/alias_history.html``; ``?at=`` goes back to a moment."""
    # PostgreSQL will not even compare a NUL.
    alias = alias.replace("\0", "")
    asked = request.GET.get("at", "").strip()
    at = _moment(asked)
    found = move_in_force(model, alias, at) if at else None
    changes = (
        AliasChange.objects.of(model, alias)
        .select_related("from_version", "to_version", "by", "approved_by")
        .order_by("-at", "-pk")[:HISTORY_SHOWN]
    )
    return {
        "title": f"{model}@{alias}",
        "intro": "Every move of this alias, newest first.",
        "model": model,
        "alias": alias,
        "changes": list(changes),
        "asked": asked,
        "at": at,
        "is_no_time": bool(asked) and at is None,
        "found": found,
        "panels": contents_of("alias-span", request, found) if found else [],
        "way_back": way_back(request, model, alias),
    }


def way_back(request: HttpRequest, model: RegisteredModel, alias: str) -> Alias | None:
    """The alias with ``previous_number``, where this person may move it back there."""
    if not principal_of(request).may(roles.PUBLISHER, model):
        return None
    row = with_previous(Alias.objects.filter(model=model, name=alias)).first()
    is_ready = row is not None and row.previous_status == VersionStatus.READY  # type: ignore[attr-defined]  # annotated
    return row if is_ready else None


def _moment(text: str) -> datetime | None:
    """A time of the page's time zone, or one with an offset of its own; None for no time."""
    try:
        moment = parse_datetime(text)
        if moment is None:
            return None
        # Beyond the first and the last year there is no time in UTC.
        return (moment if moment.tzinfo else timezone.make_aware(moment)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
