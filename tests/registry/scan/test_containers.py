"""What joblib and pickle files are packed in: one layer, capped, and nothing behind it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from importlib.metadata import version

import lz4.frame
import pytest

from registry.scan.containers import RATIO_FREE_BYTES
from tests.registry.scan.assembled import holding, looked, model, pickled, raw

HARMLESS = pickled(model())
# PROTO 4, then opcodes that would exit the interpreter if anything unpickled them.
LIVE = b"\x80\x04\x8c\x02os\x8c\x05abort\x93)R."
PACKERS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lz4": lz4.frame.compress,
    "lzma": lambda raw: lzma.compress(raw, format=lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("compress", [0, 3, "gzip", "bz2", "xz", "lzma", "lz4"])
def test_a_joblib_file_passes_in_every_container_and_protocol(joblib_bytes, compress, protocol):
    content = joblib_bytes(compress, protocol)
    found = looked(content)
    assert (found.verdict, found.reason) == ("passed", "")
    container = {0: "raw", 3: "zlib"}.get(compress, compress)
    assert (found.evidence["container"], found.evidence["protocol"]) == (container, protocol)
    assert found.evidence["size_bytes"] == len(content)
    assert found.evidence["stream_bytes"] >= len(joblib_bytes(0, protocol)) - 16
    assert ("stream_sha256" in found.evidence) == (compress != 0)
    assert found.evidence["arrays"] >= 2
    assert found.evidence["trained_with"] == {"scikit-learn": version("scikit-learn")}


def test_a_pickle_that_would_end_the_process_is_only_looked_at():
    assert looked(LIVE, "pickle").evidence["global"] == "os.abort"


@pytest.mark.parametrize("packed_by", PACKERS)
def test_a_compressed_stream_that_ends_in_the_middle_is_refused(packed_by):
    packed = PACKERS[packed_by](holding(raw(random.Random(1).randbytes(9_000))))
    assert looked(packed).verdict == "passed"
    assert looked(packed[: len(packed) // 2]).reason in ("truncated", "container-damaged")


@pytest.mark.parametrize("packed_by", PACKERS)
def test_bytes_behind_a_compressed_stream_are_refused(packed_by):
    assert looked(PACKERS[packed_by](HARMLESS) + b"x").reason == "container-trailing-bytes"


@pytest.mark.parametrize("packed_by", PACKERS)
def test_a_bomb_is_refused_before_it_has_grown(packed_by):
    bomb = PACKERS[packed_by](holding(raw(bytes(64 * RATIO_FREE_BYTES))))
    assert looked(bomb).reason == "container-bomb"


@pytest.mark.parametrize("packed_by", PACKERS)
def test_a_second_layer_of_compression_is_refused(packed_by):
    assert looked(PACKERS[packed_by](zlib.compress(LIVE))).reason == "container-nested"


REFUSED = [
    (b"", "empty-file"),
    (b"PK\x03\x04", "container-not-supported"),
    (b"7z\xbc\xaf\x27\x1c", "container-not-supported"),
    (b"ZF0x0", "container-not-supported"),
    (b"\x04\x22\x4d\x18" + bytes(20), "container-damaged"),
    (b"]\x94.", "pickle-protocol"),
    (b"\x80\x01.", "pickle-protocol"),
    (b"\x80", "pickle-protocol"),
    (HARMLESS[:-1], "truncated"),
    (HARMLESS + b"more", "container-trailing-bytes"),
    (zlib.compress(b"no pickle."), "pickle-protocol"),
    (b"\x78\x9c" + bytes(30), "container-damaged"),
]


@pytest.mark.parametrize(("content", "reason"), REFUSED)
def test_what_is_no_whole_pickle_is_refused_with_its_reason(content, reason):
    found = looked(content)
    assert (found.verdict, found.reason) == ("failed", reason)
    assert "What to do" in found.summary
