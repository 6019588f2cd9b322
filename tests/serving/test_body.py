"""Compressed bodies: what is unpacked, what is refused, and how an answer is packed."""

from __future__ import annotations

import gzip
import zlib

import pytest

from registry.errors import MalformedBody, TooLarge, UnsupportedMediaType
from serving.api.body import decoded_body, encoded_answer

TEXT = b'{"instances": []}' * 40


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (None, TEXT),
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        (" GZip ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    ],
)
def test_a_body_comes_out_as_it_went_in(encoding, body):
    assert decoded_body(encoding, body, len(TEXT)) == TEXT


def test_no_body_needs_no_unpacking():
    assert decoded_body("gzip", b"", 10) == b""


def test_a_bomb_is_refused_with_the_cap():
    bomb = gzip.compress(bytes(50 << 20))
    with pytest.raises(TooLarge, match="larger than 1000 bytes") as refused:
        decoded_body("gzip", bomb, 1000)
    assert refused.value.limit_bytes == 1000


def test_many_members_share_one_cap():
    with pytest.raises(TooLarge):
        decoded_body("gzip", gzip.compress(TEXT) * 2, len(TEXT) + 1)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", TEXT),
        ("gzip", gzip.compress(TEXT)[:-6]),
        ("gzip", gzip.compress(TEXT)[:-8] + bytes(8)),
        ("gzip", gzip.compress(TEXT) + b"more"),
        ("deflate", zlib.compress(TEXT)[:-1]),
        ("deflate", gzip.compress(TEXT)),
    ],
)
def test_a_damaged_body_is_refused(encoding, body):
    with pytest.raises(MalformedBody):
        decoded_body(encoding, body, 1 << 20)


def test_an_unknown_encoding_is_refused_with_the_known_ones():
    with pytest.raises(UnsupportedMediaType, match="`br`") as refused:
        decoded_body("br", TEXT, 1 << 20)
    assert refused.value.extra()["accepted"] == ["gzip", "deflate", "identity"]


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, None),
        ("*", None),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip;q=0.0, deflate", "deflate"),
        ("gzip, deflate", "gzip"),
        ("deflate", "deflate"),
        ("br;q=1.0, GZIP;q=0.8", "gzip"),
    ],
)
def test_an_answer_is_packed_as_the_caller_names_it(accept, encoding):
    body, used = encoded_answer(accept, TEXT)
    assert used == encoding
    assert decoded_body(used, body, len(TEXT)) == TEXT
    assert (body is TEXT) == (encoding is None)


def test_a_short_answer_stays_as_it_is():
    assert encoded_answer("gzip", b"{}") == (b"{}", None)


def test_a_body_of_too_many_members_is_refused() -> None:
    assert decoded_body("gzip", gzip.compress(b"") * 1_000, 10) == b""
    with pytest.raises(MalformedBody, match="more than 1000 members"):
        decoded_body("gzip", gzip.compress(b"") * 1_001, 10)


def test_members_may_end_anywhere_in_a_slice() -> None:
    parts = [bytes(range(256)) * 700, b"x" * 200_000, b""]
    packed = b"".join(gzip.compress(part, 0) for part in parts)
    assert decoded_body("gzip", packed, 1_000_000) == b"".join(parts)
