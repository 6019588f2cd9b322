"""Plain: what one text cell means in a column of a type; ``text_columns`` does it by columns.

Numbers: optional minus, digits, fraction, exponent; a leading plus, ``0x1F``, ``1_000`` and
``1,5`` are none. Blanks around a value count for nothing, except in a string column. Where the
type is inferred, leading zeros (``007``) make it a text, and so do ``1.0`` in an integer column.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from registry.signature.cells import CellRefused, read_scalar
from registry.signature.dtypes import DType

NULL_WORDS = ("NA", "NaN", "nan", "null", "NULL", "None")
TRUE_WORDS, FALSE_WORDS = ("true", "1"), ("false", "0")
BLANKS = " \t"
_NULLS = frozenset(NULL_WORDS)
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
# Longer ones are read as floats: a decimal of this length may still be a whole number.
EXACT_CHARS = 60
_NOT = {"integer": "not-an-integer", "float": "not-a-number"}
_BEYOND = 10**400  # stands for any number that no float can hold
_INFINITE = frozenset({"inf", "infinity", "+inf", "+infinity", "-inf", "-infinity"})


def is_integer_text(text: str) -> bool:
    """True for digits with or without a minus."""
    return _INTEGER.fullmatch(text) is not None


def read_text(text: str | None, dtype: DType) -> Any:
    """The plain value of one cell of a declared type, None where it is null.

    Raises CellRefused with a row code.
    """
    if text is None or dtype.kind == "string":
        return text
    bare = text.strip(BLANKS)
    if bare in _NULLS:
        return None
    if dtype.kind == "boolean":
        return _boolean(bare)
    if dtype.is_number:
        return read_scalar(_number(bare, dtype), dtype)
    return read_scalar(bare, dtype)


def untyped_value(text: str, dtype: DType) -> Any:
    """A cell that ``read_text`` refuses, as a value that the validator refuses likewise."""
    bare = text.strip(BLANKS)
    if dtype.is_number and bare.lower() in _INFINITE:
        return float(bare)
    try:
        return _number(bare, dtype) if dtype.is_number else text
    except CellRefused as refused:
        return _BEYOND if refused.code == "out-of-range" else text


def _boolean(bare: str) -> bool:
    if bare in TRUE_WORDS or bare in FALSE_WORDS:
        return bare in TRUE_WORDS
    raise CellRefused("not-a-boolean", "true, false (in lower case), 1 or 0")


def _number(bare: str, dtype: DType) -> int | float | Decimal:
    if bare.lower() in _INFINITE:
        raise CellRefused("not-finite")
    if _NUMBER.fullmatch(bare) is None:
        raise CellRefused(_NOT[dtype.kind])
    if _INTEGER.fullmatch(bare) and len(bare) <= EXACT_CHARS:
        return int(bare)
    if dtype.kind == "integer" and len(bare) <= EXACT_CHARS and "e" not in bare.lower():
        return Decimal(bare)
    number = float(bare)
    if number in (float("inf"), float("-inf")):
        raise CellRefused("out-of-range")
    return number
