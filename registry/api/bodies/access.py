"""Keys, grants, the caller and the audit trail as JSON."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import quote

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry import chain, roles
from registry.api.kinds import Kind, add_kind
from registry.api.shapes import In, Moment, Out, Text, Texts
from registry.models import ApiKey, AuditEvent, Grant
from registry.principals import Principal


class ApiKeyIn(In):
    """A key to be made. Without ``models`` it reaches all, without ``expires_at`` it stays."""

    name = Text()
    scopes = Texts(required=False, help_text=f"Some of {', '.join(roles.SCOPES)}.")
    models = Texts(required=False, allow_null=True)
    expires_at = Moment(required=False, allow_null=True)
    user = Text(required=False, help_text="Only a manager makes keys for somebody else.")


class ApiKeyOut(Out):
    """A key; its text is shown once, when it is made. ``models`` is null without a limit."""

    kind_key = "api-key"

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.SerializerMethodField()
    user = serializers.CharField(source="user.username")
    scopes = serializers.ListField(child=serializers.CharField())
    models = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: ApiKey) -> str:
        """The path of the key."""
        return f"/api-keys/{row.pk}"

    def neighbours(self, row: ApiKey) -> dict[str, str | None]:
        """What can be done with it."""
        path = self.path_of(row)
        return {"rotate": f"{path}/rotate", "revoke": f"{path}/revoke", "user": "/me"}

    def get_prefix(self, row: ApiKey) -> str:
        """How its text begins."""
        return f"my_{row.public_id}_"

    @extend_schema_field({"type": ["array", "null"], "items": {"type": "string"}})
    def get_models(self, row: ApiKey) -> list[str] | None:
        """The names of the models that it is limited to."""
        return None if row.all_models else sorted(m.name for m in row.limited_to.all())


class NewApiKeyOut(ApiKeyOut):
    """A key that was just made. ``key`` is its text; null when the answer is replayed."""

    key = serializers.CharField(allow_null=True)


class GrantIn(In):
    """The role that somebody is to have."""

    role = Text(help_text=f"One of {', '.join(roles.ROLES)}.")


class GrantOut(Out):
    """A role of a user on one model, one dataset or one connection."""

    kind_key = "grant"

    id = serializers.UUIDField()
    user = serializers.CharField(source="user.username")
    role = serializers.CharField()
    created_at = serializers.DateTimeField()

    def path_of(self, row: Grant) -> str:
        """The path of the grant."""
        return f"{_governed_path(row)}/grants/{quote(row.user.username)}"

    def neighbours(self, row: Grant) -> dict[str, str | None]:
        """What the role is on."""
        kind = "model" if row.model_id else "dataset" if row.dataset_id else "connection"
        return {kind: _governed_path(row)}


class MeOut(serializers.Serializer[Any]):
    """Who asks. ``role`` is held on everything; ``grants`` on single models and datasets."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    role = serializers.CharField(allow_null=True)
    groups = serializers.ListField(child=serializers.CharField())
    grants = serializers.ListField(child=serializers.DictField())
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)
    key = ApiKeyOut(allow_null=True)
    url = serializers.CharField()
    links = serializers.DictField()


class SealOut(serializers.Serializer[Any]):
    """A link of the chain over the trail; it covers the event and ``previous``, the one before."""

    place = serializers.IntegerField(help_text="Counted from 1.")
    hash = serializers.CharField()
    previous = serializers.CharField()
    sealed_at = serializers.DateTimeField()


class AuditEventOut(serializers.Serializer[AuditEvent]):
    """Who did what, when, to what; ``before`` and ``after`` hold the changed fields.

    ``seal`` is null until the event is sealed, within a second.
    """

    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    actor_id = serializers.CharField()
    key_id = serializers.CharField()
    action = serializers.CharField()
    object_kind = serializers.CharField()
    object_id = serializers.CharField()
    object_name = serializers.CharField()
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)
    reason = serializers.CharField()
    request_id = serializers.CharField()
    seal = serializers.SerializerMethodField()

    @extend_schema_field(SealOut(allow_null=True))
    def get_seal(self, row: AuditEvent) -> dict[str, Any] | None:
        """The event's seal as exports have it."""
        return self._seals.get(str(row.pk))

    @cached_property
    def _seals(self) -> dict[str, dict[str, Any]]:
        """Those of all events of the page, by the event's id."""
        rows: Any = getattr(self.parent, "instance", self.instance)
        ids = [str(row.pk) for row in (rows if isinstance(rows, list) else [rows])]
        return {str(e["id"]): link.shown() for e, link in chain.events_of(ids) if link is not None}


def visible_keys(by: Principal) -> QuerySet[ApiKey]:
    """The caller's own keys; a manager of everything sees all of them.

    A key that is limited to models sees those that reach no others: it is not told of any.
    """
    keys = ApiKey.objects.select_related("user").prefetch_related("limited_to")
    if by.model_ids is not None:
        others = ApiKey.limited_to.through.objects.exclude(registeredmodel__in=by.model_ids)
        keys = keys.filter(all_models=False).exclude(pk__in=others.values("apikey"))
    return keys if by.may_everywhere(roles.MANAGER) else keys.filter(user=by.user)


def all_grants(by: Principal) -> QuerySet[Grant]:
    """Grants with what they are on. The doors have asked for the role manager before."""
    return Grant.objects.select_related("user", "model", "dataset", "connection")


def own_grants(by: Principal) -> QuerySet[Grant]:
    """The caller's own grants; of models only those that their key reaches."""
    mine = all_grants(by).filter(user=by.user)
    if by.model_ids is None:
        return mine
    return mine.filter(Q(model__isnull=True) | Q(model__in=by.model_ids))


def _governed_path(row: Grant) -> str:
    if row.model is not None:
        return f"/models/{row.model.name}"
    if row.connection is not None:
        return f"/connections/{row.connection.name}"
    assert row.dataset is not None  # a named constraint says so
    return f"/datasets/{row.dataset.name}"


add_kind(Kind("api-key", ApiKeyOut, visible_keys))
add_kind(Kind("grant", GrantOut, all_grants))
