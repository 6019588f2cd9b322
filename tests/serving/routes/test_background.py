"""Work behind the callers' backs: bounded, in one thread, gone on with after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from serving.actions.background import Background, Seldom

WAIT_S = 60


class Work:
    """Remembers what it was given; stands still while ``gate`` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.reached = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, taken: Sequence[int]) -> None:
        self.reached.set()
        assert self.gate.wait(WAIT_S)
        if self.error:
            raise self.error
        self.batches.append(list(taken))


def test_items_are_worked_on_in_order_so_many_at_a_time() -> None:
    work = Work()
    background = Background("t", work, most=100, most_bytes=0, at_once=4)
    work.gate.clear()
    assert background.offer(0)
    assert work.reached.wait(WAIT_S)
    assert all(background.offer(n) for n in range(1, 10))
    work.gate.set()
    assert background.wait_idle(WAIT_S)
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]
    background.end(WAIT_S)


def test_what_does_not_fit_is_refused_at_once() -> None:
    work = Work()
    background = Background("t", work, most=2, most_bytes=10)
    work.gate.clear()
    assert background.offer(0, 10)
    assert work.reached.wait(WAIT_S)
    assert background.offer(1, 6)
    assert not background.offer(2, 5)
    assert background.offer(3, 4)
    assert not background.offer(4)
    work.gate.set()
    background.end(WAIT_S)
    assert work.batches == [[0], [1], [3]]
    assert not background.offer(5)


def test_items_that_come_together_are_gathered_and_a_full_hand_waits_no_longer() -> None:
    work = Work()
    background = Background("t", work, most=9, most_bytes=0, at_once=3, gather_s=WAIT_S)
    for n in range(3):
        assert background.offer(n)
    assert background.wait_idle(WAIT_S / 2)
    assert work.batches == [[0, 1, 2]]
    background.offer(3)
    background.end(WAIT_S / 2)  # the end waits for nobody else
    assert work.batches == [[0, 1, 2], [3]]


def test_a_failure_is_counted_told_once_a_minute_and_gone_on_after(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost: list[int] = []
    work = Work()
    background = Background("things", work, most=9, most_bytes=0, on_lost=lost.append)
    work.error = RuntimeError("broken")
    for n in range(3):
        background.offer(n)
        assert background.wait_idle(WAIT_S)
    work.error = None
    background.offer(3)
    background.end(WAIT_S)
    assert lost == [1, 1, 1]
    assert caplog.text.count("Lost 1 of the things") == 1
    assert work.batches == [[3]]


def test_a_rest_ends_with_the_process() -> None:
    resting = threading.Event()

    def work(taken: Sequence[int]) -> None:
        resting.set()
        background.rest(WAIT_S)

    background: Background[int] = Background("t", work, most=1, most_bytes=0)
    background.offer(1)
    assert resting.wait(WAIT_S)
    background.end(WAIT_S / 2)
    assert not any(thread.name == "t" for thread in threading.enumerate())


def test_a_forked_child_has_a_thread_of_its_own_and_nothing_of_its_parent() -> None:
    work = Work()
    background = Background("t", work, most=9, most_bytes=0)
    work.gate.clear()
    background.offer(1)
    assert work.reached.wait(WAIT_S)
    background.offer(2)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        work.batches.clear()
        work.gate = threading.Event()
        work.gate.set()
        background.offer(3)
        is_done = background.wait_idle(WAIT_S)
        os.write(writing, repr((is_done, work.batches)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    assert os.read(reading, 1_000) == b"(True, [[3]])"
    os.close(reading)
    work.gate.set()
    background.end(WAIT_S)
    assert work.batches == [[1], [2]]


LEAVING = """
import sys, multiprocessing
sys.path.insert(0, sys.argv[1])
from django.db import close_old_connections
from serving.actions.background import Background

close_old_connections()  # reads the settings, which takes a while

def go():
    background = Background("t", lambda taken: print(taken, flush=True), most=9, most_bytes=0,
                            at_once=9, gather_s=600)
    background.offer(1)
    background.offer(2)

if sys.argv[2] == "alone":
    go()
else:
    child = multiprocessing.get_context(sys.argv[2]).Process(target=go)
    child.start()
    child.join()
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_the_end_of_a_process_works_on_what_is_left(how: str, repository: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, str(repository), how],
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert done.stdout == "[1, 2]\n", done.stderr


def test_seldom_is_due_once_in_its_time() -> None:
    seldom, always = Seldom(), Seldom(every_s=0)
    assert [seldom.is_due() for _ in range(3)] == [True, False, False]
    assert [always.is_due() for _ in range(3)] == [True, True, True]
