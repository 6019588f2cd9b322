"""Files that cost more than they weigh, or say of their arrays what is not so. All malformed.

Each function draws one whole file, container included. Nothing here has more than some megabytes.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

import lz4.frame

from tests.hostile import opcodes as op
from tests.hostile.stems import stems
from tests.hostile.wrappers import drawn_stem, dtype_of, joblib_array, unframed_stem

ZEROS = 24 << 20


@cache
def _bomb(name: str) -> bytes:
    zeros = op.proto(4) + b"\0" * ZEROS
    if name == "bz2":
        return bz2.compress(zeros)
    if name == "xz":
        return lzma.compress(zeros, preset=0)
    if name == "lzma":
        return lzma.compress(zeros, lzma.FORMAT_ALONE, preset=0)
    if name == "lz4":
        return lz4.frame.compress(zeros)
    return zlib.compress(zeros) if name == "zlib" else gzip.compress(zeros, mtime=0)


def container_bomb(chance: random.Random) -> bytes:
    return _bomb(chance.choice(("zlib", "gzip", "bz2", "xz", "lzma", "lz4")))


def many_gzip_members(chance: random.Random) -> bytes:
    """Member upon member, each of them small: decompressors of Python go on and on."""
    return gzip.compress(drawn_stem(chance).content, mtime=0) + gzip.compress(b"", mtime=0) * 5000


def wide_window(chance: random.Random) -> bytes:
    """An LZMA header that asks for a dictionary of four gigabytes."""
    packed = bytearray(lzma.compress(drawn_stem(chance).content, lzma.FORMAT_ALONE, preset=0))
    packed[1:5] = b"\xff\xff\xff\xff"
    return bytes(packed)


def _held(chance: random.Random, value: bytes) -> bytes:
    return drawn_stem(chance).with_attribute(op.text("bomb_"), value)


def _held_unframed(chance: random.Random, value: bytes) -> bytes:
    return unframed_stem(chance).with_attribute(op.text("bomb_"), value)


def memo_bomb(chance: random.Random) -> bytes:
    """A million cells of nothing."""
    count = chance.choice((300_000, 1_000_000))
    cells = op.MEMOIZE * count
    return op.proto(4) + op.NONE + cells + op.STOP


def sparse_memo(chance: random.Random) -> bytes:
    """Cells with huge numbers: CPython makes an array that reaches so far."""
    numbers = (2**32 - 1, 2**31, 2**28)
    cells = b"".join(op.NONE + op.put(number) + op.POP for number in numbers)
    return drawn_stem(chance).with_first(cells)


def doubling(chance: random.Random) -> bytes:
    """Each tuple holds the one before twice: to look at it all would take for ever."""
    return _held(chance, op.EMPTY_TUPLE + (op.DUP + b"\x86") * chance.randint(40, 2000))


def doubling_by_cells(chance: random.Random) -> bytes:
    """The same without DUP, as a writer would put it."""
    stem = chance.choice([one for one in stems() if one.cells])
    value = op.EMPTY_TUPLE
    for cell in range(stem.cells, stem.cells + chance.randint(60, 120)):
        store = op.MEMOIZE if stem.protocol > 3 else b"q" + bytes([cell])
        value += b"\x85" + store + b"h" + bytes([cell]) + b"\x86"
    return stem.with_attribute(stem.spoken(op.text("bomb_")), value)


def holds_itself(chance: random.Random) -> bytes:
    """A tuple in a list in itself, as a key as well."""
    inner = op.EMPTY_LIST + op.put(80_000) + op.get(80_000) + b"\x85" + op.APPEND
    return _held(chance, inner + b"\x85" + op.reduced(op.named("builtins", "hash"), op.NONE))


def deep_nesting(chance: random.Random) -> bytes:
    kind = chance.choice((b"\x85", b"\x86", b"l"))
    depth = chance.choice((2_000, 20_000, 200_000))
    if kind == b"l":
        return _held(chance, op.MARK * depth + kind * depth)
    value = (op.NONE + kind) if kind == b"\x85" else op.NONE
    each = kind if kind == b"\x85" else op.NONE + kind
    return _held(chance, value + each * depth)


def many_marks(chance: random.Random) -> bytes:
    return drawn_stem(chance).with_first(op.MARK * chance.choice((5_000, 500_000)) + op.NONE)


def huge_number(chance: random.Random) -> bytes:
    """LONG4 of megabytes: to print it is quadratic; and one that says more than is there."""
    if chance.random() < 0.5:
        return _held(chance, b"\x8b" + struct.pack("<i", 3 << 20) + b"\x7f" * (3 << 20))
    told = chance.choice((2**31 - 1, -1, -(2**31)))
    return _held(chance, b"\x8b" + struct.pack("<i", told) + b"\x7f")


def long_line_number(chance: random.Random) -> bytes:
    """LONG in digits, which Python refuses or takes minutes over."""
    return _held(chance, b"L" + b"9" * chance.choice((5_000, 300_000)) + b"L\n")


def text_that_says_too_much(chance: random.Random) -> bytes:
    told = chance.choice((2**31, 2**32 - 1))
    wide = chance.choice((2**40, 2**63 - 1, 2**64 - 1))
    return _held(
        chance,
        chance.choice(
            (
                b"X" + struct.pack("<I", told) + b"abc",
                b"B" + struct.pack("<I", told) + b"abc",
                b"T" + struct.pack("<i", -1) + b"abc",
                b"\x8d" + struct.pack("<Q", wide) + b"abc",
                b"\x8e" + struct.pack("<Q", wide) + b"abc",
                b"\x96" + struct.pack("<Q", wide) + b"abc",
            )
        ),
    )


def line_without_end(chance: random.Random) -> bytes:
    opcode = chance.choice((b"V", b"c", b"i", b"I", b"F", b"S", b"P", b"g", b"p"))
    return drawn_stem(chance).content[:-3] + opcode + b"a" * chance.choice((10, 2_000_000))


def unknown_opcode(chance: random.Random) -> bytes:
    known = b"().012FIJKLMNPQRSTUVXabcdeghijlmnopqrstu}]\x80" + bytes(range(0x80, 0x99)) + b"BCGE"
    unknown = [code for code in range(256) if code not in known]
    return drawn_stem(chance).with_first(bytes([chance.choice(unknown)]))


def empty_stack(chance: random.Random) -> bytes:
    """Opcodes that take what is not there."""
    opcode = chance.choice((op.REDUCE, op.BUILD, op.POP, op.DUP, op.TUPLE, op.SETITEM, op.NEWOBJ))
    return op.proto(chance.randint(2, 5)) + opcode + op.NONE + op.STOP


def unknown_cell(chance: random.Random) -> bytes:
    return _held(chance, op.get(chance.choice((99_999, 2**32 - 1))))


def no_model(chance: random.Random) -> bytes:
    """A harmless value where a model should be."""
    value = chance.choice(
        (
            op.NONE,
            op.literal([1, 2.5, "x"]),
            op.EMPTY_DICT,
            op.named("sklearn.linear_model._logistic", "LogisticRegression"),
            op.named("numpy", "log1p"),
            joblib_array(dtype_of("u1"), op.literal((3,)), b"abc"),
            op.tuple_of([drawn_stem(chance).content[2:-1]]),
        )
    )
    return op.proto(3) + value + op.STOP


SHAPES: tuple[op.Value, ...] = (
    (10**12,),
    (2**63,),
    (2**64,),
    (2**32, 2**32),
    (-1,),
    (-4, -4),
    (2**62, 4),
    (0, 2**63),
    (True,),
    (1.0,),
    ("3",),
    (None,),
    [3],
    3,
    None,
    "(3,)",
    ((3,),),
    tuple([1] * 70),
)
DTYPES = (
    *("V2147483647", ",f8", "f8,f8", "f8,O", "O,O", "(2,)f8", "2f8", "i9", "f3", "x7", "U99999999"),
    *("S2147483647", "M8[ns", "M8[9999999999s]", "void", "object_", "os.system", "f8\0", "|O4"),
    *("=i8@", "i8,(1000000,)f8", "a1000000000", "T"),
)


def array_lie(chance: random.Random) -> bytes:
    """A wrapper of joblib that says something impossible of its array."""
    data = b"\0" * chance.choice((0, 3, 24, 500))
    return _held_unframed(chance, _lie(chance, data))


def _lie(chance: random.Random, data: bytes) -> bytes:
    draw = chance.randrange(8)
    three = op.literal((3,))
    if draw < 2:
        return joblib_array(dtype_of("f8"), op.literal(chance.choice(SHAPES)), data)
    if draw < 4:
        return joblib_array(dtype_of(chance.choice(DTYPES)), three, data)
    if draw == 4:
        order = chance.choice((op.text("K"), op.text("FC"), op.NONE, op.literal(1), op.literal([])))
        return joblib_array(dtype_of("f8"), three, b"\0" * 24, order=order)
    if draw == 5:
        names = (("builtins", "str"), ("numpy", "memmap"), ("os", "system"), ("numpy", "log1p"))
        cls = chance.choice([op.named(*pair) for pair in names] + [op.text("ndarray"), op.NONE])
        return joblib_array(dtype_of("f8"), three, b"\0" * 24, subclass=cls)
    if draw == 6:
        told = op.literal(chance.choice((-1, 2**40, "16", 1.5, [])))
        return joblib_array(dtype_of("f8"), three, b"\0" * 25, numpy_array_alignment_bytes=told)
    return joblib_array(chance.choice((op.text("f8"), op.NONE, op.literal(8))), three, b"\0" * 24)


def old_wrapper(chance: random.Random) -> bytes:
    """joblib's older wrappers open a file by its name."""
    name = chance.choice(("NDArrayWrapper", "ZNDArrayWrapper"))
    module = chance.choice(("joblib.numpy_pickle", "joblib.numpy_pickle_compat"))
    state = op.dict_of(
        [
            (op.text("filename"), op.text("/etc/passwd")),
            (op.text("subclass"), op.named("numpy", "ndarray")),
            (op.text("allow_mmap"), op.TRUE),
        ]
    )
    return _held_unframed(chance, op.made(op.named(module, name), state))


