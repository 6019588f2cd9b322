"""A worker that dies where it is told to. Run by test_worker_death.py as a process of its own.

Reads names of steps from standard input, one a line. For each a child is forked that drives the
ledger and ends itself by SIGKILL when it reaches the step; an empty name lets it live. One line of
answer each: ``killed`` or ``ended``.
"""

from __future__ import annotations

import os
import signal
import sys


def drive_until(step: str) -> None:
    """In the child: work on what is there, and die at the step."""
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
            os.kill(os.getpid(), signal.SIGKILL)

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
    for line in sys.stdin:
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                drive_until(line.strip())
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        ended = "killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"
        print(ended, flush=True)


if __name__ == "__main__":
    main()
