"""Approval requests as JSON."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.actions.approval_evidence import evidence_now, kept_evidence
from registry.api.kinds import Kind, add_kind, to_one
from registry.api.shapes import In, NameOrRow, NumberOrRow, Out, Text
from registry.models import ApprovalRequest
from registry.principals import Principal


class DecisionIn(In):
    """A decision and why."""

    reason = Text()


class ApprovalOut(Out):
    """A request for an approval: of a version of a model, or of one of a dataset.

    ``alias`` is null for the release of a version; ``model`` and ``version`` are null where it is
    about data, ``dataset``, ``dataset_version`` and ``tier`` where it is about a model.
    ``gate_version`` is empty for all but the release of a version, which is bound to a gate. In a
    list ``evidence`` is that of the time when it was asked, with what was attached since.
    """

    kind_key = "approval"

    id = serializers.UUIDField()
    subject = serializers.CharField()
    model = NameOrRow(source="model.name", default=None)
    version = NumberOrRow(source="version.number", default=None)
    alias = serializers.SerializerMethodField()
    dataset = serializers.CharField(
        source="dataset_version.dataset.name", default=None, allow_null=True
    )
    dataset_version = NumberOrRow(source="dataset_version.number", default=None)
    tier = serializers.SerializerMethodField()
    sha256 = serializers.CharField()
    gate_version = serializers.CharField()
    state = serializers.CharField()
    requested_by = serializers.CharField(source="requested_by.username")
    request_reason = serializers.CharField()
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)
    reason = serializers.CharField()
    evidence = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: ApprovalRequest) -> str:
        """The path of the request."""
        return f"/approvals/{row.pk}"

    def neighbours(self, row: ApprovalRequest) -> dict[str, str | None]:
        """What is to be decided about; the links of the other subjects are null."""
        links: dict[str, str | None] = dict.fromkeys(
            ("model", "version", "alias", "dataset", "dataset_version")
        )
        if row.model and row.version:
            model = links["model"] = f"/models/{row.model.name}"
            links["version"] = f"{model}/versions/{row.version.number}"
            links["alias"] = f"{model}/aliases/{row.alias}" if row.alias else None
        if row.dataset_version:
            dataset = links["dataset"] = f"/datasets/{row.dataset_version.dataset.name}"
            links["dataset_version"] = f"{dataset}/versions/{row.dataset_version.number}"
        return links

    def get_alias(self, row: ApprovalRequest) -> str | None:
        """The alias that is to move."""
        return row.alias or None

    def get_tier(self, row: ApprovalRequest) -> str | None:
        """The tier that the data is to have."""
        return row.tier or None

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_evidence(self, row: ApprovalRequest) -> dict[str, Any]:
        """Checks, metrics, the model card and what was attached."""
        return kept_evidence(row)


class ApprovalWholeOut(ApprovalOut):
    """One request with its evidence as it stands now; of a decided one, as it was decided on."""

    def get_evidence(self, row: ApprovalRequest) -> dict[str, Any]:
        """Checks, metrics, the model card and what was attached."""
        return evidence_now(row)


def visible_approvals(by: Principal) -> QuerySet[ApprovalRequest]:
    """Requests about visible models and datasets."""
    rows = ApprovalRequest.objects.visible_to(by).select_related(
        "model", "version", "dataset_version__dataset", "requested_by", "decided_by"
    )
    large = ("facts", "signature", "declared_signature")
    of_data = ("profile", "columns", "errors", "parts")
    return rows.defer(
        *(f"version__{name}" for name in large), *(f"dataset_version__{name}" for name in of_data)
    )


add_kind(
    Kind(
        "approval",
        ApprovalOut,
        visible_approvals,
        {
            "model": to_one("model", "model"),
            "version": to_one("version", "version"),
            "dataset_version": to_one("dataset-version", "dataset_version"),
        },
        whole=ApprovalWholeOut,
    )
)
