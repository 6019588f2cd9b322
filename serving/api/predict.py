"""The native way to score over HTTP: every registered model is an endpoint."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from registry.api.auth import request_id_of
from registry.api.describe import describe
from registry.api.parameters import Parameter
from registry.api.resource import Resource
from serving.actions.passes import passes
from serving.actions.targets import Resolution
from serving.api import lanes
from serving.protocols import media

ON_ROW_ERROR = Parameter(
    "on_row_error",
    "What a bad row does: `fail` refuses the whole request, `skip` answers the good rows.",
    choices=("fail", "skip"),
)
OUTPUTS = Parameter(
    "outputs",
    "Comma-separated kinds of outputs, for bodies that are tables; a JSON body names its own.",
)


class _AnyAccept(BaseContentNegotiation):
    """The lane reads the Accept header itself: its answers are no renderer's."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The first one; the body is not parsed by DRF."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """The first one, for problem documents."""
        return renderers[0], renderers[0].media_type


class PredictAnswer(serializers.Serializer[Any]):
    """The answer in general; each model's own description has its real names and types."""

    model = serializers.CharField()
    version = serializers.IntegerField()
    predictions = serializers.ListField(required=False)
    probabilities = serializers.ListField(required=False)
    decision = serializers.ListField(required=False)
    transform = serializers.ListField(required=False)
    errors = serializers.ListField(  # type: ignore[assignment]  # the name of our member
        child=serializers.DictField(), required=False
    )
    error_count = serializers.IntegerField(required=False)
    request_id = serializers.CharField()


class _Predict(Resource):
    """Bytes to the lane, bytes back."""

    content_negotiation_class = _AnyAccept

    lane: ClassVar[lanes.Lane]

    def answer(self, resolution: Resolution, ref: str) -> HttpResponse:
        """The lane's answer for the present request."""
        request = self.request._request
        encoded = lanes.answer(
            self.lane,
            request.META,
            request.body,
            resolution=resolution,
            ref=ref,
            by=self.by.id,
            request_id=request_id_of(request),
            on_row_error=self.query.get("on_row_error", "fail"),
            outputs=_names(self.query.get("outputs")),
        )
        response = HttpResponse(encoded.body, content_type=encoded.content_type)
        for name, value in encoded.headers.items():
            response[name] = value
        return response


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


_BODIES = {
    media.JSON: OpenApiTypes.OBJECT,
    media.CSV: OpenApiTypes.BINARY,
    media.ARROW: OpenApiTypes.BINARY,
    media.PARQUET: OpenApiTypes.BINARY,
}


class PredictByRef(_Predict):
    """``/models/{ref}/predict``: the model's champion, or the version of an alias."""

    lane = lanes.PREDICT

    @describe(
        "predict",
        "Score rows with a model's champion or an alias",
        answers={200: PredictAnswer},
        query=(ON_ROW_ERROR, OUTPUTS),
        body=_BODIES,
        tags=["scoring"],
    )
    def post(self, request: Request, ref: str) -> HttpResponse:
        """Score rows."""
        return self.answer(passes.resolve(self.by, ref), ref)


class PredictByVersion(_Predict):
    """``/models/{name}/versions/{n}/predict``: exactly this version."""

    lane = lanes.PREDICT_VERSION

    @describe(
        "predict_version",
        "Score rows with one version",
        answers={200: PredictAnswer},
        query=(ON_ROW_ERROR, OUTPUTS),
        body=_BODIES,
        tags=["scoring"],
    )
    def post(self, request: Request, name: str, number: int) -> HttpResponse:
        """Score rows."""
        return self.answer(passes.resolve(self.by, name, number), name)
