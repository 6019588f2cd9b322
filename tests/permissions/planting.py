"""Columns that nobody may write, planted into requests, and the whole database before and after."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models

from tests.permissions.strangers import NO_ID
from tests.permissions.world import World

PLANTED = "planted"
_MOMENT = "2001-01-01T00:00:00Z"
_NUMBER = 4242
# Made anew by each call.
_RANDOM = frozenset({"public_id", "secret_sha256", "sealed_secret", "password", "request_id"})
_APPS = ("registry", "serving", "auth")


def tables() -> list[type[models.Model]]:
    """All tables that hold what people govern."""
    return [model for label in _APPS for model in apps.get_app_config(label).get_models()]


def columns() -> dict[str, models.Field[Any, Any]]:
    """Every column that any table has, by its name and by that of its attribute."""
    found: dict[str, models.Field[Any, Any]] = {}
    for model in tables():
        for field in model._meta.concrete_fields:
            found.setdefault(field.name, field)
            found.setdefault(field.attname, field)
    return found


def planted(world: World, *, as_text: bool) -> dict[str, Any]:
    """A value for each column that would be seen there; texts for a form."""
    return {name: _value(field, world, as_text) for name, field in columns().items()}


def _value(field: models.Field[Any, Any], world: World, as_text: bool) -> Any:
    if isinstance(field, models.ForeignKey):
        return _key(field, world)
    if isinstance(field, models.BooleanField):
        return "on" if as_text else True
    if isinstance(field, models.DateTimeField):
        return _MOMENT
    if isinstance(field, (models.IntegerField, models.FloatField)):
        return str(_NUMBER) if as_text else _NUMBER
    if isinstance(field, models.JSONField):
        return f'{{"{PLANTED}": "{PLANTED}"}}' if as_text else {PLANTED: PLANTED}
    return NO_ID if isinstance(field, models.UUIDField) else PLANTED


def _key(field: models.ForeignKey[Any, Any], world: World) -> str:
    """The id of something of the other side, where there is one of this kind."""
    rows = vars(world.sides["other"]).values()
    return next((str(r.pk) for r in rows if isinstance(r, field.related_model)), NO_ID)  # type: ignore[arg-type]  # a model


def known_ids() -> frozenset[str]:
    """The ids of all rows that are there."""
    return frozenset(str(pk) for table in tables() for pk in _all_ids(table))


def _all_ids(table: type[models.Model]) -> Iterator[Any]:
    return iter(table._default_manager.values_list("pk", flat=True))


def snapshot(known: frozenset[str]) -> Counter[str]:
    """All rows of all tables, comparable between two runs of the same request.

    What was made since is called ``new`` wherever it is named; times keep their year alone.
    """
    return Counter(
        f"{table.__name__} " + ", ".join(_cells(table, row, known))
        for table in tables()
        for row in table._default_manager.values()
    )


def _cells(table: type[models.Model], row: dict[str, Any], known: frozenset[str]) -> Iterator[str]:
    for name, value in row.items():
        if name in _RANDOM:
            value = PLANTED if PLANTED in str(value) else "random"
        elif isinstance(value, datetime):
            value = value.year
        yield f"{name}={_without_new(str(value), known)}"


def _without_new(text: str, known: frozenset[str]) -> str:
    text = re.sub(
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda found: found[0] if found[0] in known or found[0] == NO_ID else "new",
        text,
    )
    text = re.sub(r"my_[a-z0-9]{8}_|\b[0-9a-z]{8}\b(?='})|[0-9a-f]{12,64}", "random", text)
    return re.sub(r"20[0-9]{2}-[0-9T:.+Z -]{8,}", "time", text)
