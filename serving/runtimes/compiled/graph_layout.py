"""Plain: which blocks of an answer a compiled graph gives: JSON in its metadata, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from registry import strict_json
from registry.errors import DomainError
from serving.runtimes.base import KINDS, MAX_ANSWER_COLUMNS, Kind, Label
from serving.runtimes.compiled.errors import GraphRefused

LAYOUT_KEY = "modelyard.layout"
# The most that the labels of 20,000 columns take.
MAX_LAYOUT_BYTES = 4 * 1024**2
_MEMBERS = frozenset({"inputs", "blocks", "refused"})
_BLOCK_MEMBERS = frozenset({"kind", "output", "labels", "tensor", "classes"})


@dataclass(frozen=True, slots=True)
class LayoutBlock:
    """One block of the answer, out of the graph's output ``tensor``.

    With ``classes`` the tensor holds int64 indexes into them. ``labels`` None: one column.
    """

    kind: Kind
    output: str | None
    labels: tuple[Label, ...] | None
    tensor: str
    classes: tuple[Label, ...] | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows go in and what comes out.

    ``inputs``: one matrix ``x``, or ``x`` for the numbers with ``s`` for the texts. ``refused`` is
    the output that is true for rows which the original would raise on, None where it raises on
    none.
    """

    inputs: Literal["matrix", "grouped"]
    blocks: tuple[LayoutBlock, ...]
    refused: str | None = None


def read_layout(metadata: Mapping[str, str]) -> Layout:
    """The layout in a graph's metadata. Raises GraphRefused."""
    if set(metadata) != {LAYOUT_KEY}:
        raise GraphRefused("graph-layout", "The graph does not say what its outputs are.")
    try:
        told = strict_json.loads(metadata[LAYOUT_KEY].encode(), max_bytes=MAX_LAYOUT_BYTES)
    except DomainError as error:
        raise GraphRefused("graph-layout", f"The layout cannot be read: {error}") from None
    if not isinstance(told, dict) or not set(told) <= _MEMBERS:
        raise _not_well_formed()
    inputs, blocks, refused = told.get("inputs"), told.get("blocks"), told.get("refused")
    if inputs not in ("matrix", "grouped") or not isinstance(blocks, list) or not blocks:
        raise _not_well_formed()
    if not (refused is None or isinstance(refused, str)):
        raise _not_well_formed()
    layout = Layout(inputs, tuple(_block(one) for one in blocks), refused)
    wide = sum(1 if b.labels is None else len(b.labels) for b in layout.blocks)
    if wide > MAX_ANSWER_COLUMNS:
        raise GraphRefused("graph-layout", f"The answer has {wide} columns.")
    return layout


def _block(told: Any) -> LayoutBlock:
    if not isinstance(told, dict) or set(told) != _BLOCK_MEMBERS:
        raise _not_well_formed()
    kind, output, tensor = told["kind"], told["output"], told["tensor"]
    if kind not in KINDS or not isinstance(tensor, str):
        raise _not_well_formed()
    if not (output is None or isinstance(output, str)):
        raise _not_well_formed()
    labels, classes = _labels(told["labels"]), _labels(told["classes"])
    if kind == "prediction" and labels is not None:
        raise _not_well_formed()
    if classes is not None and (not classes or labels is not None):
        raise _not_well_formed()
    return LayoutBlock(cast(Kind, kind), output, labels, tensor, classes)


def _labels(told: Any) -> tuple[Label, ...] | None:
    if told is None:
        return None
    if not isinstance(told, list) or not all(isinstance(v, bool | int | float | str) for v in told):
        raise _not_well_formed()
    return tuple(told)


def _not_well_formed() -> GraphRefused:
    return GraphRefused("graph-layout", "The layout of the answer is not well-formed.")
