"""Walks a lineage to both sides, so many hops far: the graph that answers and drawings are made of.

To one side the walk goes on in that direction only: ancestors of ancestors, and what was made of
what was made. Each branch gives its newest rows and says how many more there are; the whole is
capped, so that an object with a thousand descendants costs what one with a hundred does.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from registry.api.lineage import SUBJECTS, Branch, Side, branches
from registry.principals import Principal

HOPS_MAX = 6
Key = tuple[str, uuid.UUID]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a walk goes: hops to each side, rows of a branch at first and later, nodes in all.

    ``looks`` is at how many nodes' neighbours it looks, each of which costs some queries.
    """

    hops: int
    first: int
    further: int
    nodes: int
    looks: int


@dataclass(frozen=True, slots=True)
class Node:
    """One object; ``hops`` are negative towards what it came from, 0 at the subject."""

    kind: str
    row: Any
    hops: int

    @property
    def key(self) -> Key:
        """What it is known by in the graph."""
        return self.kind, self.row.pk

    @property
    def label(self) -> str:
        """What a drawing calls it."""
        return SUBJECTS[self.kind].label(self.row)


@dataclass(frozen=True, slots=True)
class Edge:
    """``child`` was made from ``parent``; ``relation`` reads from the nearer one to the subject."""

    parent: Key
    child: Key
    relation: str


@dataclass(frozen=True, slots=True)
class Rest:
    """How many older rows a branch has that are not in the graph."""

    at: Key
    side: Side
    relation: str
    kind: str
    count: int


@dataclass(slots=True)
class Graph:
    """What was found. ``is_cut`` where the bounds did not allow to go on."""

    subject: Node
    nodes: dict[Key, Node] = field(default_factory=dict)
    edges: dict[tuple[Key, Key], Edge] = field(default_factory=dict)
    rests: list[Rest] = field(default_factory=list)
    looks: int = 0
    is_cut: bool = False


def walk(kind: str, row: Any, by: Principal, bounds: Bounds) -> Graph:
    """The graph around one row, of what ``by`` may see.

    What a version belongs to is no part of it, but the versions of a model or dataset that is the
    subject are.
    """
    subject = Node(kind, row, 0)
    graph = Graph(subject, {subject.key: subject})
    sides: tuple[Side, Side] = ("parents", "children")
    for side in sides:
        frontier = [subject]
        for _ in range(bounds.hops):
            frontier = [
                reached
                for node in frontier
                if _may_look(graph, bounds)
                for branch in _ways_on(node, side, by)
                for reached in _follow(graph, node, branch, bounds)
            ]
    return graph


def _ways_on(node: Node, side: Side, by: Principal) -> list[Branch]:
    found = (branch for branch in branches(node.kind, node.row, by) if branch.side == side)
    return [b for b in found if not b.is_belonging or (node.hops == 0 and side == "children")]


def _may_look(graph: Graph, bounds: Bounds) -> bool:
    """Count one look more, where there are any left."""
    if graph.looks >= bounds.looks:
        graph.is_cut = True
        return False
    graph.looks += 1
    return True


def _follow(graph: Graph, node: Node, branch: Branch, bounds: Bounds) -> list[Node]:
    """Add what a branch leads to; the nodes that were not there before."""
    if len(graph.nodes) >= bounds.nodes:
        graph.is_cut = True
        return []
    rows, more = branch.newest(bounds.first if node.hops == 0 else bounds.further)
    step = 1 if branch.side == "children" else -1
    reached = []
    for row in rows:
        other = Node(branch.kind, row, node.hops + step)
        if other.key not in graph.nodes:
            graph.nodes[other.key] = other
            reached.append(other)
        ends = (node.key, other.key) if step > 0 else (other.key, node.key)
        graph.edges.setdefault(ends, Edge(*ends, branch.relation))
    if more:
        graph.rests.append(Rest(node.key, branch.side, branch.relation, branch.kind, more))
    return reached
