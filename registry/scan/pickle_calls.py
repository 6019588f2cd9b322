"""Plain: which calls a pickle may make, with which arguments, and what comes out of them.

One function for each global of the kind ``call``: it takes the arguments as the gate knows them
and gives the value, or None where the arguments are not of the pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.scan.pickle_arrays import ARRAY_CALLS
from registry.scan.pickle_tables import OUR_CALLS
from registry.scan.pickle_values import (
    Array,
    Box,
    Long,
    Made,
    Ref,
    bytes_of,
    is_int,
    is_made,
)

Call = Callable[[tuple[Any, ...]], Any]
VALUE_KINDS = frozenset({"value"})
# Classes of objects that are held by themselves too: repeated splitters make them anew.
_HELD = frozenset(
    {
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
    }
)
BIT_GENERATORS = {
    "MT19937": "numpy.random._mt19937",
    "PCG64": "numpy.random._pcg64",
    "PCG64DXSM": "numpy.random._pcg64",
    "Philox": "numpy.random._philox",
    "SFC64": "numpy.random._sfc64",
}
_FACTORIES = frozenset({"builtins.int", "builtins.float", "builtins.str", "builtins.list"})


def is_value(ref: Ref) -> bool:
    """Whether a model may hold this global."""
    return ref.kind in VALUE_KINDS or ref.full in _HELD


def called(ref: Ref, args: tuple[Any, ...]) -> Any:
    """What a REDUCE of this global with these arguments gives, None for a refusal."""
    if ref.kind == "numbers":
        plain = len(args) <= 4 and all(type(value) in (int, float, bool) for value in args)
        return Made(ref.full, "object", is_built=True) if plain else None
    if ref.kind == "ours":
        ours = OUR_CALLS.get(ref.full)
        return ours(args) if ours is not None else None
    if ref.kind != "call":
        return None
    if ref.name.startswith("__pyx_unpickle_"):
        return _cython(ref, args)
    call = CALLS.get(ref.full)
    return call(args) if call is not None else None


def _argument(value: Any, module: str = "") -> bool:
    """Whether this is a class that is listed as an argument, of this module."""
    return type(value) is Ref and value.kind == "argument" and value.module == module


def _cython(ref: Ref, args: tuple[Any, ...]) -> Any:
    """``__pyx_unpickle_X(X, checksum, state)``; the state is given here only where it is empty."""
    if len(args) != 3 or not is_int(args[1]) or not (args[2] is None or args[2] == ()):
        return None
    wanted = ref.name.removeprefix("__pyx_unpickle_")
    if not _argument(args[0], ref.module) or args[0].name != wanted:
        return None
    is_open = args[2] is None
    return Made(f"{ref.module}.{wanted}", "cython" if is_open else "object", is_open=is_open)


def _encode(args: tuple[Any, ...]) -> Any:
    """Bytes in protocol 2: a text of as many characters, all of them below 256."""
    if len(args) != 2 or args[1] != "latin1" or type(args[1]) is not str:
        return None
    text = args[0]
    if type(text) is str:
        if any(ord(char) > 255 for char in text):
            return None
        return text.encode("latin-1") if len(text) <= 16 else Long("bytes", len(text))
    if type(text) is Long and text.kind == "latin1":
        return Long("bytes", text.size)
    return None


def _bytes(args: tuple[Any, ...]) -> Any:
    return b"" if args == () else None


def _bytearray(args: tuple[Any, ...]) -> Any:
    if args == ():
        return Long("bytearray", 0)
    size = bytes_of(args[0]) if len(args) == 1 else None
    return None if size is None else Long("bytearray", size)


def _slice(args: tuple[Any, ...]) -> Any:
    plain = len(args) == 3 and all(value is None or type(value) in (int, str) for value in args)
    return Made("builtins.slice", "object", is_built=True) if plain else None


def _range(args: tuple[Any, ...]) -> Any:
    plain = len(args) == 3 and all(is_int(value) for value in args)
    return Made("builtins.range", "object", is_built=True) if plain else None


def _complex(args: tuple[Any, ...]) -> Any:
    plain = len(args) == 2 and all(type(value) is float for value in args)
    return Made("builtins.complex", "object", is_built=True) if plain else None


def _set(args: tuple[Any, ...]) -> Any:
    """Sets below protocol 4: of a list, whose members were looked at when they went in."""
    if len(args) != 1 or type(args[0]) is not Box or args[0].kind != "list" or args[0].fault:
        return None
    return Made("builtins.set", "object", is_built=True)


def _ordered(args: tuple[Any, ...]) -> Any:
    return Box("dict", "collections.OrderedDict") if args == () else None


def _defaulting(args: tuple[Any, ...]) -> Any:
    factory = args[0] if len(args) == 1 else None
    if type(factory) is not Ref or factory.full not in _FACTORIES:
        return None
    return Box("dict", "collections.defaultdict")


def _bits(args: tuple[Any, ...]) -> Any:
    """numpy calls the argument: nothing but its own bit generators, or their names."""
    if len(args) != 1:
        return None
    chosen = args[0]
    if type(chosen) is Ref and chosen.kind == "argument":
        is_one = BIT_GENERATORS.get(chosen.name) == chosen.module
        return Made(chosen.full, "bits", is_open=True) if is_one else None
    if type(chosen) is str and chosen in BIT_GENERATORS:
        return Made(f"numpy.random.{chosen}", "bits", is_open=True)
    return None


def _random(kind: str) -> Call:
    def made(args: tuple[Any, ...]) -> Any:
        if len(args) == 1 and is_made(args[0], "bits"):
            # A generator carries its state in its bits, and has none of its own.
            return Made(f"numpy.random.{kind}", "random")
        return None

    return made


def _new_object(module: str, kind: str) -> Call:
    """scikit-learn's ``newObj``: an object of the class without its state."""

    def made(args: tuple[Any, ...]) -> Any:
        if len(args) != 1 or not _argument(args[0], module):
            return None
        return Made(args[0].full, kind, is_open=True)

    return made


