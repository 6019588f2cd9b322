"""Sources and sinks of batch jobs: rows from elsewhere become a dataset, results a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.actions.connections import find_connection, require_writing
from registry.actions.datasets import read_for_job
from registry.actions.sources import format_of_source
from registry.errors import InvalidField
from registry.ids import uuid7
from registry.models import Connection, DatasetVersion, RegisteredModel
from registry.principals import Principal
from registry.sql import checked_table

_MODEL_CHARS = 40


@dataclass(frozen=True, slots=True)
class Sink:
    """The table that results are written into as well."""

    connection: Connection
    table: str

    def to_json(self) -> dict[str, str]:
        """As it is asked for, and kept by a schedule."""
        return {"connection": self.connection.name, "table": self.table}


def snapshot(by: Principal, source: Mapping[str, Any], *, model: RegisteredModel) -> DatasetVersion:
    """The rows of a checked source as a new dataset, pending until a worker has read them.

    Whatever is done again reads the same rows.
    """
    return read_for_job(
        by=by,
        name=f"{model.name[:_MODEL_CHARS]}-source-{uuid7().hex[-12:]}",
        source=dict(source),
        format=format_of_source(source),
        classification=model.classification,
        description=_description(source),
    )


def resolve_sink(by: Principal, sink: object) -> Sink | None:
    """The table that results go to as well; None for None.

    Raises InvalidField with the pointer, ConnectionNotFound, NotAllowed, StateConflict.
    """
    if sink is None:
        return None
    if not isinstance(sink, Mapping) or set(sink) - {"connection", "table"}:
        raise InvalidField("An object of connection and table was expected.", pointer="/sink")
    connection = find_connection(by, _text(sink, "connection"))
    require_writing(by, connection)
    return Sink(connection, checked_table(connection.driver, _text(sink, "table")))


def _description(source: Mapping[str, Any]) -> str:
    if "query" in source:
        return f"Read through the connection {source['connection']} for a batch job."
    return f"Read from the files under {source['prefix']} for a batch job."


def _text(sink: Mapping[str, Any], key: str) -> str:
    text = sink.get(key)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidField("A text was expected.", pointer=f"/sink/{key}")
    return text
