"""Batches and answers in the bodies of frames, the schema's message read once for many.

Followed: Arrow columnar format 1.x, "IPC Streaming Format": a message with the schema, then one
with the rows. The requests of one model, and its answers, differ in the second alone, and to read
a schema takes longer than to read a row.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

from serving.protocols.ipc_messages import MalformedMessage, decompressed_bytes
from serving.runtimes.base import (
    Answer,
    Block,
    Kind,
    Label,
    answer_from_ipc,
    answer_to_ipc,
    batch_from_ipc,
)

# A marker, then the bytes of the message's metadata; a schema's message has no more than these.
_MESSAGE = struct.Struct("<II")
_CONTINUATION = 0xFFFF_FFFF
_END = _MESSAGE.pack(_CONTINUATION, 0)
# What is remembered, of messages that are short enough.
_MOST_KEPT = 256
_MOST_BYTES = 16 * 1024

Read = TypeVar("Read")


class Remembered(Generic[Read]):
    """What was read from schema messages, by their very bytes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[bytes, Read] = {}

    def get(self, message: bytes) -> Read | None:
        """What was read from these bytes before."""
        return self._read.get(message)

    def keep(self, message: bytes, read: Read) -> None:
        """Remember it; who came first makes room."""
        if not message or len(message) > _MOST_BYTES:
            return
        with self._lock:
            while len(self._read) >= _MOST_KEPT:
                del self._read[next(iter(self._read))]
            self._read[message] = read


def schema_message(body: Any) -> bytes:
    """The first message of a stream; empty where the bytes begin with none."""
    view = memoryview(body)
    if len(view) < _MESSAGE.size:
        return b""
    marker, size = _MESSAGE.unpack_from(view)
    if marker != _CONTINUATION or _MESSAGE.size + size > len(view) or size > _MOST_BYTES:
        return b""
    return bytes(view[: _MESSAGE.size + size])


class BatchReader:
    """Reads batches as ``batch_from_ipc`` does."""

    def __init__(self) -> None:
        self._schemas: Remembered[pa.Schema] = Remembered()

    def read(self, body: Any) -> pa.RecordBatch:
        """The one batch of a stream, checked. Raises ValueError."""
        message = schema_message(body)
        schema = self._schemas.get(message)
        if schema is None:
            batch = batch_from_ipc(body)
            self._schemas.keep(message, batch.schema)
            return batch
        return _rows_of(body, len(message), schema)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the schema's message says of an answer: all but its values."""

    schema: pa.Schema
    n_rows: int
    blocks: tuple[tuple[Kind, str | None, tuple[Label, ...] | None, int], ...]

    @classmethod
    def of(cls, message: bytes, answer: Answer) -> Shape:
        """The shape of an answer that was read, and checked, with this message at its head."""
        blocks = tuple((b.kind, b.output, b.labels, len(b.arrays)) for b in answer.blocks)
        return cls(pa.ipc.read_schema(pa.py_buffer(message)), answer.n_rows, blocks)

    def filled(self, batch: pa.RecordBatch) -> Answer:
        """The answer with these columns. Raises ValueError for another count of rows."""
        if batch.num_columns and batch.num_rows != self.n_rows:
            raise ValueError("the answer's row count is not that of its columns")
        columns, at, blocks = batch.columns, 0, []
        for kind, output, labels, width in self.blocks:
            blocks.append(Block(kind, output, labels, tuple(columns[at : at + width])))
            at += width
        return Answer(self.n_rows, tuple(blocks))


class AnswerReader:
    """Reads answers as ``answer_from_ipc`` does: every check that a hostile process calls for.

    What a schema's message says follows from its bytes alone, so it is checked once.
    """

    def __init__(self) -> None:
        self._shapes: Remembered[Shape] = Remembered()

    def read(self, body: Any) -> Answer:
        """The answer in a stream. Raises ValueError."""
        message = schema_message(body)
        shape = self._shapes.get(message)
        if shape is None:
            answer = answer_from_ipc(body)
            if message:
                self._shapes.keep(message, Shape.of(message, answer))
            return answer
        _refuse_compressed(body, len(message))
        return shape.filled(_rows_of(body, len(message), shape.schema))


def _rows_of(body: Any, start: int, schema: pa.Schema) -> pa.RecordBatch:
    """The one batch behind the schema's message, every offset and buffer checked."""
    try:
        source = pa.BufferReader(pa.py_buffer(body).slice(start))
        batch = pa.ipc.read_record_batch(pa.ipc.read_message(source), schema)
        batch.validate(full=True)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"the Arrow stream is damaged: {str(error)[:200]}") from error
    if source.read(_MESSAGE.size) not in (b"", _END):
        raise ValueError("one batch was expected, more came")
    return batch


def _refuse_compressed(body: Any, start: int) -> None:
    try:
        is_compressed = decompressed_bytes(memoryview(body)[start:]) != 0
    except MalformedMessage as error:
        raise ValueError(f"the Arrow stream is damaged: {error}") from error
    if is_compressed:
        raise ValueError("the answer is compressed")


def parts_to_ipc(answer: Answer, counts: Sequence[int]) -> Iterator[Any]:
    """Streams of the parts of an answer, as ``answer_to_ipc`` makes them.

    ``counts`` are the rows of each part, and add up to the answer's. Raises ValueError for more
    columns than are given.
    """
    arrays = [array for block in answer.blocks for array in block.arrays]
    batch = pa.RecordBatch.from_arrays(arrays, [f"c{i}" for i in range(len(arrays))])
    messages: dict[int, bytes] = {}
    at = 0
    for count in counts:
        message = messages.get(count)
        if message:
            yield message + bytes(batch.slice(at, count).serialize())
        else:
            whole = answer_to_ipc(part_of(answer, at, count))
            messages[count] = schema_message(whole)
            yield whole
        at += count


def part_of(answer: Answer, at: int, count: int) -> Answer:
    """The answer to ``count`` of its rows, from the 0-based row ``at`` on."""
    blocks = (
        Block(b.kind, b.output, b.labels, tuple(array.slice(at, count) for array in b.arrays))
        for b in answer.blocks
    )
    return Answer(count, tuple(blocks))
