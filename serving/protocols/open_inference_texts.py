"""Plain: BYTES elements of the Open Inference Protocol: texts in UTF-8, each behind its length.

A length is four bytes, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from registry.errors import MalformedBody
from registry.signature.cells import Unreadable
from registry.signature.names import shown

BYTES = "BYTES"
_LENGTH = struct.Struct("<I")
_INT32_END = 1 << 31
_Mask = np.ndarray[Any, np.dtype[np.bool_]]


def text_bytes(text: str | None) -> bytes:
    """One element; a null is the empty text."""
    content = b"" if text is None else text.encode()
    return _LENGTH.pack(len(content)) + content


def text_arrays(content: memoryview, rows: int, starts: Sequence[int]) -> list[pa.Array] | None:
    """Tensors of ``rows`` elements each as Arrow arrays when that is quickly done; else None.

    ``starts`` are where they begin in ``content``, the first at 0, one behind the other.

    A length up to 255 is one byte and three zeros. Where texts hold no such zeros, all lengths are
    found at once, twenty times as fast as going from one to the next; where the elements then lie
    end to end, there is no other way to read them. Texts of no characters are left to others.
    """
    count = rows * len(starts)
    if not count or not 5 * count <= len(content) < _INT32_END:
        return None
    data = np.frombuffer(content, np.uint8)
    is_start = _before_zeros(data)
    places = is_start.nonzero()[0]
    if len(places) != count or places[::rows].tolist() != list(starts):
        return None
    # Where each text begins once the lengths are gone.
    offsets = np.empty(count + 1, np.int32)
    offsets[:-1] = places - np.arange(0, 4 * count, 4)
    offsets[-1] = len(data) - 4 * count
    if (offsets[1:] - offsets[:-1] != data[places]).any():
        return None
    kept = data[_behind_lengths(is_start)]
    texts = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(kept))
    if not _is_utf8(texts, kept):
        return None
    return [texts.slice(at, rows) for at in range(0, count, rows)]


def _before_zeros(data: np.ndarray[Any, Any]) -> _Mask:
    """Which bytes have three zeros behind them."""
    found = np.zeros(len(data), np.bool_)
    pairs = data[1:-1] | data[2:]
    np.equal(pairs[:-1] | data[3:], 0, out=found[:-3])
    return found


def _behind_lengths(is_start: _Mask) -> _Mask:
    """Which bytes are none of the four of a length. ``is_start`` marks the first of each."""
    is_text = ~is_start
    is_text[1:] &= is_text[:-1]
    is_text[2:] &= is_text[:-2]
    return is_text


def _is_utf8(texts: pa.Array, content: np.ndarray[Any, Any]) -> bool:
    if int(content.max()) < 128:
        return True
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def texts_of(content: memoryview, count: int, name: str) -> list[Any]:
    """Each element as text; one that is no UTF-8 stands there as Unreadable.

    Raises MalformedBody when the bytes are not so many elements.
    """
    texts: list[Any] = []
    at, end = 0, len(content)
    while at < end:
        if at + _LENGTH.size > end:
            raise wrong_size(name, "an element that breaks off", f"{count} BYTES values")
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        if at + length > end or len(texts) == count:
            raise wrong_size(name, f"{len(content)} bytes", f"{count} BYTES values")
        texts.append(_text(content[at : at + length]))
        at += length
    if len(texts) != count:
        raise wrong_size(name, f"{len(texts)} elements", f"{count} BYTES values")
    return texts


def wrong_size(name: str, found: str, expected: str) -> MalformedBody:
    """The error of a tensor that is not as many bytes as it says."""
    return MalformedBody(f"The input `{shown(name)}` has {found} where {expected} were expected.")


def _text(content: memoryview) -> Any:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        return Unreadable("bad-encoding", "string", repr(bytes(content[:40])))
