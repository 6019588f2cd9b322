"""A stock Django REST framework view in front of onnxruntime, with Django's stock middleware."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.configure(
    SECRET_KEY="only for a measurement on this machine",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": []},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
)

import django

django.setup()

from django.core.wsgi import get_wsgi_application
from django.urls import path
from graph_rows import Graph
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

graph = Graph()


class Body(serializers.Serializer):  # type: ignore[type-arg]
    """Rows as objects."""

    instances = serializers.ListField(child=serializers.DictField())


class Predict(APIView):
    """Rows in, predictions out."""

    def post(self, request: Request) -> Response:
        """Score."""
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        rows: list[dict[str, Any]] = body.validated_data["instances"]
        return Response(graph.answer(rows))


urlpatterns = [path("predict", Predict.as_view())]
application = get_wsgi_application()
