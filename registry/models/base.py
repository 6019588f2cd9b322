"""What every row of ours has: an id that sorts by time, and names that are unique ignoring case."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower

from registry.ids import uuid7

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
NAME_MAX_CHARS = 63
NAME_COLUMN_CHARS = 128
NAME_HELP = "Letters, digits, dot, dash and underscore, at most 63; begins with a letter or digit."
check_name = RegexValidator(rf"\A{NAME_PATTERN}\Z", NAME_HELP, code="invalid-name")


class TimeOrdered(models.Model):
    """A row with a UUIDv7 as its id: ids sort by the time of making."""

    id: models.UUIDField[uuid.UUID, uuid.UUID] = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )

    class Meta:
        abstract = True
        ordering = ("-id",)


def name_field() -> models.CharField[str, str]:
    """A global name that is never changed after the row is made.

    The column is wider than a name that a person may choose: the output of a batch job is called
    ``<model>-job-<id>``.
    """
    return models.CharField(
        max_length=NAME_COLUMN_CHARS, validators=[check_name], help_text=NAME_HELP
    )


def is_named(name: str, path: str = "name") -> models.Q:
    """The condition that the name at ``path`` is this one, ignoring case.

    What cannot be a name finds nothing, without asking: SQLite refuses patterns of 50,000 bytes,
    PostgreSQL texts with NUL.
    """
    if len(name) > NAME_COLUMN_CHARS or "\0" in name:
        return models.Q(pk__in=())
    return models.Q(**{f"{path}__iexact": name})


def unique_ignoring_case(name: str) -> models.UniqueConstraint:
    """A named constraint: two names that differ by case only are the same name."""
    return models.UniqueConstraint(Lower("name"), name=name)


def one_of(field: str, choices: Any, name: str) -> models.CheckConstraint:
    """A named constraint: the column holds one of the choices."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": choices}), name=name)
