"""A lineage as a drawing: coordinates for the page's SVG, what it came from on the left.

Each object stands one column right of the rightmost one that it was made from. Within a column the
objects follow the order of those that they hang on, which keeps lines from crossing much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry.api.lineage import SUBJECTS
from registry.api.lineage_walk import Edge, Graph, Key, Node, Rest

BOX_WIDTH, BOX_HEIGHT = 216, 46
REST_HEIGHT = 22
GAP_X, GAP_Y, MARGIN = 60, 14, 8
# So many letters of a label have room.
LETTERS = 26
TONES = {"version": "model", "model": "model", "batch-job": "job"} | dict.fromkeys(
    ("alias", "route"), "endpoint"
)
_SHORTCUTS = ("made from", "made into")


@dataclass(frozen=True, slots=True)
class Box:
    """One object; ``x`` and ``y`` are its upper left corner, in pixels."""

    x: float
    y: float
    node: Node
    url: str
    is_subject: bool

    @property
    def word(self) -> str:
        """What kind of object it is, and what tells it from others of its name."""
        subject = SUBJECTS[self.node.kind]
        detail = subject.detail(self.node.row)
        return f"{subject.word}, {detail}" if detail else subject.word

    @property
    def tone(self) -> str:
        """What colours it."""
        return TONES.get(self.node.kind, "rows")

    @property
    def label(self) -> str:
        """Its name; a long one has its middle left out, as its end tells it from others."""
        name = self.node.label
        if len(name) <= LETTERS:
            return name
        head = (LETTERS - 1) * 2 // 3
        return f"{name[:head]}…{name[head + 1 - LETTERS :]}"


@dataclass(frozen=True, slots=True)
class More:
    """How many more there are, at the middle of its left edge."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A curve from one box to another, and what it means."""

    path: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it, in pixels."""

    width: float
    height: float
    boxes: list[Box]
    rests: list[More]
    lines: list[Line]


def draw(graph: Graph, url_of: Callable[[Node], str]) -> Drawing:
    """The drawing of a graph; ``url_of`` gives the address of an object's page."""
    edges = without_shortcuts(graph)
    columns = _columns(graph, edges)
    places = _places(columns)
    boxes = [
        Box(*places[node.key], node, url_of(node), node.key == graph.subject.key)
        for node in graph.nodes.values()
    ]
    rests = [
        More(places[rest][0] + 10, places[rest][1] + REST_HEIGHT / 2, f"and {rest.count:,} more")
        for rest in graph.rests
    ]
    lines = [_line(places[e.parent], places[e.child], meaning(graph, e)) for e in edges]
    lines += [_line_to_rest(places, rest) for rest in graph.rests]
    return Drawing(
        width=max(x for x, _ in places.values()) + BOX_WIDTH + MARGIN,
        height=max(y for _, y in places.values()) + BOX_HEIGHT + MARGIN,
        boxes=boxes,
        rests=rests,
        lines=lines,
    )


def meaning(graph: Graph, edge: Edge) -> str:
    """An edge as a sentence: “churn version 1 trained on customers@3”."""
    parent, child = graph.nodes[edge.parent], graph.nodes[edge.child]
    near, far = (parent, child) if abs(parent.hops) <= abs(child.hops) else (child, parent)
    return f"{near.label} {edge.relation} {far.label}"


def without_shortcuts(graph: Graph) -> list[Edge]:
    """The edges, but for those between datasets that a job of the graph joins as well."""
    made_by: dict[Key, set[Key]] = {}
    for edge in graph.edges.values():
        if edge.parent[0] == "batch-job":
            made_by.setdefault(edge.child, set()).add(edge.parent)
    return [
        edge
        for edge in graph.edges.values()
        if edge.relation not in _SHORTCUTS
        or not any((edge.parent, job) in graph.edges for job in made_by.get(edge.child, ()))
    ]


