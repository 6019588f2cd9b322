"""Plain: how large the buffers of an Arrow IPC stream say that they are, before Arrow reads them.

Followed: Arrow columnar format 1.x, "Encapsulated message format", and ``Message.fbs``: a
flatbuffer per message, in which a RecordBatch lists its buffers as (offset, length) and, when it
is compressed, each buffer begins with its uncompressed length as a little-endian int64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_CONTINUATION = 0xFFFF_FFFF
_DICTIONARY, _RECORD_BATCH = 2, 3


class MalformedMessage(ValueError):
    """The bytes are no Arrow IPC stream."""


def decompressed_bytes(stream: bytes | memoryview) -> int:
    """The sum of what all compressed buffers claim to hold; 0 for an uncompressed stream.

    Raises MalformedMessage.
    """
    try:
        return sum(_claimed(kind, table, body) for kind, table, body in _messages(stream))
    except (struct.error, IndexError) as error:
        raise MalformedMessage(str(error)) from None


class _Table:
    """A flatbuffer table: fields by their number, read with bounds checked by ``struct``."""

    def __init__(self, buffer: memoryview, position: int) -> None:
        self._buffer, self._position = buffer, position
        self._vtable = position - _int32(buffer, position)
        if self._vtable < 0 or position < 0:
            raise MalformedMessage("a table lies outside of its message")
        (self._vtable_size,) = struct.unpack_from("<H", buffer, self._vtable)

    def at(self, field: int) -> int | None:
        """Where the field stands, None when it is left out."""
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_size:
            return None
        (offset,) = struct.unpack_from("<H", self._buffer, self._vtable + slot)
        return self._position + offset if offset else None

    def table(self, field: int) -> _Table | None:
        """The table that the field points to."""
        at = self.at(field)
        return None if at is None else _Table(self._buffer, at + _uint32(self._buffer, at))

    def byte(self, field: int) -> int:
        """A field of one byte, 0 when it is left out."""
        at = self.at(field)
        return 0 if at is None else self._buffer[at]

    def int64(self, field: int) -> int:
        """A field of eight bytes, 0 when it is left out."""
        at = self.at(field)
        return 0 if at is None else _int64(self._buffer, at)

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two int64."""
        at = self.at(field)
        if at is None:
            return
        start = at + _uint32(self._buffer, at)
        for index in range(_uint32(self._buffer, start)):
            yield struct.unpack_from("<qq", self._buffer, start + 4 + 16 * index)


def _messages(stream: bytes | memoryview) -> Iterator[tuple[int, _Table, memoryview]]:
    """Header type, header and body of each message up to the end of the stream."""
    view, position = memoryview(stream), 0
    while position + 4 <= len(view):
        length = _uint32(view, position)
        position += 4
        if length == _CONTINUATION:
            length = _uint32(view, position)
            position += 4
        if length == 0:
            return
        metadata = view[position : position + length]
        message = _Table(metadata, _uint32(metadata, 0))
        position += length
        body_length = message.int64(3)
        if body_length < 0 or position + body_length > len(view):
            raise MalformedMessage("a message is longer than the stream")
        header = message.table(2)
        if header is not None:
            yield message.byte(1), header, view[position : position + body_length]
        position += body_length


def _claimed(kind: int, header: _Table, body: memoryview) -> int:
    if kind == _DICTIONARY:
        inner = header.table(1)
    else:
        inner = header if kind == _RECORD_BATCH else None
    if inner is None or inner.at(3) is None:  # field 3 is the compression
        return 0
    claimed = 0
    for offset, length in inner.pairs(2):
        if length >= 8:
            if offset < 0:
                raise MalformedMessage("a buffer lies outside of its message")
            claimed += max(_int64(body, offset), 0)  # -1 marks a buffer that was left as it is
    return claimed


def _uint32(buffer: memoryview, position: int) -> int:
    return int(struct.unpack_from("<I", buffer, position)[0])


def _int32(buffer: memoryview, position: int) -> int:
    return int(struct.unpack_from("<i", buffer, position)[0])


def _int64(buffer: memoryview, position: int) -> int:
    return int(struct.unpack_from("<q", buffer, position)[0])
