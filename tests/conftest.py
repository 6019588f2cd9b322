"""Fixtures for every test, and the words about them: see also tests/services/.

- Ordinary tests (`@pytest.mark.django_db`) run on SQLite on disk. Celery tasks run in this process,
  where `enqueue` rings for them; as that is on commit, a test that wants them asks for
  `django_capture_on_commit_callbacks(execute=True)` or for `django_db(transaction=True)`.
- `valkey` is a real server, started once, emptied for each test. Without it the cache is away.
- `@pytest.mark.postgres` runs a test on a real PostgreSQL instead (no `django_db` mark needed).
- `live_stack` is a whole `manage.py up` in a folder of its own, started once.
- A fixture with `scope="module"` keeps the tests that use it in one process: it is made once.
"""

from __future__ import annotations

import gc
import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "tests.services.migrated",
    "tests.services.valkey",
    "tests.services.provider",
    "tests.services.postgres",
    "tests.services.flushing",
    "tests.services.static_files",
    "tests.services.elsewhere",
    "tests.services.stack",
    "tests.services.browser",
    "tests.services.leftovers",
]

ROOT = Path(__file__).resolve().parent.parent
# What takes long to start, and the group of the tests that share it.
SHARED_FIXTURES = {
    "live_stack": "stack",
    "page": "stack",
    "browser": "stack",
    "running_host": "running_host",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the tasks by name: eager calls look them up as a worker would."""
    from config.celery import app

    app.loader.import_default_modules()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays until the end: the garbage collector need not look."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are no name, and may differ between processes: compressed ones hold the time."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares something started stays in one process of pytest-xdist, and groups come first.

    First: pytest-xdist reads the groups in the same hook.
    """
    for item in items:
        if group := _group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group_of(item: pytest.Item) -> str:
    """What shares a fixture of its module is a group too: else each process makes one."""
    names = getattr(item, "fixturenames", ())
    for name, group in SHARED_FIXTURES.items():
        if name in names:
            return group
    if item.get_closest_marker("postgres"):
        return "postgres"
    made = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    is_shared = any(found[-1].scope == "module" for found in made.values())
    return item.nodeid.partition("::")[0] if is_shared else ""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What drawn tests counted, and the time that the tests of each folder took."""
    write_counts(terminalreporter)
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                parts = report.nodeid.split("::")[0].split("/")
                seconds["/".join(parts[: min(3, len(parts) - 1)])] += report.duration
    terminalreporter.section("time per folder")
    for folder, total in sorted(seconds.items(), key=lambda pair: -pair[1]):
        terminalreporter.write_line(f"{total:8.1f} s  {folder}")


def write_counts(terminalreporter: Any) -> None:
    """The lines that tests left by ``record_property("counted", line)``, seeds among them."""
    lines = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "counted"
    ]
    if lines:
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def state_folder() -> Path:
    """The state folder of this test process."""
    return Path(os.environ["MODELYARD_HOME"])


@pytest.fixture
def only_our_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """In touch, and told of nothing but what this test writes.

    The listener of an earlier test may still be connected, and what is announced comes back to it
    a moment later: that is one change more, just when a test looks whether there was none.
    """
    from registry import changes

    news = changes._News()
    news.is_begun = True
    monkeypatch.setattr(changes, "_news", news)
    monkeypatch.setattr(changes, "is_in_touch", lambda now_s=None: True)
