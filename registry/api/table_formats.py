"""Tells in which format a table came: by the end of its name, media type or first bytes."""

from __future__ import annotations

from registry.api.uploads import Part
from registry.errors import InvalidField
from registry.tabular import FORMATS, format_of_media_type

DATASET_FORMATS = ("csv", "csv.gz", "jsonl", "parquet")
_HEAD_BYTES = 512


def dataset_format(part: Part) -> str:
    """The format of a dataset's file. Raises InvalidField for a file that is surely no such one."""
    head = part.head(_HEAD_BYTES)
    key = _named(part) or _looks(head)
    if key == "json" and not head.lstrip().startswith(b"["):
        # A .json file that is not a list mostly has one object on each line.
        key = "jsonl"
    is_binary = b"\0" in head or head.startswith(b"PK\x03\x04")
    if key not in DATASET_FORMATS or (key in ("csv", "jsonl") and is_binary):
        known = ", ".join(DATASET_FORMATS)
        raise InvalidField(f"The file is not in one of the formats {known}.", pointer="/file")
    return key


def example_format(part: Part) -> str:
    """The format of example rows: what is no table in it is found when it is read."""
    return _named(part) or _looks(part.head(_HEAD_BYTES))


def _named(part: Part) -> str | None:
    label = part.label.lower()
    suffixes = {suffix: row.key for row in FORMATS.values() for suffix in row.suffixes}
    for suffix in sorted(suffixes, key=len, reverse=True):
        if label.endswith(suffix):
            return suffixes[suffix]
    return format_of_media_type(part.media_type)


def _looks(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x1f\x8b"):
        return "csv.gz"
    if text.startswith(b"["):
        return "json"
    return "jsonl" if text.startswith(b"{") else "csv"
