"""Doors: datasets, their versions and their rows."""

from __future__ import annotations

from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.actions.archiving import archive_dataset, unarchive_dataset
from registry.actions.dataset_changes import update_dataset
from registry.actions.datasets import read_from_source, upload_dataset
from registry.actions.row_access import require_rows
from registry.actions.sources import checked_source, format_of_source
from registry.actions.tiers import ask_for_tier, demote, outcomes
from registry.actions.versions import Upload
from registry.api.bodies.approvals import ApprovalOut
from registry.api.bodies.dataset_versions import (
    DatasetVersionOut,
    DatasetVersionWholeOut,
    DemotionIn,
    PromotionIn,
    RulesOut,
    visible_dataset_versions,
)
from registry.api.bodies.datasets import (
    DatasetIn,
    DatasetOfSourceIn,
    DatasetOut,
    DatasetPatch,
    DatasetWholeOut,
    visible_datasets,
)
from registry.api.describe import MULTIPART_TYPE, describe
from registry.api.downloads import ORIGINAL, WRITTEN, send_version
from registry.api.filters import searched, tagged
from registry.api.find import dataset_named, dataset_version_of
from registry.api.idempotency import Answer, once, rehearse
from registry.api.parameters import EXPAND, PAGING, SEARCH, TAG, Parameter, ordered, ordering
from registry.api.resource import FORM_TYPE, JSON_TYPE, FileResource, FormResource, Resource
from registry.api.table_formats import dataset_format
from registry.errors import VersionNotFound
from registry.models import Dataset, DatasetVersion
from registry.models.dataset_version import DatasetStatus, Tier
from registry.models.registered_model import Classification
from registry.principals import require_somewhere
from registry.tabular import FORMATS

_ORDERS = ("name", "created_at", "updated_at")
_VERSION_ORDERS = ("number", "created_at")
_STATUS = Parameter("status", "Only this status.", choices=tuple(DatasetStatus.values))
_TIER = Parameter("tier", "Only this tier.", choices=tuple(Tier.values))
_FORMAT = Parameter("format", "`csv` when left out.", choices=(*WRITTEN, ORIGINAL))
_SAFE = Parameter(
    "safe", "Keep spreadsheets from taking texts for formulas; always so in a session.", "boolean"
)
_ARCHIVED = Parameter("archived", "Those that are archived, and no others.", "boolean")
_FILE_TYPES = (*(FORMATS[key].media_types[0] for key in WRITTEN), "application/octet-stream")


