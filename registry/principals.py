"""Who asks: a user, or a key of a user; what they may do, and the two refusals.

A role comes from the user's groups (for everything) or from a grant (on one model, dataset or
connection). A key narrows that down: to what its scopes allow and to the models it is limited to.
What may not be seen does not exist (NotFound); what may be seen but not done is NotAllowed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from django.db.models import Model, QuerySet

from registry import roles
from registry.errors import DatasetNotFound, ModelNotFound, NotAllowed, NotFound
from registry.models import (
    ApiKey,
    Connection,
    Dataset,
    Grant,
    GroupRole,
    RegisteredModel,
    User,
)

Row = TypeVar("Row", bound=Model)
Governed = RegisteredModel | Dataset | Connection
# The field of a Grant that points to it.
_FIELDS: dict[type[Model], str] = {
    RegisteredModel: "model",
    Dataset: "dataset",
    Connection: "connection",
}


@dataclass(frozen=True)
class Principal:
    """A user, and the key that they came with (None in a browser session or a shell).

    ``request_id`` joins the audit events of one request; empty outside of requests.
    """

    user: User
    api_key: ApiKey | None = None
    request_id: str = ""

    @property
    def name(self) -> str:
        """What pages and the audit trail call them."""
        return self.user.get_username()

    @cached_property
    def id(self) -> str:
        """Stable and unique: of the key where there is one, else of the user."""
        return f"key:{self.api_key.public_id}" if self.api_key else f"user:{self.user.pk}"

    @cached_property
    def global_role(self) -> str | None:
        """The role on everything: of the user's groups; a superuser is manager. Ignores scopes."""
        if not self.user.is_active:
            return None
        if self.user.is_superuser:
            return roles.MANAGER
        held = GroupRole.objects.filter(group__user=self.user).values_list("role", flat=True)
        return roles.highest(held)

    @cached_property
    def model_ids(self) -> frozenset[uuid.UUID] | None:
        """The models that the key is limited to; None where there is no such limit."""
        if self.api_key is None or self.api_key.all_models:
            return None
        return frozenset(self.api_key.limited_to.values_list("pk", flat=True))

    def has_scope_for(self, role: str) -> bool:
        """Whether the key (if any) carries the scope that stands for the role, or a higher one."""
        if self.api_key is None:
            return self.user.is_active
        held = (roles.SCOPE_ROLES[s] for s in self.api_key.scopes if s in roles.SCOPE_ROLES)
        return roles.rank(roles.highest(held)) >= roles.rank(role)

    def role_on(self, governed: Governed) -> str | None:
        """The user's role on one thing, before the key's scopes; None for none."""
        is_limited = isinstance(governed, RegisteredModel) and self.model_ids is not None
        if is_limited and governed.pk not in (self.model_ids or ()):
            return None
        return roles.highest(r for r in (self.global_role, self.granted_role(governed)) if r)

    def may(self, role: str, governed: Governed) -> bool:
        """Whether roles and scopes together allow what the role does."""
        if role == roles.MANAGER and self.is_beyond(governed):
            return False
        return self.has_scope_for(role) and roles.rank(self.role_on(governed)) >= roles.rank(role)

    def is_beyond(self, governed: Governed) -> bool:
        """Whether the key is limited to models and this is none: it may be used, not managed."""
        return self.model_ids is not None and not isinstance(governed, RegisteredModel)

    def may_everywhere(self, role: str) -> bool:
        """The same for what is not about one model or dataset, such as making a new one.

        A key that is limited to models manages nothing beyond them.
        """
        if role == roles.MANAGER and self.model_ids is not None:
            return False
        return self.has_scope_for(role) and roles.rank(self.global_role) >= roles.rank(role)

    def granted_role(self, governed: Governed) -> str | None:
        """The role of the user's own grant on one thing; None without one. Ignores scopes."""
        return (
            Grant.objects.filter(user=self.user, **grant_target(governed))
            .values_list("role", flat=True)
            .first()
        )


def grant_target(governed: Governed) -> dict[str, Governed]:
    """The field of a Grant that points to it."""
    return {_FIELDS[type(governed)]: governed}


def require(principal: Principal, role: str, governed: Governed) -> None:
    """Raise NotAllowed unless the principal may do what the role does.

    Call it on what was found by ``visible_to``: it does not hide, it refuses.
    """
    if principal.may(role, governed):
        return
    if not principal.has_scope_for(role):
        raise NotAllowed(f"The key needs the scope “{roles.scope_for(role)}”.")
    if role == roles.MANAGER and principal.is_beyond(governed):
        raise NotAllowed("The key is limited to models: it manages nothing else.")
    raise NotAllowed(f"This needs the role {role} on {governed}.")


def require_everywhere(principal: Principal, role: str) -> None:
    """Raise NotAllowed unless a group gives the principal the role for everything."""
    if principal.may_everywhere(role):
        return
    if not principal.has_scope_for(role):
        raise NotAllowed(f"The key needs the scope “{roles.scope_for(role)}”.")
    raise NotAllowed(f"This needs a group with the role {role}.")


def require_somewhere(principal: Principal, role: str, kind: type[Governed]) -> None:
    """Raise NotAllowed unless the role is held for everything, or by a grant on one of the kind.

    For what is only known after a long body was read.
    """
    enough = roles.ROLES[roles.rank(role) :]
    grants = Grant.objects.filter(user=principal.user, role__in=enough)
    on_one = grants.filter(**{f"{_FIELDS[kind]}__isnull": False})
    if not (principal.has_scope_for(role) and on_one.exists()):
        require_everywhere(principal, role)


def get_visible(rows: QuerySet[Row], missing: type[NotFound], what: str, **lookup: object) -> Row:
    """The one row of an already filtered QuerySet; raises ``missing``, which names ``what``."""
    row = rows.filter(**lookup).first()
    if row is None:
        raise missing(f"There is no {what} that you may see.")
    return row


def find_model(principal: Principal, name: str) -> RegisteredModel:
    """The model with this name. Raises ModelNotFound, also for one that may not be seen."""
    rows = RegisteredModel.objects.visible_to(principal).named(name)
    return get_visible(rows, ModelNotFound, f"model “{name[:100]}”")


def find_dataset(principal: Principal, name: str) -> Dataset:
    """The dataset with this name. Raises DatasetNotFound, also for one that may not be seen."""
    rows = Dataset.objects.visible_to(principal).named(name)
    return get_visible(rows, DatasetNotFound, f"dataset “{name[:100]}”")
