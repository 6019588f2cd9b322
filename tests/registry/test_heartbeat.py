"""Heartbeat: a lease lives on through what the database does to a connection."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError

from registry.heartbeat import Heartbeat, LeaseLost
from tests.services.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Lease:
    """Answers as told, one after the other, and then with the last for ever."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.beats = 0
        self.threads: set[int] = set()

    def extend(self) -> bool:
        self.beats += 1
        self.threads.add(threading.get_ident())
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def has_beaten(self, times: int) -> Callable[[], bool]:
        return lambda: self.beats >= times


def test_it_beats_from_a_thread_of_its_own_until_the_block_ends() -> None:
    lease = Lease(True)
    with Heartbeat(lease.extend, every_s=0.01, name="a chunk") as heartbeat:
        wait_until(lease.has_beaten(3), 10, "it beats")
        heartbeat.check()
    beats = lease.beats

    assert threading.get_ident() not in lease.threads
    assert lease.beats == beats


def test_a_lease_that_is_gone_is_noticed() -> None:
    lease = Lease(True, False)
    with Heartbeat(lease.extend, every_s=0.01, name="a chunk") as heartbeat:
        wait_until(lambda: heartbeat._is_lost.is_set(), 10, "it is noticed")
        with pytest.raises(LeaseLost, match="a chunk"):
            heartbeat.check()
    assert lease.beats == 2


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_an_ended_session_is_replaced_at_once(kind: type[Exception]) -> None:
    """By the same beat: the next comes a third of the lease later."""
    lease = Lease(kind("the connection is closed"), True)
    heartbeat = Heartbeat(lease.extend, every_s=60, name="a chunk")

    heartbeat._beat()

    assert lease.beats == 2
    heartbeat.check()


def test_a_database_that_is_away_is_asked_again_with_the_next_beat() -> None:
    away = OperationalError("no server")
    lease = Lease(away, away, away, away, True)
    with Heartbeat(lease.extend, every_s=0.01, name="a chunk") as heartbeat:
        wait_until(lease.has_beaten(6), 10, "it goes on")
        heartbeat.check()
