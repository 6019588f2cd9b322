"""What a stream is packed in, and how the outcome is damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import lz4.frame

Pack = Callable[[bytes], bytes]


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("data.pkl", content)
    return out.getvalue()


def _tar(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("model.pkl")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


PACKS: dict[str, Pack] = {
    "raw": lambda content: content,
    "zlib": lambda content: zlib.compress(content, 3),
    "zlib, level 0": lambda content: zlib.compress(content, 0),
    "gzip": lambda content: gzip.compress(content, 3, mtime=0),
    "bz2": lambda content: bz2.compress(content, 3),
    "xz": lambda content: lzma.compress(content, lzma.FORMAT_XZ, preset=1),
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE, preset=1),
    "lz4": lambda content: lz4.frame.compress(content),
}
FOREIGN: dict[str, Pack] = {"zip": _zip, "tar": _tar}
SUFFIXES: tuple[str, ...] = (
    *("", "..", ".joblib", ".pkl", ".pickle", ".joblib.z", ".joblib.gz", ".pkl.gz", ".lz4", ".bin"),
    *(".sav", ".model", ".p", ".dat", ".txt", ".csv", ".npy", ".onnx", ".skops", ".json", ".zip"),
    *(".h5", ".pt", ".tar.gz", ".exe"),
)


def packed(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The content in a drawn container, seldom in two or in one of another kind."""
    draw = chance.random()
    if draw < 0.45:
        return content, "raw"
    name = chance.choice(tuple(PACKS))
    if draw < 0.9:
        return PACKS[name](content), name
    if draw < 0.95:
        outer = chance.choice(tuple(PACKS)[1:])
        return PACKS[outer](PACKS[name](content)), f"{name} in {outer}"
    foreign = chance.choice(tuple(FOREIGN))
    return FOREIGN[foreign](content), foreign


def none(content: bytes, chance: random.Random) -> bytes:
    return content


def cut_at_the_end(content: bytes, chance: random.Random) -> bytes:
    """Nothing but the last bytes is missing: what stands before has been executed by then."""
    return content[: -chance.randint(1, 3)]


def followed_by_bytes(content: bytes, chance: random.Random) -> bytes:
    return content + chance.choice((b".", b"\0" * 7, b"PK\x05\x06", chance.randbytes(20)))


def another_protocol(content: bytes, chance: random.Random) -> bytes:
    """PROTO says another protocol than the opcodes are of, or one that there is not."""
    return content[:1] + bytes([chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 255))]) + content[2:]


def protocol_twice(content: bytes, chance: random.Random) -> bytes:
    return content[:2] * chance.randint(2, 5) + content[2:]


def without_protocol(content: bytes, chance: random.Random) -> bytes:
    return content[2:]


def wrong_frame(content: bytes, chance: random.Random) -> bytes:
    """A FRAME in front that says too much, too little or something absurd."""
    length = chance.choice((0, 1, len(content) - 3, len(content) * 2, 2**31, 2**63, 2**64 - 1))
    return content[:2] + b"\x95" + length.to_bytes(8, "little") + content[2:]


def bytes_in_front(content: bytes, chance: random.Random) -> bytes:
    return chance.choice((b"\0", b"\n", b"N0", b"#!/bin/sh\n", b"PK\x03\x04")) + content


STREAM_DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    one.__name__.replace("_", " "): one
    for one in (
        none,
        cut_at_the_end,
        followed_by_bytes,
        another_protocol,
        protocol_twice,
        without_protocol,
        wrong_frame,
        bytes_in_front,
    )
}


def damaged(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Two of three files stay whole: whoever is harmed must be able to read them."""
    name = "none" if chance.random() < 0.66 else chance.choice(tuple(STREAM_DAMAGE))
    return STREAM_DAMAGE[name](content, chance), name
