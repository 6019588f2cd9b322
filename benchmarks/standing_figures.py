"""P8 and P9: the memory of a service that holds models, and how soon it is there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import requests

from benchmarks.figures import Figure, value
from benchmarks.service import PASSWORD, ROOT, Service, started
from benchmarks.workload import rows_of, trained

SEED = 11
MANY = 200
CALLS = 3_000
GIB = 1 << 30
WARM_CALLS = 40
HEADERS = {"Content-Type": "application/json"}


def memory() -> Iterator[Figure]:
    """P8: what all web processes hold, with 3 models and with 200."""
    with TemporaryDirectory() as made, started(demo=False) as service:
        models = [trained(name, Path(made)) for name in ("tabular", "iris", "reg")]
        for model in models:
            service.register(model)
        bodies = {model.name: {"instances": rows_of(model, 1, 1)[0]} for model in models}
        for name, body in bodies.items():
            for _ in range(WARM_CALLS):
                _score(service, name, body)
        held = _web_bytes(service) / GIB
        yield value("P8", "all web processes, 3 models", held, "GiB", reach=0.5)
        _copies(service, "tabular", MANY - len(models))
        names = [f"tabular-{at}" for at in range(MANY - len(models))]
        took_ms = _ask_all(service, names, bodies["tabular"])
        held = _web_bytes(service) / GIB
        yield value(
            "P8",
            f"all web processes, {MANY} models",
            held,
            "GiB",
            reach=1.0,
            note=_cache_words(service, took_ms),
        )


def _copies(service: Service, name: str, count: int) -> None:
    program = str(Path(__file__).with_name("many_versions.py"))
    env = service.env | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, program, name, str(count)], env=env, check=True)


def _ask_all(service: Service, names: list[str], body: dict[str, Any]) -> list[float]:
    """Ask some models often and most now and then; the times of all calls in ms."""
    random = np.random.default_rng(SEED)
    weights = 1 / np.arange(1, len(names) + 1)
    picked = random.choice(names, CALLS, p=weights / weights.sum())
    took_ms = []
    for name in [*names, *picked]:
        began_s = time.perf_counter()
        _score(service, name, body)
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    return took_ms


def _cache_words(service: Service, took_ms: list[float]) -> str:
    """What the metrics page says of the graphs that were opened."""
    page = service.session.get(f"{service.url}/metrics", timeout=30).text
    told = [
        line
        for line in page.splitlines()
        if re.match(r"modelyard_engine\w*(_total|_sum|_count)", line)
    ]
    p50, p99 = np.percentile(took_ms, [50, 99])
    return f"call p50 {p50:.1f} ms, p99 {p99:.1f} ms; " + "; ".join(told)


def _web_bytes(service: Service) -> int:
    """The proportional set size of the web part's processes, in bytes."""
    total = 0
    for pid in service.web_processes():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024  # type: ignore[index]
    return total


def starting() -> Iterator[Figure]:
    """P9: a second start, a new version's first answer, an alias that has moved."""
    with TemporaryDirectory() as made:
        home = Path(made) / "home"
        model = trained("tabular", Path(made))
        body = {"instances": rows_of(model, 1, 1)[0]}
        with started(demo=False, home=home) as service:
            service.register(model)
            second = service.register(model)
            _score(service, "tabular/versions/2", body)
            since_s = time.time() - _at(second["ready_at"])
            yield value("P9", "new version: ready to first answer", since_s, "s", reach=2)
            yield value(
                "P9", "alias move seen everywhere", _alias_move_s(service, body), "s", reach=1
            )
            env = service.env
        for what, took_s, reach in _second_start(env):
            yield value("P9", f"second start: {what}", took_s, "s", reach=reach)


def _at(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _alias_move_s(service: Service, body: dict[str, Any]) -> float:
    """From the answer that the alias has moved to the last answer of the old version."""
    for _ in range(WARM_CALLS):
        _fresh_score(service, body)
    alias = f"{service.url}/api/v1/models/tabular/aliases/champion"
    service.session.put(alias, json={"version": 2}, timeout=30).raise_for_status()
    moved_s = last_old_s = time.perf_counter()
    while time.perf_counter() - moved_s < 3:
        if _fresh_score(service, body)["version"] == 1:
            last_old_s = time.perf_counter()
    return last_old_s - moved_s


def _fresh_score(service: Service, body: dict[str, Any]) -> dict[str, Any]:
    """By a connection of its own, so that every web process is met."""
    url = f"{service.url}/api/v1/models/tabular/predict"
    headers = HEADERS | {"Authorization": f"Bearer {service.key}", "Connection": "close"}
    answer = requests.post(url, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _score(service: Service, name: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = service.session.post(
        f"{service.url}/api/v1/models/{name}/predict", json=body, timeout=60
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _second_start(env: dict[str, str]) -> Iterator[tuple[str, float, float]]:
    """By ``make up`` where its environment is there, as a person would."""
    by_make = (ROOT / ".venv" / "bin" / "python").exists()
    command = ["make", "up"] if by_make else [sys.executable, "manage.py", "up"]
    began_s = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env | {"MODELYARD_ADMIN_PASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{env['PORT']}/healthz"
        while True:
            try:
                if requests.get(url, timeout=1).ok:
                    break
            except requests.RequestException:
                time.sleep(0.02)
        yield "web answers", time.perf_counter() - began_s, 5
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready "):
                break
        yield "all parts ready", time.perf_counter() - began_s, 8
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