def nested_object_arrays(chance: random.Random) -> bytes:
    """Arrays of objects, each within the stream of the other, a thousand deep."""
    content = op.NONE
    depth = chance.choice((200, 1_000))
    for _ in range(depth):
        content = joblib_array(dtype_of("O8"), op.literal((1,)), op.proto(2) + content + op.STOP)
    return _held_unframed(chance, content)


def array_cut_off(chance: random.Random) -> bytes:
    """The file ends within an array's bytes."""
    stem = chance.choice([one for one in stems() if "joblib" in one.name])
    at = stem.content.index(b"NumpyArrayWrapper") + 300
    return stem.content[: min(at, len(stem.content) - 4)]


def wrapper_that_is_reused(chance: random.Random) -> bytes:
    """The wrapper fetched out of the memo again, where its array should be."""
    array = joblib_array(dtype_of("u1"), op.literal((3,)), b"abc")
    kept = op.named("joblib.numpy_pickle", "NumpyArrayWrapper") + op.put(80_000)
    again = op.get(80_000) + op.EMPTY_TUPLE + op.NEWOBJ + op.put(80_001)
    built = again + op.EMPTY_DICT + op.BUILD
    return _held_unframed(chance, op.tuple_of([array, kept, built, op.get(80_001)]))


BOMBS: dict[str, Callable[[random.Random], bytes]] = {
    one.__name__.replace("_", " "): one
    for one in (
        container_bomb,
        many_gzip_members,
        wide_window,
        memo_bomb,
        sparse_memo,
        doubling,
        doubling_by_cells,
        holds_itself,
        deep_nesting,
        many_marks,
        huge_number,
        long_line_number,
        text_that_says_too_much,
        line_without_end,
        unknown_opcode,
        empty_stack,
        unknown_cell,
        no_model,
        array_lie,
        old_wrapper,
        nested_object_arrays,
        array_cut_off,
        wrapper_that_is_reused,
    )
}
