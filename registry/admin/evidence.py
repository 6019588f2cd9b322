"""What a check left behind, as something to read: facts, lists and tables instead of raw JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.template.defaultfilters import filesizeformat

TABLE_ROWS = 100
# Names beyond these are folded away: an ordinary pipeline has dozens.
NAMES_SHOWN = 20
LIST_ITEMS = 60
TAG_CHARS = 48
# Shown elsewhere on the page, or repeated in the summary.
_HIDDEN = frozenset({"error_count"})
_ACRONYMS = {
    "sha256": "SHA-256",
    "onnx": "ONNX",
    "id": "id",
    "gate_version": "Gate",
    "size_bytes": "Size",
    "stream_bytes": "Unpacked size",
    "stream_sha256": "SHA-256 unpacked",
    "array_bytes": "Size of arrays",
    "offset": "Byte offset",
    "global": "Refused name",
    "globals": "Names in the file",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a list of objects; a cell is text, empty for what a row lacks.

    ``folded`` rows follow ``rows``, behind a click; ``left_out`` ones are not shown at all.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0
    folded: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Readable:
    """Evidence in three shapes; each is empty where there is nothing of the kind.

    A list is shown as ``tags`` when its items are short, else as ``bullets``.
    """

    facts: list[tuple[str, str]] = field(default_factory=list)
    lists: list[tuple[str, list[str], str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.facts or self.lists or self.tables)


def readable(evidence: Any) -> Readable:
    """Sort evidence (JSON, whatever its shape) into facts, lists and tables."""
    shown = Readable()
    if not isinstance(evidence, Mapping):
        return shown
    for key, value in evidence.items():
        if key in _HIDDEN or value in (None, "", [], {}):
            continue
        if key == "globals" and isinstance(value, Mapping):
            shown.tables.append(_names(value))
        elif key.endswith("_bytes") and isinstance(value, int):
            shown.facts.append((words(key), filesizeformat(value)))
        else:
            _place(shown, words(key), value)
    return shown


def words(key: str) -> str:
    """A JSON key as a label: ``example_rows`` is “Example rows”."""
    text = key.replace("_", " ").replace("-", " ").strip()
    return _ACRONYMS.get(key, text[:1].upper() + text[1:])


def cell(value: Any) -> str:
    """One value as short text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _names(counts: Mapping[str, Any]) -> Table:
    """The names that a file calls for with how often it does; those of numpy come last."""
    names = sorted(counts, key=lambda name: (str(name).startswith("numpy"), str(name)))
    rows = tuple((str(name), cell(counts[name])) for name in names)
    return Table(
        f"{words('globals')} ({len(rows)})",
        ("Name", "Times"),
        rows[:NAMES_SHOWN],
        folded=rows[NAMES_SHOWN:],
    )


def _place(shown: Readable, label: str, value: Any) -> None:
    if isinstance(value, Mapping):
        _place_mapping(shown, label, value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        _place_sequence(shown, label, list(value))
    else:
        shown.facts.append((label, cell(value)))


def _place_mapping(shown: Readable, label: str, value: Mapping[str, Any]) -> None:
    if len(value) <= 4 and not any(isinstance(v, Mapping | list) for v in value.values()):
        shown.facts.append((label, ", ".join(f"{k} {cell(v)}" for k, v in value.items())))
        return
    rows = [(str(k), cell(v)) for k, v in value.items()]
    shown.tables.append(
        Table(label, ("Name", "Value"), tuple(rows[:TABLE_ROWS]), max(0, len(rows) - TABLE_ROWS))
    )


def _place_sequence(shown: Readable, label: str, items: list[Any]) -> None:
    if items and all(isinstance(item, Mapping) for item in items):
        columns = tuple(dict.fromkeys(key for item in items for key in item))
        rows = tuple(
            tuple(cell(item[c]) if c in item else "" for c in columns)
            for item in items[:TABLE_ROWS]
        )
        left_out = max(0, len(items) - TABLE_ROWS)
        shown.tables.append(Table(label, tuple(words(c) for c in columns), rows, left_out))
        return
    texts = [cell(item) for item in items[:LIST_ITEMS]]
    if len(items) > LIST_ITEMS:
        texts.append(f"… and {len(items) - LIST_ITEMS} more")
    kind = "tags" if all(len(text) <= TAG_CHARS for text in texts) else "bullets"
    shown.lists.append((label, texts, kind))
