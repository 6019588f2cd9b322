"""Plain: tables that results are written into: their names, their columns, their making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from registry.errors import InvalidField, SinkRefused
from registry.signature.names import shown
from registry.sql.sessions import quoted
from registry.tabular.csv_read import check_names
from registry.tabular.errors import TabularError
from registry.tabular.write import finite_or_null, json_texts, rfc3339

JOB, ROW = "modelyard_job", "modelyard_row"
CHUNKS = "modelyard_chunks"
NAME_MAX_BYTES = 63  # PostgreSQL cuts longer names off

_POSTGRESQL = {
    pa.bool_(): "boolean",
    pa.int8(): "smallint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.uint8(): "smallint",
    pa.uint16(): "integer",
    pa.uint32(): "bigint",
    pa.uint64(): "numeric",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.date32(): "date",
}
_SQLITE = {
    **{kind: "INTEGER" for kind in _POSTGRESQL if pa.types.is_integer(kind)},
    **{kind: "REAL" for kind in _POSTGRESQL if pa.types.is_floating(kind)},
    **dict.fromkeys((pa.string(), pa.timestamp("us", "UTC"), pa.date32(), pa.uint64()), "TEXT"),
    pa.bool_(): "INTEGER",
}
_TYPES: Mapping[str, Mapping[pa.DataType, str]] = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE}
_DECIMAL = pa.decimal128(20, 0)


@dataclass(frozen=True, slots=True)
class Name:
    """A table. ``schema`` is None in SQLite."""

    schema: str | None
    table: str

    @property
    def sql(self) -> str:
        """As SQL names it."""
        return ".".join(quoted(part) for part in (self.schema, self.table) if part)

    def beside(self, table: str) -> Name:
        """Another table of the same schema."""
        return Name(self.schema, table)


def parse_name(driver: str, text: str) -> Name:
    """``scores``, or ``schema.scores`` in PostgreSQL. Raises InvalidField."""
    schema, dot, table = text.rpartition(".")
    parts = [schema, table] if dot else [table]
    if driver == "sqlite" and dot:
        raise InvalidField(
            "The name of a table was expected, without a schema.", pointer="/sink/table"
        )
    for part in parts:
        if not part.isprintable() or not 0 < len(part.encode()) <= NAME_MAX_BYTES:
            raise InvalidField(
                f"A name of 1 to {NAME_MAX_BYTES} bytes was expected, as in scores"
                + (" or public.scores." if driver == "postgresql" else "."),
                pointer="/sink/table",
            )
    if table.casefold() in (CHUNKS, "modelyard_files"):
        raise InvalidField(
            f"The table {CHUNKS} is kept for what was written.", pointer="/sink/table"
        )
    if driver == "sqlite":
        return Name(None, table)
    return Name(schema or "public", table)


def checked_table(driver: str, text: str) -> str:
    """The name of a table that somebody gave. Raises InvalidField."""
    parse_name(driver, text)
    return text


def checked_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of the results with the job's column. Raises SinkRefused for names and types."""
    whole = schema.append(pa.field(JOB, pa.string(), nullable=False))
    try:
        check_names([name.casefold() for name in whole.names])
    except TabularError as error:
        raise SinkRefused(
            f"A table has each name once, ignoring case. {error}", column=error.evidence["column"]
        ) from None
    for field in whole:
        if len(field.name.encode()) > NAME_MAX_BYTES or "\0" in field.name:
            raise SinkRefused(
                f"The column `{shown(field.name)}` has a name of more than {NAME_MAX_BYTES} bytes.",
                column=field.name,
            )
        if field.type not in _POSTGRESQL and not pa.types.is_nested(field.type):
            raise SinkRefused(
                f"The column `{shown(field.name)}` has a type that no table keeps ({field.type}).",
                column=field.name,
            )
    return whole


def type_in(driver: str, kind: pa.DataType) -> str:
    """The SQL type of a column of results; lists are kept as JSON texts."""
    return _TYPES[driver][pa.string() if pa.types.is_nested(kind) else kind]


def create(cursor: Any, driver: str, target: Name, whole: pa.Schema) -> None:
    """Make the table, unless somebody was quicker."""
    _lock(cursor, driver, target)
    columns = [f"{quoted(field.name)} {type_in(driver, field.type)}" for field in whole]
    columns += [f"PRIMARY KEY ({quoted(JOB)}, {quoted(ROW)})"]
    run(cursor, f"CREATE TABLE IF NOT EXISTS {target.sql} ({', '.join(columns)})")


def run(cursor: Any, statement: str, parameters: Sequence[Any] = ()) -> None:
    """Carry out a statement that answers nothing; ``execute`` would wait for somebody to read."""
    cursor.executemany(statement, [parameters] if parameters else None)


