"""Plain: an answer as the lists of JSON: predictions, probabilities, decision, transform.

``answer_members`` gives Python lists and says how an answer looks; ``written_members`` gives the
same as JSON that is written already, many times as fast for many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from registry import strict_json
from registry.signature.outputs import label_text
from registry.tabular.write import rfc3339
from serving.protocols.tables import presentable
from serving.runtimes.base import Answer, Block
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout

_UNWRITTEN = np.empty(0)  # stands for values that the general way writes

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
    given = {block.kind for block in answer.blocks}
    return {
        member: _listed(answer, kind)
        for kind, member in MEMBERS.items()
        if kind in given or kind in asked
    }


def written_members(answer: Answer, asked: tuple[str, ...] = ()) -> dict[str, Any]:
    """The members of ``answer_members`` for ``strict_json.dumps``, which writes equal bytes."""
    members: dict[str, Any] = {}
    parts_of: dict[str, list[Part]] = {}
    for part in _parts_of(answer):
        parts_of.setdefault(part.layout.kind, []).append(part)
    for kind, member in MEMBERS.items():
        of_kind = parts_of.get(kind, ())
        text = _written(of_kind[0]) if len(of_kind) == 1 else None
        if text is not None:
            members[member] = strict_json.written(text)
        elif of_kind or kind in asked:
            members[member] = _listed(answer, kind)
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


def _listed(answer: Answer, kind: str) -> list[Any]:
    blocks = [block for block in answer.blocks if block.kind == kind]
    return _of_outputs(blocks, _SHAPES[kind]) if blocks else [None] * answer.n_rows


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


def _parts_of(answer: Answer) -> Sequence[Part]:
    """The answer as numpy arrays, ``_UNWRITTEN`` for those that are written the general way."""
    if isinstance(answer, LeanAnswer):
        return answer.parts
    return [_part_of(block) for block in answer.blocks]


def _part_of(block: Block) -> Part:
    arrays = block.arrays
    is_even = len({array.type for array in arrays}) == 1 and _is_plain(arrays[0].type)
    if not is_even or any(array.null_count for array in arrays):
        return Part(PartLayout(block.kind, block.output, block.labels), _UNWRITTEN)
    columns = [array.to_numpy(zero_copy_only=False) for array in arrays]
    values = columns[0] if block.labels is None else np.column_stack(columns)
    return Part(PartLayout(block.kind, block.output, block.labels), values)


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_float64(kind)
        or pa.types.is_int64(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
    )


def _written(part: Part) -> bytes | None:
    """The part as a JSON list, None where the general way is needed."""
    layout, values = part.layout, part.values
    if values is _UNWRITTEN:
        return None
    if layout.classes is not None:
        texts = layout.class_texts
        return b"[%b]" % b",".join([texts[index] for index in values.tolist()])
    if layout.labels is not None:
        return _labelled(layout.row_template, values)
    is_text = values.dtype.kind == "O"
    return strict_json.dumps(values.tolist() if is_text else np.ascontiguousarray(values))


def _labelled(template: bytes | None, values: np.ndarray[Any, Any]) -> bytes | None:
    """One object per row: all numbers are written at once, then put between the labels."""
    if template is None or values.dtype.kind not in "fib" or not values.size:
        return None
    numbers = strict_json.dumps(np.ascontiguousarray(values).ravel())[1:-1].split(b",")
    return b"[%b]" % (b",".join([template] * len(values)) % tuple(numbers))
