"""Rows of tables as lines of JSON, and back, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import Error, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.duration import duration_string

from registry.actions.backup_faults import Damaged
from registry.actions.backup_folder import TableFile, path_of
from registry.actions.held_files import READ_AT_ONCE

# Most of the time goes into it, and level 1 already makes a fifth of audit events.
_LEVEL = 1
# What fields and drivers say about a value that they do not take.
_UNFIT = (ValueError, TypeError, AttributeError, ArithmeticError, ValidationError)


def write_table(model: Any, folder: Path) -> TableFile:
    """Write all rows of a model's table; memory stays flat."""
    columns = [field.attname for field in model._meta.concrete_fields]
    name = f"tables/{model._meta.db_table}.jsonl.gz"
    rows = model._base_manager.order_by("pk").values_list(*columns)
    count, encode = 0, json.JSONEncoder(default=_plain).encode
    path = folder / name
    # Without a name and a time in its head the same rows make the same bytes.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as out:
        for row in rows.iterator(chunk_size=READ_AT_ONCE):
            out.write(encode(row).encode() + b"\n")
            count += 1
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    return TableFile(model._meta.label, columns, count, name, sha256, size)


def read_table(model: Any, kept: TableFile, folder: Path, into: BaseDatabaseWrapper) -> None:
    """Write the rows into an empty table. Raises Damaged for what is no row of it."""
    fields = [model._meta.get_field(column) for column in kept.columns]
    quoted = [into.ops.quote_name(field.column) for field in fields]
    marks = ", ".join(["%s"] * len(fields))
    table = into.ops.quote_name(model._meta.db_table)
    statement = f"INSERT INTO {table} ({', '.join(quoted)}) VALUES ({marks})"  # noqa: S608
    path, count = path_of(folder, kept.file), 0
    rows = (
        [
            field.get_db_prep_save(field.to_python(value), into)
            for field, value in zip(fields, row, strict=True)
        ]
        for row in _rows(path)
    )
    try:
        with into.cursor() as cursor:
            while some := list(islice(rows, READ_AT_ONCE)):
                cursor.executemany(statement, some)
                count += len(some)
    except OperationalError:  # No space is left, or the database is away: the rows are good.
        raise
    except (*_UNFIT, Error) as error:
        raise Damaged(path, f"does not fit the table after row {count} ({error})") from error
    if count != kept.rows:
        raise Damaged(path, f"has {count} rows where {kept.rows} were written")


def _rows(path: Path) -> Iterator[list[Any]]:
    try:
        with gzip.open(path, "rb") as packed, io.BufferedReader(packed) as lines:
            for line in lines:
                yield json.loads(line)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise Damaged(path, f"cannot be read ({error})") from None


def _plain(value: Any) -> Any:
    """What JSON has no type for, as the fields' `to_python` takes it back."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return duration_string(value)
    raise TypeError(f"no JSON for {type(value)}")
