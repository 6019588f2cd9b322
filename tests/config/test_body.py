"""Request bodies behind the server: chunked ones arrive whole, broken ones are refused."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from config.body import Framing
from registry.errors import MalformedBody, MalformedMultipart, TooLarge

FORM = "multipart/form-data; boundary=xyz"
CLOSED = b"--xyz\r\n\r\ncontent\r\n--xyz--\r\n"


class Trickle(io.BytesIO):
    """A stream that gives at most 5 bytes at a time, as a socket may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(5 if size is None or size < 0 else min(size, 5))


def receive(folder: Path, body: bytes, **environ: Any) -> bytes:
    """The body as an application behind the layer reads it, by its Content-Length."""
    received = []

    def app(environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
        left = int(environ.get("CONTENT_LENGTH") or 0)
        while left and (piece := environ["wsgi.input"].read(min(left, 7))):
            received.append(piece)
            left -= len(piece)
        return []

    layer = Framing(app, max_body_bytes=100, max_form_bytes=1000, folder=str(folder))
    layer({"wsgi.input": Trickle(body), **environ}, lambda *_: None)
    return b"".join(received)


def test_a_chunked_body_arrives_whole(tmp_path: Path) -> None:
    body = b'{"instances": [1, 2, 3]}'
    assert receive(tmp_path, body, HTTP_TRANSFER_ENCODING="chunked") == body


def test_a_body_with_a_length_is_no_chunked_one_whatever_it_is_called(tmp_path: Path) -> None:
    received = receive(tmp_path, b"12345", HTTP_TRANSFER_ENCODING="Chunked", CONTENT_LENGTH="2")
    assert received == b"12"
    with pytest.raises(MalformedBody, match="ended before its Content-Length"):
        receive(tmp_path, b"half", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="8")


def test_a_chunked_body_without_an_end_is_cut_at_the_cap(tmp_path: Path) -> None:
    assert len(receive(tmp_path, b"x" * 100, HTTP_TRANSFER_ENCODING="chunked")) == 100
    with pytest.raises(TooLarge) as refused:
        receive(tmp_path, b"x" * 101, HTTP_TRANSFER_ENCODING="chunked")
    assert refused.value.limit_bytes == 100


def test_a_chunked_form_streams_and_arrives_whole(tmp_path: Path) -> None:
    received = receive(tmp_path, CLOSED, HTTP_TRANSFER_ENCODING="chunked", CONTENT_TYPE=FORM)
    assert received == CLOSED


@pytest.mark.parametrize("cut", [0, 1, 10, len(CLOSED) - 5])
def test_a_chunked_form_that_breaks_off_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(MalformedMultipart):
        receive(tmp_path, CLOSED[:cut], HTTP_TRANSFER_ENCODING="chunked", CONTENT_TYPE=FORM)


def test_a_chunked_form_over_the_cap_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.body.FORM_EXTRA_BYTES", 0)

    body = b"--xyz\r\n" + b"x" * 1000 + b"\r\n--xyz--"
    with pytest.raises(TooLarge) as refused:
        receive(tmp_path, body, HTTP_TRANSFER_ENCODING="chunked", CONTENT_TYPE=FORM)
    assert refused.value.limit_bytes == 1000


@pytest.mark.parametrize("content_type", ["application/json", FORM])
def test_a_body_shorter_than_its_length_is_refused(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(MalformedBody, match="ended before its Content-Length"):
        receive(tmp_path, b"half", CONTENT_LENGTH="8", CONTENT_TYPE=content_type)


@pytest.mark.parametrize("length", ["", "0", "x"])
def test_a_request_without_a_body_goes_through(tmp_path: Path, length: str) -> None:
    environ = {"CONTENT_LENGTH": length} if length != "x" else {}
    assert receive(tmp_path, b"", **environ) == b""
