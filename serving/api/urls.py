"""What serving adds below ``/api/v1``."""

from __future__ import annotations

from django.urls import path

from serving.api import batch, schedules
from serving.api.model_openapi import ModelOpenapi
from serving.api.predict import PredictByRef, PredictByVersion

urlpatterns = [
    path("models/<str:ref>/predict", PredictByRef.as_view(), name="predict"),
    path(
        "models/<str:name>/versions/<int:number>/predict",
        PredictByVersion.as_view(),
        name="predict-version",
    ),
    path("models/<str:ref>/openapi.json", ModelOpenapi.as_view(), name="model-openapi"),
    *batch.urlpatterns,
    *schedules.urlpatterns,
]
