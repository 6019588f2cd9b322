"""Program for a service's environment: so many more rows of a kind, copies of what is there.

    many_rows.py models MODEL COUNT     each with ten versions, as its first one
    many_rows.py jobs MODEL COUNT       all ended, with their chunks, as its newest one

Lists and pages have what they show; no file is written, and nothing is checked or scored.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django

django.setup()

from django.db import transaction

from registry.ids import uuid7
from registry.models import Alias, ModelVersion, RegisteredModel
from serving.models import BatchChunk, BatchJob

AT_ONCE = 2_000
VERSIONS = 10


def add_models(name: str, count: int) -> None:
    """Models ``name-0``, ``name-1`` and so on, whose champion is their last version."""
    template = RegisteredModel.objects.get(name=name)
    version = template.versions.get(number=1)
    numbers = range(1, VERSIONS + 1)
    for at in _portions(count):
        made = [_copy(template, name=f"{name}-{i}", next_number=VERSIONS + 1) for i in at]
        versions = [_copy(version, model=model, number=n) for model in made for n in numbers]
        champions = versions[VERSIONS - 1 :: VERSIONS]
        with transaction.atomic():
            RegisteredModel.objects.bulk_create(made)
            ModelVersion.objects.bulk_create(versions)
            Alias.objects.bulk_create(
                Alias(model=one.model, name="champion", version=one) for one in champions
            )


def add_jobs(name: str, count: int) -> None:
    """Copies of the model's newest job."""
    template = BatchJob.objects.filter(model__name=name).order_by("-id").first()
    assert template is not None
    chunks = list(template.chunks.all())
    for at in _portions(count):
        made = [_copy(template) for _ in at]
        with transaction.atomic():
            BatchJob.objects.bulk_create(made)
            BatchChunk.objects.bulk_create(
                _copy(chunk, job=job) for job in made for chunk in chunks
            )


def _portions(count: int) -> Iterator[range]:
    for start in range(0, count, AT_ONCE):
        yield range(start, min(start + AT_ONCE, count))


def _copy(row: Any, **changed: object) -> Any:
    kept = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    own = uuid7() if isinstance(kept["id"], UUID) else None  # a counter's is the database's
    copy = type(row)(**kept | {"id": own})
    for name, found in changed.items():
        setattr(copy, name, found)
    copy._state.adding = True
    return copy


if __name__ == "__main__":
    {"models": add_models, "jobs": add_jobs}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
