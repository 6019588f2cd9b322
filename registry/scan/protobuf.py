"""Plain: the protobuf wire format (https://protobuf.dev/programming-guides/encoding), read only.

Strict: canonical field numbers, no groups, no bytes behind the end. Every message is a view of one
buffer, so nothing is copied and nesting costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from registry.scan.finding import Refused

Buffer = memoryview
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
VARINT_MAX_BYTES = 10
TEXT_MAX_BYTES = 1 << 16


def fields(
    message: Buffer, known: Collection[int], what: str
) -> Iterator[tuple[int, int | Buffer]]:
    """(field number, value) in order: int for a varint, a view of its bytes for anything else.

    Raises Refused ``onnx-malformed`` for a field that is not ``known`` and for damage.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at, what)
        key, wire = tag >> 3, tag & 7
        if key not in known:
            raise malformed(what, f"it has the unknown field {key}")
        if wire == VARINT:
            value, at = _varint(message, at, what)
            yield key, value
            continue
        if wire == LENGTH:
            length, at = _varint(message, at, what)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise malformed(what, f"it has the wire type {wire}")
        if length > end - at:
            raise malformed(what, "it ends in the middle")
        yield key, message[at : at + length]
        at += length


def _varint(message: Buffer, at: int, what: str) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise malformed(what, "a number in it does not end")


def count_varints(packed: Buffer) -> int:
    """How many numbers a packed field holds: as many as there are bytes below 128."""
    packed_bytes = bytes(packed)
    if packed_bytes and packed_bytes[-1] >= 0x80:
        raise malformed("tensor", "a number in it does not end")
    return len(packed_bytes) - sum(map(packed_bytes.count, _CONTINUED))


_CONTINUED = tuple(bytes([byte]) for byte in range(0x80, 0x100))


def varints(packed: Buffer, limit: int) -> list[int]:
    """The numbers of a packed field, at most ``limit``."""
    found: list[int] = []
    at = 0
    while at < len(packed):
        if len(found) == limit:
            raise malformed("tensor", f"it has more than {limit} dimensions")
        value, at = _varint(packed, at, "tensor")
        found.append(value)
    return found


def number(value: int | Buffer) -> int:
    """A varint field."""
    if not isinstance(value, int):
        raise malformed("model", "bytes stand where a number was expected")
    return value


def text(value: int | Buffer) -> str:
    """A text field of bounded length."""
    if isinstance(value, int) or len(value) > TEXT_MAX_BYTES:
        raise malformed("model", "a name in it is no text, or too long")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise malformed("model", "a name in it is not UTF-8") from None


def malformed(what: str, how: str) -> Refused:
    """The refusal of damaged bytes."""
    return Refused("onnx-malformed", f"The {what} is refused: {how}")
