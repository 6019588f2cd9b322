"""Open Inference Protocol V2 over HTTP, at ``/v2``; probes are answered by ``ProbeMiddleware``.

Followed: KServe, "Open Inference Protocol V2", REST; of Triton's extensions the binary tensors and
the index of the model repository.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.resource import Resource
from registry.errors import Conflict
from registry.models import ModelVersion
from registry.principals import find_model
from serving.actions.passes import passes
from serving.actions.targets import Resolution
from serving.api import lanes
from serving.api.scoring_door import ScoringDoor
from serving.protocols.open_inference_inputs import described_inputs
from serving.protocols.open_inference_outputs import described_outputs
from serving.refs import parse_ref

SERVER = {"name": "modelyard", "version": "0.1.0", "extensions": ["binary_tensor_data"]}


class _Door(Resource):
    """These doors stand in no description of ours: the protocol is published."""

    schema = None

    def resolved(self, ref: str, number: int | None) -> Resolution:
        """What a path names."""
        return passes.resolve(self.by, ref, number)


class Server(Resource):
    """``/v2``: what this server is. It needs no key."""

    schema = None
    authentication_classes = []
    permission_classes = []

    def get(self, request: Request) -> Response:
        """Name, version, extensions."""
        return Response(SERVER)


class Model(_Door):
    """``/v2/models/{ref}[/versions/{n}]``: inputs and outputs as tensors."""

    def get(self, request: Request, ref: str, number: int | None = None) -> Response:
        """The metadata of what the ref calls now."""
        target = self.resolved(ref, number).targets[0]
        versions = [number] if number is not None else self._numbers(ref)
        return Response(
            {
                "name": ref,
                "versions": [str(one) for one in versions],
                "platform": f"{target.runtime}_{target.format}",
                "inputs": described_inputs(target.signature),
                "outputs": described_outputs(target.facts),
            }
        )

    def _numbers(self, ref: str) -> list[int]:
        """The versions that can be called by number, in order; an alias has the one it leads to."""
        if parse_ref(ref).alias is not None:
            return [target.number for target in passes.resolve(self.by, ref).targets]
        versions = find_model(self.by, ref).versions.ready()
        return list(versions.order_by("number").values_list("number", flat=True))


class ModelReady(_Door):
    """``.../ready``: whether it would be scored now."""

    def get(self, request: Request, ref: str, number: int | None = None) -> Response:
        """200, or 409 with the reason."""
        try:
            self.resolved(ref, number)
        except Conflict as error:
            return Response({"name": ref, "ready": False, "error": str(error)}, status=409)
        return Response({"name": ref, "ready": True})


class Infer(ScoringDoor, _Door):
    """``.../infer``"""

    def post(self, request: Request, ref: str, number: int | None = None) -> HttpResponse:
        """Score tensors."""
        lane = lanes.INFER if number is None else lanes.INFER_VERSION
        return self.scored(lane, self.resolved(ref, number), ref)


class RepositoryIndex(_Door):
    """``/v2/repository/index``: every version that the caller may see and call."""

    def post(self, request: Request) -> Response:
        """All of them, models by name; the body may say what it likes."""
        rows = ModelVersion.objects.visible_to(self.by).ready()
        rows = rows.filter(model__archived_at__isnull=True)
        found = rows.order_by("model__name", "number").values_list("model__name", "number")
        return Response(
            [
                {"name": name, "version": str(number), "state": "READY", "reason": ""}
                for name, number in found
            ]
        )


def _both(rest: str, door: type[Resource]) -> list[URLPattern]:
    """The door of a model, and the same below one of its versions."""
    name = f"open-inference-{door.__name__.lower()}"
    return [
        path(f"v2/models/<str:ref>{rest}", door.as_view(), name=name),
        path(
            f"v2/models/<str:ref>/versions/<int:number>{rest}",
            door.as_view(),
            name=f"{name}-version",
        ),
    ]


urlpatterns = [
    path("v2", Server.as_view(), name="open-inference"),
    path("v2/", Server.as_view()),
    path("v2/repository/index", RepositoryIndex.as_view(), name="open-inference-index"),
    *_both("", Model),
    *_both("/ready", ModelReady),
    *_both("/infer", Infer),
]
