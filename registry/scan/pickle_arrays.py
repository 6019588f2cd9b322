"""Plain: numpy's dtypes, arrays and scalars in a pickle: spellings and sizes are exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

from registry.scan.pickle_values import (
    Array,
    Box,
    DType,
    Made,
    Ref,
    bytes_of,
    is_int,
    is_made,
)

_FIXED = re.compile(r"b1|i[1248]|u[1248]|f(?:2|4|8|16)|c(?:8|16|32)|[mM]8|O8")
_SIZED = re.compile(r"([USV])(\d{1,9})")
_UNITS = frozenset(b"Y M W D h m s ms us ns ps fs as generic".split())
_DIMENSIONS_MAX = 32
_FIELDS_MAX = 64
ARRAY_MAX_BYTES = 1 << 31
# numpy's flags of a dtype: 63 for objects, 8 for text; structs have 16, and 128 when aligned.
_OBJECT_FLAGS, _TEXT_FLAGS, _STRUCT_FLAGS = 63, 8, (0, 16, 128, 144)


def dtype_of(code: Any) -> DType | None:
    """The dtype that numpy's ``dtype(code, False, True)`` makes; None for what is not taken."""
    if type(code) is not str:
        return None
    if _FIXED.fullmatch(code):
        return DType(code, int(code[1:]), has_objects=code[0] == "O")
    sized = _SIZED.fullmatch(code)
    if sized is None:
        return None
    count = int(sized[2])
    return DType(code, count * 4 if sized[1] == "U" else count)


def is_dtype_state(made: DType, state: Any) -> bool:
    """Whether this is exactly the state that numpy writes for this dtype."""
    kind = made.code[0]
    if type(state) is not tuple or len(state) not in (8, 9):
        return False
    if len(state) == 9:
        if kind not in "mM" or state[0] != 4 or not _is_unit(state[8]):
            return False
    elif kind in "mM" or state[0] != 3:
        return False
    if not (type(state[0]) is int and state[1] in ("<", ">", "|", "=") and state[2] is None):
        return False
    if not all(is_int(number) for number in state[5:8]):
        return False
    if kind == "V":
        return _is_record(made, state)
    if state[3] is not None or state[4] is not None:
        return False
    return bool(state[5:8] == _sizes(made))


def _sizes(made: DType) -> tuple[int, int, int]:
    """Item size, alignment and flags in the state; numpy writes -1 for what the code says."""
    if made.code[0] == "U":
        return made.itemsize, 4, _TEXT_FLAGS
    if made.code[0] == "S":
        return made.itemsize, 1, 0
    return -1, -1, _OBJECT_FLAGS if made.has_objects else 0


def _is_unit(value: Any) -> bool:
    """The metadata of times: ``(None, (unit, 1, 1, 1))``, with a dict in numpy 1."""
    if type(value) is not tuple or len(value) != 2:
        return False
    metadata, unit = value
    is_empty = type(metadata) is Box and metadata.kind == "dict" and not metadata.size
    is_empty = is_empty or metadata is None
    if not is_empty or type(unit) is not tuple or len(unit) != 4:
        return False
    return type(unit[0]) is bytes and unit[0] in _UNITS and all(is_int(part) for part in unit[1:])


def _is_record(made: DType, state: tuple[Any, ...]) -> bool:
    """A struct of plain fields inside of its item, or plain bytes without fields."""
    names, fields = state[3], state[4]
    if state[5] != made.itemsize or not 1 <= state[6] <= 64 or state[7] not in _STRUCT_FLAGS:
        return False
    if names is None and fields is None:
        return True
    if type(names) is not tuple or not 0 < len(names) <= _FIELDS_MAX or type(fields) is not Box:
        return False
    items = fields.items or {}
    if fields.kind != "dict" or fields.fault or fields.size != len(names):
        return False
    if any(type(name) is not str for name in names) or set(items) != set(names):
        return False
    return all(_is_field(part, made.itemsize) for part in items.values())


def _is_field(part: Any, room: int) -> bool:
    if type(part) is not tuple or len(part) != 2 or not is_int(part[1]):
        return False
    if not is_made(part[0], "dtype"):
        return False
    inner: DType = part[0].fact
    if inner.has_objects or inner.code[0] == "V":
        return False
    return bool(part[1] >= 0 and part[1] + inner.itemsize <= room)


def is_shape(value: Any) -> bool:
    """A tuple of sizes, none of them negative."""
    if type(value) is not tuple or len(value) > _DIMENSIONS_MAX:
        return False
    return all(is_int(size) and 0 <= size <= ARRAY_MAX_BYTES for size in value)


