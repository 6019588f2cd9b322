"""Where an object comes from and what was made from it: drawn on a page, and in short beside it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from registry.admin.access import principal_of
from registry.admin.lineage_drawing import draw, without_shortcuts
from registry.api.lineage import SUBJECTS, branches
from registry.api.lineage_walk import HOPS_MAX, Bounds, Edge, Graph, Node, walk
from registry.models import DatasetVersion, ModelVersion
from registry.panels import PanelContent, add_panel

# Of a branch so many are drawn, and so many objects in all.
DRAWN, DRAWN_IN_ALL, LOOKS = 6, 80, 40
HOPS = 4
# Beside an object so many of a branch are named.
NAMED = 3


def lineage_page(request: HttpRequest, kind: str, pk: UUID) -> HttpResponse:
    """The drawing around one object, and the same in words; ``?depth=`` steps to each side."""
    by = principal_of(request)
    subject = SUBJECTS.get(kind)
    row = subject.rows(by).filter(pk=pk).first() if subject else None
    if row is None:
        raise Http404(f"No {kind} {pk}")
    depth = _depth(request)
    graph = walk(kind, row, by, Bounds(depth, DRAWN, DRAWN, DRAWN_IN_ALL, LOOKS))
    label = graph.subject.label
    context = {
        **admin.site.each_context(request),
        "title": f"Lineage of {label}",
        "crumbs": [(label, _page(kind, row))],
        "graph": graph,
        "label": label,
        "drawing": draw(graph, page_of),
        "steps": [_told(graph, edge) for edge in without_shortcuts(graph)],
        "depth": depth,
        "depths": range(1, HOPS_MAX + 1),
    }
    return TemplateResponse(request, "registry/lineage.html", context)


def page_of(node: Node) -> str:
    """The address of an object's page."""
    return _page(node.kind, node.row)


def card(request: HttpRequest, kind: str, row: Any) -> dict[str, Any]:
    """The neighbours of an object for the card on its own page: one step, the newest of many."""
    found = []
    for branch in branches(kind, row, principal_of(request)):
        if branch.is_belonging:
            continue
        rows, more = branch.newest(NAMED)
        nodes = [Node(branch.kind, other, 1) for other in rows]
        if nodes:
            links = [(node.label, page_of(node)) for node in nodes]
            found.append({"relation": branch.relation, "links": links, "more": more})
    return {"branches": found, "url": reverse("admin:lineage", args=[kind, row.pk])}


def version_panel(request: HttpRequest, row: ModelVersion) -> PanelContent:
    """On the page of a version."""
    return PanelContent("registry/lineage_card.html", card(request, "version", row), aside=True)


def dataset_version_panel(request: HttpRequest, row: DatasetVersion) -> PanelContent:
    """On the page of a dataset version."""
    shown = card(request, "dataset-version", row)
    return PanelContent("registry/lineage_card.html", shown, aside=True)


def _page(kind: str, row: Any) -> str:
    name, pk = SUBJECTS[kind].page(row)
    return reverse(f"admin:{name}", args=[pk])


def _depth(request: HttpRequest) -> int:
    text = request.GET.get("depth", "")
    asked = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else HOPS
    return max(1, min(asked, HOPS_MAX))


def _told(graph: Graph, edge: Edge) -> dict[str, Any]:
    """An edge as a row of a table, read from the object that is nearer to the subject."""
    parent, child = graph.nodes[edge.parent], graph.nodes[edge.child]
    is_down = abs(parent.hops) <= abs(child.hops)
    near, far = (parent, child) if is_down else (child, parent)
    ends = [
        {
            "label": node.label,
            "detail": SUBJECTS[node.kind].detail(node.row),
            "url": page_of(node),
        }
        for node in (near, far)
    ]
    return {"near": ends[0], "relation": edge.relation, "far": ends[1]}


admin.site.add_page(  # type: ignore[attr-defined]  # our site has it
    "lineage/<slug:kind>/<uuid:pk>/", lineage_page, "lineage"
)
add_panel("version", "lineage", f"{__name__}.version_panel", order=90)
add_panel("dataset_version", "lineage", f"{__name__}.dataset_version_panel", order=90)
