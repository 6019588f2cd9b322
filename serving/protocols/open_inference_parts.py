"""Plain: answers of compiled graphs as Open Inference tensors, all that repeats written once.

What does not change from one answer of a model to the next (names, labels, classes) is kept as
JSON and as bytes. A test holds this and the general way, in ``open_inference_outputs``, together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from registry import strict_json
from serving.protocols.open_inference_elements import (
    OF_NUMPY,
    OutputTensor,
    number_bytes,
)
from serving.protocols.open_inference_texts import BYTES, text_bytes
from serving.runtimes.lean_answer import Part, PartLayout

_KEPT = 1024
# Up to so many values a list is written sooner than an array.
_FEW = 16
# Classes of one type -> the type of an array of them, or of any choice of them.
_EVEN = {int: np.dtype(np.int64), float: np.dtype(np.float64), bool: np.dtype(np.bool_)}


class PartWriter:
    """Writes the parts of one layout. Thread-safe: it holds nothing of an answer."""

    def __init__(self, layout: PartLayout, name: str) -> None:
        self.layout, self.kind, self.name = layout, str(layout.kind), name
        place = "columns" if layout.kind == "transform" else "classes"
        labels = None if layout.labels is None else {place: list(layout.labels)}
        told = b"" if labels is None else strict_json.dumps(labels)
        self._before_data = b'],"data":' if labels is None else b'],"parameters":%b,"data":' % told
        self._after_size = b"}}" if labels is None else b",%b}" % told[1:]
        self._starts: dict[str, bytes] = {}
        self._numbers: np.ndarray[Any, Any] | None = None
        # Classes that are texts: as JSON, and as bytes.
        self._texts: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None = None
        if layout.classes is not None:
            self._read_classes(layout.classes)

    def _read_classes(self, classes: tuple[Any, ...]) -> None:
        kinds = set(map(type, classes))
        if kinds == {str}:
            contents = [text_bytes(text) for text in classes]
            self._texts = _objects(self.layout.class_texts), _objects(contents)
        elif len(kinds) == 1:
            numbers = np.array(classes)
            self._numbers = numbers if numbers.dtype == _EVEN.get(*kinds) else None

    def takes(self, part: Part) -> bool:
        """Whether this part is written here."""
        if self.layout.classes is None:
            return part.values.dtype.kind in OF_NUMPY
        return self._texts is not None or self._numbers is not None

    def tensor(self, part: Part, *, is_binary: bool) -> OutputTensor:
        """The entry of ``outputs``, written already, and the bytes where they are asked for."""
        if self._texts is not None:
            start = self._start(BYTES, part.values.shape)
            picked = self._texts[is_binary][part.values].tolist()
            if is_binary:
                return self._binary(start, b"".join(picked))
            return self._json(start, b"[%b]" % b",".join(picked))
        values = part.values if self._numbers is None else self._numbers[part.values]
        datatype = OF_NUMPY[values.dtype.kind] if self.layout.labels is None else "FP64"
        start = self._start(datatype, values.shape)
        if is_binary:
            return self._binary(start, number_bytes(values, datatype))
        return self._json(start, _number_json(values))

    def _start(self, datatype: str, shape: tuple[int, ...]) -> bytes:
        """``{"name":"predict","datatype":"FP64","shape":[2,3``"""
        start = self._starts.get(datatype)
        if start is None:
            told = strict_json.dumps({"name": self.name, "datatype": datatype})
            start = self._starts[datatype] = told[:-1] + b',"shape":['
        return start + (b"%d" % shape if len(shape) == 1 else b"%d,%d" % shape)

    def _json(self, start: bytes, elements: bytes) -> OutputTensor:
        text = b"%b%b%b}" % (start, self._before_data, elements)
        return OutputTensor(strict_json.written(text))

    def _binary(self, start: bytes, content: bytes) -> OutputTensor:
        size = b'],"parameters":{"binary_data_size":%d' % len(content)
        text = start + size + self._after_size
        return OutputTensor(strict_json.written(text), content, is_binary=True)


def _objects(texts: Sequence[bytes]) -> np.ndarray[Any, Any]:
    """An array to pick from: texts of its own type would lose zeros at their end."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def _number_json(values: np.ndarray[Any, Any]) -> bytes:
    """A flat list, where NaN and Infinity are null."""
    flat = values.ravel()
    is_short = flat.size <= _FEW and flat.dtype in _EVEN.values()
    return strict_json.dumps(flat.tolist() if is_short else flat)


class WrittenPart(msgspec.Struct, frozen=True, gc=False):
    """One part of an answer, and who writes it."""

    part: Part
    writer: PartWriter

    @property
    def kind(self) -> str:
        """The kind of output that it answers."""
        return self.writer.kind

    @property
    def name(self) -> str:
        """The name of its tensor."""
        return self.writer.name

    def tensor(self, *, is_binary: bool) -> OutputTensor:
        """The entry of ``outputs`` and, where it is to be binary, the bytes."""
        return self.writer.tensor(self.part, is_binary=is_binary)


_writers: dict[int, PartWriter] = {}


def written_part(part: Part, name_of: Callable[[PartLayout], str]) -> WrittenPart | None:
    """The part, or None for one that is written the general way."""
    layout = part.layout
    # By identity, which the writer holds: classes 1 and true are equal, and written differently.
    writer = _writers.get(id(layout))
    if writer is None:
        if len(_writers) >= _KEPT:
            _writers.clear()
        writer = _writers[id(layout)] = PartWriter(layout, name_of(layout))
    return WrittenPart(part, writer) if writer.takes(part) else None
