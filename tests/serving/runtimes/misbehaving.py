"""A runtime for tests only: a model that does what the first column of some row says.

The artifact is the JSON of what happens at load: ``{}``, ``{"load": "raise" | "hang" | ...}``,
``{"offset": 1}`` to answer something else than the column itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from registry.errors import CheckRefused
from registry.signature.facts import ModelFacts, OutputFacts
from serving.runtimes.base import Answer, Block

FINE = 1.0
SEGFAULT, LOOP, MEMORY, RAISE, EXIT, DEAF, SHORT, ENVIRON, SLOW = range(-9, 0)
# Answered with the number of rows that are scored at once.
TOGETHER = -10


def segfault() -> None:
    ctypes.string_at(0)


def loop() -> None:
    """Endless, and deaf to Python's own handling of signals."""
    ctypes.CDLL(None).usleep.restype = None
    while True:
        pass


def deaf() -> None:
    """Sees to it first that the deadline's signal never comes."""
    with contextlib.suppress(PermissionError):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, 0)
    loop()


def eat_memory() -> None:
    np.ones(1 << 34, dtype=np.uint8)


def fail() -> None:
    raise ValueError("secret internals")


def leave() -> None:
    raise SystemExit(3)


def wait() -> None:
    time.sleep(0.3)


AT_LOAD = {"raise": fail, "hang": loop, "crash": segfault, "memory": eat_memory, "slow": wait}
AT_SCORE = {
    SEGFAULT: segfault,
    LOOP: loop,
    MEMORY: eat_memory,
    RAISE: fail,
    EXIT: leave,
    DEAF: deaf,
    SLOW: wait,
}


class Model:
    def __init__(self, offset: float) -> None:
        self.offset = offset

    def facts(self) -> ModelFacts:
        return ModelFacts(
            estimator="tests.Misbehaving",
            input_form="matrix",
            methods=("predict",),
            outputs=(OutputFacts(None, "float64"),),
        )

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        told = batch.column(0).to_numpy()
        for one in np.unique(told[told < 0]):
            AT_SCORE.get(one, lambda: None)()
        if SHORT in told:
            return Answer(1, (Block("prediction", None, None, (pa.array([1.0]),)),))
        answer = told + self.offset
        answer[told == TOGETHER] = batch.num_rows
        if ENVIRON in told:
            answer = np.full(batch.num_rows, float("SECRET_KEY" in environment()))
        return Answer(batch.num_rows, (Block("prediction", None, None, (pa.array(answer),)),))


def environment() -> str:
    """All that a process can still read of the environment that it was started with."""
    libc = ctypes.CDLL(None)
    block = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
    found, at = [], 0
    while block[at] is not None:
        found.append(block[at].decode())
        at += 1
    try:
        with open("/proc/self/environ") as first:
            found.append(first.read())
    except OSError:
        pass
    return "\n".join(found)


def load(artifact: BinaryIO, format: str) -> Model:
    told = json.loads(artifact.read())
    if told.get("load") == "refuse":
        raise CheckRefused("untrusted-types", "The file needs evil.Type.", types=["evil.Type"])
    if told.get("load") in AT_LOAD:
        AT_LOAD[told["load"]]()
    return Model(told.get("offset", 0.0))
