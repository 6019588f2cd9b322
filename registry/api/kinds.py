"""The kinds of objects that answers hold, and how neighbours are put in place (``?expand=``).

Each name after ``expand`` costs a fixed number of queries, however many rows a page has. serving
adds its own kinds and edges to the same table when it starts.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.expressions import Window
from django.db.models.functions import RowNumber

from registry.api.parameters import unknown_name
from registry.api.shapes import Out
from registry.api.sight import Sight
from registry.errors import MalformedParameter
from registry.principals import Principal

HOPS_MAX = 3
NAMES_MAX = 20
# Of many neighbours the newest ones are put in place; ``links`` leads to the whole list.
NEIGHBOURS_MAX = 20

Loaded = dict[uuid.UUID, list[Any]]
Tree = dict[str, "Tree"]


@dataclass(frozen=True)
class Edge:
    """A step from rows of one kind to rows of another.

    ``load`` maps the id of each row to its neighbours; rows without any may be absent.
    """

    kind: str
    load: Callable[[Sequence[Any], Principal], Loaded]
    is_many: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of object: how it is written out, and what may be seen of it.

    ``rows`` answers with the visible rows, newest first, with all that writing out needs.
    ``whole`` writes out a single one where that says more than a list should.
    """

    key: str
    out: type[Out]
    rows: Callable[[Principal], QuerySet[Any, Any]]
    edges: dict[str, Edge] = field(default_factory=dict)
    whole: type[Out] | None = None


KINDS: dict[str, Kind] = {}


def add_kind(kind: Kind) -> Kind:
    """Put a kind into the table."""
    KINDS[kind.key] = kind
    return kind


def to_one(kind: str, foreign_key: str) -> Edge:
    """The edge along a foreign key of the row."""

    def load(rows: Sequence[Any], by: Principal) -> Loaded:
        ids = {row.pk: getattr(row, f"{foreign_key}_id") for row in rows}
        found = {n.pk: n for n in KINDS[kind].rows(by).filter(pk__in=set(ids.values()) - {None})}
        return {pk: [found[target]] for pk, target in ids.items() if target in found}

    return Edge(kind, load)


def to_many(kind: str, foreign_key: str) -> Edge:
    """The edge to the newest rows whose foreign key is this row."""

    def load(rows: Sequence[Any], by: Principal) -> Loaded:
        place = Window(RowNumber(), partition_by=[F(foreign_key)], order_by="-id")
        mine = KINDS[kind].rows(by).filter(**{f"{foreign_key}__in": [row.pk for row in rows]})
        found: Loaded = {}
        for neighbour in mine.annotate(place=place).filter(place__lte=NEIGHBOURS_MAX):
            found.setdefault(getattr(neighbour, f"{foreign_key}_id"), []).append(neighbour)
        return found

    return Edge(kind, load, is_many=True)


def parse_expand(text: str, kind: str) -> Tree:
    """The names of ``a,b.c`` as a tree. Raises MalformedParameter, which names the known ones."""
    paths = text.split(",")
    if len(paths) > NAMES_MAX:
        raise MalformedParameter(f"“expand” takes at most {NAMES_MAX} names.")
    tree: Tree = {}
    for path in paths:
        branch, here = tree, kind
        names = path.split(".")
        if len(names) > HOPS_MAX:
            raise MalformedParameter(f"“expand” goes at most {HOPS_MAX} hops, as in a.b.c.")
        for name in names:
            edges = KINDS[here].edges
            if name not in edges:
                raise unknown_name(f"neighbour of a {here}", name, edges)
            branch, here = branch.setdefault(name, {}), edges[name].kind
    return tree


def represent_whole(pk: object, kind: str, tree: Tree, sight: Sight) -> dict[str, Any]:
    """The visible row with this id as one whole JSON object."""
    known = KINDS[kind]
    rows = known.rows(sight.by)
    row = (rows.defer(None) if known.whole else rows).get(pk=pk)
    return _represent([row], known, known.whole or known.out, tree, sight)[0]


def represent(rows: Sequence[Any], kind: str, tree: Tree, sight: Sight) -> list[dict[str, Any]]:
    """The rows as JSON objects, with the neighbours of the tree in their places."""
    return _represent(rows, KINDS[kind], KINDS[kind].out, tree, sight)


def _represent(
    rows: Sequence[Any], known: Kind, shape: type[Out], tree: Tree, sight: Sight
) -> list[dict[str, Any]]:
    out = shape(context={"sight": sight})
    bodies: list[dict[str, Any]] = [out.to_representation(row) for row in rows]
    for name, branch in tree.items():
        edge = known.edges[name]
        found = edge.load(rows, sight.by)
        distinct = {n.pk: n for neighbours in found.values() for n in neighbours}
        sight.count_expanded(len(distinct))
        shown = represent(list(distinct.values()), edge.kind, branch, sight)
        by_id = dict(zip(distinct, shown, strict=True))
        for row, body in zip(rows, bodies, strict=True):
            placed = [by_id[n.pk] for n in found.get(row.pk, ())]
            body[name] = placed if edge.is_many else next(iter(placed), None)
    return bodies
