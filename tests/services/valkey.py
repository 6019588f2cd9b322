"""A real Valkey server on the socket that the settings name; started once, when first asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import redis

from tests.services.processes import wait_until


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


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[redis.Redis]:
    """A client of an empty server; Django's cache and the limits use the same one."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
        yield client
