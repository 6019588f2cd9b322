"""``manage.py modelhost`` becomes a program without Django and without secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from serving.runtimes.isolation.client import HostClient
from tests.serving.runtimes.hosts import until

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_becomes_the_host_under_its_own_process_id(tmp_path: Path) -> None:
    socket = tmp_path / "run" / "host.sock"
    secret = "a-secret-that-no-model-may-read-0123456789"
    started = subprocess.Popen(
        [sys.executable, "manage.py", "modelhost", "--socket", str(socket)],
        cwd=ROOT,
        env={**os.environ, "MODELYARD_HOME": str(tmp_path), "SECRET_KEY": secret},
        stderr=subprocess.DEVNULL,
    )
    client = HostClient(socket)
    try:
        until(lambda: started.poll() is not None or client.alive(), 120)
        assert client.status()["pid"] == started.pid
        for name in ("environ", "cmdline"):
            assert secret not in Path(f"/proc/{started.pid}/{name}").read_text()
    finally:
        started.terminate()
        assert started.wait(20) == 0
        client.close()
    assert not socket.exists()