class Datasets(FormResource):
    """``/datasets``"""

    form = DatasetIn
    accepted = (FORM_TYPE, JSON_TYPE)

    @describe(
        "datasets_list",
        "The datasets that you may see",
        answers={200: DatasetOut},
        is_list=True,
        query=(
            *PAGING,
            SEARCH,
            TAG,
            ordering(*_ORDERS),
            EXPAND,
            _STATUS,
            _TIER,
            Parameter(
                "classification", "Only this classification.", choices=tuple(Classification.values)
            ),
            _ARCHIVED,
        ),
    )
    def get(self, request: Request) -> Response:
        """One page of datasets, newest first; status and tier are those of the newest version."""
        rows = searched(visible_datasets(self.by), self.query.get("search"), "name", "description")
        rows = tagged(rows, self.query.get("tag"))
        rows = rows.filter(archived_at__isnull=not self.query.get("archived", False))
        if "classification" in self.query:
            rows = rows.filter(classification=self.query["classification"])
        newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
        for field in ("status", "tier"):
            if field in self.query:
                of_newest = Subquery(newest.values(field)[:1])
                rows = rows.alias(**{f"newest_{field}": of_newest}).filter(
                    **{f"newest_{field}": self.query[field]}
                )
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "dataset")

    @describe(
        "datasets_upload",
        "Make a dataset, or its next version",
        body={MULTIPART_TYPE: DatasetIn, JSON_TYPE: DatasetOfSourceIn},
        answers={202: DatasetVersionWholeOut, 200: DatasetVersionWholeOut},
        is_creating=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Take a file in, or read a source; the newest version's bytes are that version (200)."""
        if self.is_json:
            return self._read_source(request)
        require_somewhere(self.by, roles.PUBLISHER, Dataset)
        fields, alike = self.read_form()
        part, name = fields.pop("file"), fields.pop("name")
        upload = Upload(part.stored, dataset_format(part), part.label)

        def work() -> Answer:
            version, is_new = upload_dataset(by=self.by, name=name, upload=upload, **fields)
            shown = self.shown(version, "dataset-version")
            return Answer(202 if is_new else 200, shown, {"Location": shown["url"]})

        def prepare() -> None:
            rehearse(work)
            part.keep()

        return once(request, alike, work, prepare=prepare)

    def _read_source(self, request: Request) -> HttpResponse:
        fields = DatasetOfSourceIn.read(request.data)
        source = checked_source(self.by, fields.pop("source"))

        def work() -> Answer:
            version = read_from_source(
                by=self.by, source=source, format=format_of_source(source), **fields
            )
            shown = self.shown(version, "dataset-version")
            return Answer(202, shown, {"Location": shown["url"]})

        return once(request, request.data, work)


class DatasetDoor(Resource):
    """``/datasets/{name}``"""

    @describe("datasets_get", "One dataset", answers={200: DatasetWholeOut}, query=(EXPAND,))
    def get(self, request: Request, name: str) -> Response:
        """The dataset with the columns of its newest version."""
        return self._whole(dataset_named(self.by, name))

    @describe(
        "datasets_update",
        "Change a dataset",
        body=DatasetPatch,
        answers={200: DatasetWholeOut},
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change what may change; what is not sent stays."""
        dataset = dataset_named(self.by, name)
        values = DatasetPatch.read(request.data)
        return self._whole(update_dataset(by=self.by, dataset=dataset, **values))

    def _whole(self, dataset: Dataset) -> Response:
        newest = dataset.versions.order_by("-number").only("pk").first()
        of_version = self.shown(newest, "dataset-version") if newest else {}
        inner = {key: of_version.get(key, []) for key in ("columns", "parents", "children")}
        return Response(inner | self.shown(dataset, "dataset", expand=self.query.get("expand")))


class DatasetArchive(Resource):
    """``/datasets/{name}/archive``"""

    @describe("datasets_archive", "Take a dataset out of use", answers={200: DatasetOut})
    def post(self, request: Request, name: str) -> Response:
        """Archive it: it takes no version and no job. Nothing is erased."""
        return self.one(
            archive_dataset(by=self.by, dataset=dataset_named(self.by, name)), "dataset"
        )


class DatasetUnarchive(Resource):
    """``/datasets/{name}/unarchive``"""

    @describe("datasets_unarchive", "Take a dataset back into use", answers={200: DatasetOut})
    def post(self, request: Request, name: str) -> Response:
        """Undo what ``archive`` did."""
        dataset = unarchive_dataset(by=self.by, dataset=dataset_named(self.by, name))
        return self.one(dataset, "dataset")


class DatasetVersions(Resource):
    """``/datasets/{name}/versions``"""

    @describe(
        "dataset_versions_list",
        "The versions of a dataset",
        answers={200: DatasetVersionOut},
        is_list=True,
        query=(*PAGING, ordering(*_VERSION_ORDERS), EXPAND, _STATUS, _TIER),
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of versions, newest first."""
        rows = visible_dataset_versions(self.by).filter(dataset=dataset_named(self.by, name))
        for field in ("status", "tier"):
            if field in self.query:
                rows = rows.filter(**{field: self.query[field]})
        return self.page(
            ordered(rows, self.query.get("ordering"), _VERSION_ORDERS), "dataset-version"
        )


class DatasetVersionDoor(Resource):
    """``/datasets/{name}/versions/{number}``"""

    @describe(
        "dataset_versions_get",
        "One version of a dataset",
        answers={200: DatasetVersionWholeOut},
        query=(EXPAND,),
    )
    def get(self, request: Request, name: str, number: str) -> Response:
        """The version with its columns and their profiles."""
        version = dataset_version_of(dataset_named(self.by, name), number)
        return self.one(version, "dataset-version")


class DatasetVersionRules(Resource):
    """``/datasets/{name}/versions/{number}/rules``"""

    @describe(
        "dataset_versions_rules",
        "How a version stands to the rules of its dataset",
        answers={200: RulesOut},
        reads_rows=True,
    )
    def get(self, request: Request, name: str, number: str) -> Response:
        """The outcome of each rule as it is now; what a promotion would be held against."""
        version = dataset_version_of(dataset_named(self.by, name), number)
        version.require_rows()
        found = [outcome.to_json() for outcome in outcomes(version)]
        return Response({"passed": all(one["passed"] for one in found), "outcomes": found})


class DatasetVersionPromote(Resource):
    """``/datasets/{name}/versions/{number}/promote``"""

    @describe(
        "dataset_versions_promote",
        "Ask that a version moves up a tier",
        body=PromotionIn,
        answers={202: ApprovalOut},
        is_creating=True,
        reads_rows=True,
    )
    def post(self, request: Request, name: str, number: str) -> HttpResponse:
        """Hold it against the rules of its dataset; somebody else decides then."""
        version = dataset_version_of(dataset_named(self.by, name), number)
        fields = PromotionIn.read(request.data)

        def work() -> Answer:
            shown = self.shown(ask_for_tier(by=self.by, version=version, **fields), "approval")
            return Answer(202, shown, {"Location": shown["url"]})

        return once(request, request.data, work)


class DatasetVersionDemote(Resource):
    """``/datasets/{name}/versions/{number}/demote``"""

    @describe(
        "dataset_versions_demote",
        "Take a version down to a lower tier",
        body=DemotionIn,
        answers={200: DatasetVersionWholeOut},
    )
    def post(self, request: Request, name: str, number: str) -> Response:
        """At once, by one approver, with a reason; what it is promoted again for counts anew."""
        version = dataset_version_of(dataset_named(self.by, name), number)
        body = DemotionIn.read(request.data)
        return self.one(demote(by=self.by, version=version, **body), "dataset-version")


class DatasetVersionDownload(FileResource):
    """``/datasets/{name}/versions/{number}/download``; the classification says who may."""

    @describe(
        "dataset_versions_download",
        "The rows of a version",
        answers={200: _FILE_TYPES},
        query=(_FORMAT, _SAFE),
        reads_rows=True,
    )
    def get(self, request: Request, name: str, number: str) -> HttpResponseBase:
        """The rows in the order in which they came, or the file as it came."""
        version = dataset_version_of(dataset_named(self.by, name), number)
        return self._send(version)

    def _send(self, version: DatasetVersion) -> HttpResponseBase:
        require_rows(self.by, version.dataset)
        version.require_kept()
        safe = self.by.api_key is None or self.query.get("safe", False)
        format = self.query.get("format", "csv")
        answer = send_version(version, format, safe=safe)
        return self.handed_out(answer, "dataset.download", version, format=format)


class DatasetDownload(DatasetVersionDownload):
    """``/datasets/{name}/download``"""

    @describe(
        "datasets_download",
        "The rows of the newest ready version",
        answers={200: _FILE_TYPES},
        query=(_FORMAT, _SAFE),
        reads_rows=True,
    )
    def get(self, request: Request, name: str) -> HttpResponseBase:  # type: ignore[override]  # no number
        """The rows in the order in which they came, or the file as it came."""
        dataset = dataset_named(self.by, name)
        newest = dataset.versions.ready().select_related("dataset").order_by("-number").first()
        if newest is None:
            raise VersionNotFound(f"“{dataset.name}” has no version that is ready.")
        return self._send(newest)
