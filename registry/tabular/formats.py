"""Plain: the one table of tabular formats: key, suffixes, media types, reader and writer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import pyarrow as pa

from registry.tabular.arrow_read import ArrowReader
from registry.tabular.errors import TabularError
from registry.tabular.readers import CsvReader, JsonReader, Reader
from registry.tabular.write import arrow_chunks, csv_chunks, jsonl_chunks, parquet_chunks

Chunks = Callable[..., Iterator[bytes]]
HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class TabularFormat:
    """One format. ``media_types`` has the one that we answer with first.

    ``write`` makes a stream of bytes out of ``(batches, schema)``, None where we only read.
    """

    key: str
    title: str
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    read: Callable[..., Reader]
    write: Chunks | None


_ROWS = (
    TabularFormat("csv", "CSV", (".csv",), ("text/csv",), CsvReader, csv_chunks),
    TabularFormat(
        "csv.gz",
        "CSV, gzip",
        (".csv.gz",),
        ("application/gzip", "application/x-gzip"),
        partial(CsvReader, is_gzip=True),
        None,
    ),
    TabularFormat(
        "jsonl",
        "JSON Lines",
        (".jsonl", ".ndjson"),
        ("application/jsonl", "application/x-ndjson", "application/x-jsonlines"),
        JsonReader,
        jsonl_chunks,
    ),
    TabularFormat(
        "json",
        "JSON",
        (".json",),
        ("application/json",),
        partial(JsonReader, is_document=True),
        None,
    ),
    TabularFormat(
        "parquet",
        "Parquet",
        (".parquet", ".pq"),
        ("application/vnd.apache.parquet", "application/x-parquet"),
        partial(ArrowReader, is_parquet=True),
        parquet_chunks,
    ),
    TabularFormat(
        "arrow",
        "Arrow stream",
        (".arrows", ".arrow"),
        ("application/vnd.apache.arrow.stream",),
        partial(ArrowReader, is_parquet=False),
        arrow_chunks,
    ),
)
FORMATS: dict[str, TabularFormat] = {row.key: row for row in _ROWS}
_MAGIC = ((b"\x1f\x8b", "csv.gz"), (b"PAR1", "parquet"), (b"\xff\xff\xff\xff", "arrow"))
_BINARY = frozenset(key for _, key in _MAGIC)


def reader_of(file: BinaryIO, format: str, *, max_bytes: int) -> Reader:
    """The reader of a format key; raises TabularError ``unknown-format``."""
    known = FORMATS.get(format)
    if known is None:
        raise TabularError("unknown-format", f"There is no tabular format `{format[:40]}`")
    return known.read(file, max_bytes=max_bytes)


def format_of_media_type(media_type: str) -> str | None:
    """The key for a media type, parameters ignored; None for one that is not tabular."""
    bare = media_type.partition(";")[0].strip().lower()
    return next((row.key for row in _ROWS if bare in row.media_types), None)


def detect(head: bytes, filename: str) -> str:
    """The format key by the first bytes, and by the suffix where text could be several.

    Raises TabularError for an empty file, and where bytes and suffix contradict each other.
    """
    if not head:
        raise TabularError("empty-file", "The file is empty", line=1, column=None)
    label = os.path.basename(filename).lower()[-80:]
    by_name = _by_suffix(label)
    by_bytes = next((key for magic, key in _MAGIC if head.startswith(magic)), None)
    if by_bytes is not None and by_name in (by_bytes, None):
        return by_bytes
    if by_bytes is None and by_name is not None and by_name not in _BINARY:
        return by_name
    if by_bytes is None and by_name is None:
        raise TabularError("unknown-format", f"The suffix of `{label}` is of no known format")
    found = f"`{label}` is named like {by_name}, but its first bytes are not"
    raise TabularError("unknown-format", found)


def _by_suffix(label: str) -> str | None:
    fitting = [
        (len(suffix), row.key) for row in _ROWS for suffix in row.suffixes if label.endswith(suffix)
    ]
    return max(fitting)[1] if fitting else None


def write_chunks(
    format: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, safe: bool = False
) -> Iterator[bytes]:
    """The table in a format, as a stream of bytes. ``safe`` matters to CSV alone."""
    known = FORMATS.get(format)
    if known is None or known.write is None:
        raise TabularError("unknown-format", f"Nothing is written as `{format[:40]}`")
    if known.write is csv_chunks:
        return csv_chunks(batches, schema, safe=safe)
    return known.write(batches, schema)
