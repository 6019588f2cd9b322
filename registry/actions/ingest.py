"""Reading a dataset version once, in a worker: to typed Parquet, columns and profile."""

from __future__ import annotations

import logging
import uuid
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from registry import storage
from registry.actions.datasets import record_ingested, record_refused
from registry.actions.reading_turns import turn_to_read
from registry.actions.source_readers import reader_for
from registry.errors import NotFound, SourceAway, SourceRefused, StorageAway, StorageFull
from registry.heartbeat import Heartbeat
from registry.models import DatasetVersion
from registry.tabular import TabularError, to_parts
from registry.tabular.ingest import WrittenPart

log = logging.getLogger(__name__)

LEASE_S = 60
# A database that does not answer for so long will not; whoever waits is told.
SOURCE_AWAY_MOST = timedelta(days=1)
# A database quotes the cell that it could not take for a number.
_IN_ITS_WORDS = "query-failed"


def ingest_dataset(version_id: uuid.UUID | str) -> None:
    """Read one version, unless somebody else does or it is settled.

    Ends with ``ready``, or with ``rejected`` and the line and column of each problem. Where the
    storage is full, or what is read from is away, the version stays pending and is tried again
    when its lease is over. A long read waits, unclaimed, while as many go on as may.
    """
    waiting = DatasetVersion.objects.filter(pk=version_id).only("size_bytes", "source").first()
    if waiting is None:
        return
    with turn_to_read(None if waiting.source else waiting.size_bytes) as is_my_turn:
        if is_my_turn and DatasetVersion.objects.claim_ingest(version_id, lease_s=LEASE_S):
            _ingest(DatasetVersion.objects.select_related("dataset").get(pk=version_id))


def _ingest(version: DatasetVersion) -> None:
    try:
        with _lease_kept(version), storage.space_errors():
            _read(version)
    except TabularError as error:
        shown = error.errors(confidential=version.dataset.hides_cells)
        record_refused(version, errors=shown, error_count=max(error.count, 1))
    except SourceRefused as error:
        detail = str(error)
        if error.reason == _IN_ITS_WORDS and version.dataset.hides_cells:
            detail = "The database refused the query. Its words may repeat cells, and are hidden."
        facts = {"code": error.reason, "detail": detail, "column": error.column}
        shown = [facts if error.row is None else {**facts, "row": error.row}]
        record_refused(version, errors=shown, error_count=1)
    except NotFound as error:  # a connection that is no longer there
        shown = [{"code": error.code, "detail": str(error)}]
        record_refused(version, errors=shown, error_count=1)
    except (storage.BlobMissing, storage.BlobDamaged) as error:
        shown = [{"code": "bytes-damaged", "detail": f"The stored bytes cannot be read: {error}"}]
        record_refused(version, errors=shown, error_count=1)
    except SourceAway as error:
        if timezone.now() - version.created_at < SOURCE_AWAY_MOST:
            log.warning("Reading %s put off: %s", version, error)
            DatasetVersion.objects.put_off_ingest(version.pk)
            return
        record_refused(version, errors=[{"code": error.code, "detail": str(error)}], error_count=1)
    except (StorageFull, StorageAway) as error:
        log.warning("Reading %s put off: %s", version, error)
        DatasetVersion.objects.put_off_ingest(version.pk)


def _read(version: DatasetVersion) -> None:
    """Nothing is published before the last row is read: a file that is refused leaves nothing."""
    with ExitStack() as scratch:
        with reader_for(version) as reader:
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
