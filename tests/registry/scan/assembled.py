"""A small assembler of pickles, for the tests of the gate: nothing here is ever unpickled."""

from __future__ import annotations

import io
import struct

from registry.scan import look

PROTO4 = b"\x80\x04"
NONE, TRUE, FALSE, MARK, STOP = b"N", b"\x88", b"\x89", b"(", b"."
LIST, APPEND, APPENDS, DICT, ITEM, ITEMS = b"]", b"a", b"e", b"}", b"s", b"u"
SET, ADD, FROZEN = b"\x8f", b"\x90", b"\x91"
EMPTY, ONE, TWO, THREE, TUPLE = b")", b"\x85", b"\x86", b"\x87", b"t"
REDUCE, NEW, NEW_EX, BUILD, MEMO = b"R", b"\x81", b"\x92", b"b", b"\x94"
DUP, POP = b"2", b"0"
FLOAT = b"G" + bytes(8)


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else b"X" + _four(len(raw)) + raw


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    return b"J" + struct.pack("<i", value)


def raw(value: bytes) -> bytes:
    return (
        b"C" + bytes([len(value)]) + value if len(value) < 256 else b"B" + _four(len(value)) + value
    )


def named(full: str) -> bytes:
    module, _, name = full.rpartition(".")
    return text(module) + text(name) + b"\x93"


def get(index: int) -> bytes:
    return b"h" + bytes([index])


def put(index: int) -> bytes:
    return b"q" + bytes([index])


def frame(content: bytes) -> bytes:
    return b"\x95" + struct.pack("<Q", len(content)) + content


def many(*values: bytes) -> bytes:
    return MARK + b"".join(values) + TUPLE


def mapping(**items: bytes) -> bytes:
    return DICT + MARK + b"".join(text(key) + value for key, value in items.items()) + ITEMS


def call(full: str, *args: bytes) -> bytes:
    return named(full) + many(*args) + REDUCE


def made(full: str, state: bytes = b"") -> bytes:
    return named(full) + EMPTY + NEW + (state + BUILD if state else b"")


def dtype(code: str = "f8", order: str = "<", sizes: tuple = (-1, -1, 0)) -> bytes:
    state = many(number(3), text(order), NONE, NONE, NONE, *map(number, sizes))
    return call("numpy.dtype", text(code), FALSE, TRUE) + state + BUILD


def array(content: bytes, shape: bytes, type_: bytes | None = None) -> bytes:
    empty = call(
        "numpy._core.multiarray._reconstruct", named("numpy.ndarray"), number(0) + ONE, raw(b"b")
    )
    return empty + many(number(1), shape, type_ or dtype(), FALSE, content) + BUILD


def wrapped(shape: bytes, content: bytes, **changed: bytes) -> bytes:
    """An array as joblib writes it, with its bytes behind it."""
    state = {
        "subclass": named("numpy.ndarray"),
        "shape": shape,
        "order": text("C"),
        "dtype": dtype(),
        "allow_mmap": TRUE,
        "numpy_array_alignment_bytes": number(16),
    }
    state = {key: value for key, value in {**state, **changed}.items() if value}
    return made("joblib.numpy_pickle.NumpyArrayWrapper", mapping(**state)) + content


RIDGE = "sklearn.linear_model._ridge.Ridge"


def model(**attributes: bytes) -> bytes:
    """A Ridge with these attributes, and no more."""
    return made(RIDGE, mapping(**attributes, alpha=FLOAT))


def pickled(body: bytes) -> bytes:
    return PROTO4 + body + STOP


def holding(value: bytes) -> bytes:
    """A pickle of a Ridge with one attribute more."""
    return pickled(model(extra_=value))


def looked(content: bytes, format: str = "joblib"):
    return look(io.BytesIO(content), len(content), format)


def assert_refused(content: bytes, reason: str) -> None:
    """It is refused for this reason, with a place in the stream and what to do about it."""
    found = looked(content)
    assert (found.verdict, found.reason) == ("failed", reason), found.summary
    assert "What to do" in found.summary
    assert 0 <= found.evidence["offset"] <= len(content)


def _four(value: int) -> bytes:
    return struct.pack("<I", value)
