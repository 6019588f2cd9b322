"""Program for a service's environment: so many more batch jobs of MODEL, all ended.

    many_jobs.py MODEL DATASET COUNT

They are copies of the newest job, with its chunks, so that lists and pages have what they show.
"""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django

django.setup()

from django.db import transaction

from registry.ids import uuid7
from serving.models import BatchChunk, BatchJob

AT_ONCE = 2_000


def main(model: str, dataset: str, count: int) -> None:
    """Make them."""
    jobs = BatchJob.objects.filter(model__name=model, dataset__name=dataset)
    template = jobs.order_by("-id").first()
    assert template is not None
    chunks = list(template.chunks.all())
    for start in range(0, count, AT_ONCE):
        with transaction.atomic():
            made = [_copy(template) for _ in range(min(AT_ONCE, count - start))]
            BatchJob.objects.bulk_create(made)
            BatchChunk.objects.bulk_create(
                _copy(chunk, job=job) for job in made for chunk in chunks
            )


def _copy(row: object, **changed: object) -> object:
    kept = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}  # type: ignore[attr-defined]
    own = uuid7() if isinstance(kept["id"], UUID) else None  # a counter's is the database's
    copy = type(row)(**kept | {"id": own})
    for name, found in changed.items():
        setattr(copy, name, found)
    copy._state.adding = True  # type: ignore[attr-defined]
    return copy


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
