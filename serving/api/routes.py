"""Doors: a model's route, what its mirrors showed, and its prediction records."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.api.describe import describe
from registry.api.find import model_named, row_with_id
from registry.api.parameters import EXPAND, PAGING, Parameter
from registry.api.resource import Resource, no_content
from registry.principals import require
from serving.actions.routes import clear_route, route_state, set_route
from serving.api.record_bodies import PredictionRecordOut, readable_records
from serving.api.route_bodies import ComparisonOut, RouteIn, RouteOut, visible_comparisons

_REASON = Parameter("reason", "Why the route goes.")
_VERSION = Parameter("version", "Only records of this version.", "integer")
_SINCE = Parameter("since", "Only what was answered from this time on.", "time")
_UNTIL = Parameter("until", "Only what was answered before this time.", "time")
_SERVED = Parameter("served", "Only what this version answered.", "integer")
_MIRROR = Parameter("mirror", "Only against this version.", "integer")


class ModelRoute(Resource):
    """``/models/{name}/route``"""

    @describe("route_get", "What a model's name calls", answers={200: RouteOut})
    def get(self, request: Request, name: str) -> Response:
        """The route; without one both lists are empty, and the champion answers."""
        return self._shown(name)

    @describe(
        "route_set",
        "Split a model's traffic over versions, and mirror it",
        body=RouteIn,
        answers={200: RouteOut},
    )
    def put(self, request: Request, name: str) -> Response:
        """Write the whole route anew; two empty lists take it away."""
        model = model_named(self.by, name)
        set_route(by=self.by, model=model, **RouteIn.read(request.data))
        return self._shown(name)

    @describe("route_clear", "Take a model's route away", answers={204: None}, query=(_REASON,))
    def delete(self, request: Request, name: str) -> HttpResponse:
        """The champion answers again; without a route nothing happens."""
        model = model_named(self.by, name)
        clear_route(by=self.by, model=model, reason=self.query.get("reason", ""))
        return no_content()

    def _shown(self, name: str) -> Response:
        out = RouteOut(context={"sight": self.sight()})
        return Response(out.to_representation(route_state(model_named(self.by, name))))


class Comparisons(Resource):
    """``/models/{name}/route/comparisons``"""

    @describe(
        "route_comparisons",
        "How the answers of mirrors differ, by day",
        answers={200: ComparisonOut},
        is_list=True,
        query=(*PAGING, EXPAND, _SERVED, _MIRROR),
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of days, newest first; for publishers."""
        model = model_named(self.by, name)
        require(self.by, roles.PUBLISHER, model)
        rows = visible_comparisons(self.by).filter(model=model)
        for side in ("served", "mirror"):
            if side in self.query:
                rows = rows.filter(**{f"{side}__number": self.query[side]})
        return self.page(rows, "comparison")


class Records(Resource):
    """``/models/{name}/records``"""

    @describe(
        "records_list",
        "Captured requests and answers of a model",
        answers={200: PredictionRecordOut},
        is_list=True,
        query=(*PAGING, EXPAND, _VERSION, _SINCE, _UNTIL),
    )
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """One page of records, newest first; for managers of the model."""
        model = model_named(self.by, name)
        require(self.by, roles.MANAGER, model)
        rows = readable_records(self.by).filter(model=model)
        if "version" in self.query:
            rows = rows.filter(version__number=self.query["version"])
        rows = rows.answered(since=self.query.get("since"), until=self.query.get("until"))
        answer = self.page(rows, "prediction-record")
        ids = [row["id"] for row in answer.data["results"]]
        if not ids:
            return answer
        return self.handed_out(
            answer, "record.read", model, records=len(ids), newest=ids[0], oldest=ids[-1]
        )


class Record(Resource):
    """``/models/{name}/records/{id}``"""

    @describe(
        "records_get", "One captured request", answers={200: PredictionRecordOut}, query=(EXPAND,)
    )
    def get(self, request: Request, name: str, id: str) -> HttpResponseBase:
        """The record; for managers of the model."""
        model = model_named(self.by, name)
        require(self.by, roles.MANAGER, model)
        rows = readable_records(self.by).filter(model=model)
        row = row_with_id(rows, id, "record")
        answer = self.one(row, "prediction-record")
        return self.handed_out(answer, "record.read", model, records=1, newest=str(row.pk))


_MODEL = "models/<str:name>"

urlpatterns = [
    path(f"{_MODEL}/route", ModelRoute.as_view()),
    path(f"{_MODEL}/route/comparisons", Comparisons.as_view()),
    path(f"{_MODEL}/records", Records.as_view()),
    path(f"{_MODEL}/records/<str:id>", Record.as_view()),
]
