"""Versions of models as JSON."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.form_parts import FilePart, FormText
from registry.api.kinds import Kind, add_kind, to_many, to_one
from registry.api.shapes import (
    LINKS,
    NAME_OR_ROW,
    In,
    Metrics,
    NumberOrRow,
    Out,
    SignatureJson,
    Tags,
    Text,
    Whole,
)
from registry.conf import conf
from registry.formats import FORMATS
from registry.models import Check, ModelVersion
from registry.models.model_version import Engine
from registry.principals import Principal


class VersionIn(In):
    """The form that registers a version. JSON parts may come as texts or as small files."""

    artifact = FilePart(max_bytes=lambda: conf.max_artifact_bytes)
    format = FormText(required=False, help_text=f"One of {', '.join(FORMATS)}.")
    example = FilePart(max_bytes=lambda: conf.max_binary_body_bytes, required=False)
    expected = FilePart(
        max_bytes=lambda: conf.max_binary_body_bytes, required=False, takes_text=True
    )
    signature = SignatureJson(required=False, in_form=True)
    metrics = Metrics(required=False, in_form=True)
    tags = Tags(required=False, in_form=True)
    description = FormText(required=False)
    source = FormText(required=False)  # type: ignore[assignment]  # a field of the body
    training_dataset = FormText(required=False, help_text="`name` or `name@number`.")


class CorrectionIn(In):
    """The same bytes with another signature, as the next version."""

    from_version = Whole()
    signature = SignatureJson()


class VersionPatch(In):
    """What may change on a version."""

    description = Text(required=False)
    tags = Tags(required=False)
    metrics = Metrics(required=False)
    pinned_to = serializers.ChoiceField(
        Engine.values,
        required=False,
        allow_null=True,
        error_messages={"invalid_choice": "“onnx”, “original” or null was expected."},
        help_text="Who answers: `onnx`, `original`; null leaves it to the check `compile`.",
    )


class CheckOut(serializers.Serializer[Check]):
    """One verdict with its evidence.

    ``links.reason`` tells what the ``reason`` of the evidence means; null without one.
    """

    links = serializers.SerializerMethodField()
    name = serializers.CharField()
    verdict = serializers.CharField()
    summary = serializers.CharField(source="shown_summary")
    evidence = serializers.DictField(source="shown_evidence")
    decided_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(LINKS)
    def get_links(self, check: Check) -> dict[str, str | None]:
        """The page of the reason."""
        reason = check.evidence.get("reason")
        return {"reason": self.context["sight"].reason(reason) if reason else None}


class VersionOut(Out):
    """A version. ``signature`` is null until the checks have found or confirmed it.

    ``gate_version`` says which version of the gate has looked at the bytes last; empty until then.
    ``runtime`` is what answers now: ``onnx`` where a compiled graph does, else the format's own.
    ``pinned_to`` is null unless somebody has chosen.
    """

    kind_key = "version"

    id = serializers.UUIDField()
    model = serializers.SerializerMethodField()
    number = serializers.IntegerField()
    status = serializers.CharField()
    format = serializers.CharField()
    sha256 = serializers.CharField(source="artifact.sha256")
    size_bytes = serializers.IntegerField(source="artifact.size_bytes")
    file_name = serializers.CharField(source="file_label")
    signature = serializers.DictField(allow_null=True)
    checks = CheckOut(many=True)
    gate_version = serializers.CharField()
    runtime = serializers.SerializerMethodField()
    pinned_to = serializers.SerializerMethodField()
    metrics = serializers.DictField()
    tags = serializers.DictField(child=serializers.CharField())
    description = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field of the body
    aliases = serializers.SerializerMethodField()
    training_dataset = serializers.SerializerMethodField()
    from_version = NumberOrRow(source="from_version.number", default=None)
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    ready_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: ModelVersion) -> str:
        """The path of the version."""
        return f"/models/{row.model.name}/versions/{row.number}"

    def neighbours(self, row: ModelVersion) -> dict[str, str | None]:
        """Where the version belongs, where it comes from, and its bytes."""
        path, model = self.path_of(row), f"/models/{row.model.name}"
        origin = row.from_version
        trained_on = self.get_training_dataset(row)
        return {
            "model": model,
            "artifact": None if row.artifact.gone_at else f"{path}/artifact",
            "aliases": f"{model}/aliases",
            "training_dataset": _dataset_path(trained_on) if trained_on else None,
            "from_version": f"{model}/versions/{origin.number}" if origin else None,
            "approvals": f"/approvals?model={row.model.name}",
            "lineage": f"/lineage/version/{row.pk}",
        }

    @extend_schema_field(NAME_OR_ROW)
    def get_model(self, row: ModelVersion) -> str:
        """The name of the model."""
        return row.model.name

    def get_runtime(self, row: ModelVersion) -> str:
        """What answers for the version."""
        return Engine.COMPILED.value if row.engine == Engine.COMPILED else row.runtime

    @extend_schema_field({"type": ["string", "null"], "enum": [*Engine.values, None]})
    def get_pinned_to(self, row: ModelVersion) -> str | None:
        """Which engine somebody has chosen."""
        return row.pinned_to or None

    @extend_schema_field({"type": "array", "items": {"oneOf": NAME_OR_ROW["oneOf"]}})
    def get_aliases(self, row: ModelVersion) -> list[str]:
        """The aliases that point here."""
        return [alias.name for alias in row.aliases.all()]

    @extend_schema_field(NAME_OR_ROW)
    def get_training_dataset(self, row: ModelVersion) -> str | None:
        """``name@number``; null also where the caller may not see the dataset."""
        trained_on = row.training_dataset
        if trained_on is None or not self._sight.sees_dataset(trained_on.dataset_id):
            return None
        return f"{trained_on.dataset.name}@{trained_on.number}"


def visible_versions(by: Principal) -> QuerySet[ModelVersion]:
    """Visible versions with their artifacts, checks, aliases and origins."""
    return (
        ModelVersion.objects.visible_to(by)
        .select_related(
            "model", "artifact", "created_by", "training_dataset__dataset", "from_version"
        )
        .defer("facts", "training_dataset__profile", "training_dataset__columns")
        .prefetch_related(Prefetch("checks", Check.objects.order_by("id")), "aliases")
    )


def _dataset_path(ref: str) -> str:
    name, _, number = ref.partition("@")
    return f"/datasets/{name}/versions/{number}"


add_kind(
    Kind(
        "version",
        VersionOut,
        visible_versions,
        {
            "model": to_one("model", "model"),
            "training_dataset": to_one("dataset-version", "training_dataset"),
            "from_version": to_one("version", "from_version"),
            "aliases": to_many("alias", "version"),
            "approvals": to_many("approval", "version"),
            "corrections": to_many("version", "from_version"),
        },
    )
)
