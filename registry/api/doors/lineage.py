"""Door: where an object comes from and what was made from it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.describe import describe
from registry.api.find import row_with_id
from registry.api.lineage import SUBJECTS, Step, steps
from registry.api.resource import Resource
from registry.api.sight import Sight
from registry.errors import NotFound


class StepOut(serializers.Serializer[Any]):
    """One neighbour; ``lineage`` is where the walk goes on."""

    relation = serializers.CharField()
    kind = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    lineage = serializers.CharField()


class LineageOut(serializers.Serializer[Any]):
    """One step of lineage to both sides."""

    kind = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    parents = StepOut(many=True)
    children = StepOut(many=True)
    url = serializers.CharField()
    links = serializers.DictField()


class Lineage(Resource):
    """``/lineage/{kind}/{id}``"""

    @describe("lineage_get", "One step of lineage to both sides", answers={200: LineageOut})
    def get(self, request: Request, kind: str, id: str) -> Response:
        """Parents and children that the caller may see, the newest of many."""
        if kind not in SUBJECTS:
            known = ", ".join(SUBJECTS)
            raise NotFound(f"There is no lineage of “{kind[:40]}”; there is one of {known}.")
        subject, sight = SUBJECTS[kind], self.sight()
        row = row_with_id(subject.rows(self.by), id, kind)
        found = steps(kind, row, self.by)
        return Response(
            {
                "kind": kind,
                "id": row.pk,
                "name": str(row),
                "parents": [_shown(s, sight) for s in found if s.side == "parents"],
                "children": [_shown(s, sight) for s in found if s.side == "children"],
                "url": sight.url(f"/lineage/{kind}/{row.pk}"),
                "links": {"object": sight.url(subject.path(row))},
            }
        )


def _shown(step: Step, sight: Sight) -> dict[str, Any]:
    return {
        "relation": step.relation,
        "kind": step.kind,
        "id": step.row.pk,
        "name": str(step.row),
        "url": sight.url(SUBJECTS[step.kind].path(step.row)),
        "lineage": sight.url(f"/lineage/{step.kind}/{step.row.pk}"),
    }
