"""Which rows somebody may see: the one place that turns roles and grants into a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

if TYPE_CHECKING:
    from registry.principals import Principal


def visible_models(principal: Principal, path: str = "") -> Q:
    """The condition on a RegisteredModel at ``path`` (such as ``model__``; empty for itself)."""
    return _granted(principal, path, "model_id") & _within_key(principal, path)


def visible_datasets(principal: Principal, path: str = "") -> Q:
    """The condition on a Dataset at ``path``."""
    return _granted(principal, path, "dataset_id")


def visible_connections(principal: Principal, path: str = "") -> Q:
    """The condition on a Connection at ``path``."""
    return _granted(principal, path, "connection_id")


def _granted(principal: Principal, path: str, target: str) -> Q:
    from registry.models.grant import Grant

    if not principal.has_scope_for("viewer"):
        return Q(pk__in=())
    if principal.global_role is not None:
        return Q()
    mine = Grant.objects.filter(user=principal.user, **{f"{target}__isnull": False})
    return Q(**{f"{path}pk__in" if not path else f"{path}in": mine.values(target)})


def _within_key(principal: Principal, path: str) -> Q:
    names = principal.model_ids
    if names is None:
        return Q()
    return Q(**{f"{path}pk__in" if not path else f"{path}in": list(names)})
