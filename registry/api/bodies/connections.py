"""Connections as JSON. A secret comes in and never goes out."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers

from registry.api.kinds import Kind, add_kind
from registry.api.shapes import Flag, In, Out, Text
from registry.models import Connection
from registry.models.registered_model import Classification
from registry.principals import Principal
from registry.sql.sessions import DRIVERS

_PASSWORD_HELP = "The password; it is kept sealed and never answered. An empty text takes it away."  # noqa: S105 - words about it
_CLASSIFICATION_HELP = (
    "The strictest results that may be written through it, one of "
    f"{', '.join(Classification.values)}; `internal` when left out."
)


class ConnectionPatch(In):
    """What may change on a connection; a new address needs the secret again."""

    address = Text(
        required=False,
        help_text="`postgresql://user@host:5432/database`, without a password; for SQLite the "
        "absolute path of a file below `CONNECTION_FOLDERS`.",
    )
    secret = Text(required=False, write_only=True, help_text=_PASSWORD_HELP)
    allows_reading = Flag(required=False)
    allows_writing = Flag(required=False)
    classification = Text(required=False, help_text=_CLASSIFICATION_HELP)
    description = Text(required=False)
    enabled = Flag(required=False)


class ConnectionIn(In):
    """A database elsewhere."""

    name = Text()
    driver = Text(help_text=f"One of {', '.join(DRIVERS)}.")
    address = Text(
        help_text="`postgresql://user@host:5432/database`, without a password; for SQLite the "
        "absolute path of a file below `CONNECTION_FOLDERS`.",
    )
    secret = Text(required=False, write_only=True, help_text=_PASSWORD_HELP)
    allows_reading = Flag(required=False, help_text="Queries may be read; true when left out.")
    allows_writing = Flag(required=False, help_text="Results may be written; else false.")
    classification = Text(required=False, help_text=_CLASSIFICATION_HELP)
    description = Text(required=False)


class ConnectionOut(Out):
    """A connection. ``has_secret`` says that one is kept; it is never answered."""

    kind_key = "connection"

    id = serializers.UUIDField()
    name = serializers.CharField()
    driver = serializers.CharField()
    address = serializers.CharField()
    has_secret = serializers.SerializerMethodField()
    allows_reading = serializers.BooleanField()
    allows_writing = serializers.BooleanField()
    classification = serializers.CharField()
    enabled = serializers.SerializerMethodField()
    description = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def path_of(self, row: Connection) -> str:
        """The path of the connection."""
        return f"/connections/{row.name}"

    def neighbours(self, row: Connection) -> dict[str, str | None]:
        """Where it is tried, and who may use it."""
        path = self.path_of(row)
        return {"test": f"{path}/test", "grants": f"{path}/grants"}

    def get_has_secret(self, row: Connection) -> bool:
        """Whether a secret is kept."""
        return bool(row.sealed_secret)

    def get_enabled(self, row: Connection) -> bool:
        """Whether it may be used now."""
        return row.disabled_at is None


class ConnectionTestOut(serializers.Serializer[object]):
    """What came of trying a connection."""

    ok = serializers.BooleanField()
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField()
    may_write = serializers.BooleanField(allow_null=True)


def visible_connections(by: Principal) -> QuerySet[Connection]:
    """Visible connections, newest first, with their owners."""
    return Connection.objects.visible_to(by).select_related("owner").order_by("-id")


add_kind(Kind("connection", ConnectionOut, visible_connections))
