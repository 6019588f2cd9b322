"""Plain: a model's answers as Open Inference tensors: their names, datatypes, values and bytes.

``predict`` is ``[n]``, ``predict_proba`` and ``decision`` are ``[n, labels]`` with the labels under
``parameters.classes``; ``transform`` is ``[n, columns]``. A model of several outputs answers with
``predict.<output>`` and so on; asking for ``predict`` means all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from registry.errors import InvalidField
from registry.signature.dtypes import DTYPES
from registry.signature.facts import ModelFacts
from registry.signature.names import nearest, shown
from serving.protocols.answers import json_values
from serving.protocols.base import Reply
from serving.runtimes.base import Block, default_outputs

# Name of an output -> the kind that is scored for it.
KINDS = {
    "predict": "prediction",
    "predict_proba": "probabilities",
    "decision": "decision",
    "transform": "transform",
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output by the caller's name; ``is_binary`` None leaves it to the request as a whole."""

    name: str
    kind: str
    is_binary: bool | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of its answer; no outputs mean those that the model gives by default."""

    id: str = ""
    outputs: tuple[Wanted, ...] = ()
    is_binary: bool = False


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An entry of ``outputs``, and the bytes of its elements where they stand behind the JSON."""

    entry: dict[str, Any]
    content: bytes = b""
    is_binary: bool = False


def kind_of(name: str, pointer: str) -> str:
    """The kind that answers an output. Raises InvalidField with the names that there are."""
    kind = KINDS.get(name) or KINDS.get(name.partition(".")[0])
    if kind is None:
        text = f"There is no output `{shown(name)}`; the nearest is `{nearest(name, KINDS)}`."
        raise InvalidField(text, pointer=pointer)
    return kind


def described_outputs(facts: ModelFacts) -> list[dict[str, Any]]:
    """The tensors that a model answers by default, for its metadata; -1 is any number of rows."""
    described: list[dict[str, Any]] = []
    for kind in default_outputs(facts):
        if not facts.outputs:
            described += [
                {"name": f"predict.{name}", "datatype": "FP64", "shape": [-1]}
                for name in facts.transform_names or ()
            ]
        for output in facts.outputs:
            name = _tensor_name(kind, output.name)
            if kind == "prediction":
                datatype = _datatype_of_key(output.type)
                described.append({"name": name, "datatype": datatype, "shape": [-1]})
            else:
                classes = list(output.classes or ())
                entry = {"name": name, "datatype": "FP64", "shape": [-1, len(classes) or -1]}
                described.append(entry | ({"parameters": {"classes": classes}} if classes else {}))
    return described


def answer_tensors(reply: Reply, asked: Asked) -> list[OutputTensor]:
    """The tensors of an answer, in the order asked.

    Raises InvalidField for an output that the answer does not have.
    """
    if not reply.answer.blocks:
        return _tensors_of_nothing(reply, asked)
    if not asked.outputs:
        return [_tensor(block, asked.is_binary) for block in reply.answer.blocks]
    tensors = []
    for at, wanted in enumerate(asked.outputs):
        is_binary = asked.is_binary if wanted.is_binary is None else wanted.is_binary
        blocks = list(_blocks_named(reply, wanted))
        if not blocks:
            names = [_tensor_name(b.kind, b.output) for b in reply.answer.blocks]
            guess = nearest(wanted.name, names)
            text = f"The model has no output `{shown(wanted.name)}`; the nearest is `{guess}`."
            raise InvalidField(text, pointer=f"/outputs/{at}/name")
        tensors += [_tensor(block, is_binary) for block in blocks]
    return tensors


def _blocks_named(reply: Reply, wanted: Wanted) -> Iterator[Block]:
    for block in reply.answer.blocks:
        if block.kind == wanted.kind and wanted.name in (
            _NAMES[block.kind],
            _tensor_name(block.kind, block.output),
        ):
            yield block


def _tensor_name(kind: str, output: str | None) -> str:
    return _NAMES[kind] if output is None else f"{_NAMES[kind]}.{output}"


def _tensor(block: Block, is_binary: bool) -> OutputTensor:
    name = _tensor_name(block.kind, block.output)
    if block.labels is None:
        return _vector(name, block.arrays[0], is_binary)
    return _matrix(name, block, is_binary)


