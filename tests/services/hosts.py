"""Several machines on this one: each with a state folder, a socket and a name of its own.

They share what machines share in service: the addresses of PostgreSQL, of Valkey and of the S3
server, and the secret key; no file. Their parts are started with the commands of `manage.py part`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serving.runtimes.isolation.client import HostClient
from tests.services.processes import children_of, living_in, wait_until
from tests.services.stack import ROOT

READY_LIMIT_S = 90.0
GONE_LIMIT_S = 15.0


@dataclass(frozen=True)
class Shared:
    """The addresses that every machine is given."""

    database: str
    redis: str
    storage: str
    secret_key: str = "only-for-tests-" + "m" * 50

    def variables(self) -> dict[str, str]:
        """As the settings read them."""
        return {
            "DATABASE_URL": self.database,
            "REDIS_URL": self.redis,
            "STORAGE_URL": self.storage,
            "SECRET_KEY": self.secret_key,
            "DEMO": "0",
            "COMPILE_ROWS": "200",
            "OUTGOING_HOSTS": "127.0.0.1",
        }


@dataclass
class Host:
    """One machine. ``pace``, ``steps_s``, ``runtimes``: see ``machine.py``."""

    name: str
    home: Path
    shared: Shared
    pace: Mapping[str, float] = field(default_factory=dict)
    steps_s: float = 0.0
    runtimes: Mapping[str, str] = field(default_factory=dict)
    processes: int = 2
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Beside the state folder, which may be full."""
        return self.home.parent / f"{self.home.name}.log"

    def environment(self) -> dict[str, str]:
        """What its processes are started with."""
        names = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS")
        env = {name: os.environ[name] for name in names if name in os.environ}
        env |= self.shared.variables()
        env |= {
            "MODELYARD_HOME": str(self.home),
            "WORKER_CONCURRENCY": str(self.processes),
            "PYTHONPATH": str(ROOT),
            "MACHINE_NAME": self.name,
            "MACHINE_PACE": json.dumps(dict(self.pace)),
            "MACHINE_STEPS_S": str(self.steps_s),
        }
        if self.runtimes:
            env["MACHINE_RUNTIMES"] = json.dumps(dict(self.runtimes))
        return env

    def start(self, part: str) -> subprocess.Popen[bytes]:
        """Start worker, beat or modelhost; it is not ready yet."""
        ready = self.home / "run" / f"{part}.ready"
        ready.unlink(missing_ok=True)
        with self.logs.open("ab") as output:
            self.running[part] = subprocess.Popen(
                [sys.executable, "-m", "tests.services.machine", part],
                env=self.environment(),
                cwd=ROOT,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        return self.running[part]

    def is_ready(self, part: str) -> bool:
        """Whether the part works. AssertionError when it has ended."""
        assert self.running[part].poll() is None, self.story()
        if part == "modelhost":
            return HostClient(self.socket).alive()
        return (self.home / "run" / f"{part}.ready").exists()

    def wait_until_ready(self, *parts: str) -> None:
        """AssertionError with the end of its log when they do not become ready."""
        wait_until(
            lambda: all(map(self.is_ready, parts)),
            READY_LIMIT_S,
            f"{', '.join(parts)} of {self.name} work",
            self.story,
        )

    @property
    def socket(self) -> Path:
        """Where its model host listens."""
        from config import state

        return state.socket_folder(self.home) / "modelhost.sock"

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to the part's first process, and to that alone."""
        self.running[part].send_signal(number)

    def pool_children(self) -> list[int]:
        """The processes of the worker that do the work."""
        worker = self.running.get("worker")
        return children_of(worker.pid) if worker and worker.poll() is None else []

    def living(self) -> dict[int, str]:
        """pid -> command of everything that runs on it, whoever its parent is."""
        return living_in(self.home)

    def story(self) -> str:
        """The end of its log, for a failure message."""
        return self.logs.read_text(errors="replace")[-4_000:] if self.logs.exists() else ""

    def end(self) -> None:
        """End everything that runs on it, what is stopped or orphaned as well.

        What does not end by itself in its time is killed.
        """
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        try:
            wait_until(self._has_ended, GONE_LIMIT_S, f"{self.name} has ended")
        except AssertionError:
            self.crash()
            wait_until(lambda: not self.living(), GONE_LIMIT_S, f"{self.name} is gone", self.story)

    def _has_ended(self) -> bool:
        """Kill what is left once the first processes have gone, or will not."""
        if all(process.poll() is not None for process in self.running.values()):
            self.crash()
        return not self.living()

    def signal_all(self, number: int) -> None:
        """Send a signal to everything that runs on it."""
        for pid in self.living():
            _signal(pid, number)

    def crash(self) -> None:
        """Kill all of it at once, as a machine that loses its power."""
        self.signal_all(signal.SIGKILL)
        for process in self.running.values():
            process.wait(10)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def running_hosts(*hosts: Host) -> Iterator[None]:
    """Whatever is started on them is gone after the block."""
    try:
        yield
    finally:
        for host in hosts:
            host.crash()
            wait_until(lambda host=host: not host.living(), GONE_LIMIT_S, f"{host.name} is gone")
