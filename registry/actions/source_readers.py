"""What a dataset version is read from: its bytes, files under a prefix, or a query elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from registry import storage
from registry.conf import conf
from registry.errors import SourceRefused
from registry.models import DatasetVersion
from registry.tabular import TabularError, detect, reader_of
from registry.tabular.joined import JoinedReader
from registry.tabular.readers import Reader

# More files than this are a mistake, or should have been put together before.
MOST_FILES = 10_000
_TEXT_FORMATS = {"csv", "csv.gz", "jsonl", "json"}
_HEAD_BYTES = 64


def reader_for(version: DatasetVersion) -> AbstractContextManager[Reader]:
    """The reader of a version's rows, within a block.

    Raises, at its beginning or while it is read, TabularError, BlobMissing and BlobDamaged for
    files, SourceRefused and SourceAway for what lies elsewhere, StorageAway.
    """
    if version.source is None:
        return _uploaded(version)
    if "prefix" in version.source:
        return _below(version.source["prefix"], version.source.get("format"))
    # Here: the drivers of databases are loaded by who needs them.
    from registry.actions.connections import opened_query

    return opened_query(version, max_bytes=conf.max_dataset_bytes)


@contextmanager
def _uploaded(version: DatasetVersion) -> Iterator[Reader]:
    with storage.opened_verified(version.sha256) as file:
        yield reader_of(file, version.format, max_bytes=conf.max_dataset_bytes)


@contextmanager
def _below(prefix: str, format: str | None) -> Iterator[Reader]:
    """All files below a prefix, by name, as one table; what is listed once stays the list."""
    try:
        names = [found.name for found in storage.listed(storage.checked_prefix(prefix))]
    except ValueError as error:
        raise SourceRefused(str(error), reason="no-files") from None
    if not names:
        raise SourceRefused(f"No file lies under `{prefix}`.", reason="no-files")
    if len(names) > MOST_FILES:
        found = f"{len(names)} files lie under `{prefix}`; at most {MOST_FILES} are read as one"
        raise TabularError("too-large", found)
    known = format or _format_of(names[0])
    files = [(name, partial(_one_file, name, known)) for name in names]
    yield JoinedReader(files, is_text=known in _TEXT_FORMATS)


@contextmanager
def _one_file(name: str, format: str) -> Iterator[Reader]:
    with storage.opened(name) as file:
        yield reader_of(file, format, max_bytes=conf.max_dataset_bytes)


def _format_of(name: str) -> str:
    """By the first bytes and the suffix. Raises TabularError with the file's name."""
    with storage.opened(name) as file:
        try:
            return detect(file.read(_HEAD_BYTES), name)
        except TabularError as error:
            found = f"{name}: {str(error).partition('. What to do:')[0]}"
            raise TabularError(error.reason, found, **error.evidence) from None
