"""Reading an uploaded dataset once, in a worker: to typed Parquet, columns and profile."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from registry import storage
from registry.actions.datasets import record_ingested, record_refused
from registry.conf import conf
from registry.errors import StorageAway, StorageFull
from registry.heartbeat import Heartbeat
from registry.models import DatasetVersion
from registry.tabular import TabularError, reader_of, to_parts
from registry.tabular.ingest import WrittenPart
from registry.tabular.readers import Reader

log = logging.getLogger(__name__)

LEASE_S = 60


def ingest_dataset(version_id: uuid.UUID | str) -> None:
    """Read one version, unless somebody else does or it is settled.

    Ends with ``ready``, or with ``rejected`` and the line and column of each problem. Where the
    storage is full or away the version stays pending and is tried again when its lease is over.
    """
    if not DatasetVersion.objects.claim_ingest(version_id, lease_s=LEASE_S):
        return
    version = DatasetVersion.objects.select_related("dataset").get(pk=version_id)
    try:
        with _lease_kept(version), storage.space_errors():
            _read(version)
    except TabularError as error:
        shown = error.errors(confidential=version.dataset.hides_cells)
        record_refused(version, errors=shown, error_count=max(error.count, 1))
    except (storage.BlobMissing, storage.BlobDamaged) as error:
        shown = [{"code": "bytes-damaged", "detail": f"The stored bytes cannot be read: {error}"}]
        record_refused(version, errors=shown, error_count=1)
    except (StorageFull, StorageAway) as error:
        log.warning("Reading %s put off: %s", version, error)
        DatasetVersion.objects.put_off_ingest(version_id)


def _read(version: DatasetVersion) -> None:
    """Nothing is published before the last row is read: a file that is refused leaves nothing."""
    with ExitStack() as scratch:
        with _reader_of(version) as reader:
            found = to_parts(
                reader, lambda: scratch.enter_context(storage.scratch_file(suffix=".parquet"))
            )
        parts = [_published(part) for part in found.parts]
    record_ingested(
        version,
        rows=found.rows,
        columns=[column.to_json() for column in found.columns],
        profile=found.profile,
        parts=parts,
    )


@contextmanager
def _reader_of(version: DatasetVersion) -> Iterator[Reader]:
    with storage.opened_verified(version.sha256) as file:
        yield reader_of(file, version.format, max_bytes=conf.max_dataset_bytes)


def _published(part: WrittenPart) -> dict[str, Any]:
    name = storage.blob_name(part.sha256)
    storage.put_file(part.path, name)
    return {"name": name, "sha256": part.sha256, "rows": part.rows}


def _lease_kept(version: DatasetVersion) -> Heartbeat:
    return Heartbeat(
        partial(DatasetVersion.objects.extend_ingest, version.pk, lease_s=LEASE_S),
        every_s=LEASE_S / 3,
        name=f"reading {version}",
    )
