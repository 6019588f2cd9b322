"""Narrows lists down: by text and by tags."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Expression, F, Q, QuerySet, Value
from django.db.models.fields.json import JSONField
from django.db.models.functions import Cast

from registry.api.parameters import split_tag


def searched(rows: QuerySet[Any, Any], text: str | None, *fields: str) -> QuerySet[Any, Any]:
    """Rows of which any of the fields holds the text, ignoring case; all rows without a text."""
    if not text:
        return rows
    condition = Q()
    for field in fields:
        condition |= Q(**{f"{field}__icontains": text})
    return rows.filter(condition)


def tagged(rows: QuerySet[Any, Any], tags: list[str] | None) -> QuerySet[Any, Any]:
    """Rows that have every one of the tags, each ``key:value``. Raises MalformedParameter."""
    for tag in tags or ():
        rows = rows.filter(HasTag(*split_tag(tag)))
    return rows


class HasTag(Expression):
    """Whether the column ``tags`` holds the pair.

    Django's own key lookups take a key of digits for an index and ``__`` for a path, and
    ``contains`` does not exist on SQLite.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, key: str, value: str) -> None:
        super().__init__()
        self.pair = {key: value}
        self.column: Any = F("tags")

    def get_source_expressions(self) -> list[Any]:
        """What the condition is about."""
        return [self.column]

    def set_source_expressions(self, exprs: Any) -> None:
        """Put in what Django has made of it."""
        (self.column,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """PostgreSQL's containment of documents."""
        column, params = compiler.compile(self.column)
        wanted, wanted_params = compiler.compile(Cast(Value(self.pair, JSONField()), JSONField()))
        return f"({column} @> {wanted})", (*params, *wanted_params)

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """SQLite's table of a document's members."""
        column, params = compiler.compile(self.column)
        ((key, value),) = self.pair.items()
        # Nothing of the caller's stands in the text: the column is Django's own.
        members = f"json_each({column}) AS tag"
        sql = f"EXISTS (SELECT 1 FROM {members} WHERE tag.key = %s AND tag.value = %s)"  # noqa: S608
        return sql, (*params, key, value)
