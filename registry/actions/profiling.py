"""Figures of rows that were written here: the output of a job is read once more, in a worker.

An upload has its profile from being read. The chunks of a job are written by many processes, and
none of them sees all rows; so the figures are found afterwards, in row order, so that the same
rows give the same figures. A process that dies while it reads leaves nothing: the next one begins
anew when its lease is over.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models.functions import Now

from registry import storage
from registry.actions.reading_turns import turn_to_read
from registry.errors import StorageAway, StorageFull
from registry.heartbeat import Heartbeat, LeaseLost
from registry.models import DatasetVersion
from registry.models.dataset_version import READ_ATTEMPTS_MAX
from registry.queue import PROFILE_DATASET, enqueue
from registry.signature.types import Signature
from registry.tabular import Profiler

log = logging.getLogger(__name__)

LEASE_S = 60
BATCH_ROWS = 16_384
# Of what was made before there was any profile, so many are begun with at a time.
OLD_AT_ONCE = 500


def want_profile(version: DatasetVersion) -> None:
    """Let a worker find the figures of a ready version, after the commit; lost rings are found."""
    DatasetVersion.objects.filter(pk=version.pk).update(reading_until=Now())
    enqueue(PROFILE_DATASET, version.pk)


def want_old_profiles() -> int:
    """The same for versions that nobody has asked for, the newest first; how many there were."""
    rows = DatasetVersion.objects.without_profile().filter(reading_until__isnull=True)
    newest = list(rows.order_by("-id").values_list("pk", flat=True)[:OLD_AT_ONCE])
    return DatasetVersion.objects.filter(pk__in=newest).update(reading_until=Now())


def find_profile(version_id: uuid.UUID | str) -> None:
    """Find the figures of one version, unless somebody else does, or they are known.

    Where the storage does not answer it is tried again when the lease is over; where its bytes
    cannot be read there will be none. A long read waits, unclaimed, while as many go on as may.
    """
    versions = DatasetVersion.objects
    waiting = versions.filter(pk=version_id).only("size_bytes").first()
    if waiting is None:
        return
    with turn_to_read(waiting.size_bytes) as is_my_turn:
        if is_my_turn and versions.claim_profile(version_id, lease_s=LEASE_S):
            _find(versions.select_related("dataset").get(pk=version_id))


def _find(version: DatasetVersion) -> None:
    claimed = DatasetVersion.objects.ready().filter(pk=version.pk, erased_at__isnull=True)
    try:
        with storage.space_errors(), _lease_kept(version) as lease:
            profile = _profile(version, lease)
    except LeaseLost:
        log.info("The figures of %s are no longer wanted here", version)
    except (StorageAway, StorageFull) as error:
        log.warning("Finding the figures of %s put off: %s", version, error)
        claimed.update(read_attempts=version.read_attempts - 1)
    except (storage.BlobMissing, storage.BlobDamaged, pa.ArrowException) as error:
        log.error("There will be no figures of %s: %s", version, error)
        claimed.update(read_attempts=READ_ATTEMPTS_MAX, reading_until=None)
    else:
        claimed.update(profile=profile, reading_until=None)


def _profile(version: DatasetVersion, lease: Heartbeat) -> list[dict[str, Any]]:
    """One object per column, as ``Profiler`` has them; a batch of rows is in memory at a time."""
    columns = Signature.from_json({"inputs": version.columns}).inputs
    profiler = Profiler(columns)
    for batch in _batches(version, [column.name for column in columns]):
        lease.check()
        profiler.add(batch)
    return profiler.result()


def _batches(version: DatasetVersion, names: list[str]) -> Iterator[pa.RecordBatch]:
    for part in version.parts:
        with storage.opened(part["name"]) as file:
            parquet = pq.ParquetFile(file)
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                yield batch.select(names)


def _lease_kept(version: DatasetVersion) -> Heartbeat:
    return Heartbeat(
        partial(DatasetVersion.objects.extend_profile, version.pk, lease_s=LEASE_S),
        every_s=LEASE_S / 3,
        name=f"figures of {version}",
    )
