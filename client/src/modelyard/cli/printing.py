"""What the command says: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelyard.errors import ModelyardError


def printable(text: object) -> str:
    """One line without control characters: what a service sends must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def say(text: object = "") -> None:
    """A line of the result."""
    print(printable(text))


def note(text: object) -> None:
    """A line beside the result."""
    print(printable(text), file=sys.stderr)


def say_json(document: Any) -> None:
    """A document for a program to read; in ASCII, so that it cannot steer a terminal either."""
    print(json.dumps(document, indent=2))


def report(error: ModelyardError) -> None:
    """An error with all that is known of it."""
    for index, line in enumerate(str(error).split("\n")):
        note(f"modelyard: {line}" if index == 0 else line)


def say_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns set one under the other; an empty table is its heads."""
    cells = [list(heads), *([printable("" if c is None else c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())


def pairs(texts: Iterable[str]) -> Mapping[str, str]:
    """``k=v`` arguments as a mapping. ValueError for one without ``=`` or without a key."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"{text!r} is not of the form key=value")
        found[key] = value
    return found


def words(text: str) -> list[str]:
    """A list written with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
