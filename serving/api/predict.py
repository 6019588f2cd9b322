"""The native way to score over HTTP: every registered model is an endpoint."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request

from registry.api.describe import describe
from registry.api.parameters import Parameter
from serving.actions.passes import passes
from serving.actions.targets import Resolution
from serving.api import lanes
from serving.api.scoring_door import ScoringDoor
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


class _Predict(ScoringDoor):
    """Bytes to the lane, bytes back, with what the query says of bad rows and outputs."""

    lane: ClassVar[lanes.Lane]

    def answer(self, resolution: Resolution, ref: str) -> HttpResponse:
        """The lane's answer for the present request."""
        return self.scored(
            self.lane,
            resolution,
            ref,
            on_row_error=self.query.get("on_row_error", "fail"),
            outputs=_names(self.query.get("outputs")),
        )


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
