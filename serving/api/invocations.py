"""Invocations over HTTP, as MLflow's deployments client and boto3's ``sagemaker-runtime`` call.

Followed: MLflow, "Deployments" (``/endpoints/{name}/invocations``, ``/api/2.0/endpoints/``), and
SageMaker Runtime, ``InvokeEndpoint``. ``/ping`` is answered by ``ProbeMiddleware``.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.auth import (
    ApiKeyAuthentication,
    SessionAuthentication,
    SignedKeyAuthentication,
)
from registry.api.parameters import Parameter
from registry.api.resource import Resource
from registry.errors import MalformedParameter
from registry.models import RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.model_version import VersionStatus
from serving.actions.passes import passes
from serving.actions.targets import Resolution
from serving.api import lanes
from serving.api.scoring_door import ScoringDoor

ENDPOINT_TYPE = "modelyard/v1/predict"
PROVIDER = "modelyard"
_VARIANT = re.compile(r"v([1-9][0-9]{0,8})")


class Invocations(ScoringDoor):
    """``/endpoints/{ref}/invocations``"""

    schema = None
    authentication_classes = [
        ApiKeyAuthentication,
        SignedKeyAuthentication,
        SessionAuthentication,
    ]

    def post(self, request: Request, ref: str) -> HttpResponse:
        """Score rows."""
        return self.scored(lanes.INVOKE, self._resolved(ref), ref)

    def _resolved(self, ref: str) -> Resolution:
        """What the ref calls, or the variant that the caller names: ``v<number>``."""
        variant = self.request.META.get(lanes.VARIANT_META)
        if variant is None:
            return passes.resolve(self.by, ref)
        named = _VARIANT.fullmatch(variant)
        if named is None:
            text = "X-Amzn-SageMaker-Target-Variant names a version, such as v3."
            raise MalformedParameter(text)
        return passes.resolve(self.by, ref, int(named[1]))


class Endpoints(Resource):
    """``/api/2.0/endpoints/``: the models that can be called by their bare name."""

    schema = None

    def get(self, request: Request) -> Response:
        """All that the caller may see, on one page."""
        called = Q(aliases__name=CHAMPION, aliases__version__status=VersionStatus.READY) | Q(
            route__isnull=False
        )
        rows = RegisteredModel.objects.visible_to(self.by).in_use().filter(called).distinct()
        names = rows.order_by("name").values_list("name", flat=True)
        return Response({"endpoints": [_endpoint(n, n) for n in names], "next_page_token": None})

    get.query = (Parameter("page_token", "Taken and not needed: there is one page."),)  # type: ignore[attr-defined]  # read by Resource.initial


class Endpoint(Resource):
    """``/api/2.0/endpoints/{ref}``"""

    schema = None

    def get(self, request: Request, ref: str) -> Response:
        """One that can be called."""
        return Response(_endpoint(ref, passes.resolve(self.by, ref).targets[0].model))


def _endpoint(ref: str, model: str) -> dict[str, Any]:
    """The url is below the one that the client was given: it may have a path of its own."""
    return {
        "name": ref,
        "endpoint_type": ENDPOINT_TYPE,
        "model": {"name": model, "provider": PROVIDER},
        "endpoint_url": f"/endpoints/{ref}/invocations",
        "limit": None,
    }


urlpatterns = [
    path(lanes.INVOKE.route, Invocations.as_view(), name="invocations"),
    path("api/2.0/endpoints", Endpoints.as_view()),
    path("api/2.0/endpoints/", Endpoints.as_view(), name="endpoints"),
    path("api/2.0/endpoints/<str:ref>", Endpoint.as_view(), name="endpoint"),
]
