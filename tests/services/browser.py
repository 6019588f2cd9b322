"""The machine's own Chromium for pytest-playwright; tests are skipped with a word without it."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The path of the browser."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Headless, from the machine: nothing is downloaded."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    # Root may not use Chromium's sandbox; pages are our own.
    switches = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {**browser_type_launch_args, "executable_path": path, "args": switches}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything that asks for a page is a browser test."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
