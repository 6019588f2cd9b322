"""Plain: the bytes of a table as a capped stream, gzip (RFC 1952) taken off, read twice if needed.

Everything here counts: bytes that came out, quotes among them, and NUL bytes, which no text has.
"""

from __future__ import annotations

import io
import threading
import zlib
from typing import BinaryIO

from registry.tabular.errors import TabularError

READ_BYTES = 1 << 20
# A gzip file of ordinary rows stays under 100:1; 1,032:1 is what deflate can reach at all.
RATIO_MAX = 200
RATIO_FREE_BYTES = 16 << 20
BOM = b"\xef\xbb\xbf"


class CappedStream(io.RawIOBase):
    """Reads another stream and refuses to give more than ``max_bytes``.

    Arrow reads ahead in threads of its own, and goes on for a while after the last batch was
    asked for. ``end`` makes sure that nobody moves the file any more when it is read again.
    """

    def __init__(self, raw: BinaryIO | io.RawIOBase, *, max_bytes: int) -> None:
        super().__init__()
        self._raw = raw
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._is_ended = False
        self.bytes_read = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def end(self) -> None:
        """Let every later read find the end; waits for one that is under way."""
        with self._lock:
            self._is_ended = True

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; raises TabularError ``too-large`` over the cap."""
        with self._lock:
            return b"" if self._is_ended else self._read(size)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub says Buffer
        """Fill the buffer as far as there are bytes."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _read(self, size: int | None) -> bytes:
        wanted = READ_BYTES if size is None or size < 0 else size
        chunk = self._raw.read(wanted) or b""
        self.bytes_read += len(chunk)
        if self.bytes_read > self._max_bytes:
            raise TabularError(
                "too-large",
                f"The data is over the limit of {self._max_bytes} bytes",
                limit_bytes=self._max_bytes,
            )
        return chunk


class TextStream(CappedStream):
    """Bytes of a text file: counts quotes, refuses NUL bytes unless told otherwise."""

    def __init__(
        self, raw: BinaryIO | io.RawIOBase, *, max_bytes: int, refuse_nul: bool = True
    ) -> None:
        super().__init__(raw, max_bytes=max_bytes)
        self.quotes = 0
        self._refuse_nul = refuse_nul

    def _read(self, size: int | None) -> bytes:
        """A NUL byte raises ``bad-encoding`` without a line."""
        chunk = super()._read(size)
        self.quotes += chunk.count(b'"')
        if self._refuse_nul and b"\0" in chunk:
            raise TabularError("bad-encoding", "The file holds a NUL byte")
        return chunk


class GunzipStream(io.RawIOBase):
    """A gzip file of one or more members, decompressed with a cap on how far it grows."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._bytes_in = 0
        self._bytes_out = 0
        self._begun = False

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` decompressed bytes; empty at the end of the last member."""
        wanted = READ_BYTES if size is None or size < 0 else size
        while wanted:
            if self._inflate.eof and not self._next_member():
                return b""
            fed = self._feed()
            chunk = self._inflated(fed, wanted)
            self._pending = self._inflate.unconsumed_tail
            self._grown(len(chunk))
            if chunk:
                return chunk
            if not fed and not self._inflate.eof:
                raise _damaged("it ends in the middle")
        return b""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub says Buffer
        """Fill the buffer as far as there are bytes."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _feed(self) -> bytes:
        if not self._pending:
            self._pending = self._raw.read(READ_BYTES // 4)
            self._bytes_in += len(self._pending)
        return self._pending

    def _inflated(self, fed: bytes, wanted: int) -> bytes:
        try:
            return self._inflate.decompress(fed, wanted)
        except zlib.error:
            raise _damaged("its bytes do not decompress") from None

    def _next_member(self) -> bool:
        """Begin the next member; zero padding after the last is taken, anything else refused."""
        rest = self._inflate.unused_data or self._feed()
        while rest and not rest.strip(b"\0"):
            rest = self._raw.read(READ_BYTES // 4)
            self._bytes_in += len(rest)
        if not rest:
            return False
        self._pending = rest
        self._inflate = zlib.decompressobj(wbits=31)
        return True

    def _grown(self, grown: int) -> None:
        self._bytes_out += grown
        if self._bytes_out > RATIO_FREE_BYTES and self._bytes_out > RATIO_MAX * self._bytes_in:
            raise TabularError(
                "gzip-bomb",
                f"{self._bytes_in} compressed bytes grew to more than {self._bytes_out}",
                limit_ratio=RATIO_MAX,
            )


def _damaged(how: str) -> TabularError:
    return TabularError("malformed-file", f"The gzip file is damaged: {how}")


def open_text(
    file: BinaryIO, *, is_gzip: bool, max_bytes: int, refuse_nul: bool = True
) -> TextStream:
    """The text of ``file`` from its beginning, without a byte order mark.

    ``max_bytes`` caps what comes out, decompressed. ``file`` must be seekable.
    """

    def opened() -> TextStream:
        file.seek(0)
        raw = GunzipStream(file) if is_gzip else file
        return TextStream(raw, max_bytes=max_bytes, refuse_nul=refuse_nul)

    stream = opened()
    return stream if _exactly(stream, len(BOM)) == BOM else opened()


def _exactly(stream: io.RawIOBase, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = stream.read(size - len(found))
        if not more:
            break
        found += more
    return found
