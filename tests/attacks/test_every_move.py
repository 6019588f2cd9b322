"""Each action in each state: done and written down once, or refused and nothing changed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from registry.models import ApprovalRequest, AuditEvent
from registry.models.approval_request import ApprovalState
from registry.models.model_version import VERSION_MOVES, VersionStatus
from serving.models.job_states import JOB_MOVES, JobState
from tests.attacks.machines import JOBS, MACHINES, VERSIONS, Machine, World

pytestmark = pytest.mark.django_db

# What is noted on the way and says nothing about a state.
IGNORED = ("updated_at", "last_used_at")
# Without these the database takes no job in that state.
_ENDED: dict[str, Any] = {"rows_done": 3, "rows_rejected": 0, "finished_at": timezone.now()}
_NEEDS: dict[str, dict[str, Any]] = {
    "queued": {"finished_at": None, "error": None},
    "running": {"finished_at": None, "error": None},
    "completed": _ENDED,
    "completed_with_rejects": _ENDED | {"rows_rejected": 1},
    "failed": _ENDED | {"error": {"code": "x", "detail": "y"}},
    "cancelled": _ENDED,
}


def columns(row: Model) -> dict[str, Any] | None:
    """The row as it stands in the database; None when it is gone."""
    found = type(row)._default_manager.filter(pk=row.pk).values().first()
    return found and {name: value for name, value in found.items() if name not in IGNORED}


def state_of(machine: Machine, row: Model) -> str:
    found = type(row)._default_manager.filter(pk=row.pk).first()
    return "gone" if found is None else machine.state(found)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.key)
def test_each_action_in_each_state_does_what_the_table_says(machine: Machine) -> None:
    world = World()
    wrong = []
    for state, act, outcome in machine.cases():
        with transaction.atomic():
            found = _outcome(machine, world, state, act)
            transaction.set_rollback(True)
        if found != outcome:
            wrong.append((state, act, f"{outcome} was expected", found))
    assert not wrong


def _outcome(machine: Machine, world: World, state: str, act: str) -> str:
    """What an action does, in the words of the tables."""
    row = machine.make(world, state)
    assert state_of(machine, row) == state
    before, earlier = columns(row), set(AuditEvent.objects.values_list("pk", flat=True))
    answer = machine.acts[act](world, row)
    if answer.streaming:
        b"".join(answer.streaming_content)
    after, written = columns(row), AuditEvent.objects.exclude(pk__in=earlier)
    about = written.filter(object_id=str(row.pk)).count()
    if answer.status_code >= 400:
        kept = "" if before == after and not written.exists() else " and changed something"
        return f"{answer.json()['code']}{kept}"
    if before == after:
        return "made" if written.exists() else "same"
    return f">{state_of(machine, row)}{'' if about == 1 else f', {about} events'}"


@pytest.mark.parametrize(
    ("machine", "moves", "states"),
    [(VERSIONS, VERSION_MOVES, VersionStatus), (JOBS, JOB_MOVES, JobState)],
    ids=["version", "job"],
)
def test_a_row_makes_the_moves_of_its_table_and_no_other(
    machine: Machine, moves: Mapping[str, frozenset[str]], states: Any
) -> None:
    world = World()
    for start, end in itertools.product(states, repeat=2):
        with transaction.atomic():
            row = machine.make(world, start)
            needs = _NEEDS[end] if machine is JOBS else {}
            if machine is JOBS and end.startswith("completed"):
                needs = needs | {"output": world.rows}
            moved = type(row).objects.move(row, end, **needs)  # type: ignore[attr-defined]
            assert moved == (end in moves[start]), (start, end)
            assert state_of(machine, row) == (end if moved else start)
            transaction.set_rollback(True)


def test_every_state_of_a_machine_stands_in_its_table() -> None:
    for machine, states in (
        (VERSIONS, VersionStatus.values),
        (JOBS, JobState.values),
        (next(m for m in MACHINES if m.key == "approval-of-alias"), ApprovalState.values),
    ):
        assert {state for state, _, _ in machine.cases()} == set(states)
        assert {act for _, act, _ in machine.cases()} == set(machine.acts)


def test_a_decision_that_comes_second_is_not_written() -> None:
    world = World()
    request = next(m for m in MACHINES if m.key == "approval-of-alias").make(world, "approved")
    assert isinstance(request, ApprovalRequest)

    assert not ApprovalRequest.objects.decide(request, state="rejected")
