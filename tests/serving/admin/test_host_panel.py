"""The first page tells those who run the server what their model host confines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client

from serving.admin import host_panel
from serving.runtimes.isolation.errors import HostUnavailable
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn


class Host:
    """Stands for the client of the host."""

    def __init__(self, layers: Mapping[str, Any] | None, level: str = "full") -> None:
        self.layers, self.level = layers, level

    def status(self) -> dict[str, Any]:
        if self.layers is None:
            raise HostUnavailable("away")
        children = [{"memory_bytes": 3 << 20}]
        confinement = {"level": self.level, "layers": self.layers}
        return {"confinement": confinement, "children": children, "budget_bytes": 1 << 30}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    host_panel._asked.cache_clear()


def first_page(client: Client) -> str:
    return client.get("/admin/").content.decode()


def test_below_the_full_level_the_page_says_what_is_missing(
    world: World, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = {"seccomp": "the kernel <has> none", "landlock": True}
    monkeypatch.setattr(host_panel, "host", lambda: Host(layers, "rlimits-only"))
    shown = first_page(signed_in(world.admin))
    assert "Confinement of models: rlimits-only" in shown
    assert "the kernel &lt;has&gt; none" in shown
    assert "1 model loaded, 3.0" in shown


def test_a_host_that_is_away_is_told(
    world: World, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_panel, "host", lambda: Host(None))
    assert "Confinement of models: away" in first_page(signed_in(world.admin))


def test_who_does_not_run_the_server_sees_nothing_of_it(
    world: World, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_panel, "host", lambda: Host({"limits": True}))
    assert "Confinement of models:" not in first_page(signed_in(world.owner))
