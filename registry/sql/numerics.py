"""Plain: NUMERIC cells, which come as texts, to int64 or float64 where nothing is lost.

Whole numbers become int64. Numbers with a fraction become float64 where they have 15 significant
digits at most: so many are told from their neighbours by the nearest float64 (IEEE 754-2019,
binary64). Anything longer is refused, never rounded.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from registry.signature.dtypes import DTYPES
from registry.signature.names import shown
from registry.tabular.arrow_types import FLOAT_DIGITS
from registry.tabular.errors import TabularError

_WHOLE = r"^-?\d+$"
_HEADER_BYTES, _SCALE_BITS = 4, 11


def key_of_modifier(modifier: int | None) -> str | None:
    """The type of NUMERIC(precision, scale) by PostgreSQL's type modifier; None without one."""
    if modifier is None or modifier < _HEADER_BYTES:
        return None
    scale = (modifier - _HEADER_BYTES) & ((1 << _SCALE_BITS) - 1)
    sign = 1 << (_SCALE_BITS - 1)
    scale = (scale ^ sign) - sign
    return "int64" if scale <= 0 else "float64"


def is_whole(texts: pa.StringArray) -> bool:
    """Whether every cell is a whole number that int64 holds."""
    if not pc.all(pc.match_substring_regex(texts, _WHOLE), min_count=0).as_py():
        return False
    try:
        texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def typed_numerics(texts: pa.StringArray, key: str, name: str, first_row: int) -> pa.Array:
    """The cells as the type of the key, an integer or float type.

    Raises TabularError ``loses-precision`` naming the column and the first row that does not fit.
    ``NaN`` and infinities come as such: the reader of all tables says what becomes of them.
    """
    kind = DTYPES[key].arrow
    if pa.types.is_integer(kind):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            raise _refused(_first_not(texts, kind), key, name, first_row) from None
    long = pc.fill_null(pc.greater(_digits(texts), FLOAT_DIGITS), False)
    if pc.any(long, min_count=0).as_py():
        raise _refused(pc.index(long, True).as_py(), key, name, first_row)
    return texts.cast(pa.float64())


def _digits(texts: pa.StringArray) -> pa.Array:
    """How many digits each number has between its first and its last one that is not 0."""
    bare = pc.replace_substring(pc.utf8_ltrim(texts, "-"), ".", "")
    return pc.utf8_length(pc.utf8_trim(bare, "0"))


def _first_not(texts: pa.StringArray, kind: pa.DataType) -> int:
    for row, text in enumerate(texts):
        try:
            text.cast(kind)
        except pa.ArrowInvalid:
            return row
    raise AssertionError("some cell did not fit")


def _refused(row: int, key: str, name: str, first_row: int) -> TabularError:
    # Without the cell: a confidential dataset's errors repeat none.
    return TabularError(
        "loses-precision",
        f"Row {first_row + row} of the column `{shown(name)}` has more digits than {key} holds "
        "exactly; the query can cast it, as in CAST(x AS double precision)",
        line=None,
        column=name,
        row=first_row + row,
    )
