"""Plain: a model's answers as Open Inference tensors: their names, datatypes, values and bytes.

``predict`` is ``[n]``, ``predict_proba`` and ``decision`` are ``[n, labels]`` with the labels under
``parameters.classes``; ``transform`` is ``[n, columns]``. A model of several outputs answers with
``predict.<output>`` and so on; asking for ``predict`` means all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from registry.errors import InvalidField
from registry.signature.dtypes import DTYPES
from registry.signature.facts import ModelFacts
from registry.signature.names import nearest, shown
from serving.protocols.answers import json_values
from serving.protocols.base import Reply
from serving.protocols.open_inference_elements import (
    OF_NUMPY,
    OutputTensor,
    as_numpy,
    number_bytes,
)
from serving.protocols.open_inference_parts import WrittenPart, written_part
from serving.protocols.open_inference_texts import BYTES, text_bytes
from serving.runtimes.base import Answer, Block, Label, default_outputs
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout

# Name of an output -> the kind that is scored for it.
KINDS = {
    "predict": "prediction",
    "predict_proba": "probabilities",
    "decision": "decision",
    "transform": "transform",
}
_NAMES = {kind: name for name, kind in KINDS.items()}


class Wanted(msgspec.Struct, frozen=True):
    """An output by the caller's name; ``is_binary`` None leaves it to the request as a whole."""

    name: str
    kind: str
    is_binary: bool | None = None


class Asked(msgspec.Struct, frozen=True):
    """What a request says of its answer; no outputs mean those that the model gives by default."""

    id: str = ""
    outputs: tuple[Wanted, ...] = ()
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
    if not reply.answer.n_rows:
        return _tensors_of_nothing(reply, asked)
    found = _found(reply.answer)
    if not asked.outputs:
        return [one.tensor(is_binary=asked.is_binary) for one in found]
    tensors = []
    for at, wanted in enumerate(asked.outputs):
        is_binary = asked.is_binary if wanted.is_binary is None else wanted.is_binary
        named = [one for one in found if wanted.name in (one.name, _NAMES[one.kind])]
        if not named:
            guess = nearest(wanted.name, [one.name for one in found])
            text = f"The model has no output `{shown(wanted.name)}`; the nearest is `{guess}`."
            raise InvalidField(text, pointer=f"/outputs/{at}/name")
        tensors += [one.tensor(is_binary=is_binary) for one in named]
    return tensors


@dataclass(frozen=True, slots=True)
class _Values:
    """One block of an answer. ``values`` are flat: numbers in an array, or texts and None."""

    kind: str
    name: str
    shape: list[int]
    datatype: str
    values: np.ndarray[Any, Any] | list[Any]
    labels: tuple[Label, ...] | None = None

    def tensor(self, *, is_binary: bool) -> OutputTensor:
        """The entry of ``outputs`` and, where it is to be binary, the bytes."""
        entry: dict[str, Any] = {
            "name": self.name,
            "datatype": self.datatype,
            "shape": self.shape,
        }
        if self.labels is not None:
            place = "columns" if self.kind == "transform" else "classes"
            entry["parameters"] = {place: list(self.labels)}
        if not is_binary:
            entry["data"] = _written(self.values)
            return OutputTensor(entry)
        content = self._content()
        entry["parameters"] = {"binary_data_size": len(content), **entry.get("parameters", {})}
        return OutputTensor(entry, content, is_binary=True)

    def _content(self) -> bytes:
        if isinstance(self.values, list):
            return b"".join(map(text_bytes, self.values))
        return number_bytes(self.values, self.datatype)


def _found(answer: Answer) -> Sequence[_Values | WrittenPart]:
    if isinstance(answer, LeanAnswer):
        return [written_part(part, _name_of) or _of_part(part) for part in answer.parts]
    return [_of_block(block) for block in answer.blocks]