def _entry(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _vector(name: str, array: pa.Array, is_binary: bool) -> OutputTensor:
    datatype = _datatype_of(array)
    entry = _entry(name, datatype, [len(array)])
    if not is_binary:
        return OutputTensor(entry | {"data": json_values(array)})
    if datatype == "BYTES":
        return _with_content(entry, _text_bytes(json_values(array)))
    return _with_content(entry, _number_bytes(array, datatype))


def _matrix(name: str, block: Block, is_binary: bool) -> OutputTensor:
    """Values of all labels, row by row; texts among them make the whole BYTES."""
    rows, width = len(block.arrays[0]) if block.arrays else 0, len(block.arrays)
    is_number = all(_datatype_of(array) != "BYTES" for array in block.arrays)
    datatype = "FP64" if is_number else "BYTES"
    entry = _entry(name, datatype, [rows, width])
    place = "columns" if block.kind == "transform" else "classes"
    parameters: dict[str, Any] = {place: list(block.labels or ())}
    if not is_binary:
        columns = [json_values(array) for array in block.arrays]
        values = [value for row in zip(*columns, strict=True) for value in row]
        if not is_number:
            values = [None if v is None else _as_text(v) for v in values]
        return OutputTensor(entry | {"parameters": parameters, "data": values})
    if is_number:
        table = np.empty((rows, width), dtype="<f8")
        for at, array in enumerate(block.arrays):
            table[:, at] = _floats(array)
        return _with_content(entry, table.tobytes(), parameters)
    columns = [json_values(array) for array in block.arrays]
    texts = [_as_text(value) for row in zip(*columns, strict=True) for value in row]
    return _with_content(entry, _text_bytes(texts), parameters)


def _with_content(
    entry: dict[str, Any], content: bytes, parameters: dict[str, Any] | None = None
) -> OutputTensor:
    told = {"binary_data_size": len(content), **(parameters or {})}
    return OutputTensor(entry | {"parameters": told}, content, is_binary=True)


def _datatype_of(array: pa.Array) -> str:
    """INT64, BOOL, BYTES or FP64; whole numbers and truths with a null among them are FP64."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        if array.null_count:
            return "FP64"
        if pa.types.is_boolean(kind):
            return "BOOL"
        return "UINT64" if pa.types.is_uint64(kind) else "INT64"
    return "FP64" if pa.types.is_floating(kind) or pa.types.is_null(kind) else "BYTES"


def _datatype_of_key(key: str) -> str:
    dtype = DTYPES[key]
    if dtype.kind == "integer":
        return "UINT64" if key == "uint64" else "INT64"
    return {"boolean": "BOOL", "float": "FP64"}.get(dtype.kind, "BYTES")


def _number_bytes(array: pa.Array, datatype: str) -> bytes:
    if datatype == "FP64":
        return _floats(array).tobytes()
    values = array.to_numpy(zero_copy_only=False)
    if datatype == "BOOL":
        return bytes(values.astype(np.uint8).tobytes())
    return bytes(values.astype("<u8" if datatype == "UINT64" else "<i8").tobytes())


def _floats(array: pa.Array) -> np.ndarray[Any, Any]:
    """The numbers as doubles; null and Infinity are NaN, the only way that bytes have."""
    if not pa.types.is_floating(array.type):
        array = array.cast(pa.float64())
    values = array.to_numpy(zero_copy_only=False).astype("<f8")
    values[~np.isfinite(values)] = np.nan
    return np.ascontiguousarray(values)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text_bytes(texts: list[Any]) -> bytes:
    """Each text in UTF-8 with its length before it; a null is the empty text."""
    pieces: list[bytes] = []
    for text in texts:
        content = (text or "").encode()
        pieces += (_LENGTH.pack(len(content)), content)
    return b"".join(pieces)


def _tensors_of_nothing(reply: Reply, asked: Asked) -> list[OutputTensor]:
    """The answer to no rows: each output is there, and has no element."""
    names = [w.name for w in asked.outputs] or [_NAMES[kind] for kind in reply.asked]
    flags = [asked.is_binary if w.is_binary is None else w.is_binary for w in asked.outputs]
    first = reply.signature.outputs[0].type if reply.signature.outputs else "float64"
    tensors = []
    for name, is_binary in zip(names, flags or [asked.is_binary] * len(names), strict=True):
        is_vector = kind_of(name, "") == "prediction"
        entry = _entry(name, _datatype_of_key(first) if is_vector else "FP64", [0])
        if not is_vector:
            entry["shape"] = [0, 0]
        if is_binary:
            tensors.append(_with_content(entry, b""))
        else:
            tensors.append(OutputTensor(entry | {"data": []}))
    return tensors
