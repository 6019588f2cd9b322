"""A whole started service for a measurement, ended with it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from benchmarks.workload import EXAMPLE_ROWS, Trained

ROOT = Path(__file__).resolve().parent.parent
ARROW = "application/vnd.apache.arrow.stream"
PASSWORD = "measure-on-this-machine"
READY_LIMIT_S = 180


@dataclass(frozen=True)
class Service:
    """Where it answers, its state folder, its process, and a session with its key."""

    url: str
    home: Path
    process: subprocess.Popen[str]
    session: requests.Session
    key: str
    env: dict[str, str] = field(default_factory=dict)

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

    def register(self, trained: Trained, name: str = "") -> dict[str, Any]:
        """Register the model with example rows, wait for its checks; the version's document."""
        name = name or trained.name
        example = io.BytesIO()
        trained.frame.head(EXAMPLE_ROWS).to_parquet(example, index=False)
        with trained.file.open("rb") as artifact:
            answer = self.session.post(
                f"{self.url}/api/v1/models/{name}/versions?create=true",
                files={
                    "artifact": (trained.file.name, artifact),
                    "example": ("example.parquet", example.getvalue()),
                },
                timeout=120,
            )
        answer.raise_for_status()
        return self.settled(answer.json()["url"])

    def settled(self, url: str) -> dict[str, Any]:
        """The version once its checks are over. Raises RuntimeError when it is not ready."""
        deadline_s = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline_s:
            version: dict[str, Any] = self.session.get(url, timeout=30).json()
            if version["status"] not in ("pending", "checking"):
                break
            time.sleep(0.05)
        if version["status"] != "ready":
            raise RuntimeError(f"{url} is {version['status']}: {json.dumps(version['checks'])}")
        return version

    def pin(self, version: dict[str, Any], engine: str) -> None:
        """Pin the version to ``onnx`` or ``original``."""
        answer = self.session.patch(version["url"], json={"pinned_to": engine}, timeout=30)
        answer.raise_for_status()

    def manage(self, *words: str) -> str:
        """What a command of ``manage.py`` prints."""
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=True
        ).stdout

    def web_processes(self) -> list[int]:
        """The processes of the web part: granian and its workers."""
        return self.processes("granian")

    def processes(self, *words: str) -> list[int]:
        """The processes of this service whose command has all of these words."""
        return [
            int(path.name)
            for path in Path("/proc").glob("[0-9]*")
            if all(word in _command_of(path) for word in words)
            and str(self.home) in _environment_of(path)
        ]


@contextmanager
def started(
    *, demo: bool = True, home: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A service on a free loopback port; a state folder of its own unless one is named."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as made:
        place = home or Path(made)
        env = _environment(place, demo) | dict(settings or {})
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            url = _wait_until_ready(process)
            with requests.Session() as session:
                service = Service(url, place, process, session, "", env)
                key = _key(service)
                session.headers["Authorization"] = f"Bearer {key}"
                yield Service(url, place, process, session, key, env)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()


def _key(service: Service) -> str:
    kept = service.home / "bench.key"
    if not kept.exists():
        scopes = ("--scopes", "read,score,publish,approve,admin")
        kept.write_text(
            service.manage("api_key", "create", "--user", "admin", "--name", "bench", *scopes)
        )
    return kept.read_text().strip()


def _environment(home: Path, demo: bool) -> dict[str, str]:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    return {
        "PATH": os.environ["PATH"],
        "MODELYARD_HOME": str(home),
        "MODELYARD_ADMIN_PASSWORD": PASSWORD,
        "PORT": str(port),
        "DEMO": "1" if demo else "0",
    }


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


def _command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _environment_of(process: Path) -> str:
    try:
        return (process / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
