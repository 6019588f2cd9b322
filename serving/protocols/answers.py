"""Plain: an answer as the lists of JSON: predictions, probabilities, decision, transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from registry.signature.outputs import label_text
from registry.tabular.write import rfc3339
from serving.protocols.tables import presentable
from serving.runtimes.base import Answer, Block

# Kind of output -> its member of the answer.
MEMBERS = {
    "prediction": "predictions",
    "probabilities": "probabilities",
    "decision": "decision",
    "transform": "transform",
}


def answer_members(answer: Answer, asked: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """One list per kind of output, with one entry per row of the answer.

    ``asked`` names kinds whose list is there even if the answer, of no rows, has no block of them.
    Values are plain JSON: NaN and Infinity are None, times RFC 3339 texts.
    """
    members: dict[str, list[Any]] = {}
    for kind, member in MEMBERS.items():
        blocks = [block for block in answer.blocks if block.kind == kind]
        if blocks:
            members[member] = _of_outputs(blocks, _SHAPES[kind])
        elif kind in asked:
            members[member] = [None] * answer.n_rows
    return members


def json_values(array: pa.Array) -> list[Any]:
    """The values of an array as JSON has them, None for null, NaN and Infinity."""
    array = presentable(array)
    if pa.types.is_timestamp(array.type):
        array = rfc3339(array)
    elif pa.types.is_date(array.type):
        array = array.cast(pa.string())
    values: list[Any] = array.to_pylist()
    return values


def _of_outputs(blocks: list[Block], shape: Callable[[Block], list[Any]]) -> list[Any]:
    """The value of a single output as it is, of several as ``{output: value}``."""
    if len(blocks) == 1:
        return shape(blocks[0])
    return _objects([str(block.output) for block in blocks], [shape(block) for block in blocks])


def _one_value(block: Block) -> list[Any]:
    return json_values(block.arrays[0])


def _by_label(block: Block) -> list[Any]:
    if block.labels is None:
        return _one_value(block)
    names = [label_text(label) for label in block.labels]
    return _objects(names, [json_values(array) for array in block.arrays])


def _objects(names: list[str], columns: list[list[Any]]) -> list[Any]:
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


_SHAPES: dict[str, Callable[[Block], list[Any]]] = {
    "prediction": _one_value,
    "probabilities": _by_label,
    "decision": _by_label,
    "transform": _by_label,
}
