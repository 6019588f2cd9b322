"""joblib and pickle files are judged by their container; nothing in them is read as a pickle."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib

import pytest

from registry.scan import look
from registry.scan.containers import RATIO_FREE_BYTES

# PROTO 4, then opcodes that would exit the interpreter if anything unpickled them.
LIVE = b"\x80\x04\x8c\x02os\x8c\x05abort\x93)R."
PACKERS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, format=lzma.FORMAT_ALONE),
}


def looked(content: bytes, format: str = "joblib"):
    return look(io.BytesIO(content), len(content), format)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_a_joblib_file_waits_for_a_reviewer_with_its_container_as_evidence(joblib_bytes, compress):
    found = looked(joblib_bytes(compress))
    assert (found.verdict, found.reason) == ("review", "needs-review")
    assert found.evidence["container"] == {0: "raw", 3: "zlib"}.get(
        compress, compress[0] if isinstance(compress, tuple) else None
    )
    assert found.evidence["protocol"] >= 2
    assert found.evidence["size_bytes"] == len(joblib_bytes(compress))


def test_a_pickle_that_would_end_the_process_is_only_looked_at():
    assert looked(LIVE, "pickle").verdict == "review"


@pytest.mark.parametrize("packed_by", PACKERS)
def test_a_compressed_stream_that_ends_in_the_middle_is_refused(packed_by):
    packed = PACKERS[packed_by](b"\x80\x04" + bytes(range(256)) * 40 + b".")
    assert looked(packed).verdict == "review"
    assert looked(packed[: len(packed) // 2]).reason in ("truncated", "container-damaged")


@pytest.mark.parametrize("packed_by", PACKERS)
def test_bytes_behind_a_compressed_stream_are_refused(packed_by):
    assert looked(PACKERS[packed_by](LIVE) + b"x").reason == "container-trailing-bytes"


@pytest.mark.parametrize("packed_by", PACKERS)
def test_a_bomb_is_refused_before_it_has_grown(packed_by):
    bomb = PACKERS[packed_by](b"\x80\x04" + bytes(64 * RATIO_FREE_BYTES) + b".")
    assert looked(bomb).reason == "container-bomb"


@pytest.mark.parametrize("packed_by", PACKERS)
def test_a_second_layer_of_compression_is_refused(packed_by):
    assert looked(PACKERS[packed_by](zlib.compress(LIVE))).reason == "container-nested"


REFUSED = [
    (b"", "empty-file"),
    (b"PK\x03\x04", "container-not-supported"),
    (b"7z\xbc\xaf\x27\x1c", "container-not-supported"),
    (b"ZF0x0", "container-not-supported"),
    (b"\x04\x22\x4d\x18" + bytes(20), "container-not-supported"),
    (b"]\x94.", "pickle-protocol"),
    (b"\x80\x01.", "pickle-protocol"),
    (b"\x80", "pickle-protocol"),
    (LIVE[:-1], "truncated"),
    (LIVE + b"more", "truncated"),
    (zlib.compress(b"no pickle."), "pickle-protocol"),
    (b"\x78\x9c" + bytes(30), "container-damaged"),
]


@pytest.mark.parametrize(("content", "reason"), REFUSED)
def test_what_is_no_whole_pickle_is_refused_with_its_reason(content, reason):
    found = looked(content)
    assert (found.verdict, found.reason) == ("failed", reason)
    assert "What to do" in found.summary
