"""Truncated, mutated and random files end as a finding: no exception, no endless loop."""

from __future__ import annotations

import io
import json
import random
import time

import pytest

from registry.formats import FORMATS as FORMATS_KNOWN
from registry.scan import REASONS, look

SEED = 20260131
FORMATS = ("skops", "onnx", "joblib")
SECONDS = 20


def looked(content: bytes, format: str):
    found = look(io.BytesIO(content), len(content), format)
    assert found.verdict in ("passed", "failed")
    assert found.reason in REASONS or (found.verdict == "passed" and not found.reason)
    json.dumps(found.evidence)
    return found


@pytest.fixture
def good(request, skops_bytes, onnx_bytes, joblib_bytes):
    files = {"skops": skops_bytes, "onnx": onnx_bytes, "joblib": joblib_bytes(3)}
    return files[request.param], request.param


@pytest.mark.parametrize("good", FORMATS, indirect=True)
def test_every_truncation_is_refused(good):
    content, format = good
    for length in range(0, len(content), max(1, len(content) // 300)):
        assert looked(content[:length], format).verdict == "failed", length


@pytest.mark.parametrize("good", FORMATS, indirect=True)
def test_mutations_never_raise_nor_hang(good):
    content, format = good
    chance = random.Random(SEED)
    begun = time.monotonic()
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 1, 2, 8))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        looked(bytes(changed), format)
    assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("good", FORMATS, indirect=True)
def test_cut_and_repeated_pieces_never_raise(good):
    content, format = good
    chance = random.Random(SEED)
    for _ in range(100):
        start, end = sorted(chance.randrange(len(content)) for _ in range(2))
        looked(content[:start] + content[end:], format)
        looked(content[:end] + content[start:], format)


@pytest.mark.parametrize("format", FORMATS)
def test_random_bytes_are_refused(format):
    chance = random.Random(SEED)
    for magic in (b"", b"PK\x03\x04", b"\x80\x04", b"\x08\x08", b"\x78\x9c", b"\x1f\x8b\x08"):
        for length in (0, 1, 22, 23, 64, 3000):
            content = magic + chance.randbytes(length)
            found = looked(content, format)
            # Two random bytes can be a whole pickle stream: PROTO and STOP.
            assert found.verdict == "failed" or content.endswith(b".")


@pytest.mark.parametrize("format", FORMATS_KNOWN)
def test_every_format_has_a_look_that_refuses_what_is_none_of_it(format):
    assert looked(b"tree-less\n", format).verdict == "failed"


def test_a_file_shorter_than_it_is_said_to_be_is_refused(skops_bytes, onnx_bytes):
    for content, format in ((skops_bytes, "skops"), (onnx_bytes, "onnx")):
        found = look(io.BytesIO(content), len(content) + 100, format)
        assert found.verdict == "failed"


def test_a_hole_in_a_reader_is_no_way_in(monkeypatch):
    def broken(*_):
        raise IndexError

    monkeypatch.setattr("registry.scan.looking._LOOKS", {"skops": broken})
    assert looked(b"PK\x03\x04", "skops").verdict == "failed"


def test_every_reason_is_kebab_case_and_says_what_to_do():
    for reason, (meaning, remedy) in REASONS.items():
        assert reason == reason.lower().replace("_", "-")
        assert meaning
        assert remedy
