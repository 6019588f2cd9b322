"""Routes: how a model's endpoint splits traffic over versions, and what it mirrors to.

Who may what: setting and clearing need the role publisher, as moving an alias does. On a model
that needs approvals they need manager, and only aliases may answer there: each of their moves was
approved, a bare version was not. Mirrors may be bare versions everywhere: they answer nobody, and
what they show is what an approval is decided by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from registry import audit, roles
from registry.errors import (
    AliasNotFound,
    DomainError,
    StateConflict,
    VersionNotFound,
    VersionNotReady,
    VersionNotServable,
)
from registry.models import ModelVersion, RegisteredModel
from registry.models.model_version import VersionStatus
from registry.principals import Principal, require
from serving.actions.route_entries import Entry, read_entries
from serving.actions.targets import version_in_route, version_of
from serving.models import Route, RouteTarget

_Body = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class EntryState:
    """A target or mirror of a route, and where it leads now.

    ``alias`` is empty for a bare version. ``version`` is None where the alias is gone. ``percent``
    is the part of the requests that it answers now, 0 for a mirror and for what cannot be served.
    """

    alias: str
    version: ModelVersion | None
    weight: int
    percent: float = 0.0

    @property
    def is_servable(self) -> bool:
        """Whether it can be scored with."""
        return self.version is not None and self.version.status == VersionStatus.READY

    @property
    def named(self) -> dict[str, Any]:
        """As it is sent: ``{"alias": ...}`` or ``{"version": ...}``."""
        if self.alias or self.version is None:
            return {"alias": self.alias}
        return {"version": self.version.number}


@dataclass(frozen=True, slots=True)
class RouteState:
    """A model's route as it is now; without one both tuples are empty and the rest is None."""

    model: RegisteredModel
    targets: tuple[EntryState, ...]
    mirrors: tuple[EntryState, ...]
    updated_at: datetime | None = None
    updated_by: str | None = None


@transaction.atomic
def set_route(
    *,
    by: Principal,
    model: RegisteredModel,
    targets: object,
    mirror: object = None,
    reason: str = "",
) -> Route | None:
    """Let the bare name call these targets; None where both lists are empty and it has no route.

    ``targets`` are ``{version or alias, weight}``, ``mirror`` ``{version or alias}``, as they came.
    What is unknown or cannot be served raises VersionNotFound, AliasNotFound, VersionNotReady or
    VersionNotServable with the JSON pointer of its entry; wrong shapes InvalidField; a bare version
    on a guarded model StateConflict; NotAllowed.
    """
    _require_hand(by, model)
    answering, mirrors = read_entries(targets, [] if mirror is None else mirror)
    model = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    _refuse_unapproved(model, answering)
    versions = {entry.pointer: _version(model, entry) for entry in [*answering, *mirrors]}
    before = written(model)
    route = None
    if answering:
        route = _write(by, model, answering, mirrors, versions)
    else:
        _remove(model)
    _note(by, model, before, reason)
    return route


@transaction.atomic
def clear_route(*, by: Principal, model: RegisteredModel, reason: str = "") -> None:
    """Let the bare name call the champion again. Without a route nothing happens."""
    _require_hand(by, model)
    model = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    model.require_in_use()
    before = written(model)
    _remove(model)
    _note(by, model, before, reason)


def written(model: RegisteredModel) -> _Body:
    """A model's route as it is sent: ``{targets, mirror}``, both empty without one."""
    state = route_state(model)
    return {
        "targets": [{**entry.named, "weight": entry.weight} for entry in state.targets],
        "mirror": [entry.named for entry in state.mirrors],
    }


def route_state(model: RegisteredModel) -> RouteState:
    """The model's route, and where each of its entries leads."""
    rows = RouteTarget.objects.of(model).select_related("version", "route__updated_by")
    found = [(row, _state(model, row)) for row in rows]
    targets = [entry for row, entry in found if not row.is_mirror]
    alive = sum(entry.weight for entry in targets if entry.is_servable)
    route = found[0][0].route if found else None
    return RouteState(
        model=model,
        targets=tuple(_shared(entry, alive) for entry in targets),
        mirrors=tuple(entry for row, entry in found if row.is_mirror),
        updated_at=route.updated_at if route else None,
        updated_by=route.updated_by.get_username() if route else None,
    )


def _state(model: RegisteredModel, row: RouteTarget) -> EntryState:
    try:
        return EntryState(row.alias, version_in_route(model, row), row.weight)
    except AliasNotFound:
        return EntryState(row.alias, None, row.weight)


def _shared(entry: EntryState, alive: int) -> EntryState:
    percent = round(100 * entry.weight / alive, 2) if alive and entry.is_servable else 0.0
    return replace(entry, percent=percent)


def refuse_archiving(version: ModelVersion) -> None:
    """Raise StateConflict where a version was just archived that a route names."""
    if version.status != VersionStatus.ARCHIVED:
        return
    if RouteTarget.objects.filter(version=version).exists():
        raise StateConflict(f"{version} stands in the model's route: take it out first.")


def _require_hand(by: Principal, model: RegisteredModel) -> None:
    require(by, roles.MANAGER if model.approval_required else roles.PUBLISHER, model)


def _refuse_unapproved(model: RegisteredModel, answering: Sequence[Entry]) -> None:
    bare = next((entry for entry in answering if not entry.alias), None)
    if model.approval_required and bare is not None:
        raise StateConflict(
            f"“{model.name}” needs approvals: its route takes aliases only, whose moves are "
            f"approved. Ask for an alias that points to version {bare.number}.",
            pointer=f"{bare.pointer}/version",
        )


def _version(model: RegisteredModel, entry: Entry) -> ModelVersion:
    """The version that an entry means now; it can be served."""
    try:
        version = _found(model, entry)
        version.require_servable()
    except (VersionNotFound, AliasNotFound, VersionNotReady, VersionNotServable) as error:
        raise _placed(error, entry) from None
    return version


def _found(model: RegisteredModel, entry: Entry) -> ModelVersion:
    if entry.number is not None:
        return version_of(model, entry.number)
    alias = model.aliases.select_related("version").filter(name=entry.alias).first()
    if alias is None:
        raise AliasNotFound(f"“{model.name}” has no alias “{entry.alias}”.")
    alias.version.model = model
    return alias.version


def _placed(error: DomainError, entry: Entry) -> DomainError:
    member = "alias" if entry.alias else "version"
    return type(error)(error.detail, pointer=f"{entry.pointer}/{member}")


def _write(
    by: Principal,
    model: RegisteredModel,
    answering: Sequence[Entry],
    mirrors: Sequence[Entry],
    versions: dict[str, ModelVersion],
) -> Route:
    route, _ = Route.objects.update_or_create(model=model, defaults={"updated_by": by.user})
    route.targets.all().delete()
    RouteTarget.objects.bulk_create(
        RouteTarget(
            route=route,
            is_mirror=is_mirror,
            place=place,
            alias=entry.alias,
            version=None if entry.alias else versions[entry.pointer],
            weight=entry.weight,
        )
        for is_mirror, entries in ((False, answering), (True, mirrors))
        for place, entry in enumerate(entries)
    )
    return route


def _remove(model: RegisteredModel) -> None:
    Route.objects.filter(model=model).delete()


def _note(by: Principal, model: RegisteredModel, before: _Body, reason: str) -> None:
    after = written(model)
    if after != before:
        action = "route.set" if after["targets"] else "route.clear"
        audit.record(by, action, model, before=before, after=after, reason=reason)
