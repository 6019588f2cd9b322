"""System checks of the registry: what a database needs beside its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

from registry import append_only


@register(Tags.database)
def the_trail_is_append_only(
    app_configs: Any, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """``registry.W001`` for each trigger that the database has not; needs ``--database``.

    No error: ``migrate`` runs these checks first, and is what mends it.
    """
    del app_configs
    return [
        Warning(
            f"Database “{alias}”: the trigger {one.name} is missing or altered, so rows of"
            f" {one.table} could be changed or taken away.",
            hint="`manage.py migrate` sets it again; `manage.py verify_audit` says whether the"
            " audit trail is whole.",
            id="registry.W001",
        )
        for alias in databases or ()
        for one in append_only.missing(connections[alias])
    ]
