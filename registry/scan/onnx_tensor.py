"""Plain: one TensorProto of ONNX: inside the file, dense, and exactly as long as its shape says."""

from __future__ import annotations

import math

from registry.scan.finding import Refused
from registry.scan.protobuf import Buffer, count_varints, fields, malformed, number, varints

DIMENSIONS_MAX = 32
_KNOWN = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16})
_RAW = 9
# Bits of one element by TensorProto.DataType; strings (8) have none.
BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64,
    14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
STRING, COMPLEX = 8, (14, 15)
# The typed fields: number -> bytes of one packed element, None for varints.
_TYPED: dict[int, int | None] = {4: 4, 5: None, 7: None, 10: 8, 11: None}


def check_tensor(message: Buffer, name: str) -> int:
    """Bytes of its data; raises Refused where they are not all there, or lie elsewhere."""
    dims: list[int] = []
    data_type = raw_bytes = typed = strings = 0
    has_raw = False
    for key, value in fields(message, _KNOWN, "tensor"):
        if key == 1:
            dims += [value] if isinstance(value, int) else varints(value, DIMENSIONS_MAX)
        elif key == 2:
            data_type = number(value)
        elif key == 13 or (key == 14 and value != 0):
            raise Refused("onnx-external-data", f"The data of {name} lie in another file")
        elif key == 3:
            raise Refused("onnx-not-supported", f"The data of {name} come in segments")
        elif key == 6:
            strings += 1
        elif key == _RAW:
            raw_bytes, has_raw = raw_bytes + _length(value), True
        elif key in _TYPED:
            typed += _count(value, _TYPED[key])
    expected = _expected(dims, data_type, name)
    found = _elements(data_type, raw_bytes, typed, strings, has_raw, expected)
    if found != expected:
        raise Refused("onnx-tensor-size", f"{name} has {found} elements, its shape {expected}")
    return raw_bytes or typed * 8


def _expected(dims: list[int], data_type: int, name: str) -> int:
    if data_type not in BITS and data_type != STRING:
        raise malformed("tensor", f"{name} has the data type {data_type}")
    if len(dims) > DIMENSIONS_MAX or any(dim >= 1 << 40 for dim in dims):
        raise Refused("onnx-tensor-size", f"{name} has an impossible shape")
    return math.prod(dims)


def _elements(
    data_type: int, raw_bytes: int, typed: int, strings: int, has_raw: bool, expected: int
) -> int:
    """Elements that are there; ``expected`` where raw bytes are exactly enough, -1 if mixed."""
    if (has_raw and (typed or strings)) or (typed and strings):
        return -1
    if data_type == STRING:
        return strings if not has_raw and not typed else -1
    if has_raw:
        needed = (expected * BITS[data_type] + 7) // 8
        return expected if raw_bytes == needed else raw_bytes * 8 // BITS[data_type]
    if data_type in COMPLEX:
        return typed // 2 if typed % 2 == 0 else -1
    if BITS[data_type] < 8:
        return expected if typed == (expected * BITS[data_type] + 7) // 8 else typed
    return typed


def _length(value: int | Buffer) -> int:
    if isinstance(value, int):
        raise malformed("tensor", "a number stands where its data were expected")
    return len(value)


def _count(value: int | Buffer, width: int | None) -> int:
    """Elements of one field: packed, or one that stands alone."""
    if isinstance(value, int):
        return 1
    if width is None:
        return count_varints(value)
    if len(value) % width:
        raise malformed("tensor", "its data end in the middle of an element")
    return len(value) // width
