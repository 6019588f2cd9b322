"""Answers as numpy arrays: what a compiled graph gives, turned into Arrow when somebody asks.

For one row, making an Arrow array per column costs as much as computing the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from registry import strict_json
from registry.signature.outputs import label_text
from serving.runtimes.base import Answer, Block, Kind, Label


@dataclass(frozen=True)
class PartLayout:
    """What one block of every answer of a model is: made once for a model.

    With ``labels`` a part's values have the shape ``(n_rows, len(labels))``, else ``(n_rows,)``;
    with ``classes`` they are int64 indexes into these.
    """

    kind: Kind
    output: str | None
    labels: tuple[Label, ...] | None
    classes: tuple[Label, ...] | None = None

    @cached_property
    def row_template(self) -> bytes | None:
        """``{"no":%b,"yes":%b}``: a row of labelled values, to be filled with JSON.

        None for labels of which two have the same text: such a row has fewer members.
        """
        names = [strict_json.dumps(label_text(label)) for label in self.labels or ()]
        if len(set(names)) < len(names):
            return None
        return b"{%b}" % b",".join(name.replace(b"%", b"%%") + b":%b" for name in names)

    @cached_property
    def class_texts(self) -> tuple[bytes, ...]:
        """Each class as JSON."""
        return tuple(strict_json.dumps(label) for label in self.classes or ())

    @cached_property
    def class_array(self) -> pa.Array:
        """The classes in the Arrow type that a prediction has."""
        return pa.array(self.classes)


class Part(msgspec.Struct, frozen=True, eq=False):
    """One block of an answer. ``values``: float64, int64, bool, or str in an array of objects."""

    layout: PartLayout
    values: np.ndarray[Any, Any]

    def to_block(self) -> Block:
        """The same as Arrow arrays."""
        layout = self.layout
        if layout.labels is not None:
            columns = tuple(_to_arrow(column) for column in self.values.T)
        elif layout.classes is not None:
            columns = (layout.class_array.take(pa.array(self.values)),)
        else:
            columns = (_to_arrow(self.values),)
        return Block(layout.kind, layout.output, layout.labels, columns)


def _to_arrow(values: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(values, pa.string()) if values.dtype.kind == "O" else pa.array(values)


class LeanAnswer(Answer):
    """An answer whose ``blocks`` are made of ``parts`` when they are first asked for."""

    __slots__ = ("_blocks", "parts")
    parts: tuple[Part, ...]
    _blocks: tuple[Block, ...] | None

    def __init__(self, n_rows: int, parts: tuple[Part, ...]) -> None:
        # The class above is frozen, and its own slot for blocks stays empty.
        object.__setattr__(self, "n_rows", n_rows)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "_blocks", None)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The parts as Arrow, in their order."""
        blocks = self._blocks
        if blocks is None:
            blocks = Answer(self.n_rows, tuple(part.to_block() for part in self.parts)).blocks
            object.__setattr__(self, "_blocks", blocks)
        return blocks

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Answer):
            return NotImplemented
        return (self.n_rows, self.blocks) == (other.n_rows, other.blocks)

    __hash__ = None  # type: ignore[assignment]  # as of every answer: arrays have no hash
