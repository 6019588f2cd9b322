"""Pages and lists with a hundred thousand jobs, on SQLite and on PostgreSQL, beside a hundred.

Two services run, one with few jobs and one with many, and are asked in turn: what the machine does
meanwhile meets both.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import requests

from benchmarks.batch_ground import Ground, ground, took_s
from benchmarks.figures import Figure
from benchmarks.service import PASSWORD

FEW, MANY = 100, 100_000
JOB_ROWS = 1_000
CALLS = 61
REACH_MS = 300
# What a stopwatch on a busy machine cannot tell apart.
FLOOR_MS = 5.0


def pages() -> Iterator[Figure]:
    """The list and the page of a job, the API's list, and how long a small job takes."""
    from tests.services.postgres import running_postgres

    yield from _on("SQLite", {}, {})
    with running_postgres() as few, running_postgres() as many:
        yield from _on("PostgreSQL", {"DATABASE_URL": few.url()}, {"DATABASE_URL": many.url()})


def _on(database: str, for_few: dict[str, str], for_many: dict[str, str]) -> Iterator[Figure]:
    with ground(for_few) as few, ground(for_many) as many:
        for here, jobs in ((few, FEW), (many, MANY)):
            here.job(JOB_ROWS, keeps=False)
            _fill(here, jobs - 1)
        took_ms = _times_ms(few, many)
    for what, (beside_few, beside_many) in took_ms.items():
        yield Figure(
            "B4",
            f"{what}, {MANY:,} jobs, {database}",
            beside_many,
            beside_few,
            "ms",
            f"{FEW} jobs",
            round(max(beside_many, FLOOR_MS) / max(beside_few, FLOOR_MS), 3),
            1.1,
            at_most=True,
        )
    slowest = max(took for what, (_, took) in took_ms.items() if "page" in what or "list" in what)
    yield Figure(
        "P", f"slowest page or list, {MANY:,} jobs, {database}", slowest, None, "ms", "",
        round(slowest, 1), REACH_MS, at_most=True,
    )  # fmt: skip


def _times_ms(few: Ground, many: Ground) -> dict[str, tuple[float, float]]:
    """By what was asked: the medians of calls in turn, with few jobs and with many."""
    asked = [_asked(here) for here in (few, many)]
    times = {what: _in_turn_ms([calls[what] for calls in asked]) for what in asked[0]}
    jobs = [
        [took_s(here.job(JOB_ROWS, keeps=False)) * 1e3 for here in (few, many)]
        for _ in range(CALLS)
    ]
    return times | {f"a job of {JOB_ROWS:,} rows": _medians(jobs)}


def _asked(here: Ground) -> dict[str, Callable[[], requests.Response]]:
    """What is asked of a service, by its name."""
    person = _signed_in(here.service.url)
    api = f"{here.service.url}/api/v1/batch-jobs"
    newest = here.service.session.get(f"{api}?page_size=1", timeout=60).json()["results"][0]["id"]
    admin = f"{here.service.url}/admin/serving/batchjob"
    return {
        "API list of jobs": partial(here.service.session.get, api, timeout=120),
        "API, one job": partial(here.service.session.get, f"{api}/{newest}", timeout=120),
        "page: list of jobs": partial(person.get, f"{admin}/", timeout=120),
        "page: one job": partial(person.get, f"{admin}/{newest}/", timeout=120),
    }


def _in_turn_ms(calls: Sequence[Callable[[], requests.Response]]) -> tuple[float, float]:
    return _medians([[_took_ms(call) for call in calls] for _ in range(CALLS)])


def _took_ms(call: Callable[[], requests.Response]) -> float:
    began_s = time.perf_counter()
    call().raise_for_status()
    return (time.perf_counter() - began_s) * 1e3


def _medians(pairs: Sequence[Sequence[float]]) -> tuple[float, float]:
    few, many = zip(*pairs, strict=True)
    return statistics.median(few), statistics.median(many)


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
