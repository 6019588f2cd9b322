"""Moving aliases; every move leaves an AliasChange, guarded ones wait for an approval."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from registry import audit, cards, roles
from registry.actions.announcing import announce_move, announce_request
from registry.actions.approval_evidence import evidence_of
from registry.conf import conf
from registry.errors import AliasNotFound, CardIncomplete, InvalidField, StateConflict
from registry.models import Alias, AliasChange, ApprovalRequest, ModelVersion, RegisteredModel, User
from registry.models.alias import ALIAS_HELP, ALIAS_PATTERN
from registry.models.approval_request import ApprovalSubject
from registry.principals import Principal, require
from registry.signals import approval_requested


@transaction.atomic
def move_alias(
    *, by: Principal, version: ModelVersion, alias: str, reason: str = ""
) -> Alias | ApprovalRequest:
    """Point an alias to a version, or ask for the approval where the model needs one.

    Raises InvalidField for a bad name, VersionNotReady, VersionNotServable, NotAllowed, and
    CardIncomplete where an approval is asked for and the model card lacks a field that it needs.
    """
    require(by, roles.PUBLISHER, version.model)
    check_alias_name(alias)
    # Held until the end: it is not archived meanwhile, and asked about by one caller at a time.
    held = ModelVersion.objects.select_for_update(of=("self",))
    version = held.select_related("model", "artifact").get(pk=version.pk)
    version.require_servable()
    if version.model.approval_required:
        return _ask(by, version, alias, reason)
    return place_alias(by=by, version=version, alias=alias, reason=reason)


@transaction.atomic
def remove_alias(*, by: Principal, model: RegisteredModel, alias: str, reason: str = "") -> None:
    """Take an alias away. On a guarded model this needs the role manager.

    Raises AliasNotFound, and StateConflict for an archived model.
    """
    require(by, roles.MANAGER if model.approval_required else roles.PUBLISHER, model)
    RegisteredModel.objects.select_for_update().get(pk=model.pk).require_in_use()
    row = model.aliases.select_for_update(of=("self",)).filter(name=alias).first()
    if row is None:
        raise AliasNotFound(f"“{model.name}” has no alias “{alias}”.")
    change = AliasChange.objects.create(
        model=model, alias=alias, from_version=row.version, by=by.user, reason=reason
    )
    audit.record(
        by,
        "alias.remove",
        row,
        before={"version": row.version.number},
        after={"version": None},
        reason=reason,
    )
    row.delete()
    announce_move(change)


@transaction.atomic
def place_alias(
    *,
    by: Principal,
    version: ModelVersion,
    alias: str,
    reason: str = "",
    approved_by: User | None = None,
) -> Alias:
    """Write the move itself. The caller has seen to roles and approval.

    Moving an alias to where it points already changes nothing.
    """
    model = RegisteredModel.objects.select_for_update().get(pk=version.model_id)
    model.require_in_use()
    row = model.aliases.select_related("version").filter(name=alias).first()
    before = row.version if row else None
    if row is not None and before == version:
        return row
    row = row or Alias(model=model, name=alias)
    row.version = version
    row.save()
    change = AliasChange.objects.create(
        model=model,
        alias=alias,
        from_version=before,
        to_version=version,
        by=by.user,
        approved_by=approved_by,
        reason=reason,
    )
    audit.record(
        by,
        "alias.move",
        row,
        before={"version": before.number if before else None},
        after={"version": version.number},
        reason=reason,
    )
    announce_move(change)
    return row


def with_previous(rows: QuerySet[Alias]) -> QuerySet[Alias]:
    """Each alias with the version that it pointed to before, to go back to.

    ``previous_id``, ``previous_number`` and ``previous_status`` are null where it has never pointed
    elsewhere since it was made.
    """
    moves = AliasChange.objects.filter(model=OuterRef("model"), alias=OuterRef("name"))
    newest = moves.order_by("-at", "-id")
    return rows.annotate(
        previous_id=Subquery(newest.values("from_version")[:1]),
        previous_number=Subquery(newest.values("from_version__number")[:1]),
        previous_status=Subquery(newest.values("from_version__status")[:1]),
    )


def with_end(moves: QuerySet[AliasChange]) -> QuerySet[AliasChange]:
    """Each move with ``until``: when the next one of the alias ended it; null if it still holds."""
    later = AliasChange.objects.filter(
        Q(at__gt=OuterRef("at")) | Q(at=OuterRef("at"), pk__gt=OuterRef("pk")),
        model=OuterRef("model"),
        alias=OuterRef("alias"),
    )
    return moves.annotate(until=Subquery(later.order_by("at", "pk").values("at")[:1]))


def move_in_force(model: RegisteredModel, alias: str, at: datetime) -> AliasChange | None:
    """The move that said where the alias pointed at that moment, with ``until``; None before all.

    ``to_version`` is null where the alias had been taken away.
    """
    moves = with_end(AliasChange.objects.of(model, alias)).filter(at__lte=at)
    shown = moves.select_related("model", "from_version", "to_version", "by", "approved_by")
    return shown.order_by("-at", "-id").first()


def check_alias_name(alias: object, *, pointer: str = "/alias") -> str:
    """An alias as it is. Raises InvalidField."""
    if not isinstance(alias, str) or not re.fullmatch(ALIAS_PATTERN, alias):
        raise InvalidField(f"Not an alias: {ALIAS_HELP}", pointer=pointer)
    return alias


def require_card(model: RegisteredModel) -> None:
    """Raise CardIncomplete where cards are required and this one does not say everything yet."""
    missing = cards.missing(model.card)
    if missing and conf.requires_model_cards:
        raise CardIncomplete(
            f"The model card of “{model.name}” does not say yet: {', '.join(missing)}. A reviewer "
            "has to know.",
            missing=missing,
        )


def _ask(by: Principal, version: ModelVersion, alias: str, reason: str) -> ApprovalRequest:
    require_card(version.model)
    pending = ApprovalRequest.objects.pending().filter(
        subject=ApprovalSubject.ALIAS, version=version, alias=alias
    )
    if pending.exists():
        raise StateConflict(f"The move of “{alias}” to {version} waits for an approval already.")
    request = ApprovalRequest.objects.create(
        subject=ApprovalSubject.ALIAS,
        model=version.model,
        version=version,
        alias=alias,
        sha256=version.artifact.sha256,
        requested_by=by.user,
        request_reason=reason,
        evidence=evidence_of(version, alias),
    )
    audit.record(by, "approval.request", request, after={"alias": alias, "version": version.number})
    approval_requested.send(ApprovalRequest, request=request)
    announce_request(request)
    return request
