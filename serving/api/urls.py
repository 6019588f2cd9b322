"""What serving adds below ``/api/v1``."""

from __future__ import annotations

from django.urls import path

from serving.api import alias_links, batch, batch_chunks, lanes, routes, schedules
from serving.api.model_openapi import ModelOpenapi
from serving.api.predict import PredictByRef, PredictByVersion

alias_links.register()

urlpatterns = [
    path(lanes.PREDICT.below(lanes.API), PredictByRef.as_view(), name="predict"),
    path(
        lanes.PREDICT_VERSION.below(lanes.API), PredictByVersion.as_view(), name="predict-version"
    ),
    path("models/<str:ref>/openapi.json", ModelOpenapi.as_view(), name="model-openapi"),
    *batch.urlpatterns,
    *batch_chunks.urlpatterns,
    *routes.urlpatterns,
    *schedules.urlpatterns,
]
