"""Pickle opcodes put together by hand (pickletools of CPython 3.11), each as the bytes it is.

No object is ever pickled to make something hostile: no class with ``__reduce__`` stands here. Every
function returns opcodes that leave one value on the stack, if it does not say otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

MARK, STOP, POP, DUP, REDUCE, BUILD = b"(", b".", b"0", b"2", b"R", b"b"
OBJ, NEWOBJ, NEWOBJ_EX = b"o", b"\x81", b"\x92"
APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS = b"a", b"e", b"s", b"u", b"\x90"
NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST, EMPTY_SET = b")", b"}", b"]", b"\x8f"
TUPLE, DICT, LIST, FROZENSET = b"t", b"d", b"l", b"\x91"
STACK_GLOBAL, MEMOIZE = b"\x93", b"\x94"

Value = str | bytes | int | bool | float | None | tuple["Value", ...] | list["Value"]


def proto(version: int) -> bytes:
    """PROTO, which leaves nothing on the stack."""
    return b"\x80" + bytes([version])


def frame(content: bytes, length: int | None = None) -> bytes:
    """FRAME around ``content``, or one that says another length."""
    told = len(content) if length is None else length
    return b"\x95" + struct.pack("<Q", told & (2**64 - 1)) + content


def text(value: str) -> bytes:
    """BINUNICODE."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def short_text(value: str) -> bytes:
    """SHORT_BINUNICODE; at most 255 bytes."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(encoded)]) + encoded


def long_text(value: str) -> bytes:
    """BINUNICODE8."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"\x8d" + struct.pack("<Q", len(encoded)) + encoded


def line_text(value: str) -> bytes:
    """UNICODE, the one that ends with its line."""
    return b"V" + value.encode("raw_unicode_escape") + b"\n"


def literal(value: Value) -> bytes:
    """A plain value; lists and tuples of plain values."""
    if value is None or isinstance(value, bool):
        return {None: NONE, True: TRUE, False: FALSE}[value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, int):
        return whole(value)
    parts = [literal(one) for one in value]
    return tuple_of(parts) if isinstance(value, tuple) else list_of(parts)


def whole(value: int) -> bytes:
    """BININT where it fits, LONG1 otherwise."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def put(index: int) -> bytes:
    """LONG_BINPUT: the value stays on the stack."""
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    """LONG_BINGET."""
    return b"j" + struct.pack("<I", index)


def named(module: str, name: str) -> bytes:
    """GLOBAL."""
    return b"c" + f"{module}\n{name}\n".encode()


def tuple_of(parts: Sequence[bytes]) -> bytes:
    """A tuple of values that are opcodes already."""
    if len(parts) < 4:
        return b"".join(parts) + (EMPTY_TUPLE, b"\x85", b"\x86", b"\x87")[len(parts)]
    return MARK + b"".join(parts) + TUPLE


def list_of(parts: Sequence[bytes]) -> bytes:
    """A list of values that are opcodes already."""
    if len(parts) < 2:
        return EMPTY_LIST + b"".join(part + APPEND for part in parts)
    return EMPTY_LIST + MARK + b"".join(parts) + APPENDS


def dict_of(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A dict of keys and values that are opcodes already."""
    return EMPTY_DICT + MARK + b"".join(key + value for key, value in pairs) + SETITEMS


def reduced(function: bytes, *arguments: bytes) -> bytes:
    """The function called by REDUCE."""
    return function + tuple_of(arguments) + REDUCE


def made(cls: bytes, state: bytes | None = None) -> bytes:
    """An object as protocol 2 and later make it: NEWOBJ, and BUILD with its state."""
    return cls + EMPTY_TUPLE + NEWOBJ + (b"" if state is None else state + BUILD)
