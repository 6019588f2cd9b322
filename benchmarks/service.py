"""A whole started service for a measurement, ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import requests

ROOT = Path(__file__).resolve().parent.parent
ARROW = "application/vnd.apache.arrow.stream"
READY_LIMIT_S = 180


@dataclass(frozen=True)
class Service:
    """Where it answers, and a session with its key."""

    url: str
    session: requests.Session

    def score(self, model: str, body: bytes) -> pa.Table:
        """The table answer to a table of rows, both as Arrow streams."""
        answer = self.session.post(
            f"{self.url}/api/v1/models/{model}/predict",
            data=body,
            headers={"Content-Type": ARROW, "Accept": ARROW},
            timeout=60,
        )
        answer.raise_for_status()
        return pa.ipc.open_stream(answer.content).read_all()


@contextmanager
def started() -> Iterator[Service]:
    """A service with the demo on a free loopback port and a state folder of its own."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as home:
        process = _start(Path(home))
        try:
            url = _wait_until_ready(process)
            with requests.Session() as session:
                key = (Path(home) / "demo.key").read_text().strip()
                session.headers["Authorization"] = f"Bearer {key}"
                yield Service(url, session)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()


def _start(home: Path) -> subprocess.Popen[str]:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up"],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": str(home), "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    """The address. The curl line is the last that a start prints."""
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        if line.startswith("ready "):
            url = line.split()[1]
        if line.startswith("curl "):
            return url
    raise RuntimeError(f"The service ended with {process.wait()} before it was ready.")