def _tree(args: tuple[Any, ...]) -> Any:
    """``Tree(n_features, n_classes, n_outputs)``: it reads as many counts as it has outputs."""
    if len(args) != 3 or not (is_int(args[0]) and is_int(args[2])):
        return None
    counts = args[1].fact if is_made(args[1], "array") else None
    if not isinstance(counts, Array) or counts.code not in ("i8", "i4"):
        return None
    if counts.shape != (args[2],) or args[0] < 0:
        return None
    return Made("sklearn.tree._tree.Tree", "tree", is_open=True)


def _partial(args: tuple[Any, ...]) -> Any:
    if len(args) != 1 or type(args[0]) is not Ref or args[0].kind not in VALUE_KINDS:
        return None
    return Made("functools.partial", "partial", args[0], is_open=True)


CALLS: dict[str, Call] = {
    **ARRAY_CALLS,
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.complex": _complex,
    "builtins.frozenset": _set,
    "builtins.range": _range,
    "builtins.set": _set,
    "builtins.slice": _slice,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _defaulting,
    "functools.partial": _partial,
    "numpy.random._pickle.__bit_generator_ctor": _bits,
    "numpy.random._pickle.__generator_ctor": _random("Generator"),
    "numpy.random._pickle.__randomstate_ctor": _random("RandomState"),
    "sklearn.metrics._dist_metrics.newObj": _new_object("sklearn.metrics._dist_metrics", "metric"),
    "sklearn.neighbors._ball_tree.newObj": _new_object("sklearn.neighbors._ball_tree", "balls"),
    "sklearn.neighbors._kd_tree.newObj": _new_object("sklearn.neighbors._kd_tree", "balls"),
    "sklearn.tree._tree.Tree": _tree,
}
