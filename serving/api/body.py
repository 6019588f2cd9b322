"""Compressed bodies: the ``Content-Encoding`` of a request, the ``Accept-Encoding`` of an answer.

Followed: RFC 9110, sections 8.4 and 12.5.3; gzip (RFC 1952) and deflate (RFC 1950). Knows no
request object: Django's views and the express lane both call it.
"""

from __future__ import annotations

import zlib

from registry.errors import MalformedBody, TooLarge, UnsupportedMediaType

# 16 added to the window's bits makes zlib read and write gzip.
_WINDOW_BITS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
ENCODINGS = ("gzip", "deflate")
# Below this a packet holds it anyway.
PACKED_FROM_BYTES = 256
# Answers are packed while somebody waits: 1 is five times as fast as the default for most of it.
LEVEL = 1
# Files that were put together from parts have a member for each.
MEMBERS_MAX = 1_000
_SLICE_BYTES = 1 << 16


def decoded_body(encoding: str | None, body: bytes, cap: int) -> bytes:
    """The body without its ``Content-Encoding``; never more than ``cap`` bytes are unpacked.

    An empty body stays empty. Raises TooLarge when it would unpack to more than ``cap`` bytes,
    MalformedBody when it is damaged or breaks off, UnsupportedMediaType for another encoding.
    """
    name = (encoding or "").strip().lower()
    if name in ("", "identity") or not body:
        return body
    if name not in _WINDOW_BITS:
        text = f"The encoding `{name[:40]}` is not read here."
        raise UnsupportedMediaType(text, accepted=[*ENCODINGS, "identity"])
    try:
        return _unpacked(body, _WINDOW_BITS[name], cap)
    except zlib.error:
        raise MalformedBody(f"The body is not well-formed {name}.") from None


def encoded_answer(accept_encoding: str | None, body: bytes) -> tuple[bytes, str | None]:
    """The answer as the caller may have it, and its ``Content-Encoding``: None when left as it is.

    Only what is named in ``Accept-Encoding`` is used, gzip first; ``*`` asks for nothing.
    """
    wanted = _wanted(accept_encoding) if accept_encoding else None
    if wanted is None or len(body) < PACKED_FROM_BYTES:
        return body, None
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW_BITS[wanted])
    return packer.compress(body) + packer.flush(), wanted


def _unpacked(body: bytes, window_bits: int, cap: int) -> bytes:
    """All members of the body, one after the other; a gzip file may have several."""
    pieces: list[bytes] = []
    at, left = 0, cap
    for _ in range(MEMBERS_MAX):
        member = zlib.decompressobj(window_bits)
        while not member.eof:
            # In slices: what lies behind a member's end is copied by zlib, once for each member.
            slice_ = body[at : at + _SLICE_BYTES]
            if not slice_:
                raise MalformedBody("The compressed body broke off.")
            # One byte more than allowed tells a body that is too large from one that just fits.
            piece = member.decompress(slice_, left + 1)
            if len(piece) > left:
                raise TooLarge(f"Unpacked, the body is larger than {cap} bytes.", limit_bytes=cap)
            pieces.append(piece)
            left -= len(piece)
            at += len(slice_)
        at -= len(member.unused_data)
        if at == len(body):
            return b"".join(pieces)
    raise MalformedBody(f"The compressed body has more than {MEMBERS_MAX} members.")


def _wanted(accept_encoding: str) -> str | None:
    """The first of ``ENCODINGS`` that is named with a weight above 0."""
    named: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.strip().removeprefix("q=").strip()
        named[name.strip()] = not weight or weight.strip("0.") != ""
    return next((name for name in ENCODINGS if named.get(name)), None)
