"""Sends the rows of a dataset version: its typed parts in order, written in the asked format.

serving's results of batch jobs go the same way. Nothing is kept: what is sent is made while it
is sent, a batch at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from registry import storage
from registry.errors import StateConflict
from registry.models import DatasetVersion
from registry.models.dataset_version import DatasetStatus
from registry.signature.types import Signature
from registry.tabular import FORMATS, write_chunks

ORIGINAL = "original"
WRITTEN = ("csv", "parquet", "jsonl")
BATCH_ROWS = 1 << 16
_BYTES_TYPE = "application/octet-stream"


def send_version(version: DatasetVersion, format: str, *, safe: bool) -> HttpResponseBase:
    """The rows of a version in a format of ``WRITTEN``, or the bytes as they came.

    ``safe`` keeps spreadsheets from taking texts for formulas, in CSV only; bytes as they came stay
    as they came, under a name that no spreadsheet opens by itself. Raises StateConflict for a
    version that is not ready, and where there are no bytes as they came.
    """
    name = f"{version.dataset.name}-v{version.number}"
    if format == ORIGINAL:
        return _send_original(version, name, safe=safe)
    if version.status != DatasetStatus.READY:
        raise StateConflict(f"{version} is {version.status}: it has no rows to be read.")
    return send_parts(version.parts, version.columns, format, name=name, safe=safe)


def send_parts(
    parts: Sequence[Mapping[str, Any]],
    columns: Sequence[Mapping[str, Any]],
    format: str,
    *,
    name: str,
    safe: bool,
) -> HttpResponseBase:
    """Parquet parts one after the other as one table; ``name`` is the file's, without a suffix.

    The first bytes are made before the answer begins, so that what cannot be read is an error
    and no broken file.
    """
    known = FORMATS[format]
    file_name, media_type = f"{name}{known.suffixes[0]}", known.media_types[0]
    if format == "parquet" and len(parts) == 1:
        part = parts[0]
        return send_file(part["name"], file_name, media_type, sha256=part["sha256"])
    schema = _schema_of(parts, columns)
    chunks = write_chunks(format, _batches(parts), schema, safe=safe)
    first = next(chunks, b"")
    return StreamingHttpResponse(
        itertools.chain((first,), chunks),
        content_type=media_type,
        headers={"Content-Disposition": content_disposition_header(True, file_name)},
    )


def send_file(name: str, file_name: str, media_type: str, *, sha256: str) -> HttpResponseBase:
    """A file of the storage as it is, in pieces. Raises BlobMissing before anything is sent."""
    size = storage.size_of(name)
    return StreamingHttpResponse(
        storage.chunks_of(name),
        content_type=media_type,
        headers={
            "Content-Disposition": content_disposition_header(True, file_name),
            "Content-Length": str(size),
            "ETag": f'"{sha256}"',
        },
    )


def _batches(parts: Iterable[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        with storage.opened(part["name"]) as file:
            yield from pq.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS, use_threads=False)


def _schema_of(
    parts: Sequence[Mapping[str, Any]], columns: Sequence[Mapping[str, Any]]
) -> pa.Schema:
    if parts:
        with storage.opened(parts[0]["name"]) as file:
            return pq.read_schema(file).remove_metadata()
    return Signature.from_json({"inputs": list(columns)}).input_schema()


def _send_original(version: DatasetVersion, name: str, *, safe: bool) -> HttpResponseBase:
    if not version.sha256:
        raise StateConflict(f"{version} was made here: it has no file as it came.")
    suffix = FORMATS[version.format].suffixes[0] if version.format in FORMATS else ""
    if safe:
        suffix = suffix.replace(".csv", ".csv.txt")
    return send_file(
        storage.blob_name(version.sha256), f"{name}{suffix}", _BYTES_TYPE, sha256=version.sha256
    )
