"""A real Celery worker whose child is killed over a chunk tells of it before the lease ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.principals import Principal
from serving.models import BatchChunk, ChunkAttempt
from tests.services.hosts import Host, Shared, running_hosts
from tests.services.postgres import PostgresServer
from tests.services.processes import wait_until
from tests.services.valkey import running_valkey
from tests.serving.batch.ledger import ask, dataset_of, people_rows

LIMIT_S = 60.0
LEASE_S = 600.0
# So long, on average, a child waits at each step: it is found while it holds its chunk.
STEPS_S = 60.0
pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.long]


@pytest.fixture
def anvil(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Host]:
    with running_valkey() as broker:
        shared = Shared(postgres_server.url("modelyard"), broker.url, "")
        pace = {"lease_s": LEASE_S, "reconcile_every_s": 1.0}
        host = Host("anvil", tmp_path / "a", shared, pace, STEPS_S)
        with running_hosts(host):
            yield host


def test_a_killed_child_is_told_of_at_once(transactional_ana: Principal, anvil: Host) -> None:
    dataset_of(transactional_ana, people_rows(10))
    job = ask(transactional_ana)
    anvil.start("worker")
    leased = BatchChunk.objects.filter(job=job, state="leased")
    wait_until(leased.exists, LIMIT_S, "a child has taken the chunk", anvil.story)
    owner = leased.get().lease_owner

    os.kill(int(owner.removeprefix("anvil:")), signal.SIGKILL)

    lost = ChunkAttempt.objects.filter(chunk__job=job, outcome="lost")
    wait_until(lost.exists, LIMIT_S, "its death is noted", anvil.story)
    ended = lost.get()
    assert (ended.worker, ended.signal, ended.attempt) == (owner, signal.SIGKILL, 1)
    assert (ended.ended_at - ended.started_at).total_seconds() < LEASE_S
