"""Pages, lists and calls of a large registry beside a small one, on SQLite and on PostgreSQL.

Two services run, one of each size, and are asked in turn: what the machine does meanwhile meets
both.
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
from typing import NamedTuple

import requests

from benchmarks.batch_ground import Ground, ground, took_s
from benchmarks.figures import Figure
from benchmarks.service import PASSWORD
from benchmarks.workload import rows_of


class Size(NamedTuple):
    """How much there is; each model has ten versions."""

    models: int
    jobs: int


# The small one fills a page of each list: of a shorter one nothing could be learned.
SMALL, LARGE = Size(60, 100), Size(1_000, 100_000)
BESIDE = f"{SMALL.models} models, {SMALL.jobs} jobs"
JOB_ROWS = 1_000
CALLS = 61
# A call that scores is over before a stopwatch can tell two of them apart.
SCORED_AT_ONCE = 20
REACH_MS = 300


def growth() -> Iterator[Figure]:
    """Lists and pages of models and jobs, scoring one row, and a small job."""
    from tests.services.postgres import running_postgres

    yield from _on("SQLite", {}, {})
    with running_postgres() as small, running_postgres() as large:
        yield from _on("PostgreSQL", {"DATABASE_URL": small.url()}, {"DATABASE_URL": large.url()})


def _on(database: str, for_small: dict[str, str], for_large: dict[str, str]) -> Iterator[Figure]:
    with ground(for_small) as small, ground(for_large) as large:
        for here, size in ((small, SMALL), (large, LARGE)):
            here.job(JOB_ROWS, keeps=False)
            _fill(here, "models", size.models - 1)
            _fill(here, "jobs", size.jobs - 1)
        took_ms = _times_ms(small, large)
    for what, (in_small, in_large) in took_ms.items():
        yield Figure(
            "B4",
            f"{what}, {LARGE.models:,} models, {LARGE.jobs:,} jobs, {database}",
            in_large,
            in_small,
            "ms",
            BESIDE,
            round(in_large / in_small, 3),
            1.1,
            at_most=True,
        )
    slowest = max(in_large for what, (_, in_large) in took_ms.items() if what in PAGES)
    yield Figure(
        "P", f"slowest page or list, {LARGE.models:,} models, {LARGE.jobs:,} jobs, {database}",
        slowest, None, "ms", "", round(slowest, 1), REACH_MS, at_most=True,
    )  # fmt: skip


PAGES = {
    "API list of jobs": "api/v1/batch-jobs",
    "API, one job": "api/v1/batch-jobs/{job}",
    "API list of models": "api/v1/models",
    "API list of versions": "api/v1/models/{model}/versions",
    "page: list of jobs": "admin/serving/batchjob/",
    "page: one job": "admin/serving/batchjob/{job}/",
    "page: list of models": "admin/registry/registeredmodel/",
    "page: one model": "admin/registry/registeredmodel/{model_id}/",
    "page: the first one": "admin/",
}


def _times_ms(*both: Ground) -> dict[str, tuple[float, float]]:
    """By what was asked: the medians of calls in turn, in the small registry and in the large."""
    asked = [_asked(here) for here in both]
    times = {what: _in_turn_ms([calls[what] for calls in asked]) for what in asked[0]}
    jobs = [[took_s(here.job(JOB_ROWS, keeps=False)) * 1e3 for here in both] for _ in range(CALLS)]
    return times | {f"a job of {JOB_ROWS:,} rows": _medians(jobs)}


def _asked(here: Ground) -> dict[str, Callable[[], object]]:
    """What is asked of a service, by its name: of the model that was copied last."""
    person = _signed_in(here.service.url)
    session, url = here.service.session, here.service.url
    job = session.get(f"{url}/api/v1/batch-jobs?page_size=1", timeout=60).json()["results"][0]
    model = session.get(f"{url}/api/v1/models?page_size=1", timeout=60).json()["results"][0]
    known = {"job": job["id"], "model": model["name"], "model_id": model["id"]}
    asked: dict[str, Callable[[], object]] = {
        what: partial(_get, person if path.startswith("admin") else session, url, path, known)
        for what, path in PAGES.items()
    }
    body = {"instances": rows_of(here.model, 1, 1)[0]}

    def score() -> None:
        for _ in range(SCORED_AT_ONCE):
            answer = session.post(f"{url}/api/v1/models/{model['name']}/predict", json=body)
            answer.raise_for_status()

    return asked | {f"{SCORED_AT_ONCE} calls of one row": score}


def _get(session: requests.Session, url: str, path: str, known: dict[str, str]) -> None:
    session.get(f"{url}/{path.format(**known)}", timeout=120).raise_for_status()


def _in_turn_ms(calls: Sequence[Callable[[], object]]) -> tuple[float, float]:
    return _medians([[_took_ms(call) for call in calls] for _ in range(CALLS)])


def _took_ms(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return (time.perf_counter() - began_s) * 1e3


def _medians(pairs: Sequence[Sequence[float]]) -> tuple[float, float]:
    small, large = zip(*pairs, strict=True)
    return statistics.median(small), statistics.median(large)


def _signed_in(url: str) -> requests.Session:
    session = requests.Session()
    form = session.get(f"{url}/admin/login/", timeout=60).text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert found is not None
    told = {"csrfmiddlewaretoken": found[1], "username": "admin", "password": PASSWORD}
    answer = session.post(f"{url}/admin/login/", data=told, headers={"Referer": url}, timeout=60)
    answer.raise_for_status()
    return session


def _fill(here: Ground, kind: str, count: int) -> None:
    program = str(Path(__file__).with_name("many_rows.py"))
    env = here.service.env | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    words = (kind, here.model.name, str(count))
    subprocess.run([sys.executable, program, *words], env=env, check=True)
