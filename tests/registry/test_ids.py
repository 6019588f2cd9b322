"""UUIDv7: the layout of RFC 9562, and order within a process."""

from __future__ import annotations

import os
import threading
import time
import uuid
import warnings

import pytest

from registry import ids


def test_version_variant_and_time_stand_where_the_rfc_has_them() -> None:
    before = time.time_ns() // 1_000_000
    made = ids.uuid7()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after + 1


def test_the_layout_holds_every_bit_of_the_counter_and_of_the_tail() -> None:
    made = ids._assembled(0x0123_4567_89AB, (1 << 42) - 1, (1 << 32) - 1)

    assert str(made) == "01234567-89ab-7fff-bfff-ffffffffffff"


def test_ids_ascend_and_differ_within_a_millisecond() -> None:
    made = [ids.uuid7() for _ in range(5_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_ascend_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)

    assert ids.uuid7() > first


def test_a_full_counter_moves_on_to_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last_ms", 2**47)
    monkeypatch.setattr(ids, "_counter", ids._COUNTER_END - 1)

    made = ids.uuid7()

    assert made.int >> 80 == 2**47 + 1


def test_threads_never_get_the_same_id() -> None:
    made: list[uuid.UUID] = []

    def make() -> None:
        made.extend([ids.uuid7() for _ in range(500)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 2_000


def test_a_forked_child_counts_from_another_beginning() -> None:
    ids.uuid7()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # From Python 3.12 on a fork warns when threads are alive; the child touches nothing.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:  # pragma: no cover - in the child
        os.write(writer, ids.uuid7().bytes)
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        child = uuid.UUID(bytes=pipe.read(16))

    parent = ids.uuid7()

    # Not the next count of the same counter: the 42 bits are drawn anew.
    assert abs((child.int >> 32) - (parent.int >> 32)) > 1_000
