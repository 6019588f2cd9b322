"""Small real models as streams, and the places in them where a value may be put.

Streams of protocol 2 and 3 have explicit memo cells and no frames, so that what is put in shifts
nothing; of protocol 4 only whole ones in a single frame are used, whose length is set right.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.hostile.dialects import fluent

END_OF_MODEL = b"ub."


@dataclass(frozen=True)
class Stem:
    """A whole stream that ends in the state of its root.

    ``flags`` are offsets of single values, ``cells`` how many values its memo has (0: unknown).
    ``is_fluent``: what is put in is written as its protocol does.
    """

    name: str
    content: bytes
    flags: tuple[int, ...]
    is_framed: bool
    cells: int = 0
    is_fluent: bool = False

    @property
    def protocol(self) -> int:
        """The protocol of the stream."""
        return self.content[1]

    def spoken(self, opcodes: bytes) -> bytes:
        """The opcodes as they are put in."""
        return fluent(opcodes, self.protocol) if self.is_fluent else opcodes

    def with_value(self, at: int, value: bytes) -> bytes:
        """The one-byte value at that offset replaced."""
        return self.patched(self.content[:at] + self.spoken(value) + self.content[at + 1 :])

    def with_attribute(self, key: bytes, value: bytes) -> bytes:
        """One more attribute in the root's state."""
        both = self.spoken(key) + self.spoken(value)
        return self.patched(self.content[: -len(END_OF_MODEL)] + both + END_OF_MODEL)

    def with_first(self, values: bytes) -> bytes:
        """Opcodes in front of everything else that leave the stack as it was."""
        at = 11 if self.is_framed else 2
        return self.patched(self.content[:at] + self.spoken(values) + self.content[at:])

    def patched(self, content: bytes) -> bytes:
        """The changed stream with its frame's length set right."""
        if not self.is_framed:
            return content
        return content[:3] + struct.pack("<Q", len(content) - 11) + content[11:]


@cache
def stems() -> tuple[Stem, ...]:
    """joblib and plain streams of several models and protocols."""
    found = []
    for model in _models():
        name = type(model).__name__
        for protocol in (2, 3):
            found.append(_stem(f"{name} by joblib", _dumped(model, protocol)))
            found.append(_stem(f"{name} by pickle", pickle.dumps(model, protocol)))
        found += [_stem(f"{name} by pickle", pickle.dumps(model, p)) for p in (4, 5)]
    return tuple(found)


def _models() -> tuple[Any, ...]:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30)
    names = np.array(["no", "yes"], dtype=object)[y]
    return (
        StandardScaler().fit(x),
        LogisticRegression().fit(x, names),
        DecisionTreeClassifier(max_depth=2).fit(x, y),
        make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(np.abs(x), y),
    )


def _dumped(model: Any, protocol: int) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file, protocol=protocol)
    return file.getvalue()


def _stem(name: str, content: bytes) -> Stem:
    assert content.endswith(END_OF_MODEL), name
    is_framed = content[2] == 0x95
    assert not is_framed or struct.unpack_from("<Q", content, 3)[0] == len(content) - 11
    cells = 0 if b"NumpyArrayWrapper" in content else _cells(content)
    label = f"{name}, protocol {content[1]}"
    return Stem(label, content, tuple(_flags(content)), is_framed, cells)


def _cells(content: bytes) -> int:
    names = [opcode.name for opcode, _, _ in pickletools.genops(content)]
    return sum("PUT" in name or name == "MEMOIZE" for name in names)


def _flags(content: bytes) -> list[int]:
    """Offsets of booleans and None that stand behind a name: values of a state.

    Read as far as the first array of joblib, whose bytes are no opcodes.
    """
    found, previous = [], ""
    end = content.find(b"NumpyArrayWrapper")
    stream = content if end < 0 else content[:end]
    try:
        for opcode, argument, at in pickletools.genops(stream):
            if opcode.name in ("NEWTRUE", "NEWFALSE", "NONE") and len(previous) > 2:
                found.append(at or 0)
            if "PUT" not in opcode.name and opcode.name != "MEMOIZE":
                previous = argument if isinstance(argument, str) else ""
    except ValueError:
        pass
    return found
