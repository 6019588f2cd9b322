"""Plain: what the gate knows of a value on the pickle's stack. Values are never constructed.

None, booleans, numbers and short texts and bytes stand for themselves and a tuple is a tuple. All
else is one of the classes here. Texts beyond a number are known only as ``TEXT`` or ``HIDDEN``.
"""

from __future__ import annotations

import re
from typing import Any

_SHAPES = rb"(?:[A-Za-z_]\w{0,30}, ){0,20}"
_DISTRIBUTION = re.compile(
    rb"""
def _parse_args\(self, (?P<shapes>%s) (?P<given>loc=0(?:, scale=1)?)\):
    return \((?P=shapes)\), (?P<out>loc, (?:scale|1))

def _parse_args_rvs\(self, (?P=shapes) (?P=given), size=None\):
    return self\._argcheck_rvs\((?P=shapes) (?P=out), size=size\)

def _parse_args_stats\(self, (?P=shapes) (?P=given), moments='mv'\):
    return \((?P=shapes)\), (?P=out), moments
"""
    % _SHAPES
)


class Ref:
    """A global that is on the list: ``kind`` is what it may be used for."""

    __slots__ = ("kind", "module", "name")

    def __init__(self, module: str, name: str, kind: str) -> None:
        self.module, self.name, self.kind = module, name, kind

    @property
    def full(self) -> str:
        """``module.name``."""
        return f"{self.module}.{self.name}"


class Args(tuple[Any, ...]):
    """A tuple that holds what is no value by itself: only a call takes it."""

    __slots__ = ()


class Long:
    """Bytes or a text whose content is not kept. ``size`` counts bytes, or characters of a text.

    ``kind`` is ``bytes``, ``bytearray``, ``text`` or ``latin1`` for a text of bytes.
    """

    __slots__ = ("kind", "size")

    def __init__(self, kind: str, size: int) -> None:
        self.kind, self.size = kind, size


class Box:
    """A list, dict or set made in this stream. Once something holds it, it is closed.

    ``items`` are a small dict's entries with texts as keys, None where they are not kept.
    ``fault`` says why a dict cannot be a state, ``holds`` which global is in it that is no value.
    ``name`` is the class of a dict that has one. ``depth`` and ``extent`` are as in the ledger.
    """

    __slots__ = ("depth", "extent", "fault", "holds", "is_closed", "items", "kind", "name", "size")

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind, self.name = kind, name
        self.size = 0
        self.depth, self.extent = 1, 1
        self.items: dict[str, Any] | None = None
        self.fault = self.holds = ""
        self.is_closed = False


class Made:
    """An object that a listed call makes in this stream.

    ``fact`` is what its kind has to know (see ``Array`` and ``DType``); ``is_built`` that it has
    its state, and ``is_open`` that it is no value before it has one.
    """

    __slots__ = ("depth", "extent", "fact", "is_built", "is_open", "kind", "name")

    def __init__(
        self,
        name: str,
        kind: str,
        fact: Any = None,
        *,
        is_built: bool = False,
        is_open: bool = False,
    ) -> None:
        self.name, self.kind, self.fact = name, kind, fact
        self.is_built, self.is_open = is_built, is_open
        self.depth, self.extent = 1, 1


class DType:
    """A numpy dtype: its code as numpy writes it (``f8``), bytes per item, whether of objects."""

    __slots__ = ("code", "has_objects", "itemsize")

    def __init__(self, code: str, itemsize: int, *, has_objects: bool = False) -> None:
        self.code, self.itemsize, self.has_objects = code, itemsize, has_objects


class Array:
    """A numpy array: the code of its dtype and its shape."""

    __slots__ = ("code", "shape")

    def __init__(self, code: str, shape: tuple[int, ...]) -> None:
        self.code, self.shape = code, shape


class _Named:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


# A text that is not kept; HIDDEN is one that begins with two underscores, DISTRIBUTION_TEXT is code
# that scipy.stats writes for a distribution. SPENT is the place in the memo of a joblib wrapper,
# which the loader leaves there when the array took its place.
TEXT = _Named("text")
HIDDEN = _Named("text")
DISTRIBUTION_TEXT = _Named("text")
SPENT = Ref("joblib.numpy_pickle", "NumpyArrayWrapper", "spent")


def is_distribution_text(raw: bytes) -> bool:
    """Whether this is, word for word, what scipy.stats makes of the names of a distribution."""
    return raw.startswith(b"\ndef _parse_args(") and _DISTRIBUTION.fullmatch(raw) is not None


def is_text(value: Any) -> bool:
    """Whether this is a text, known or not."""
    if type(value) is str or type(value) is _Named:
        return True
    return type(value) is Long and value.kind in ("text", "latin1")


def is_int(value: Any) -> bool:
    """Whether this is a whole number of Python, and no boolean."""
    return type(value) is int


def is_made(value: Any, kind: str) -> bool:
    """Whether this is a finished object of a kind."""
    return type(value) is Made and value.kind == kind and (value.is_built or not value.is_open)


def bytes_of(value: Any, kinds: tuple[str, ...] = ("bytes",)) -> int | None:
    """How many bytes this is, None for what is no bytes (or not of the kinds)."""
    if type(value) is bytes:
        return len(value) if "bytes" in kinds else None
    return value.size if type(value) is Long and value.kind in kinds else None


def words(value: Any) -> str:
    """What kind of value this is, for a refusal."""
    if type(value) is Ref:
        return f"the global {value.full}"
    if type(value) is Made:
        return f"a {value.name}"
    if type(value) is Box:
        return f"a {value.kind}"
    if type(value) is Long:
        return "text" if is_text(value) else value.kind
    return value.name if type(value) is _Named else f"a {type(value).__name__}"
