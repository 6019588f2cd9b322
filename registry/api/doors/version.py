"""Doors: one version: looking, describing, archiving, and its bytes."""

from __future__ import annotations

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles, storage
from registry.actions.versions import archive_version, update_version
from registry.api.bodies.versions import VersionOut, VersionPatch
from registry.api.describe import describe
from registry.api.find import model_named, version_of
from registry.api.parameters import EXPAND
from registry.api.resource import FileResource, Resource
from registry.errors import StateConflict
from registry.formats import FORMATS
from registry.models import ModelVersion
from registry.models.model_version import VersionStatus
from registry.principals import require

BYTES_TYPE = "application/octet-stream"


class Version(Resource):
    """``/models/{name}/versions/{number}``"""

    @describe("versions_get", "One version", answers={200: VersionOut}, query=(EXPAND,))
    def get(self, request: Request, name: str, number: str) -> Response:
        """The version with its checks and their evidence."""
        return self.one(version_of(model_named(self.by, name), number), "version")

    @describe("versions_update", "Describe a version", body=VersionPatch, answers={200: VersionOut})
    def patch(self, request: Request, name: str, number: str) -> Response:
        """Change the description, tags or metrics, or pin who answers; what is not sent stays."""
        version = version_of(model_named(self.by, name), number)
        values = VersionPatch.read(request.data)
        if "pinned_to" in values:
            values["pinned_to"] = values["pinned_to"] or ""
        return self.one(update_version(by=self.by, version=version, **values), "version")


class VersionArchive(Resource):
    """``/models/{name}/versions/{number}/archive``"""

    @describe("versions_archive", "Take a version out of use for good", answers={200: VersionOut})
    def post(self, request: Request, name: str, number: str) -> Response:
        """Archive it. Refused while an alias points to it."""
        version = version_of(model_named(self.by, name), number)
        return self.one(archive_version(by=self.by, version=version), "version")


class VersionArtifact(FileResource):
    """``/models/{name}/versions/{number}/artifact``

    Who may score with a model may have its bytes. What is not ready is for those who register
    versions: a file that nobody has checked yet is not handed on to everybody.
    """

    @describe(
        "versions_artifact", "The model file as it came", answers={200: (BYTES_TYPE,), 304: None}
    )
    def get(self, request: Request, name: str, number: str) -> HttpResponseBase:
        """The bytes, with their sha256 as ETag."""
        version = version_of(model_named(self.by, name), number)
        is_ready = version.status == VersionStatus.READY
        require(self.by, roles.SCORER if is_ready else roles.PUBLISHER, version.model)
        if version.artifact.gone_at is not None:
            raise StateConflict(f"The bytes of {version} are no longer kept.")
        etag = f'"{version.artifact.sha256}"'
        if request.headers.get("If-None-Match") == etag:
            return HttpResponse(status=304, headers={"ETag": etag})
        answer = FileResponse(
            storage.open_blob(version.artifact.sha256),
            as_attachment=True,
            filename=_file_name(version),
            content_type=BYTES_TYPE,
            headers={"ETag": etag, "Content-Length": str(version.artifact.size_bytes)},
        )
        return self.handed_out(answer, "version.download", version, sha256=version.artifact.sha256)


def _file_name(version: ModelVersion) -> str:
    """A name of ours: the client's own file name stays a label."""
    return f"{version.model.name}-v{version.number}{FORMATS[version.format].suffixes[0]}"
