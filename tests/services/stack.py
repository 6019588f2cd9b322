"""A whole `manage.py up` for tests: in a folder and on a port of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.services.migrated import with_tables
from tests.services.processes import free_port, living_in, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
# The first start loads the demo: it trains, uploads, checks and scores.
READY_LIMIT_S = 300.0


@dataclass
class Stack:
    """A started `manage.py up`. ``output`` is what stood on its standard output so far."""

    process: subprocess.Popen[str]
    home: Path
    url: str
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    @property
    def password(self) -> str:
        """The admin's password, as the first start has shown it."""
        found = re.search(r"admin password: (\S+)", "".join(self.output))
        assert found, self.output
        return found[1]

    @property
    def curl(self) -> str:
        """The curl line."""
        return next(line.strip() for line in self.output if line.startswith("curl "))

    def is_ready(self) -> bool:
        """Whether the ready line and the curl line have been printed."""
        return any(line.startswith("curl ") for line in self.output)

    def wait_until_ready(self, timeout_s: float = READY_LIMIT_S) -> None:
        """AssertionError with the end of its log when it does not become ready."""
        wait_until(
            lambda: self.is_ready() or self.process.poll() is not None,
            timeout_s,
            "up is ready",
            self.story,
        )
        assert self.is_ready(), self.story()

    def story(self) -> str:
        """What it said, for a failure message."""
        return "".join([*self.output, *self.errors[-60:]])

    def close(self) -> None:
        """It has ended: wait for the last of what it said."""
        for reader in self.readers:
            reader.join(10)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait at most 10 s; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        self.close()
        return code


Start = Callable[..., Stack]


def start_stack(home: Path, **variables: str) -> Stack:
    """Start it; it is not ready yet. ``variables`` are added to a clean environment."""
    port = variables.setdefault("PORT", str(free_port()))
    variables.setdefault("COMPILE_ROWS", "200")
    names = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "MODELYARD_CORPUS")
    env = {name: os.environ[name] for name in names if name in os.environ}
    env |= {"MODELYARD_HOME": str(home), **variables}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up"],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    stack = Stack(process, home, f"http://127.0.0.1:{port}")
    for pipe, lines in ((process.stdout, stack.output), (process.stderr, stack.errors)):
        assert pipe is not None
        stack.readers.append(threading.Thread(target=_collect, args=(pipe, lines), daemon=True))
        stack.readers[-1].start()
    return stack


def _collect(pipe: IO[str], lines: list[str]) -> None:
    with pipe:
        for line in pipe:
            lines.append(line)


def end_stack(stack: Stack) -> None:
    """End it in any case, and everything on its state folder."""
    try:
        stack.stop()
    except subprocess.TimeoutExpired:
        stack.process.kill()
        stack.process.wait(10)
    wait_until(lambda: not living_in(stack.home), 12, f"nothing is left of {stack.home}")
    stack.close()


@pytest.fixture(scope="session")
def start_ready_made(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Start:
    """Start a stack whose tables and static files are there: they are the longest part of a start.

    Without the demo, unless asked for. ``test_up.py`` starts one in an empty folder.
    """
    variables = {"DEMO": "0", "STATIC_ROOT": str(tmp_path_factory.getbasetemp() / "static")}

    def start(home: Path | None = None, **more: str) -> Stack:
        folder = home or with_tables(tmp_path_factory.mktemp("stack"), migrated_database)
        return start_stack(folder, **{**variables, **more})

    return start


@pytest.fixture
def stacks(start_ready_made: Start) -> Iterator[Start]:
    """The same for one test: they are ended after it."""
    started: list[Stack] = []

    def start(home: Path | None = None, **variables: str) -> Stack:
        started.append(start_ready_made(home, **variables))
        return started[-1]

    yield start
    for stack in started:
        end_stack(stack)


@pytest.fixture(scope="session")
def live_stack(start_ready_made: Start) -> Iterator[Stack]:
    """One started stack with the demo, shared by the tests of flows and pages."""
    # What the page of webhooks shows is sent to a receiver in the tests' own process.
    stack = start_ready_made(DEMO="1", OUTGOING_HOSTS="127.0.0.1")
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        end_stack(stack)
