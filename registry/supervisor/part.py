"""What a part is, and the child process that runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.supervisor.logs import PartLog
from registry.supervisor.probes import Probe

TETHER = Path(__file__).with_name("tether.py")
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
# Having run this long, a part starts again at the first backoff.
SETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """One long-running process.

    ``needs`` names parts that must answer before it is started, and that end after it. ``behind``
    names parts that go first at a start only because somebody waits for them. ``ready_file`` is
    removed before each start, for parts that say by a file that they are ready.
    """

    name: str
    command: tuple[str, ...]
    probe: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    ready_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A command that ends by itself, run once all parts answer; its output goes to ``output``."""

    name: str
    command: tuple[str, ...]
    output: Path


def spawn(
    command: tuple[str, ...], env: Mapping[str, str], stdout: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own that ends when we do, however we end.

    Its standard error (and output, unless ``stdout`` is a descriptor) is the pipe ``.stderr``.
    """
    tethered = (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command)
    read, write = os.pipe()
    try:
        process = subprocess.Popen(
            tethered,
            stdin=subprocess.DEVNULL,
            stdout=write if stdout is None else stdout,
            stderr=write,
            env=dict(env),
            process_group=0,
        )
    finally:
        os.close(write)
    os.set_blocking(read, False)
    process.stderr = os.fdopen(read, "rb", buffering=0)
    return process


class Child:
    """The process of a part over its restarts. Times are ``time.monotonic()`` seconds."""

    def __init__(self, part: Part, log: PartLog) -> None:
        self.part = part
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0
        self.start_at_s: float | None = 0.0
        self.is_ready = False
        self.was_ready = False
        self._backoff_s = FIRST_BACKOFF_S

    def start(self, env: Mapping[str, str], now_s: float) -> None:
        """Start the command."""
        if self.part.ready_file is not None:
            self.part.ready_file.unlink(missing_ok=True)
        self.process = spawn(self.part.command, {**env, **self.part.env})
        self.started_s, self.start_at_s, self.is_ready = now_s, None, False

    def look(self) -> bool:
        """Ask the probe unless it has answered before; whether the part is ready."""
        if self.process is not None and not self.is_ready:
            self.is_ready = self.part.probe()
            self.was_ready |= self.is_ready
        return self.is_ready

    def ended(self, now_s: float) -> float:
        """Note that the process is gone; the seconds after which to start it again."""
        if now_s - self.started_s > SETTLED_S:
            self._backoff_s = FIRST_BACKOFF_S
        wait_s, self._backoff_s = self._backoff_s, min(self._backoff_s * 2, LONGEST_BACKOFF_S)
        self.process, self.is_ready = None, False
        self.start_at_s = now_s + wait_s
        return wait_s
