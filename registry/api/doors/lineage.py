"""Door: where an object comes from and what was made from it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.describe import describe
from registry.api.find import row_with_id
from registry.api.lineage import STEPS_MAX, SUBJECTS, branches
from registry.api.lineage_walk import HOPS_MAX, Bounds, Edge, Graph, Key, Node, Rest, walk
from registry.api.parameters import Parameter
from registry.api.resource import Resource
from registry.api.sight import Sight
from registry.errors import MalformedParameter, NotFound

FURTHER_MAX = 20
NODES_MAX = 500
LOOKS_MAX = 60
_DEPTH = Parameter(
    "depth", f"How many steps to each side: 1 (when left out) to {HOPS_MAX}.", "integer"
)


class StepOut(serializers.Serializer[Any]):
    """One neighbour; ``lineage`` is where the walk goes on."""

    relation = serializers.CharField()
    kind = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    lineage = serializers.CharField()


class NodeOut(serializers.Serializer[Any]):
    """One object; ``hops`` are negative towards what the subject came from."""

    kind = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    hops = serializers.IntegerField()
    url = serializers.CharField()
    lineage = serializers.CharField()


class EdgeOut(serializers.Serializer[Any]):
    """``child`` was made from ``parent``: ids of nodes."""

    parent = serializers.UUIDField()  # type: ignore[assignment]  # a field, not the serializer above
    child = serializers.UUIDField()
    relation = serializers.CharField()


class RestOut(serializers.Serializer[Any]):
    """How many older neighbours of a node are left out."""

    id = serializers.UUIDField()
    side = serializers.ChoiceField(choices=["parents", "children"])
    relation = serializers.CharField()
    kind = serializers.CharField()
    count = serializers.IntegerField()


class LineageOut(serializers.Serializer[Any]):
    """The lineage of one object: one step to both sides, and a graph of ``depth`` steps.

    The graph leaves out the model or dataset that a version belongs to. ``is_cut`` where there
    may be more than is shown.
    """

    kind = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    parents = StepOut(many=True)
    children = StepOut(many=True)
    nodes = NodeOut(many=True)
    edges = EdgeOut(many=True)
    more = RestOut(many=True)
    is_cut = serializers.BooleanField()
    url = serializers.CharField()
    links = serializers.DictField()


class Lineage(Resource):
    """``/lineage/{kind}/{id}``"""

    @describe(
        "lineage_get",
        "What an object was made from and what was made from it",
        answers={200: LineageOut},
        query=(_DEPTH,),
    )
    def get(self, request: Request, kind: str, id: str) -> Response:
        """What the caller may see of it, the newest of many."""
        if kind not in SUBJECTS:
            known = ", ".join(SUBJECTS)
            raise NotFound(f"There is no lineage of “{kind[:40]}”; there is one of {known}.")
        subject, sight = SUBJECTS[kind], self.sight()
        row = row_with_id(subject.rows(self.by), id, kind)
        depth = _checked_depth(self.query.get("depth", 1))
        bounds = Bounds(depth, STEPS_MAX, FURTHER_MAX, NODES_MAX, LOOKS_MAX)
        return Response(
            {
                "kind": kind,
                "id": row.pk,
                "name": str(row),
                **_steps(kind, row, sight),
                **_graph(walk(kind, row, self.by, bounds), sight),
                "url": sight.url(f"/lineage/{kind}/{row.pk}"),
                "links": {"object": sight.url(subject.path(row))},
            }
        )


def _checked_depth(depth: int) -> int:
    if not 1 <= depth <= HOPS_MAX:
        raise MalformedParameter(f"“depth” is a whole number from 1 to {HOPS_MAX}.")
    return depth


def _steps(kind: str, row: Any, sight: Sight) -> dict[str, list[dict[str, Any]]]:
    """The neighbours by side, what a version belongs to included."""
    steps: dict[str, list[dict[str, Any]]] = {"parents": [], "children": []}
    for branch in branches(kind, row, sight.by):
        found, _ = branch.newest(STEPS_MAX)
        steps[branch.side] += [
            {"relation": branch.relation, **_shown(branch.kind, other, sight)} for other in found
        ]
    return steps


def _graph(graph: Graph, sight: Sight) -> dict[str, Any]:
    return {
        "nodes": [_node(node, sight) for node in graph.nodes.values()],
        "edges": [_edge(edge) for edge in graph.edges.values()],
        "more": [_rest(rest) for rest in graph.rests],
        "is_cut": graph.is_cut,
    }


def _node(node: Node, sight: Sight) -> dict[str, Any]:
    return {**_shown(node.kind, node.row, sight), "hops": node.hops}


def _edge(edge: Edge) -> dict[str, Any]:
    return {"parent": _id(edge.parent), "child": _id(edge.child), "relation": edge.relation}


def _rest(rest: Rest) -> dict[str, Any]:
    told = {"side": rest.side, "relation": rest.relation, "kind": rest.kind}
    return {"id": _id(rest.at), **told, "count": rest.count}


def _id(key: Key) -> Any:
    return key[1]


def _shown(kind: str, row: Any, sight: Sight) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": row.pk,
        "name": str(row),
        "url": sight.url(SUBJECTS[kind].path(row)),
        "lineage": sight.url(f"/lineage/{kind}/{row.pk}"),
    }
