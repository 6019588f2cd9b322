"""The client against a stand-in of the service, with a clock that never waits."""

from __future__ import annotations

import pytest
from modelyard import Client

from tests.client.stand_in import running


class FakeClock:
    """Time passes only by sleeping, and chance is always the same."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.luck = 0.0

    def now(self) -> float:
        return sum(self.slept)

    def wall(self) -> float:
        return 1_800_000_000.0 + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def chance(self) -> float:
        return self.luck


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """No proxy, no address and no key of the machine that the tests run on."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "MODELYARD_URL", "MODELYARD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def service():
    with running() as stand_in:
        yield stand_in


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def client(service, clock):
    with Client(service.url, "my_12345678_secret", clock=clock) as made:
        yield made
