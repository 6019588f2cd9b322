"""Plain: the parts of pandas and scipy.stats that models hold, which are never restored as such.

The kinds ``ours`` and ``stand-in``: what opens the file puts something of its own in the place of
these globals. Here is how ordinary files use them; every other use is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from registry.scan.pickle_values import (
    DISTRIBUTION_TEXT,
    Array,
    Box,
    Made,
    Ref,
    bytes_of,
    is_int,
    is_made,
    is_text,
)

# Names of columns: an Index of texts or numbers, or a range of numbers.
INDEXES = frozenset({"pandas.Index", "pandas.core.indexes.base.Index"})
RANGES = frozenset({"pandas.RangeIndex", "pandas.core.indexes.range.RangeIndex"})
ARROW_STRINGS, STRINGS = "pandas.arrays.ArrowStringArray", "pandas.arrays.StringArray"
ARROW_TEXTS = frozenset({"string", "large_string"})
STORAGES = frozenset({"python", "pyarrow"})
_OF_ARROW_STRINGS = frozenset({"_pa_array", "_dtype", "_cache", "_readonly"})
_INDEX_CODE = re.compile(r"O8|U\d+|b1|[iu][1248]|f[48]")
# What a distribution's state has under names that Python keeps for itself.
_HIDDEN = frozenset({"__doc__", "__name__"})
_METHODS = frozenset({"_entropy"})


def _items(value: Any) -> dict[str, Any]:
    """The entries of a plain dict whose keys are all known, nothing for everything else."""
    if type(value) is not Box or value.kind != "dict" or value.name or value.items is None:
        return {}
    return value.items if value.size == len(value.items) else {}


def _is_name(value: Any) -> bool:
    return value is None or is_int(value) or is_text(value)


def _new_index(args: tuple[Any, ...]) -> Any:
    """``_new_Index(Index, {data, name})`` or ``_new_Index(RangeIndex, {name, start, ...})``."""
    if len(args) != 2 or type(args[0]) is not Ref:
        return None
    items = _items(args[1])
    if not _is_name(items.get("name")):
        return None
    if args[0].full in RANGES:
        numbers = [items.get(key) for key in ("start", "stop", "step")]
        fits = set(items) == {"name", "start", "stop", "step"} and all(map(is_int, numbers))
    else:
        fits = args[0].full in INDEXES and set(items) == {"data", "name"}
        fits = fits and _is_row(items["data"])
    return Made("pandas.Index", "index", is_built=True) if fits else None


def _is_row(value: Any) -> bool:
    if is_made(value, "strings"):
        return True
    array = value.fact if is_made(value, "array") else None
    if not isinstance(array, Array) or len(array.shape) != 1:
        return False
    return _INDEX_CODE.fullmatch(array.code) is not None


def _string_dtype(args: tuple[Any, ...]) -> Any:
    if len(args) not in (1, 2) or type(args[0]) is not str or args[0] not in STORAGES:
        return None
    missing = args[1] if len(args) == 2 else 0.0
    is_na = type(missing) is Ref and missing.full == "pandas.NA"
    return _whole("pandas.StringDtype", "string dtype") if is_na or missing == 0.0 else None


def _strings(args: tuple[Any, ...]) -> Any:
    """Strings that Python stores; their dtype and their array come as the state."""
    if len(args) != 3 or type(args[0]) is not Ref or args[0].full != STRINGS:
        return None
    plain = is_int(args[1]) and args[2] is None
    return Made(STRINGS, "strings", is_open=True) if plain else None


def _arrow_type(args: tuple[Any, ...]) -> Any:
    known = len(args) == 1 and type(args[0]) is str and args[0] in ARROW_TEXTS
    return _whole("pyarrow.DataType", "arrow type") if known else None


def _arrow_buffer(args: tuple[Any, ...]) -> Any:
    size = bytes_of(args[0], ("bytes", "bytearray")) if len(args) == 1 else None
    return None if size is None else _whole("pyarrow.Buffer", "arrow buffer")


def _arrow_array(args: tuple[Any, ...]) -> Any:
    """Type, length, nulls, offset, three buffers, no children, no dictionary."""
    parts = args[0] if len(args) == 1 else None
    if type(parts) is not tuple or len(parts) != 7 or not is_made(parts[0], "arrow type"):
        return None
    if not all(is_int(count) for count in parts[1:4]) or parts[6] is not None:
        return None
    buffers, children = parts[4:6]
    if type(buffers) is not Box or type(children) is not Box:
        return None
    sizes = (buffers.kind, buffers.size, children.kind, children.size)
    return _whole("pyarrow.Array", "arrow array") if sizes == ("list", 3, "list", 0) else None


def _method(args: tuple[Any, ...]) -> Any:
    """``getattr``: a distribution's method, which a distribution of whole numbers keeps."""
    if len(args) != 2 or not is_made(args[0], "stand-in") or type(args[1]) is not str:
        return None
    name = f"{args[0].name}.{args[1]}"
    return Made(name, "stand-in", is_built=True) if args[1] in _METHODS else None


def _whole(name: str, kind: str) -> Made:
    return Made(name, kind, is_built=True)


OUR_CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "builtins.getattr": _method,
    "pandas.StringDtype": _string_dtype,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _strings,
    "pandas.core.indexes.base._new_Index": _new_index,
    "pyarrow.lib._restore_array": _arrow_array,
    "pyarrow.lib.py_buffer": _arrow_buffer,
    "pyarrow.lib.type_for_alias": _arrow_type,
}


def strings_state(made: Made, state: Any) -> bool:
    """The texts of a row of strings: in Arrow's buffers, or as an array of objects."""
    if made.name == ARROW_STRINGS:
        return _is_arrow_strings(_items(state))
    if (
        type(state) is not tuple
        or len(state) not in (2, 3)
        or not is_made(state[0], "string dtype")
    ):
        return False
    if len(state) == 3 and set(_items(state[2])) != {"_readonly"}:
        return False
    array = state[1].fact if is_made(state[1], "array") else None
    return isinstance(array, Array) and array.code == "O8" and len(array.shape) == 1


def _is_arrow_strings(items: dict[str, Any]) -> bool:
    """The array and its dtype, an empty cache, and whether it may be written."""
    if not {"_pa_array", "_dtype"} <= set(items) <= _OF_ARROW_STRINGS:
        return False
    cache, readonly = items.get("_cache"), items.get("_readonly", False)
    is_plain = cache is None or (type(cache) is Box and not cache.size)
    is_plain = is_plain and type(readonly) is bool
    fits = is_made(items["_pa_array"], "arrow array")
    return is_plain and fits and is_made(items["_dtype"], "string dtype")


def stand_in_state(made: Made, state: Any) -> bool:
    """A distribution's state: known keys, and as code only the text that scipy generates."""
    items = _items(state)
    if not items or any(key.startswith("__") and key not in _HIDDEN for key in items):
        return False
    return items.get("_parse_arg_template", DISTRIBUTION_TEXT) is DISTRIBUTION_TEXT
