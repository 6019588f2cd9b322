"""Changed copies of harmless files: what a bad disk makes, and what somebody tries who has time."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joblib import numpy_pickle

from tests.hostile.containers import PACKS

SPECIAL = (
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\x7f",
    b"\xff" * 8,
    b"\x00" * 8,
    struct.pack("<d", float("nan")),
    struct.pack("<d", float("inf")),
    struct.pack("<d", 1e308),
    struct.pack("<q", -1),
    struct.pack("<q", 2**62),
    struct.pack("<q", 10**6),
    struct.pack("<i", -2),
    struct.pack("<i", 10**6),
)


@dataclass(frozen=True)
class Original:
    """A harmless file. ``pack`` is what it is packed in: its stream may be changed before that.

    ``arrays`` are the places of its arrays in the stream, begin and end, where they are known.
    """

    name: str
    format: str
    stream: bytes
    pack: str = "raw"
    arrays: tuple[tuple[int, int], ...] = ()

    @property
    def content(self) -> bytes:
        """The file itself."""
        return PACKS[self.pack](self.stream)


@dataclass(frozen=True)
class Mutation:
    """A changed file and how it was changed."""

    original: Original
    content: bytes
    recipe: str


def flipped_bits(content: bytearray, chance: random.Random, other: bytes) -> None:
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def replaced_bytes(content: bytearray, chance: random.Random, other: bytes) -> None:
    for _ in range(chance.choice((1, 1, 2, 4))):
        content[chance.randrange(len(content))] = chance.randrange(256)


def inserted(content: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(content) + 1)
    content[at:at] = chance.randbytes(chance.choice((1, 2, 8, 100)))


def deleted(content: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.choice((1, 2, 8, 100))]


def spliced(content: bytearray, chance: random.Random, other: bytes) -> None:
    """The beginning of one file and the end of another, or a piece of it in the middle."""
    at, there = chance.randrange(len(content)), chance.randrange(len(other))
    length = chance.choice((4, 16, 200))
    if chance.random() < 0.5:
        content[at:] = other[there:]
    else:
        content[at : at + length] = other[there : there + length]


def repeated(content: bytearray, chance: random.Random, other: bytes) -> None:
    at, length = chance.randrange(len(content)), chance.choice((1, 8, 64, 500))
    block = bytes(content[at : at + length])
    content[at:at] = block * chance.choice((1, 2, 20))


def swapped(content: bytearray, chance: random.Random, other: bytes) -> None:
    """Two cells of arrays, as long as cells are."""
    size = chance.choice((4, 8))
    for _ in range(chance.choice((1, 5))):
        a, b = (chance.randrange(max(1, len(content) - size)) for _ in range(2))
        first, second = bytes(content[a : a + size]), bytes(content[b : b + size])
        if abs(a - b) >= size:
            content[a : a + size], content[b : b + size] = second, first


def counted_otherwise(content: bytearray, chance: random.Random, other: bytes) -> None:
    """A length, a shape or an index one more, one less, or absurd."""
    at = chance.randrange(len(content))
    if chance.random() < 0.5:
        content[at] = (content[at] + chance.choice((-1, 1))) % 256
    else:
        value = chance.choice(SPECIAL)
        content[at : at + len(value)] = value


MUTATIONS: dict[str, Callable[[bytearray, random.Random, bytes], None]] = {
    one.__name__.replace("_", " "): one
    for one in (
        flipped_bits,
        replaced_bytes,
        inserted,
        deleted,
        spliced,
        repeated,
        swapped,
        counted_otherwise,
    )
}
# These keep every length, so that what is changed is mostly what arrays hold.
IN_PLACE = ("flipped bits", "replaced bytes", "swapped", "counted otherwise")


def mutated(originals: Sequence[Original], seed: int, index: int) -> Mutation:
    """The mutation of that number: the same for the same originals, seed and index."""
    chance = random.Random(f"{seed}/{index}/mutation")
    original, other = chance.choice(originals), chance.choice(originals)
    name = chance.choice(IN_PLACE if chance.random() < 0.5 else tuple(MUTATIONS))
    if original.arrays and chance.random() < 0.6:
        content, where = _in_an_array(original, chance.choice(IN_PLACE), chance), "in an array"
    elif original.format == "skops" and chance.random() < 0.7:
        content, where = _in_a_member(original.stream, name, chance, other.stream)
    elif original.pack != "raw" and chance.random() < 0.7:
        content = PACKS[original.pack](_changed(original.stream, name, chance, other.stream))
        where = "before it is packed"
    else:
        content = _changed(original.content, name, chance, other.content)
        where = "in the file"
    return Mutation(original, content, f"{original.name} as {original.format}: {name} {where}")


def _in_an_array(original: Original, name: str, chance: random.Random) -> bytes:
    """One array changed and everything else as it was, packed as before."""
    begin, end = chance.choice(original.arrays)
    stream = original.stream
    changed = _changed(stream[begin:end], name, chance, stream)
    return PACKS[original.pack](stream[:begin] + changed[: end - begin] + stream[end:])


def array_places(stream: bytes) -> tuple[tuple[int, int], ...]:
    """Where the arrays of a stream by joblib lie. It is loaded: only for what was made here."""
    reader = _Places(io.BytesIO(stream))
    reader.load()
    return tuple(reader.places)


class _Places(numpy_pickle.NumpyUnpickler):
    """Notes how far the file is read behind each wrapper of an array."""

    dispatch = numpy_pickle.NumpyUnpickler.dispatch.copy()

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__("", stream, ensure_native_byte_order=True)
        self.places: list[tuple[int, int]] = []

    def load_build(self) -> None:
        begin = self.file_handle.tell()
        super().load_build()
        if (end := self.file_handle.tell()) > begin:
            self.places.append((begin, end))

    dispatch[pickle.BUILD[0]] = load_build


def _changed(content: bytes, name: str, chance: random.Random, other: bytes) -> bytes:
    changed = bytearray(content)
    MUTATIONS[name](changed, chance, other)
    return bytes(changed)


def _in_a_member(
    archive: bytes, name: str, chance: random.Random, other: bytes
) -> tuple[bytes, str]:
    """The archive written anew around one changed member: sizes and checksums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        chosen = chance.choice(old.namelist())
        for member in old.infolist():
            content = old.read(member)
            if member.filename == chosen and content:
                content = _changed(content, name, chance, other)
            new.writestr(member, content, compress_type=member.compress_type)
    return out.getvalue(), f"in {'an array' if chosen.endswith('.npy') else chosen}"
