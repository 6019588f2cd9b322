"""`manage.py up`: prepares the state folder, then starts and watches every part of this machine."""

from __future__ import annotations

import io
import json
import secrets
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command, get_commands
from django.db import connections

from registry.management import parts, preparation, static_set
from registry.management.preparation import ADMIN
from registry.models import Dataset, RegisteredModel
from registry.supervisor.preflight import CannotStart, check_port, lock
from registry.supervisor.probes import reachable_host
from registry.supervisor.supervisor import PartFailed, Supervisor

# A host that is busy says nothing within the two seconds of the question; its log tells then.
LESS_CONFINED = ("no-netns", "rlimits-only")
DEMO_PATH = "/api/v1/models/penguins/predict"


class Command(BaseCommand):
    """Starts everything in the foreground; Ctrl-C or SIGTERM ends it."""

    help = "Start all parts of Modelyard on this machine and keep them running."
    # Checked below, once, and after the state folder is ours.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal. Exit code 0 then; 1 when a part cannot be started."""
        try:
            self._up(is_talkative=options["verbosity"] > 1)
        except (CannotStart, PartFailed) as error:
            print(error, file=sys.stderr)
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            return

    def _up(self, *, is_talkative: bool) -> None:
        home = Path(settings.MODELYARD_HOME)
        run = home / "run"
        held = lock(run / "up.lock")
        check_port(settings.HOST, settings.PORT)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        parts.fresh_folder(run / "metrics")
        preparation.migrate()
        preparation.ensure_bucket()
        static_set.collect_if_changed()
        Demo.begin_if_empty(home)
        preparation.ensure_admin()
        connections.close_all()
        Supervisor(
            parts.all_parts(run),
            env=parts.child_env(),
            log_folder=home / "log",
            lock=held,
            steps=[parts.demo_step(Demo.output(home))] if Demo.is_wanted(home) else [],
            on_ready=lambda: _announce_and_let_go(home),
            is_talkative=is_talkative,
        ).run()


class Demo:
    """The demo's objects: loaded into an empty registry, once, also over a broken-off start."""

    @staticmethod
    def output(home: Path) -> Path:
        """What `load_demo` printed: the JSON body of a request that works."""
        return home / "demo.json"

    @staticmethod
    def marker(home: Path) -> Path:
        """Stands from before the first load until one has succeeded."""
        return home / "demo.loading"

    @classmethod
    def begin_if_empty(cls, home: Path) -> None:
        """Note that the demo is to be loaded."""
        is_empty = not (RegisteredModel.objects.exists() or Dataset.objects.exists())
        if is_empty and settings.MODELYARD["DEMO"]:
            cls.marker(home).touch()

    @classmethod
    def is_wanted(cls, home: Path) -> bool:
        """Whether a load was begun and not finished, or its output is lost."""
        if not settings.MODELYARD["DEMO"] or "load_demo" not in get_commands():
            return False
        is_lost = (home / "demo.key").exists() and not cls.output(home).exists()
        return is_lost or cls.marker(home).exists()

    @classmethod
    def request_body(cls, home: Path) -> str | None:
        """The body for the curl line; None without a loaded demo."""
        if not settings.MODELYARD["DEMO"] or not (home / "demo.key").exists():
            return None
        try:
            return json.dumps(json.loads(cls.output(home).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None


def announce(home: Path) -> None:
    """Everything answers: say where, the admin's password on the first start, and a curl line."""
    body = Demo.request_body(home)
    if body is not None:
        Demo.marker(home).unlink(missing_ok=True)
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    print(f"ready http://{host}:{settings.PORT}")
    for line in _admin_lines():
        print(line)
    print(curl_line(home, body), flush=True)


def _announce_and_let_go(home: Path) -> None:
    """For the loop, which needs the database no more."""
    try:
        announce(home)
        _warn_of_confinement()
    finally:
        connections.close_all()


def _warn_of_confinement() -> None:
    """A line on standard error when the model host cannot confine models as well as it might."""
    if "modelhost" not in get_commands():
        return
    told = io.StringIO()
    call_command("modelhost", level=True, stdout=told)
    level = told.getvalue().strip()
    if level.startswith(LESS_CONFINED):
        print(f"model host: confinement {level}", file=sys.stderr, flush=True)


def _admin_lines() -> list[str]:
    user = preparation.admin_without_password()
    if user is None:
        return []
    password = secrets.token_urlsafe(15)
    user.set_password(password)
    user.save(update_fields=["password"])
    return [f"admin user: {ADMIN}", f"admin password: {password}"]


def curl_line(home: Path, body: str | None) -> str:
    """A line that works when pasted: scores the demo's model, or asks whether the server lives."""
    host = reachable_host(settings.HOST)
    host = f"[{host}]" if ":" in host else host
    base = settings.MODELYARD["PUBLIC_URL"] or f"http://{host}:{settings.PORT}"
    if body is None:
        return f"curl -s {shlex.quote(f'{base}/healthz')}"
    key = shlex.quote(str(home / "demo.key"))
    return (
        f'curl -s -H "Authorization: Bearer $(cat {key})" -H "Content-Type: application/json" '
        f"-d {shlex.quote(body)} {shlex.quote(base + DEMO_PATH)}"
    )
