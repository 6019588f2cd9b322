"""Plain: the pickle stream as the gate reads it: once, forwards, with exact lengths and a deadline.

Nothing of the stream is held but one piece; the bytes of arrays are counted and let go.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

from registry.scan.containers import STREAM_MAX_BYTES
from registry.scan.finding import Refused

LOOK_MAX_S = 60.0
NO_FRAME = 1 << 63


class Source:
    """A reader over pieces. ``offset`` counts the bytes of the unpacked stream that were read.

    No read may cross the end of an open frame. ``opcode_at`` is where the last opcode
    began. Every read raises Refused ``truncated``, ``pickle-frame`` or ``took-too-long``.
    """

    def __init__(self, pieces: Iterator[bytes], *, seconds: float = LOOK_MAX_S) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0
        self._before = 0
        # Where the open frame ends, as an offset, and up to where in the piece one may read.
        self._frame_end = NO_FRAME
        self._limit = 0
        self._digest = hashlib.sha256()
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self.opcode_at = 0
        self.protocol = 0

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._before + self._at

    def sha256(self) -> str:
        """The hash of all bytes that came out of the container so far, in hexadecimal."""
        return self._digest.hexdigest()

    def opcode(self) -> int:
        """The next byte as an opcode: what lies behind the end of a frame is in none."""
        at = self._at
        self.opcode_at = self._before + at
        if at < self._limit:
            self._at = at + 1
            return self._piece[at]
        if self.opcode_at == self._frame_end:
            self._frame_until(NO_FRAME)
        return self.take(1)[0]

    def byte(self) -> int:
        """The next byte."""
        at = self._at
        if at < self._limit:
            self._at = at + 1
            return self._piece[at]
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes; for counts that are small or that the caller has capped."""
        at = self._at
        end = at + count
        if end <= self._limit:
            self._at = end
            return self._piece[at:end]
        return b"".join(self.chunks(count))

    def chunks(self, count: int) -> Iterator[bytes]:
        """The next ``count`` bytes in parts, so that nobody has to hold them."""
        if self.offset + count > self._frame_end:
            raise Refused("pickle-frame", "An opcode reaches over the end of its frame")
        while count:
            if self._at == len(self._piece):
                self._next()
            part = self._piece[self._at : self._at + count]
            self._at += len(part)
            count -= len(part)
            yield part

    def pass_over(self, count: int) -> None:
        """Leave the next ``count`` bytes unread."""
        for _ in self.chunks(count):
            pass

    def number(self, width: int) -> int:
        """An unsigned little-endian number of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def open_frame(self, length: int) -> None:
        """A frame of ``length`` bytes begins here; the one before has to be over."""
        self.check_frame_is_over("A frame begins inside of another")
        if not 0 < length <= STREAM_MAX_BYTES:
            raise Refused("pickle-frame", f"A frame of {length} bytes")
        self._frame_until(self.offset + length)

    def check_frame_is_over(self, found: str) -> None:
        """Raises Refused unless the last frame was used up."""
        if self._frame_end not in (NO_FRAME, self.offset):
            raise Refused("pickle-frame", found)
        self._frame_until(NO_FRAME)

    def _frame_until(self, end: int) -> None:
        self._frame_end = end
        self._limit = min(len(self._piece), end - self._before)

    def check_time(self) -> None:
        """Raises Refused ``took-too-long`` after the deadline."""
        if time.monotonic() > self._deadline:
            found = f"Looking took more than {self._seconds:.0f} s"
            raise Refused("took-too-long", found, limit_s=self._seconds)

    def rest(self, most: int) -> Iterator[bytes]:
        """What lies behind the last read, ``most`` bytes of it: pieces for a search, no opcodes."""
        yield self._piece[self._at :]
        while most > 0:
            self._at = len(self._piece)
            self._next()
            most -= len(self._piece)
            yield self._piece

    def is_over(self) -> bool:
        """Whether nothing follows."""
        if self._at < len(self._piece):
            return False
        try:
            self._next()
        except _AtEnd:
            return True
        return False

    def _next(self) -> None:
        self.check_time()
        self._before += len(self._piece)
        self._at, self._piece, self._limit = 0, b"", 0
        piece = next(self._pieces, b"")
        if not piece:
            raise _AtEnd()
        self._digest.update(piece)
        self._piece = piece
        self._frame_until(self._frame_end)


class _AtEnd(Refused):
    """The stream is over where more was announced."""

    def __init__(self) -> None:
        super().__init__("truncated", "The pickle stream ends in the middle")
