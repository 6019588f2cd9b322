"""Plain: FlatBuffers (https://flatbuffers.dev/internals), read only: tables, vectors, texts.

Every offset is held against the buffer before it is followed.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Any

ITEMS = {"b": 1, "i": 4, "I": 4, "f": 4, "d": 8}


class BadBuffer(ValueError):
    """An offset that leads out of the buffer, or a text that is none."""


class Table:
    """A table of a buffer; fields are numbered from 0 in the order of the schema."""

    def __init__(self, buffer: memoryview, at: int) -> None:
        self._buffer, self._at = buffer, at
        vtable = at - _unpack("<i", buffer, at)
        size, self.length = _unpack("<H", buffer, vtable), _unpack("<H", buffer, vtable + 2)
        if size < 4 or size % 2 or vtable + size > len(buffer) or at + self.length > len(buffer):
            raise BadBuffer("a table does not lie in the file")
        self._fields = struct.unpack_from(f"<{size // 2 - 2}H", buffer, vtable + 4)

    def _where(self, field: int) -> int | None:
        offset = self._fields[field] if field < len(self._fields) else 0
        if offset >= self.length:
            raise BadBuffer("a field lies outside of its table")
        return self._at + offset if offset else None

    def number(self, field: int, code: str, default: Any) -> Any:
        """A number; ``default`` where the table leaves it out."""
        at = self._where(field)
        return default if at is None else _unpack("<" + code, self._buffer, at)

    def table(self, field: int) -> Table | None:
        """A table inside; None where there is none."""
        at = self._target(field)
        return None if at is None else Table(self._buffer, at)

    def text(self, field: int) -> str | None:
        """A text; None where there is none."""
        at = self._target(field)
        return None if at is None else _text(self._buffer, at)

    def numbers(self, field: int, code: str) -> array[Any]:
        """A vector of numbers, empty where there is none."""
        start, count = self._vector(field, ITEMS[code])
        numbers = array(code)
        numbers.frombytes(self._buffer[start : start + count * ITEMS[code]])
        return numbers

    def count(self, field: int, width: int) -> int:
        """How many items of ``width`` bytes a vector has."""
        return self._vector(field, width)[1]

    def halves(self, field: int) -> array[Any]:
        """A vector of structs of two unsigned 16-bit numbers, one number behind the other."""
        start, count = self._vector(field, 4)
        numbers = array("H")
        numbers.frombytes(self._buffer[start : start + 4 * count])
        return numbers

    def tables(self, field: int) -> Iterator[Table]:
        """The tables of a vector."""
        for at in self._targets(field):
            yield Table(self._buffer, at)

    def texts(self, field: int) -> list[str]:
        """The texts of a vector."""
        return [_text(self._buffer, at) for at in self._targets(field)]

    def _targets(self, field: int) -> Iterator[int]:
        start, count = self._vector(field, 4)
        for at in range(start, start + 4 * count, 4):
            yield at + _unpack("<I", self._buffer, at)

    def _target(self, field: int) -> int | None:
        at = self._where(field)
        return None if at is None else at + int(_unpack("<I", self._buffer, at))

    def _vector(self, field: int, width: int) -> tuple[int, int]:
        at = self._target(field)
        if at is None:
            return 0, 0
        count = int(_unpack("<I", self._buffer, at))
        if count * width > len(self._buffer) - at - 4:
            raise BadBuffer("a vector is longer than the file")
        return at + 4, count


def root(buffer: memoryview) -> Table:
    """The table that the buffer begins with. Raises BadBuffer."""
    return Table(buffer, int(_unpack("<I", buffer, 0)))


def _unpack(form: str, buffer: memoryview, at: int) -> Any:
    if at < 0 or at + struct.calcsize(form) > len(buffer):
        raise BadBuffer("an offset leads out of the file")
    return struct.unpack_from(form, buffer, at)[0]


def _text(buffer: memoryview, at: int) -> str:
    length = int(_unpack("<I", buffer, at))
    if length > len(buffer) - at - 4:
        raise BadBuffer("a text is longer than the file")
    try:
        return bytes(buffer[at + 4 : at + 4 + length]).decode()
    except UnicodeDecodeError:
        raise BadBuffer("a text is not UTF-8") from None
