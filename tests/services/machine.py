"""Program: becomes one part of a machine, under the machine's own name and with a test's times.

    python -m tests.services.machine PART

Reads ``MACHINE_NAME``, how leases name this machine; ``MACHINE_PACE``, JSON with fields
of ``Pace``, ``reconcile_every_s``, and for webhooks ``webhook_lease_s`` and ``webhook_wait_s``;
``MACHINE_STEPS_S``, the mean wait at each named step of the ledger: it widens what are moments
between two writes otherwise, so that a kill at random finds each of them; and ``MACHINE_RUNTIMES``,
JSON with further runtimes of the model host. In service nothing of it exists.
"""

from __future__ import annotations

import json
import math
import os
import random
import runpy
import socket
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any


def main() -> None:
    """Become the part; does not return."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    part = sys.argv[1]
    if part == "modelhost" and "MACHINE_RUNTIMES" in os.environ:
        become_model_host(json.loads(os.environ["MACHINE_RUNTIMES"]))
    from django.conf import settings

    from config import lean
    from registry.management.commands.part import chosen
    from registry.management.parts import child_env

    wanted = chosen(part, Path(settings.MODELYARD_HOME) / "run")
    if part != "worker":
        os.execvpe(wanted.command[0], wanted.command, {**child_env(), **wanted.env})
    os.environ.update(wanted.env)
    # The settings were read before the variable was there.
    lean.refuse_model_libraries()
    name = os.environ["MACHINE_NAME"]
    socket.gethostname = lambda: name
    take_pace(json.loads(os.environ.get("MACHINE_PACE", "{}")))
    dawdle(float(os.environ.get("MACHINE_STEPS_S", "0")))
    # `python -m celery ...`, in this process.
    sys.argv = list(wanted.command[2:])
    runpy.run_module("celery", run_name="__main__", alter_sys=True)


def become_model_host(runtimes: dict[str, str]) -> None:
    """`manage.py modelhost` with further runtimes. Does not return."""
    import django

    django.setup()
    from serving.conf import conf
    from serving.runtimes.isolation.start import command_line, environment_for

    command = command_line(
        conf.modelhost_socket,
        memory_bytes=conf.model_memory_bytes,
        budget_bytes=conf.modelhost_memory_bytes,
        extra_runtimes=runtimes,
    )
    os.execve(command[0], command, environment_for(dict(os.environ)))


def take_pace(fields: dict[str, float]) -> None:
    """Other times for the ledger, before anybody has read them."""
    from celery.signals import worker_init

    from serving.batch import pace

    own = ("reconcile_every_s", "webhook_lease_s", "webhook_wait_s")
    every_s, lease_s, wait_s = (fields.pop(name, None) for name in own)
    pace.PACE = replace(pace.PACE, **fields)

    def hurry(**_: Any) -> None:
        from registry.actions import webhook_sending
        from serving import tasks

        tasks.RECONCILE_EVERY_S = every_s or tasks.RECONCILE_EVERY_S
        if lease_s and wait_s:
            webhook_sending.LEASE = timedelta(seconds=lease_s)
            webhook_sending.WAITS_S = (wait_s,) * len(webhook_sending.WAITS_S)

    worker_init.connect(hurry, weak=False)


def dawdle(mean_s: float) -> None:
    """Wait a little at each named step, each time differently.

    A second at most before what a dead process held is taken back, however long others wait.
    """
    if not mean_s:
        return
    from serving.batch import failpoints

    drawn = random.SystemRandom()
    most_s = {failpoints.REAP: 1.0}

    def wait(step: str) -> None:
        time.sleep(min(drawn.expovariate(1 / mean_s), most_s.get(step, math.inf)))

    failpoints.arm(wait)


if __name__ == "__main__":
    main()