def create_chunks(cursor: Any, driver: str, target: Name) -> None:
    """Make the table of chunks beside it, unless it is there."""
    if columns_of(cursor, driver, target.beside(CHUNKS)) is not None:
        return
    _lock(cursor, driver, target)
    run(
        cursor,
        f"CREATE TABLE IF NOT EXISTS {target.beside(CHUNKS).sql} (job text NOT NULL, "
        "row_start bigint NOT NULL, row_stop bigint NOT NULL, attempt bigint NOT NULL, "
        "sha256 text NOT NULL, PRIMARY KEY (job, row_start))",
    )


def _lock(cursor: Any, driver: str, target: Name) -> None:
    # Two CREATE TABLE IF NOT EXISTS at once: the second one fails, in PostgreSQL.
    if driver == "postgresql":
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext($1))::text", (f"modelyard {target.schema}",)
        )
        cursor.fetchall()


def columns_of(cursor: Any, driver: str, target: Name) -> dict[str, str] | None:
    """The columns of a table with their SQL types; None where there is no such table."""
    if driver == "postgresql":
        cursor.execute(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped "
            "ORDER BY a.attnum",
            (target.sql,),
        )
    else:
        cursor.execute("SELECT name, type FROM pragma_table_info($1)", (target.table,))
    found = {str(name): str(kind) for name, kind in cursor.fetchall()}
    return found or None


def check(
    cursor: Any, driver: str, target: Name, whole: pa.Schema, known: Mapping[str, str]
) -> None:
    """Raise SinkRefused unless a table that was there before takes the rows as they are."""
    for field in whole:
        there = known.get(field.name)
        wanted = type_in(driver, field.type)
        if there is None:
            raise SinkRefused(
                f"The table {target.sql} has no column `{shown(field.name)}` ({wanted}).",
                column=field.name,
            )
        # SQLite's types are advice: a cell keeps its own.
        if driver == "postgresql" and not _takes(there, wanted):
            raise SinkRefused(
                f"The column `{shown(field.name)}` of {target.sql} is {there}; {wanted} was "
                "expected.",
                column=field.name,
            )
    if not _has_key(cursor, driver, target):
        raise SinkRefused(
            f"The table {target.sql} has no primary key and no unique index on {JOB} and {ROW}, "
            "which keeps a row from standing there twice."
        )


def _takes(there: str, wanted: str) -> bool:
    if wanted == "text":
        return there in ("text", "character varying")
    return there == wanted or (wanted == "numeric" and there in ("numeric(20,0)", "numeric"))


def _has_key(cursor: Any, driver: str, target: Name) -> bool:
    if driver == "postgresql":
        cursor.execute(
            "SELECT array_to_string(array(SELECT attname::text FROM pg_attribute a "
            "WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) ORDER BY 1), ',') "
            "FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique "
            "AND i.indpred IS NULL AND i.indexprs IS NULL",
            (target.sql,),
        )
        return f"{JOB},{ROW}" in {row[0] for row in cursor.fetchall()}
    cursor.execute(
        "SELECT group_concat(name) FROM (SELECT l.name AS list, i.name FROM pragma_index_list($1) "
        'l, pragma_index_info(l.name) i WHERE l."unique" ORDER BY l.name, i.name) GROUP BY list',
        (target.table,),
    )
    return f"{JOB},{ROW}" in {row[0] for row in cursor.fetchall()}


def written_schema(driver: str, whole: pa.Schema) -> pa.Schema:
    """The types in which the driver is given the columns."""
    return pa.schema([(field.name, _written_type(driver, field.type)) for field in whole])


def _written_type(driver: str, kind: pa.DataType) -> pa.DataType:
    if pa.types.is_nested(kind):
        return pa.string()
    if kind == pa.uint64():
        return _DECIMAL if driver == "postgresql" else pa.string()
    if driver == "sqlite" and pa.types.is_timestamp(kind):
        return pa.string()
    return kind


def as_written(
    driver: str, arrays: Sequence[pa.Array], whole: pa.Schema, written: pa.Schema
) -> pa.RecordBatch:
    """The cells as the driver takes them: times as RFC 3339 where there is no type for them.

    Raises SinkRefused for a text with U+0000, which PostgreSQL does not keep.
    """
    cells = [
        _cells(driver, array, field, target)
        for array, field, target in zip(arrays, whole, written, strict=True)
    ]
    return pa.RecordBatch.from_arrays(cells, schema=written)


def _cells(driver: str, array: pa.Array, field: pa.Field, target: pa.Field) -> pa.Array:
    if pa.types.is_nested(field.type):
        array = json_texts(array)
    elif pa.types.is_timestamp(field.type) and pa.types.is_string(target.type):
        array = rfc3339(array)
    else:
        array = finite_or_null(array)
    if driver == "postgresql" and pa.types.is_string(array.type):
        _refuse_nul(array, field.name)
    return array.cast(target.type)


def _refuse_nul(texts: pa.Array, name: str) -> None:
    if b"\0" not in memoryview(texts.buffers()[2] or b"").tobytes():
        return
    if any(text is not None and "\0" in text for text in texts.to_pylist()):
        raise SinkRefused(
            f"The column `{shown(name)}` holds a text with U+0000, which PostgreSQL does not keep.",
            column=name,
        )