def size_of(shape: tuple[int, ...], dtype: DType) -> int:
    """Bytes of an array."""
    return prod(shape) * dtype.itemsize


def _made_dtype(args: tuple[Any, ...]) -> Any:
    if len(args) != 3 or args[1] is not False or args[2] is not True:
        return None
    dtype = dtype_of(args[0])
    return None if dtype is None else Made("numpy.dtype", "dtype", dtype, is_open=True)


def _reconstruct(args: tuple[Any, ...]) -> Any:
    """An empty array, which gets its content as its state."""
    if len(args) != 3 or args[1] != (0,) or args[2] != b"b" or type(args[2]) is not bytes:
        return None
    if type(args[0]) is not Ref or args[0].full != "numpy.ndarray":
        return None
    return Made("numpy.ndarray", "array", is_open=True)


def _masked(args: tuple[Any, ...]) -> Any:
    if len(args) != 4 or args[2] != (0,) or args[3] not in ("b", b"b"):
        return None
    names = [value.full if type(value) is Ref else "" for value in args[:2]]
    if names != ["numpy.ma.MaskedArray", "numpy.ndarray"]:
        return None
    return Made("numpy.ma.MaskedArray", "masked", is_open=True)


def _scalar(args: tuple[Any, ...]) -> Any:
    if len(args) != 2 or not is_made(args[0], "dtype"):
        return None
    dtype: DType = args[0].fact
    if dtype.has_objects or dtype.code[0] == "V" or bytes_of(args[1]) != dtype.itemsize:
        return None
    return _scalar_of(dtype.code)


@lru_cache(maxsize=256)
def _scalar_of(code: str) -> Made:
    """What is known of a scalar is its type: all of one type are one."""
    return Made("numpy.scalar", "scalar", code, is_built=True)


def _from_buffer(args: tuple[Any, ...]) -> Any:
    """Arrays of protocol 5, whose buffer lies in the stream; with their axes turned, perhaps."""
    if len(args) not in (4, 5) or not is_shape(args[2]):
        return None
    if len(args) == 5:
        axes = args[4]
        plain = type(axes) is tuple and all(is_int(axis) for axis in axes)
        if args[3] != "K" or not plain or sorted(axes) != list(range(len(args[2]))):
            return None
    elif args[3] not in ("C", "F"):
        return None
    if not is_made(args[1], "dtype") or args[1].fact.has_objects:
        return None
    dtype: DType = args[1].fact
    if bytes_of(args[0], ("bytes", "bytearray")) != size_of(args[2], dtype):
        return None
    shape = args[2] if len(args) == 4 else tuple(args[2][axis] for axis in args[4])
    return Made("numpy.ndarray", "array", Array(dtype.code, shape), is_built=True)


def array_from_state(state: Any) -> Array | None:
    """The array in ``(1, shape, dtype, is_fortran, content)``, None where it is not whole."""
    if type(state) is not tuple or len(state) != 5 or state[0] != 1:
        return None
    _, shape, dtype, is_fortran, content = state
    if not is_shape(shape) or type(is_fortran) is not bool or not is_made(dtype, "dtype"):
        return None
    if dtype.fact.has_objects:
        is_whole = type(content) is Box and content.kind == "list" and content.size == prod(shape)
    else:
        is_whole = bytes_of(content) == size_of(shape, dtype.fact)
    return Array(dtype.fact.code, shape) if is_whole else None


def masked_from_state(state: Any) -> Array | None:
    """As for arrays, and after it the mask (a byte per item) and the value that fills it."""
    if type(state) is not tuple or len(state) != 7:
        return None
    array = array_from_state(state[:5])
    if array is None or bytes_of(state[5]) != prod(array.shape):
        return None
    fill = state[6]
    plain = fill is None or is_made(fill, "scalar") or is_made(fill, "array")
    return array if plain else None


ARRAY_CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {"numpy.dtype": _made_dtype}
for _home in ("numpy._core", "numpy.core"):  # numpy 2 and numpy 1
    ARRAY_CALLS[f"{_home}.multiarray._reconstruct"] = _reconstruct
    ARRAY_CALLS[f"{_home}.multiarray.scalar"] = _scalar
    ARRAY_CALLS[f"{_home}.numeric._frombuffer"] = _from_buffer
ARRAY_CALLS["numpy.ma.core._mareconstruct"] = _masked
