"""Pages and lists with a hundred thousand jobs, on SQLite and on PostgreSQL, beside a hundred."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from benchmarks.batch_ground import Ground, ground, took_s
from benchmarks.figures import Figure
from benchmarks.service import PASSWORD

FEW, MANY = 100, 100_000
JOB_ROWS = 1_000
CALLS = 31
REACH_MS = 300
# What a stopwatch on a busy machine cannot tell apart.
FLOOR_MS = 5.0


def pages() -> Iterator[Figure]:
    """The list and the page of a job, the API's list, and how long a small job takes."""
    from tests.services.postgres import running_postgres

    yield from _on("SQLite", {})
    with running_postgres() as server:
        yield from _on("PostgreSQL", {"DATABASE_URL": server.url()})


def _on(database: str, settings: dict[str, str]) -> Iterator[Figure]:
    with ground(settings) as here:
        here.job(JOB_ROWS, keeps=False)
        _fill(here, FEW)
        few = _times_ms(here)
        _fill(here, MANY - FEW)
        many = _times_ms(here)
    for what, took_ms in many.items():
        yield Figure(
            "B4",
            f"{what}, {MANY:,} jobs, {database}",
            took_ms,
            few[what],
            "ms",
            f"{FEW} jobs",
            round(max(took_ms, FLOOR_MS) / max(few[what], FLOOR_MS), 3),
            1.1,
            at_most=True,
        )
    slowest = max(took for what, took in many.items() if "page" in what or "list" in what)
    yield Figure(
        "P", f"slowest page or list, {MANY:,} jobs, {database}", slowest, None, "ms", "",
        round(slowest, 1), REACH_MS, at_most=True,
    )  # fmt: skip


def _times_ms(here: Ground) -> dict[str, float]:
    """The median of some calls each, by what was asked."""
    person = _signed_in(here.service.url)
    api = f"{here.service.url}/api/v1/batch-jobs"
    newest = here.service.session.get(f"{api}?page_size=1", timeout=60).json()["results"][0]["id"]
    admin = f"{here.service.url}/admin/serving/batchjob"
    asked = {
        "API list of jobs": (here.service.session, f"{api}"),
        "API, one job": (here.service.session, f"{api}/{newest}"),
        "page: list of jobs": (person, f"{admin}/"),
        "page: one job": (person, f"{admin}/{newest}/"),
    }
    times = {what: _median_ms(session, url) for what, (session, url) in asked.items()}
    jobs = [here.job(JOB_ROWS, keeps=False) for _ in range(CALLS)]
    took_ms = [took_s(job) * 1e3 for job in jobs]
    return times | {f"a job of {JOB_ROWS:,} rows": statistics.median(took_ms)}


def _median_ms(session: requests.Session, url: str) -> float:
    took_ms = []
    for _ in range(CALLS):
        began_s = time.perf_counter()
        session.get(url, timeout=120).raise_for_status()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    return statistics.median(took_ms)


def _signed_in(url: str) -> requests.Session:
    session = requests.Session()
    form = session.get(f"{url}/admin/login/", timeout=60).text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert found is not None
    told = {"csrfmiddlewaretoken": found[1], "username": "admin", "password": PASSWORD}
    answer = session.post(f"{url}/admin/login/", data=told, headers={"Referer": url}, timeout=60)
    answer.raise_for_status()
    return session


def _fill(here: Ground, count: int) -> None:
    program = str(Path(__file__).with_name("many_jobs.py"))
    env = here.service.env | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    words = ("tabular", here.source(JOB_ROWS).stem, str(count))
    subprocess.run([sys.executable, program, *words], env=env, check=True)
