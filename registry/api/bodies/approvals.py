"""Approval requests as JSON."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers

from registry.api.kinds import Kind, add_kind, to_one
from registry.api.shapes import In, NameOrRow, NumberOrRow, Out, Text
from registry.models import ApprovalRequest
from registry.principals import Principal


class DecisionIn(In):
    """A decision and why."""

    reason = Text()


class ApprovalOut(Out):
    """A request for an approval. ``alias`` is null for the release of a version.

    ``gate_version`` is empty for the move of an alias, which is bound to no gate.
    """

    kind_key = "approval"

    id = serializers.UUIDField()
    subject = serializers.CharField()
    model = NameOrRow(source="model.name")
    version = NumberOrRow(source="version.number")
    alias = serializers.SerializerMethodField()
    sha256 = serializers.CharField()
    gate_version = serializers.CharField()
    state = serializers.CharField()
    requested_by = serializers.CharField(source="requested_by.username")
    request_reason = serializers.CharField()
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)
    reason = serializers.CharField()
    evidence = serializers.DictField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: ApprovalRequest) -> str:
        """The path of the request."""
        return f"/approvals/{row.pk}"

    def neighbours(self, row: ApprovalRequest) -> dict[str, str | None]:
        """What is to be decided about."""
        model = f"/models/{row.model.name}"
        return {
            "model": model,
            "version": f"{model}/versions/{row.version.number}",
            "alias": f"{model}/aliases/{row.alias}" if row.alias else None,
        }

    def get_alias(self, row: ApprovalRequest) -> str | None:
        """The alias that is to move."""
        return row.alias or None


def visible_approvals(by: Principal) -> QuerySet[ApprovalRequest]:
    """Requests about visible models."""
    return (
        ApprovalRequest.objects.visible_to(by)
        .select_related("model", "version", "requested_by", "decided_by")
        .defer("version__facts", "version__signature", "version__declared_signature")
    )


add_kind(
    Kind(
        "approval",
        ApprovalOut,
        visible_approvals,
        {"model": to_one("model", "model"), "version": to_one("version", "version")},
    )
)