def _columns(graph: Graph, edges: list[Edge]) -> list[list[Key | Rest]]:
    """What stands in each column, from left to right, in order from the top."""
    column = {key: node.hops for key, node in graph.nodes.items()}
    # Nothing was made of itself; were it so, as many rounds as nodes would be enough all the same.
    for _ in graph.nodes:
        if not sum(_pushed(column, edge) for edge in edges):
            break
    rests = {rest: column[rest.at] + (1 if rest.side == "children" else -1) for rest in graph.rests}
    numbers = [*column.values(), *rests.values()]
    found: list[list[Key | Rest]] = [[] for _ in range(min(numbers), max(numbers) + 1)]
    for key, number in column.items():
        found[number - min(numbers)].append(key)
    for rest, number in rests.items():
        found[number - min(numbers)].append(rest)
    _sort(found, -min(numbers), edges)
    return found


def _pushed(column: dict[Key, int], edge: Edge) -> bool:
    """Move the end that is farther from the subject outwards, where the edge would lead back."""
    parent, child = column[edge.parent], column[edge.child]
    if child > parent:
        return False
    if parent >= 0:
        column[edge.child] = parent + 1
    else:
        column[edge.parent] = child - 1
    return True


def _sort(columns: list[list[Key | Rest]], middle: int, edges: list[Edge]) -> None:
    """Order each column, from the subject's outwards, by what its objects hang on."""
    kin: dict[Key, list[Key]] = {}
    for edge in edges:
        kin.setdefault(edge.parent, []).append(edge.child)
        kin.setdefault(edge.child, []).append(edge.parent)
    place: dict[Key, float] = {}
    outwards = [*range(middle, len(columns)), *range(middle - 1, -1, -1)]
    for number in outwards:
        columns[number].sort(key=lambda item: _wish(item, kin, place))
        step = 1 / len(columns[number]) if columns[number] else 0
        for index, item in enumerate(columns[number]):
            if not isinstance(item, Rest):
                place[item] = index * step


def _wish(item: Key | Rest, kin: Mapping[Key, list[Key]], place: Mapping[Key, float]) -> float:
    """Where an object would stand: at the mean of those that have their place. Rests come after."""
    if isinstance(item, Rest):
        return place.get(item.at, 1.0) + 1e-6
    known = [place[other] for other in kin.get(item, ()) if other in place]
    return sum(known) / len(known) if known else 0.0


def _places(columns: list[list[Key | Rest]]) -> dict[Key | Rest, tuple[float, float]]:
    """The upper left corners; each column stands in the middle of the height."""
    heights = [sum(_height(item) + GAP_Y for item in column) - GAP_Y for column in columns]
    places: dict[Key | Rest, tuple[float, float]] = {}
    for number, column in enumerate(columns):
        y = MARGIN + (max(heights) - heights[number]) / 2
        for item in column:
            places[item] = (MARGIN + number * (BOX_WIDTH + GAP_X), y)
            y += _height(item) + GAP_Y
    return places


def _height(item: Key | Rest) -> int:
    return REST_HEIGHT if isinstance(item, Rest) else BOX_HEIGHT


def _line(parent: tuple[float, float], child: tuple[float, float], meaning: str) -> Line:
    start = (parent[0] + BOX_WIDTH, parent[1] + BOX_HEIGHT / 2)
    return Line(_curve(start, (child[0], child[1] + BOX_HEIGHT / 2)), meaning)


def _line_to_rest(places: Mapping[Key | Rest, tuple[float, float]], rest: Rest) -> Line:
    (x, y), (other_x, other_y) = places[rest.at], places[rest]
    at, other = y + BOX_HEIGHT / 2, other_y + REST_HEIGHT / 2
    words = f"{rest.count:,} more: {rest.relation}"
    if rest.side == "children":
        return Line(_curve((x + BOX_WIDTH, at), (other_x, other)), words)
    return Line(_curve((other_x + BOX_WIDTH, other), (x, at)), words)


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    bend = (start[0] + end[0]) / 2
    points = (start, (bend, start[1]), (bend, end[1]), end)
    first, *others = (f"{x:g} {y:g}" for x, y in points)
    return f"M{first}C{' '.join(others)}"
