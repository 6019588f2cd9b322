"""Doors: registered models."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from registry.actions.archiving import archive_model, unarchive_model
from registry.actions.models import create_model, update_model
from registry.api.bodies.models import ModelIn, ModelOut, ModelPatch, visible_models
from registry.api.describe import describe
from registry.api.filters import searched, tagged
from registry.api.find import model_named
from registry.api.idempotency import Answer, once
from registry.api.parameters import EXPAND, PAGING, SEARCH, TAG, Parameter, ordered, ordering
from registry.api.resource import Resource
from registry.models.registered_model import Classification, Kind

_ORDERS = ("name", "created_at", "updated_at")


class Models(Resource):
    """``/models``"""

    @describe(
        "models_list",
        "The models that you may see",
        answers={200: ModelOut},
        is_list=True,
        query=(
            *PAGING,
            SEARCH,
            TAG,
            ordering(*_ORDERS),
            EXPAND,
            Parameter("kind", "Only this kind.", choices=tuple(Kind.values)),
            Parameter(
                "classification", "Only this classification.", choices=tuple(Classification.values)
            ),
            Parameter("archived", "Those that are archived, and no others.", "boolean"),
        ),
    )
    def get(self, request: Request) -> Response:
        """One page of models, newest first; archived ones are left out unless asked for."""
        rows = searched(visible_models(self.by), self.query.get("search"), "name", "description")
        rows = tagged(rows, self.query.get("tag"))
        rows = rows.filter(archived_at__isnull=not self.query.get("archived", False))
        for field in ("kind", "classification"):
            if field in self.query:
                rows = rows.filter(**{field: self.query[field]})
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "model")

    @describe(
        "models_create",
        "Make a model",
        body=ModelIn,
        answers={201: ModelOut},
        is_creating=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Make a model; the caller becomes its manager."""
        values = ModelIn.read(request.data)

        def work() -> Answer:
            shown = self.shown(create_model(by=self.by, **values), "model")
            return Answer(201, shown, {"Location": shown["url"]})

        return once(request, request.data, work)


class Model(Resource):
    """``/models/{name}``"""

    @describe("models_get", "One model", answers={200: ModelOut}, query=(EXPAND,))
    def get(self, request: Request, name: str) -> Response:
        """The model."""
        return self.one(model_named(self.by, name), "model")

    @describe("models_update", "Change a model", body=ModelPatch, answers={200: ModelOut})
    def patch(self, request: Request, name: str) -> Response:
        """Change what may change; what is not sent stays."""
        model = model_named(self.by, name)
        values: dict[str, Any] = ModelPatch.read(request.data)
        return self.one(update_model(by=self.by, model=model, **values), "model")


class ModelArchive(Resource):
    """``/models/{name}/archive``"""

    @describe("models_archive", "Take a model out of use", answers={200: ModelOut})
    def post(self, request: Request, name: str) -> Response:
        """Archive it: none of its versions can be called any more. Nothing of it is lost."""
        return self.one(archive_model(by=self.by, model=model_named(self.by, name)), "model")


class ModelUnarchive(Resource):
    """``/models/{name}/unarchive``"""

    @describe("models_unarchive", "Take a model back into use", answers={200: ModelOut})
    def post(self, request: Request, name: str) -> Response:
        """Undo what ``archive`` did: it is called as before."""
        return self.one(unarchive_model(by=self.by, model=model_named(self.by, name)), "model")
