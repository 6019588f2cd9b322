"""Another web process: asks the express lane when told to, and says what it was answered.

Reads lines ``ask KEY REF`` and ``fork KEY REF``; writes a line with status and version. The forked
child answers instead, once it is in touch. ``time KEY REF`` adds when the request began, by the
clock that all processes share.
"""

from __future__ import annotations

import os
import sys
import time

import django

django.setup()

from django.db import connections  # noqa: E402

from registry import changes  # noqa: E402
from serving.actions import scoring  # noqa: E402
from serving.actions.passes import passes  # noqa: E402
from tests.serving.api.doors import Asked, express_door  # noqa: E402
from tests.serving.batch import ledger  # noqa: E402

scoring.host = ledger.ObedientHost  # type: ignore[assignment]
door, behind = express_door()


def asked(key: str, ref: str) -> str:
    """Status, version, and whether news would come and Django was asked."""
    before = behind.requests
    told = door.ask(
        Asked(path=f"/api/v1/models/{ref}/predict", headers={"Authorization": f"Bearer {key}"})
    )
    version = dict(told.headers).get("X-Modelyard-Model-Version", "-")
    touch = "in-touch" if changes.is_in_touch() else "alone"
    return f"{told.code} {version} {touch} {'django' if behind.requests > before else 'express'}"


def in_a_child(key: str, ref: str) -> str:
    """The same, by a fork of this process, which has threads and kept passes."""
    connections.close_all()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        assert passes.known(key, ref) is None
        line = asked(key, ref)
        for _ in range(1000):
            if changes.is_in_touch():
                break
            time.sleep(0.01)
        os.write(writer, (line.split(" ")[0] + " " + asked(key, ref)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return os.read(reader, 1000).decode()


print("ready", flush=True)
for line in sys.stdin:
    verb, key, ref = line.split()
    began = f"{time.monotonic()} " if verb == "time" else ""
    print(began + (in_a_child if verb == "fork" else asked)(key, ref), flush=True)
