"""Reading an uploaded dataset once, in a worker: to typed Parquet, columns and profile."""

from __future__ import annotations

import logging
import uuid
from functools import partial

from registry import storage
from registry.actions.datasets import record_ingested, record_refused
from registry.conf import conf
from registry.errors import StorageFull
from registry.heartbeat import Heartbeat
from registry.models import DatasetVersion
from registry.tabular import TabularError, to_parquet

log = logging.getLogger(__name__)

LEASE_S = 60


def ingest_dataset(version_id: uuid.UUID | str) -> None:
    """Read one version, unless somebody else does or it is settled.

    Ends with ``ready``, or with ``rejected`` and the line and column of each problem. Where the
    storage is full the version stays pending and is tried again when its lease is over.
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
    except StorageFull as error:
        log.warning("Reading %s put off: %s", version, error)
        DatasetVersion.objects.put_off_ingest(version_id)


def _read(version: DatasetVersion) -> None:
    with storage.scratch_file(suffix=".parquet") as path:
        with storage.open_verified(version.sha256) as file:
            found = to_parquet(file, version.format, path, max_bytes=conf.max_dataset_bytes)
        name = storage.blob_name(found.sha256)
        storage.put_file(path, name)
    record_ingested(
        version,
        rows=found.rows,
        columns=[column.to_json() for column in found.columns],
        profile=found.profile,
        parts=[{"name": name, "sha256": found.sha256, "rows": found.rows}],
    )


def _lease_kept(version: DatasetVersion) -> Heartbeat:
    return Heartbeat(
        partial(DatasetVersion.objects.extend_ingest, version.pk, lease_s=LEASE_S),
        every_s=LEASE_S / 3,
        name=f"reading {version}",
    )
