"""Stories: schedules: when they run next, running one now, changing and ending it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.flows.conftest import People
from tests.flows.stories import ended, ok, problem, refused_field


@pytest.fixture
def body(model: str, rows: str) -> dict[str, Any]:
    """A schedule without its name."""
    return {
        "model": model,
        "dataset": rows,
        "cron": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "overlap": "skip",
        "missed": "run-once",
        "enabled": True,
    }


def test_a_schedule_tells_its_next_five_runs_in_its_zone(
    olga: httpx.Client, body: dict[str, Any]
) -> None:
    made = olga.post("/schedules", json={"name": "nightly", **body})

    found = ok(made, 201)
    assert made.headers["Location"] == found["url"]
    assert {name: found[name] for name in body} == body
    runs = [datetime.fromisoformat(run) for run in found["next_runs"]]
    assert len(runs) == 5
    assert runs == sorted(runs)
    assert {(run.hour, run.minute) for run in runs} <= {(2, 30), (3, 0), (3, 30)}
    assert all(run.utcoffset() is not None for run in runs)
    assert ok(olga.get("/schedules/nightly"))["id"] == found["id"]
    listed = ok(olga.get("/schedules?search=nightly&enabled=true"))["results"]
    assert "nightly" in [s["name"] for s in listed]
    olga.delete("/schedules/nightly")


def test_defaults_are_those_of_the_reference(olga: httpx.Client, model: str, rows: str) -> None:
    least = {"name": "least", "model": model, "dataset": rows, "cron": "0 0 * * MON-FRI"}

    found = ok(olga.post("/schedules", json=least), 201)

    assert (found["timezone"], found["overlap"], found["missed"], found["enabled"]) == (
        "UTC", "skip", "skip", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cron", "written"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("0 0 L * *", "0 0 L * *"),
        ("0 12 * JAN,JUL sun", "0 12 * JAN,JUL sun"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_every_form_of_cron_that_is_taken(
    olga: httpx.Client, body: dict[str, Any], cron: str, written: str
) -> None:
    name = f"cron-{abs(hash(cron))}"

    found = ok(olga.post("/schedules", json={**body, "name": name, "cron": cron}), 201)

    assert found["cron"] == written
    assert len(found["next_runs"]) == 5
    # It must not run in the middle of another story.
    olga.delete(f"/schedules/{name}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cron", "* * * * * *"),
        ("cron", "* * * *"),
        ("cron", ""),
        ("cron", "@reboot"),
        ("cron", "@yearly"),
        ("cron", "61 * * * *"),
        ("cron", "*/0 * * * *"),
        ("cron", "0 0 30 2 *"),
        ("cron", "0 0 31 4,6 *"),
        ("cron", 5),
        ("timezone", "Mars/Olympus"),
        ("timezone", ""),
        ("timezone", "../etc/passwd"),
        ("overlap", "maybe"),
        ("missed", "never"),
        ("enabled", "yes"),
        ("name", "a b"),
        ("keep_columns", ["shoe"]),
        ("model", "story@3"),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_pointed_at(
    olga: httpx.Client, body: dict[str, Any], field: str, value: Any
) -> None:
    refused = olga.post("/schedules", json={"name": "wrong", **body, field: value})

    found = problem(refused, 422, "invalid-field")
    assert found["pointer"].startswith(f"/{field}")
    problem(olga.get("/schedules/wrong"), 404, "schedule-not-found")


def test_a_schedule_needs_a_model_and_a_dataset_that_can_be_used(
    olga: httpx.Client, body: dict[str, Any]
) -> None:
    ok(olga.post("/models", json={"name": "schedule-empty"}), 201)
    for changed, status, code in (
        ({"model": "nowhere"}, 404, "model-not-found"),
        ({"model": "story@nobody"}, 404, "alias-not-found"),
        ({"model": "schedule-empty"}, 409, "version-not-ready"),
        ({"dataset": "nowhere"}, 404, "dataset-not-found"),
    ):
        refused = olga.post("/schedules", json={"name": "wrong", **body, **changed})
        problem(refused, status, code)


def test_run_now_starts_a_job_and_leaves_a_slot(olga: httpx.Client, body: dict[str, Any]) -> None:
    ok(olga.post("/schedules", json={"name": "now", **body}), 201)

    done = ended(olga, olga.post("/schedules/now/run-now"))

    assert (done["state"], done["rows_done"]) == ("completed", 6)
    [slot] = ok(olga.get("/schedules/now/slots"))["results"]
    assert (slot["is_manual"], slot["batch_job"]) == (True, done["id"])
    assert [j["id"] for j in ok(olga.get("/batch-jobs?schedule=now"))["results"]] == [done["id"]]
    problem(olga.post("/schedules/nowhere/run-now"), 404, "schedule-not-found")


def test_a_schedule_is_changed_and_ended_and_its_name_stays_taken(
    people: People, body: dict[str, Any]
) -> None:
    olga = people.olga
    ok(olga.post("/schedules", json={"name": "changing", **body}), 201)

    changed = olga.patch("/schedules/changing", json={"cron": "@weekly", "enabled": False})
    assert (ok(changed)["cron"], ok(changed)["next_runs"]) == ("0 0 * * 0", [])
    refused_field(olga.patch("/schedules/changing", json={"cron": "0 0 30 2 *"}), "/cron")
    refused_field(olga.patch("/schedules/changing", json={"timezone": "Nope"}), "/timezone")
    refused_field(olga.patch("/schedules/changing", json={"name": "other"}), "/name")
    assert ok(olga.get("/schedules/changing"))["cron"] == "0 0 * * 0"
    problem(people.vera.patch("/schedules/changing", json={"cron": "@daily"}), 403, "not-allowed")
    problem(people.vera.delete("/schedules/changing"), 403, "not-allowed")
    assert olga.delete("/schedules/changing").status_code == 204
    problem(olga.get("/schedules/changing"), 404, "schedule-not-found")
    again = olga.post("/schedules", json={"name": "CHANGING", **body})
    problem(again, 409, "name-taken")
