"""The gate's limits: files that would take memory or time are refused before they have it."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib

import pytest

from registry.scan import look, pickle_source
from tests.registry.scan.assembled import (
    APPENDS,
    DICT,
    EMPTY,
    ITEM,
    LIST,
    MARK,
    MEMO,
    NEW,
    NONE,
    ONE,
    REDUCE,
    RIDGE,
    TUPLE,
    TWO,
    array,
    dtype,
    get,
    holding,
    looked,
    model,
    named,
    number,
    pickled,
    raw,
    text,
    wrapped,
)

MEMORY_MIB = 64
NUMBER = raw(b"12345678")
LARGE = {
    "lists": (LIST + MARK + (LIST + MEMO) * 190_000 + APPENDS, "None"),
    "dicts": (LIST + MARK + (DICT + MEMO + text("a") + NONE + ITEM) * 80_000 + APPENDS, "objects"),
    "tuples": (LIST + (MARK + (NONE + ONE + MEMO) * 90_000 + APPENDS) * 6, "objects"),
    "one tuple in the other": (NONE + ONE * 600_000, "depth"),
    "objects": (
        named(RIDGE) + MEMO + LIST + MARK + (get(0) + EMPTY + NEW + MEMO) * 150_000 + APPENDS,
        "None",
    ),
    "bytes": (LIST + (MARK + (raw(b"x" * 17) + MEMO) * 90_000 + APPENDS) * 6, "objects"),
    "numbers of numpy": (
        MARK
        + named("numpy._core.multiarray.scalar")
        + MEMO
        + dtype("i8")
        + MEMO
        + LIST
        + (MARK + (get(0) + get(1) + NUMBER + MEMO + TWO + MEMO + REDUCE + MEMO) * 60_000 + APPENDS)
        * 7
        + TUPLE,
        "None",
    ),
    "values on the stack": (MARK + NONE * 600_000, "stack"),
    "marks": (MARK * 600_000, "marks"),
    "a text": (b"X" + struct.pack("<I", 8 << 20) + b"a" * (8 << 20), "None"),
}
# Looks at the file of that name, prints the limit that it meets and by how many KiB memory grew.
MEASURED = """
import io, re, sys
from pathlib import Path
from registry.scan import look

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

small = bytes.fromhex(sys.argv[2])
look(io.BytesIO(small), len(small), "joblib")
before = peak()
with open(sys.argv[1], "rb") as file:
    print(look(file, file.seek(0, 2), "joblib").evidence.get("limit"), peak() - before)
"""


@pytest.mark.parametrize("name", LARGE)
def test_memory_stays_bounded_and_the_limit_that_is_met_is_named(name, tmp_path):
    path = tmp_path / "file.joblib"
    path.write_bytes(holding(LARGE[name][0]))
    command = [sys.executable, "-c", MEASURED, str(path), pickled(model()).hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    limit, grown_kib = done.stdout.split()
    assert limit == LARGE[name][1]
    assert int(grown_kib) < MEMORY_MIB << 10


def test_arrays_of_objects_are_read_only_so_deep():
    """joblib writes one pickle into another at most once; the inner one has no wrappers."""
    objects = dtype("O8", "|", (-1, -1, 63))
    inner = pickled(array(LIST + MARK + NONE + APPENDS, number(1) + ONE, objects))
    array_of_objects = wrapped(number(1) + ONE, inner, dtype=objects)
    assert looked(holding(array_of_objects)).verdict == "passed"
    deeper = wrapped(number(1) + ONE, pickled(array_of_objects), dtype=objects)
    assert looked(holding(deeper)).reason == "pickle-call"


def test_a_look_that_takes_too_long_ends():
    content = pickled(model())
    source = pickle_source.Source(iter([content]), seconds=-1.0)
    with pytest.raises(pickle_source.Refused) as refused:
        source.byte()
    assert refused.value.reason == "took-too-long"


def test_many_texts_do_not_hide_a_global_or_an_attribute():
    words = b"".join(text(f"word{at}") + MEMO for at in range(60_000))
    many = LIST + MARK + words + APPENDS
    assert looked(pickled(model(words_=many, then_=text("x" * 90)))).verdict == "passed"
    hidden = looked(pickled(model(words_=many, then_=named("posix.system"))))
    assert hidden.reason in ("pickle-global-not-literal", "pickle-untrusted-global")
    assert looked(pickled(model(words_=many, predict=NONE))).reason == "pickle-state"
    assert looked(pickled(model(words_=many, __new_key__=NONE))).reason == "pickle-state"


def test_a_bomb_behind_an_array_is_refused_before_it_has_grown():
    bomb = zlib.compress(holding(wrapped(number(1 << 25) + ONE, b"\x01\xff" + bytes(40 << 20))))
    began = time.monotonic()
    assert look(io.BytesIO(bomb), len(bomb), "joblib").reason == "container-bomb"
    assert time.monotonic() - began < 10


def test_values_that_lie_too_deep_or_hold_each_other_too_often_are_refused():
    assert looked(holding(NONE + ONE * 900)).verdict == "passed"
    deep = looked(holding(NONE + ONE * 2_000))
    assert (deep.reason, deep.evidence["limit"]) == ("pickle-limit", "depth")
    doubled = EMPTY + b"".join(ONE + MEMO + get(at) + TWO for at in range(60))
    wide = looked(holding(doubled))
    assert (wide.reason, wide.evidence["limit"]) == ("pickle-limit", "extent")
    more = b"".join(LIST + MEMO + MARK + get(at) + get(at) + APPENDS for at in range(60))
    lists = MARK + LIST + MEMO + more + TUPLE
    assert looked(holding(lists)).reason == "pickle-limit"
