"""Doors: the versions of a model, and registering one more."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.actions.models import create_model
from registry.actions.versions import Upload, correct_version, register_version
from registry.api.bodies.versions import CorrectionIn, VersionIn, VersionOut, visible_versions
from registry.api.describe import MULTIPART_TYPE, describe
from registry.api.filters import searched, tagged
from registry.api.find import dataset_version_named, model_named, version_of
from registry.api.idempotency import Answer, once, rehearse
from registry.api.parameters import EXPAND, PAGING, SEARCH, TAG, Parameter, ordered, ordering
from registry.api.resource import FORM_TYPE, JSON_TYPE, FormResource
from registry.api.table_formats import example_format
from registry.api.uploads import Part
from registry.errors import InvalidField, ModelNotFound, NameTaken
from registry.formats import FORMATS, HEAD_BYTES, sniff
from registry.models import ModelVersion, RegisteredModel
from registry.models.model_version import VersionStatus
from registry.principals import require, require_everywhere

_ORDERS = ("number", "created_at")
_STATUS = Parameter("status", "Only this status.", choices=tuple(VersionStatus.values))
_CREATE = Parameter("create", "Make the model if there is none of this name.", "boolean")


class Versions(FormResource):
    """``/models/{name}/versions``"""

    form = VersionIn
    accepted = (FORM_TYPE, JSON_TYPE)

    @describe(
        "versions_list",
        "The versions of a model",
        answers={200: VersionOut},
        is_list=True,
        query=(*PAGING, SEARCH, TAG, ordering(*_ORDERS), EXPAND, _STATUS),
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of versions, newest first."""
        rows = visible_versions(self.by).filter(model=model_named(self.by, name))
        rows = searched(rows, self.query.get("search"), "description", "file_label")
        rows = tagged(rows, self.query.get("tag"))
        if "status" in self.query:
            rows = rows.filter(status=self.query["status"])
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "version")

    @describe(
        "versions_create",
        "Register a version",
        body={MULTIPART_TYPE: VersionIn, JSON_TYPE: CorrectionIn},
        answers={202: VersionOut},
        query=(_CREATE,),
        is_creating=True,
    )
    def post(self, request: Request, name: str) -> HttpResponse:
        """Take a model file in, or the bytes of an earlier version with another signature."""
        if self.is_json:
            return self._correct(request, name)
        self._require_publisher(name)
        fields, alike = self.read_form()
        fields["format"] = _format_of(fields["artifact"], fields.get("format"))

        def work() -> Answer:
            return self._accepted(register_version(**self._arguments(name, fields)))

        def prepare() -> None:
            rehearse(work)
            for part in ("artifact", "example", "expected"):
                if part in fields:
                    fields[part].keep()

        return once(request, alike, work, prepare=prepare)

    def _correct(self, request: Request, name: str) -> HttpResponse:
        fields = CorrectionIn.read(request.data)
        origin = version_of(model_named(self.by, name), fields["from_version"])

        def work() -> Answer:
            return self._accepted(
                correct_version(by=self.by, version=origin, signature=fields["signature"])
            )

        return once(request, request.data, work)

    def _accepted(self, version: ModelVersion) -> Answer:
        shown = self.shown(version, "version")
        return Answer(202, shown, {"Location": shown["url"]})

    def _require_publisher(self, name: str) -> None:
        """Refuse who may not register, before any of the bytes are read."""
        try:
            require(self.by, roles.PUBLISHER, model_named(self.by, name))
        except ModelNotFound:
            if not self.query.get("create"):
                raise
            require_everywhere(self.by, roles.PUBLISHER)

    def _model(self, name: str) -> RegisteredModel:
        """The model, made now where that was asked for."""
        try:
            return model_named(self.by, name)
        except ModelNotFound:
            if not self.query.get("create"):
                raise
        try:
            return create_model(by=self.by, name=name)
        except NameTaken as taken:
            # Somebody may have made it in the meantime, the same client for one.
            try:
                return model_named(self.by, name)
            except ModelNotFound:
                raise taken from None

    def _arguments(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """What the action is told; everything but the files goes as it was sent."""
        artifact, example = fields["artifact"], fields.get("example")
        expected, trained_on = fields.get("expected"), fields.get("training_dataset")
        named = ("signature", "metrics", "tags", "description", "source")
        return {
            "by": self.by,
            "model": self._model(name),
            "artifact": Upload(artifact.stored, fields["format"], artifact.label),
            "example": example and Upload(example.stored, example_format(example), example.label),
            "expected": expected and expected.stored,
            "training_dataset": trained_on and dataset_version_named(self.by, trained_on),
            **{key: fields[key] for key in named if key in fields},
        }


def _format_of(artifact: Part, declared: str | None) -> str:
    """The key of the format. Raises UnreadableArtifact, and InvalidField for an unknown key."""
    if declared is not None and declared not in FORMATS:
        raise InvalidField(f"One of {', '.join(FORMATS)} was expected.", pointer="/format")
    return sniff(artifact.head(HEAD_BYTES), artifact.label, declared)
