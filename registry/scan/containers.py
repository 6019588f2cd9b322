"""Plain: joblib and pickle files by their container alone: nothing is unpickled, not even read.

joblib writes a pickle stream raw or behind zlib, gzip, bz2, xz or lzma. The stream is decompressed
in small pieces with caps, to see that it is whole; pieces are hashed and thrown away.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from registry.scan.finding import Finding, Refused, shown

STREAM_MAX_BYTES = 512 << 20
RATIO_MAX = 200
RATIO_FREE_BYTES = 1 << 20
LZMA_MEMORY_BYTES = 128 << 20
PIECE_BYTES = 1 << 18
PROTOCOLS = range(2, 6)
PROTO, STOP = 0x80, 0x2E

COMPRESSED: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("gzip", (b"\x1f\x8b",)),
    ("bz2", (b"BZh",)),
    ("xz", (b"\xfd7zXZ\x00",)),
    ("lz4", (b"\x04\x22\x4d\x18",)),
    ("lzma", (b"\x5d\x00\x00",)),
    ("zlib", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")),
)
FOREIGN: tuple[tuple[str, bytes], ...] = (
    ("zip archive", b"PK"),
    ("7z archive", b"7z\xbc\xaf\x27\x1c"),
    ("joblib file older than 0.10", b"ZF"),
    ("RAR archive", b"Rar!"),
)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def container_of(head: bytes) -> str:
    """``raw`` for a pickle stream, the name of the compression, or the empty text for neither."""
    if len(head) >= 2 and head[0] == PROTO and head[1] in PROTOCOLS:
        return "raw"
    for name, magics in COMPRESSED:
        if head.startswith(magics):
            return name
    return ""


def look_at_pickle(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``review`` finding for a whole container; raises Refused."""
    head = file.read(16)
    container = container_of(head)
    evidence["container"] = container or "unknown"
    if not container:
        raise _unknown(head)
    file.seek(0)
    stream = _Stream(_pieces(file) if container == "raw" else _inflated(file, size, container))
    evidence |= stream.facts(is_raw=container == "raw")
    summary = (
        f"A pickle of protocol {stream.head[1]} ({container}), {stream.size_bytes} bytes. Loading "
        "it executes code from the file: a reviewer has to approve exactly these bytes."
    )
    return Finding("review", "needs-review", summary, evidence)


class _Stream:
    """The pickle stream went through once: first bytes, last byte, size and hash."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.head, self.size_bytes, last = b"", 0, -1
        digest = hashlib.sha256()
        for piece in pieces:
            if len(self.head) < 16:
                self.head += piece[: 16 - len(self.head)]
            digest.update(piece)
            self.size_bytes += len(piece)
            last = piece[-1]
        self._sha256 = digest.hexdigest()
        self._check(last)

    def _check(self, last: int) -> None:
        inner = container_of(self.head)
        if inner not in ("", "raw"):
            raise Refused("container-nested", f"A {inner} stream lies inside of another")
        if inner != "raw":
            found = f"The pickle stream begins with {shown(self.head[:4].hex())}"
            raise Refused("pickle-protocol", found)
        if last != STOP:
            found = "The pickle stream does not end with STOP: it is cut off, or more follows"
            raise Refused("truncated", found)

    def facts(self, *, is_raw: bool) -> dict[str, Any]:
        facts: dict[str, Any] = {"protocol": self.head[1], "stream_bytes": self.size_bytes}
        return facts if is_raw else {**facts, "stream_sha256": self._sha256}


def _unknown(head: bytes) -> Refused:
    for name, magic in FOREIGN:
        if head.startswith(magic):
            return Refused("container-not-supported", f"The file is a {name}, no pickle")
    found = f"The file begins with {head[:4].hex()}: neither a pickle nor a compression of joblib"
    return Refused("pickle-protocol", found)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _decompressor(container: str) -> _Decompressor:
    if container == "bz2":
        return bz2.BZ2Decompressor()
    if container in ("xz", "lzma"):
        kind = lzma.FORMAT_XZ if container == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(kind, memlimit=LZMA_MEMORY_BYTES)
    if container == "lz4":
        raise Refused("container-not-supported", "The file is compressed by lz4")
    return zlib.decompressobj(wbits=31 if container == "gzip" else 15)


def _inflated(file: BinaryIO, size: int, container: str) -> Iterator[bytes]:
    """The stream in pieces of bounded size; raises Refused for bombs, damage and what follows."""
    inflate = _decompressor(container)
    out = 0
    while not inflate.eof:
        fed = file.read(PIECE_BYTES) if _is_hungry(inflate) else b""
        try:
            piece = inflate.decompress(_tail(inflate) + fed, PIECE_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError) as fault:
            raise Refused("container-damaged", f"{container}: {shown(fault)}") from None
        is_starved = not (piece or fed or _tail(inflate))
        if is_starved and not inflate.eof:
            raise Refused("truncated", f"The {container} stream ends in the middle")
        out += len(piece)
        _check_growth(out, size)
        if piece:
            yield piece
    if inflate.unused_data or file.read(1):
        raise Refused("container-trailing-bytes", f"Bytes follow behind the {container} stream")


def _is_hungry(inflate: Any) -> bool:
    # zlib keeps what it did not take in unconsumed_tail, bz2 and lzma keep it to themselves.
    needs = getattr(inflate, "needs_input", None)
    return bool(needs) if needs is not None else not inflate.unconsumed_tail


def _tail(inflate: Any) -> bytes:
    tail: bytes = getattr(inflate, "unconsumed_tail", b"")
    return tail


def _check_growth(out: int, size: int) -> None:
    if out > STREAM_MAX_BYTES:
        found = f"The stream is longer than {STREAM_MAX_BYTES >> 20} MiB"
        raise Refused("too-large", found, limit_bytes=STREAM_MAX_BYTES)
    if out > RATIO_FREE_BYTES and out > RATIO_MAX * size:
        found = f"{size} bytes grow to more than {RATIO_MAX} times as many"
        raise Refused("container-bomb", found, limit_ratio=RATIO_MAX)
