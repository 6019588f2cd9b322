"""Plain: whole text columns to Arrow arrays at once, or None where a cell needs a closer look.

``text_cells.read_text`` is the definition; these take only what it takes, with the same value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.signature.dtypes import DTYPES, DType
from registry.tabular.text_cells import (
    BLANKS,
    FALSE_WORDS,
    NULL_WORDS,
    TRUE_WORDS,
    is_integer_text,
)

# Whole numbers below are exact in the float type; the next one above is rounded to this one.
EXACT_WHOLE = {"float64": 2**53, "float32": 2**24}
FIRST_DAY = -719_162  # 0001-01-01, the first that Python can hold
FIRST_MICROSECOND = FIRST_DAY * 86_400_000_000
LAST_MICROSECOND = 253_402_300_799_999_999
_RFC3339 = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
_EXTRA_ZEROS = r"(\.\d{6})0+(Z|[+-])"
_NULLS = pa.array(NULL_WORDS)
_INFERRED_WORDS = pa.array([TRUE_WORDS[0], FALSE_WORDS[0]])
_DECLARED_WORDS = pa.array([TRUE_WORDS[0], FALSE_WORDS[0], TRUE_WORDS[1], FALSE_WORDS[1]])
_WORD_VALUES = pa.array([True, False, True, False])


def parse_column(text: pa.StringArray, dtype: DType, *, inferring: bool) -> pa.Array | None:
    """The typed array, or None when any cell does not fit plainly.

    ``inferring`` refuses what only a declared type allows: 1 and 0 as booleans, leading zeros,
    ``20.0`` as an integer.
    """
    read = _PARSERS[dtype.kind]
    parsed = read(text, dtype, inferring)
    if parsed is None:
        cleaned = clean(text, dtype)
        parsed = None if cleaned.equals(text) else read(cleaned, dtype, inferring)
    return parsed


def clean(text: pa.StringArray, dtype: DType) -> pa.StringArray:
    """The cells without blanks around them, null words as null; times in one spelling."""
    bare = pc.utf8_trim(text, BLANKS)
    bare = pc.if_else(pc.is_in(bare, _NULLS), pa.scalar(None, pa.string()), bare)
    if dtype.kind == "datetime":
        bare = pc.replace_substring_regex(pc.ascii_upper(bare), _EXTRA_ZEROS, r"\1\2")
    return bare


def _string(text: pa.StringArray, dtype: DType, inferring: bool) -> pa.Array:
    del dtype, inferring
    return text


def _boolean(text: pa.StringArray, dtype: DType, inferring: bool) -> pa.Array | None:
    del dtype
    found = pc.index_in(text, _INFERRED_WORDS if inferring else _DECLARED_WORDS)
    return _WORD_VALUES.take(found) if found.null_count == text.null_count else None


def _integer(text: pa.StringArray, dtype: DType, inferring: bool) -> pa.Array | None:
    wide = pa.uint64() if dtype.key == "uint64" else pa.int64()
    parsed = _cast(text, wide)
    if parsed is None:
        return None if inferring else _whole_floats(text, dtype)
    if _has_odd_number(text, zeros_are_odd=inferring):
        return None
    return parsed if wide == dtype.arrow else _cast(parsed, dtype.arrow)


def _whole_floats(text: pa.StringArray, dtype: DType) -> pa.Array | None:
    """Integers written as ``20.0``, as pandas does for a column with missing values."""
    parsed = _float(text, DTYPES["float64"], False)
    if parsed is None:
        return None
    values = _numpy(parsed)
    if not (np.abs(values) < EXACT_WHOLE["float64"]).all() or (values != np.trunc(values)).any():
        return None
    return _cast(parsed, dtype.arrow)


def _float(text: pa.StringArray, dtype: DType, inferring: bool) -> pa.Array | None:
    parsed = _cast(text, pa.float64())
    if parsed is None:
        return None
    if dtype.key == "float32":
        parsed = parsed.cast(pa.float32(), safe=False)
    values = _numpy(parsed)
    if not np.isfinite(values).all() or _has_odd_number(text, zeros_are_odd=inferring):
        return None
    wide = np.flatnonzero(np.abs(values) >= EXACT_WHOLE[dtype.key]).tolist()
    return None if _loses_digits(text, values, wide) else parsed


def _loses_digits(
    text: pa.StringArray, values: npt.NDArray[np.floating[Any]], wide: list[int]
) -> bool:
    """True when a whole number is not the float that was read: ids become other ids."""
    for index in wide:
        cell = text[index].as_py()
        if is_integer_text(cell) and int(cell) != int(values[index]):
            return True
    return False


def _date(text: pa.StringArray, dtype: DType, inferring: bool) -> pa.Array | None:
    del inferring
    parsed = _cast(text, dtype.arrow)
    if parsed is None:
        return None
    first = pc.min(parsed.cast(pa.int32())).as_py()
    return None if first is not None and first < FIRST_DAY else parsed


def _datetime(text: pa.StringArray, dtype: DType, inferring: bool) -> pa.Array | None:
    del inferring
    if pc.all(pc.match_substring_regex(text, _RFC3339)).as_py() is False:
        return None
    parsed = _cast(text, dtype.arrow)
    return parsed if parsed is not None and in_years(parsed) else None


def in_years(moments: pa.Array) -> bool:
    """True when all times in UTC lie in the years 1 to 9999, which Python can hold."""
    ends = pc.min_max(moments.cast(pa.int64())).as_py()
    return ends["min"] is None or (
        ends["min"] >= FIRST_MICROSECOND and ends["max"] <= LAST_MICROSECOND
    )


def _cast(values: pa.Array, arrow: pa.DataType) -> pa.Array | None:
    try:
        return values.cast(arrow)
    except pa.ArrowInvalid:
        return None


def _numpy(parsed: pa.Array) -> npt.NDArray[np.floating[Any]]:
    """The values with 0 at nulls, without a copy where there are none."""
    if parsed.null_count:
        parsed = parsed.fill_null(0)
    values: npt.NDArray[np.floating[Any]] = parsed.to_numpy(zero_copy_only=False)
    return values


def _has_odd_number(text: pa.StringArray, *, zeros_are_odd: bool) -> bool:
    """True when Arrow took what is no number here: ``+5``, ``0x1F``, and ``007`` if asked.

    Looks at the first bytes of all cells at once: a regular expression costs ten times as much.
    """
    _, offsets, content = text.buffers()
    if content is None or content.size == 0:
        return False
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    start, length = ends[:-1].astype(np.intp), np.diff(ends)
    characters = np.frombuffer(content, np.uint8)
    # Behind the end the last one comes again, where no cell is so long that it counts.
    first, second, third = (characters.take(start + at, mode="clip") for at in range(3))
    if ((first == ord("+")) & (length > 0)).any():
        return True
    # Two plain comparisons: choosing by sign cell by cell costs more than both.
    bare = (first == ord("0")) & (length > 1) & _is_odd_after_zero(second, zeros_are_odd)
    signed = (first == ord("-")) & (second == ord("0")) & (length > 2)
    return bool((bare | (signed & _is_odd_after_zero(third, zeros_are_odd))).any())


def _is_odd_after_zero(
    characters: npt.NDArray[np.uint8], zeros_are_odd: bool
) -> npt.NDArray[np.bool_]:
    odd: npt.NDArray[np.bool_] = (characters | 0x20) == ord("x")
    if zeros_are_odd:
        odd |= (characters >= ord("0")) & (characters <= ord("9"))
    return odd


_PARSERS: dict[str, Callable[[pa.StringArray, DType, bool], pa.Array | None]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "date": _date,
    "datetime": _datetime,
}
