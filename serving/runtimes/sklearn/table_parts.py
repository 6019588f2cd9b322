"""Parts of pandas that a model holds, mostly names of columns, made from values that are checked.

None of the code with which pandas and pyarrow restore themselves runs on a file's content. Every
function raises ValueError for what it does not take.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.arrays import ArrowStringArray, StringArray

LABELS_MAX = 1_000_000
# The bytes of an offset, by Arrow's name of the type.
_OFFSETS = {"string": "<i4", "large_string": "<i8"}
_PLAIN = (type(None), bool, int, float, str)


class Named:
    """In the place of a class that a function of this module is only told the name of."""

    __slots__ = ("full",)

    def __init__(self, full: str) -> None:
        self.full = full


def string_dtype(storage: Any, missing: Any = pd.NA) -> pd.StringDtype:
    """pandas' dtype of texts: who stores them, and what stands for a missing one."""
    is_nan = isinstance(missing, float) and math.isnan(missing)
    _require(storage in ("python", "pyarrow") and (is_nan or missing is pd.NA), "a dtype of texts")
    return pd.StringDtype(storage, na_value=np.nan if is_nan else pd.NA)


def arrow_type(alias: Any) -> str:
    """The name of one of Arrow's types of texts."""
    _require(isinstance(alias, str) and alias in _OFFSETS, "a type of texts")
    return str(alias)


def arrow_buffer(content: Any) -> bytes:
    """The bytes of a buffer."""
    _require(isinstance(content, bytes | bytearray), "a buffer")
    return bytes(content)


def arrow_array(parts: Any) -> list[str | None]:
    """The texts of an array: type, length, nulls, offset, buffers, no children, no dictionary."""
    kind, length, _, start, (valid, offsets, content), children, dictionary = parts
    _require(not children and dictionary is None, "an array of texts")
    _require(0 <= length <= LABELS_MAX and 0 <= start <= LABELS_MAX, "a number of texts")
    if not length:
        return []
    width = np.dtype(_OFFSETS[kind])
    _require(len(offsets) >= (start + length + 1) * width.itemsize, "offsets")
    _require(valid is None or len(valid) * 8 >= start + length, "bits of validity")
    bounds = np.frombuffer(offsets, width, length + 1, start * width.itemsize).tolist()
    rises = all(low <= high for low, high in pairwise(bounds))
    _require(rises and bounds[0] >= 0 and bounds[-1] <= len(content or b""), "offsets")
    bits = [True] * length if valid is None else _bits(valid, start, length)
    return [
        str(content[low:high], "utf-8") if is_there else None
        for (low, high), is_there in zip(pairwise(bounds), bits, strict=True)
    ]


def _bits(valid: bytes, start: int, length: int) -> list[bool]:
    unpacked = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    found: list[bool] = unpacked[start : start + length].astype(bool).tolist()
    return found


class ArrowTexts(ArrowStringArray):  # type: ignore[misc]  # pandas is untyped here
    """An array of texts whose state is a list of them; afterwards pandas' own."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Raises ValueError for a state without texts and their dtype."""
        texts, dtype = state["_pa_array"], state["_dtype"]
        _require(isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow", "texts")
        made = pd.array(_texts(texts), dtype=dtype)
        self.__dict__.update(vars(made))
        self.__class__ = ArrowStringArray


class Texts(StringArray):  # type: ignore[misc]  # pandas is untyped here
    """The same for texts that Python stores; the state is a dtype and an array of objects."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Raises ValueError for a state without texts and their dtype."""
        dtype, objects = state[:2]
        _require(isinstance(dtype, pd.StringDtype) and dtype.storage == "python", "texts")
        made = pd.array(_texts(_values(objects), dtype.na_value), dtype=dtype)
        StringArray.__init__(self, made._ndarray, dtype=dtype)
        self.__class__ = StringArray


def python_strings(kind: Any, checksum: Any, state: Any) -> Texts:
    """An array of texts that Python stores, before it has its state."""
    is_strings = isinstance(kind, Named) and kind.full == "pandas.arrays.StringArray"
    _require(is_strings and state is None, "an array of texts")
    made: Texts = Texts.__new__(Texts)
    return made


def _texts(found: Any, missing: Any = None) -> list[str | None]:
    _require(isinstance(found, list) and len(found) <= LABELS_MAX, "texts")
    plain = [None if text is missing or text is pd.NA or text != text else text for text in found]
    _require(all(text is None or isinstance(text, str) for text in plain), "texts")
    return plain


def _values(array: Any) -> list[Any]:
    """The plain values in an array of one dimension."""
    fits = isinstance(array, np.ndarray) and array.ndim == 1 and len(array) <= LABELS_MAX
    _require(fits and array.dtype.kind in "OUbiuf", "a row of labels")
    found: list[Any] = array.tolist()
    plain = (isinstance(value, _PLAIN) or value is pd.NA for value in found)
    _require(all(plain), "a row of plain labels")
    return found


def new_index(kind: Any, state: Any) -> pd.Index:
    """The labels: a range of numbers, or texts and numbers one by one."""
    _require(isinstance(kind, Named) and isinstance(state, dict), "labels")
    name = state.get("name")
    _require(isinstance(name, str | int | None), "a name of labels")
    if kind.full.endswith(".RangeIndex"):
        numbers = range(state["start"], state["stop"], state["step"])
        _require(len(numbers) <= LABELS_MAX, "a number of labels")
        return pd.RangeIndex(numbers, name=name)
    held = state["data"]
    if isinstance(held, np.ndarray):
        held = np.array(_values(held), dtype=object if held.dtype.kind in "OU" else held.dtype)
        return pd.Index(held, dtype=held.dtype, name=name)
    _require(type(held) in (ArrowStringArray, StringArray), "labels")
    return pd.Index(held, name=name)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"what stands for {what} is none")


# By the global that each takes the place of.
TABLE_PARTS: dict[str, Any] = {
    "pandas.StringDtype": string_dtype,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": python_strings,
    "pandas.core.indexes.base._new_Index": new_index,
    "pandas.arrays.ArrowStringArray": ArrowTexts,
    "pyarrow.lib._restore_array": arrow_array,
    "pyarrow.lib.py_buffer": arrow_buffer,
    "pyarrow.lib.type_for_alias": arrow_type,
    **{
        full: Named(full)
        for full in (
            "pandas.Index",
            "pandas.RangeIndex",
            "pandas.core.indexes.base.Index",
            "pandas.core.indexes.range.RangeIndex",
            "pandas.arrays.StringArray",
        )
    },
}
