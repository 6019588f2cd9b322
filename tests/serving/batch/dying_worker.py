"""A worker that dies where it is told to. Run by test_worker_death.py as a process of its own.

Reads names of steps from standard input, one a line. For each a child is forked that drives the
ledger and ends itself by SIGKILL when it reaches the step; an empty name lets it live. ``pause``
before the name stops it there by SIGSTOP instead, and ``go on`` lets that one continue. One line of
answer each: ``killed``, ``stopped`` or ``ended``.
"""

from __future__ import annotations

import os
import signal
import sys


def drive_until(step: str, end: signal.Signals) -> None:
    """In the child: work on what is there, and die, or stop once, at the step."""
    from registry import queue
    from serving.actions import scoring
    from serving.actions.drive import drive
    from serving.batch import failpoints
    from tests.serving.batch.ledger import ObedientHost

    host = ObedientHost()
    scoring.host = lambda: host  # type: ignore[assignment, return-value]

    queue._ring = lambda *_: None

    def die(reached: str) -> None:
        if reached == step:
            failpoints.arm(None)
            os.kill(os.getpid(), end)

    failpoints.arm(die)
    drive(owner=f"dies at {step}" if step else "lives")


def main() -> None:
    import django

    django.setup()
    # What a child needs is imported before the first fork.
    from django.db import connections

    import serving.actions.drive  # noqa: F401
    import tests.serving.batch.ledger  # noqa: F401

    print("ready", flush=True)
    paused = 0
    for line in sys.stdin:
        word = line.strip()
        if word == "go on":
            os.kill(paused, signal.SIGCONT)
            print(how_it_ended(paused), flush=True)
            continue
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                end = signal.SIGSTOP if word.startswith("pause ") else signal.SIGKILL
                drive_until(word.removeprefix("pause "), end)
                code = 0
            finally:
                os._exit(code)
        told = how_it_ended(pid)
        paused = pid if told == "stopped" else paused
        print(told, flush=True)


def how_it_ended(pid: int) -> str:
    """Wait until the child has ended, or was stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return "stopped"
    return "killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"


if __name__ == "__main__":
    main()