def _of_part(part: Part) -> _Values:
    """The arrays of a compiled graph; classes stand there as indexes."""
    layout, values = part.layout, part.values
    name, shape = _name_of(layout), list(values.shape)
    if layout.classes is None:
        flat = values.ravel()
        if values.dtype.kind == "O":
            return _Values(layout.kind, name, shape, BYTES, flat.tolist(), layout.labels)
        datatype = "FP64" if layout.labels is not None else OF_NUMPY[values.dtype.kind]
        return _Values(layout.kind, name, shape, datatype, flat, layout.labels)
    labels = [layout.classes[index] for index in values.tolist()]
    if isinstance(layout.classes[0], str):
        return _Values(layout.kind, name, shape, BYTES, labels)
    numbers = np.array(labels)
    return _Values(layout.kind, name, shape, OF_NUMPY[numbers.dtype.kind], numbers)


def _of_block(block: Block) -> _Values:
    name, rows = _tensor_name(block.kind, block.output), len(block.arrays[0])
    datatypes = {_datatype_of(array) for array in block.arrays}
    if block.labels is None:
        (array,) = block.arrays
        (datatype,) = datatypes
        values = json_values(array) if datatype == BYTES else _numbers(array, datatype)
        return _Values(block.kind, name, [rows], datatype, values)
    shape = [rows, len(block.arrays)]
    if BYTES not in datatypes:
        table = np.column_stack([_numbers(array, "FP64") for array in block.arrays])
        return _Values(block.kind, name, shape, "FP64", table.ravel(), block.labels)
    # Columns of texts and numbers side by side, as only a transformer has them.
    columns = [json_values(array) for array in block.arrays]
    texts = [_as_text(value) for row in zip(*columns, strict=True) for value in row]
    return _Values(block.kind, name, shape, BYTES, texts, block.labels)


def _name_of(layout: PartLayout) -> str:
    return _tensor_name(layout.kind, layout.output)


def _tensor_name(kind: str, output: str | None) -> str:
    return _NAMES[kind] if output is None else f"{_NAMES[kind]}.{output}"


def _datatype_of(array: pa.Array) -> str:
    """INT64, BOOL, BYTES or FP64; whole numbers and truths with a null among them are FP64."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        if array.null_count:
            return "FP64"
        if pa.types.is_boolean(kind):
            return "BOOL"
        return "UINT64" if pa.types.is_uint64(kind) else "INT64"
    return "FP64" if pa.types.is_floating(kind) or pa.types.is_null(kind) else BYTES


def _datatype_of_key(key: str) -> str:
    dtype = DTYPES[key]
    if dtype.kind == "integer":
        return "UINT64" if key == "uint64" else "INT64"
    return {"boolean": "BOOL", "float": "FP64"}.get(dtype.kind, BYTES)


def _numbers(array: pa.Array, datatype: str) -> np.ndarray[Any, Any]:
    """The values in numpy's type of the datatype; null is NaN."""
    if datatype == "FP64" and not pa.types.is_floating(array.type):
        array = array.cast(pa.float64())
    values = array.to_numpy(zero_copy_only=False)
    return as_numpy(values, datatype)


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _written(values: np.ndarray[Any, Any] | list[Any]) -> Any:
    """The values as JSON, where NaN and Infinity are null."""
    return values if isinstance(values, list) else np.ascontiguousarray(values)


def _tensors_of_nothing(reply: Reply, asked: Asked) -> list[OutputTensor]:
    """The answer to no rows: each output is there, and has no element."""
    names = [w.name for w in asked.outputs] or [_NAMES[kind] for kind in reply.asked]
    flags = [asked.is_binary if w.is_binary is None else w.is_binary for w in asked.outputs]
    first = reply.signature.outputs[0].type if reply.signature.outputs else "float64"
    tensors = []
    for name, is_binary in zip(names, flags or [asked.is_binary] * len(names), strict=True):
        is_vector = kind_of(name, "") == "prediction"
        datatype = _datatype_of_key(first) if is_vector else "FP64"
        shape = [0] if is_vector else [0, 0]
        tensors.append(
            _Values(kind_of(name, ""), name, shape, datatype, []).tensor(is_binary=is_binary)
        )
    return tensors
