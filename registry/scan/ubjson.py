"""Plain: Universal Binary JSON (Draft 12, https://ubjson.org), the part that XGBoost writes.

Objects without types or counts; arrays of a counted length, of one number type where they are
long. Every length is held against the bytes that remain, so nothing grows beyond the file.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any

DEPTH_MAX = 16
# marker -> array type code, bytes of one item
_TYPED = {
    "i": ("b", 1),
    "U": ("B", 1),
    "I": ("h", 2),
    "l": ("i", 4),
    "L": ("q", 8),
    "d": ("f", 4),
    "D": ("d", 8),
}
_PLAIN: dict[str, Any] = {"T": True, "F": False, "Z": None}


class NotUbjson(ValueError):
    """The bytes are not UBJSON as XGBoost writes it; ``str()`` says why."""


def loads(body: bytes) -> Any:
    """The value: dict, list, ``array`` for an array of one number type, str, int, float, ...

    Raises NotUbjson, also for bytes that follow, a name twice in an object, and too deep nesting.
    """
    reader = _Reader(body)
    value = reader.value(reader.marker(), 0)
    if reader.at != len(body):
        raise NotUbjson("bytes follow behind its end")
    return value


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def marker(self) -> str:
        return chr(self.take(1)[0])

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.body):
            raise NotUbjson("it ends in the middle")
        taken = self.body[self.at : end]
        self.at = end
        return taken

    def value(self, marker: str, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise NotUbjson("it is nested too deep")
        if marker == "{":
            return self.object(depth)
        if marker == "[":
            return self.items(depth)
        if marker == "S":
            return self.text()
        if marker in _TYPED:
            return self.numbers(marker, 1)[0]
        if marker in _PLAIN:
            return _PLAIN[marker]
        raise NotUbjson(f"it has the marker {marker!a}")

    def object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self.marker() != "}":
            self.at -= 1  # names come without a marker: it was the first byte of a length
            name = self.text()
            if name in members:
                raise NotUbjson(f"the name {name[:40]!a} stands twice in an object")
            members[name] = self.value(self.marker(), depth + 1)
        return members

    def items(self, depth: int) -> Any:
        marker = self.marker()
        if marker == "$":
            kind = self.marker()
            if kind not in _TYPED or self.marker() != "#":
                raise NotUbjson("an array has a type that is not read here")
            return self.numbers(kind, self.length())
        if marker == "#":
            # Each item takes a byte at least.
            count = self.length()
            if count > len(self.body) - self.at:
                raise NotUbjson("an array is longer than what remains")
            return [self.value(self.marker(), depth + 1) for _ in range(count)]
        values = []
        while marker != "]":
            values.append(self.value(marker, depth + 1))
            marker = self.marker()
        return values

    def numbers(self, kind: str, count: int) -> array[Any]:
        code, width = _TYPED[kind]
        numbers = array(code, self.take(count * width))
        if sys.byteorder == "little":
            numbers.byteswap()  # the file is big-endian
        return numbers

    def length(self) -> int:
        marker = self.marker()
        if marker not in "iUIlL":
            raise NotUbjson("a length is no whole number")
        found = int(self.numbers(marker, 1)[0])
        if found < 0:
            raise NotUbjson("a length is below zero")
        return found

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError:
            raise NotUbjson("a text is not UTF-8") from None
