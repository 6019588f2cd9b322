"""Which blocks the answer has: the graph's must be those of the original, in type and order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from registry.signature.types import Column, Signature
from serving.runtimes.base import Block, available_outputs, python_label
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Made
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn.model import SklearnModel

_TEXT = "a"
_ELEMENTS = {"double": "float64", "int64": "int64", "bool": "bool", "string": "string"}


def trial_blocks(
    model: SklearnModel, signature: Signature, known: Mapping[tuple[str, int], Any]
) -> tuple[Block, ...]:
    """What the original answers to one row, all kinds. Raises NotCompiled where it answers none.

    ``known`` are categories that converters came upon, by input and place in it.
    """
    counts = {"s": 0, "x": 0}
    arrays = []
    for column in signature.inputs:
        tensor = "s" if column.type == "string" else "x"
        cell = _cell(column, model, known.get((tensor, counts[tensor])))
        counts[tensor] += 1
        arrays.append(pa.array([cell], column.arrow))
    batch = pa.RecordBatch.from_arrays(arrays, schema=signature.input_schema())
    try:
        return model.score(batch, available_outputs(model.facts()), {}).blocks
    except Exception as error:  # whatever a model raises on a guessed row
        raise NotCompiled("no-trial-answer", "The model answers no trial row.") from error


def _cell(column: Column, model: SklearnModel, known: Any) -> Any:
    """A value that the model probably takes: a known category, a value in bounds, or one."""
    plan = model.plans.get(column.name)
    one: Any = {"string": _TEXT, "boolean": True}.get(column.type, 1)
    if plan is not None and plan.sample is not None:
        one = plan.sample
    elif known is not None:
        whole = {"integer": int, "boolean": bool}.get(column.dtype.kind)
        one = known if whole is None else whole(known)
    elif column.enum:
        one = column.enum[0]
    elif column.min is not None:
        one = column.min
    for length in reversed(column.shape or ()):
        one = [one] * max(length, 1)
    return one


def layout_of(
    builder: GraphBuilder, made: list[Made], blocks: tuple[Block, ...]
) -> tuple[list[dict[str, Any]], list[tuple[str, str, tuple[int, ...]]]]:
    """The blocks of the layout, and the graph's outputs. Raises NotCompiled where one lacks."""
    found = ", ".join(one.kind for one in made)
    if [one.kind for one in made] != [block.kind for block in blocks]:
        wanted = ", ".join(block.kind for block in blocks)
        raise NotCompiled("other-blocks", f"The original answers {wanted}, the graph {found}.")
    told: list[dict[str, Any]] = []
    outputs: list[tuple[str, str, tuple[int, ...]]] = []
    for one, block in zip(made, blocks, strict=True):
        tensor, element = _typed(builder, one, block)
        entry = {
            "kind": block.kind,
            "output": block.output,
            "labels": None if block.labels is None else [python_label(v) for v in block.labels],
            "tensor": tensor,
            "classes": None if one.classes is None else list(one.classes),
        }
        told.append(json.loads(json.dumps(entry)))
        shape: tuple[int, ...] = () if block.labels is None else (len(block.labels),)
        if (tensor, element, shape) not in outputs:
            outputs.append((tensor, element, shape))
    return told, outputs


def _typed(builder: GraphBuilder, one: Made, block: Block) -> tuple[str, str]:
    """The block's tensor, which is no input of the graph, and its element type."""
    kinds = sorted({str(array.type) for array in block.arrays})
    if len(kinds) != 1 or kinds[0] not in _ELEMENTS:
        raise NotCompiled("answer-type", f"The answer has values of type {', '.join(kinds)}.")
    tensor = one.tensor
    if not builder.is_made(tensor):
        tensor = builder.add("Identity", [tensor])
    return tensor, "int64" if one.classes is not None else _ELEMENTS[kinds[0]]
