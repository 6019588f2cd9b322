"""Plain: what joblib and pickle files are packed in, and the stream inside, piece by piece.

joblib writes a pickle stream raw or behind zlib, gzip, bz2, xz, lzma or lz4. What is inside comes
out in small pieces with caps on the whole, on the growth and on memory; nobody holds all of it.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from lz4.frame import LZ4FrameDecompressor

from registry.scan.finding import Refused, shown

STREAM_MAX_BYTES = 512 << 20
RATIO_MAX = 200
RATIO_FREE_BYTES = 1 << 20
LZMA_MEMORY_BYTES = 128 << 20
PIECE_BYTES = 1 << 18
PROTOCOLS = range(2, 6)
PROTO = 0x80

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
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def container_of(head: bytes) -> str:
    """``raw`` for a pickle stream, the name of the compression, or the empty text for neither."""
    if len(head) >= 2 and head[0] == PROTO and head[1] in PROTOCOLS:
        return "raw"
    for name, magics in COMPRESSED:
        if head.startswith(magics):
            return name
    return ""


def known_container(head: bytes) -> str:
    """As ``container_of``; raises Refused for the first bytes of anything else."""
    container = container_of(head)
    if container:
        return container
    for name, magic in FOREIGN:
        if head.startswith(magic):
            raise Refused("container-not-supported", f"The file is a {name}, no pickle")
    found = f"The file begins with {head[:4].hex()}: neither a pickle nor a compression of joblib"
    raise Refused("pickle-protocol", found, offset=0)


def pieces_of(file: BinaryIO, size: int, container: str) -> Iterator[bytes]:
    """The stream inside of ``file``, from its beginning, in pieces of at most ``PIECE_BYTES``.

    Raises Refused for bombs, damage and bytes behind the compressed stream.
    """
    file.seek(0)
    pieces = _read(file) if container == "raw" else _inflated(file, container)
    out = 0
    for piece in pieces:
        out += len(piece)
        _check_growth(out, size)
        yield piece


def _read(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _decompressor(container: str) -> _Decompressor:
    if container == "bz2":
        return bz2.BZ2Decompressor()
    if container in ("xz", "lzma"):
        kind = lzma.FORMAT_XZ if container == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(kind, memlimit=LZMA_MEMORY_BYTES)
    if container == "lz4":
        lz4: _Decompressor = LZ4FrameDecompressor()
        return lz4
    return zlib.decompressobj(wbits=31 if container == "gzip" else 15)


def _inflated(file: BinaryIO, container: str) -> Iterator[bytes]:
    inflate = _decompressor(container)
    while not inflate.eof:
        was_hungry = _is_hungry(inflate)
        fed = file.read(PIECE_BYTES) if was_hungry else b""
        try:
            piece = inflate.decompress(_tail(inflate) + fed, PIECE_BYTES)
        # RuntimeError is what lz4 raises.
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError) as fault:
            found = f"{container}: {shown(fault)}"
            raise Refused("container-damaged", found, offset=file.tell()) from None
        # One that had input left and gives nothing may be hungry now, as lz4 is.
        is_stuck = was_hungry or not _is_hungry(inflate)
        if not (piece or fed or inflate.eof) and is_stuck:
            found = f"The {container} stream ends in the middle"
            raise Refused("truncated", found, offset=file.tell())
        if piece:
            yield piece
    if inflate.unused_data or file.read(1):
        found = f"Bytes follow behind the {container} stream"
        raise Refused("container-trailing-bytes", found, offset=file.tell())


def _is_hungry(inflate: Any) -> bool:
    # zlib keeps what it did not take in unconsumed_tail, the others keep it to themselves.
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
