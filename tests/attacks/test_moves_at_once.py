"""Twenty people push the same thing at the same moment, on PostgreSQL: one of them moves it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model

from registry.models import Alias, ApiKey, ApprovalRequest, AuditEvent, ModelVersion, Webhook
from registry.models.model_version import VersionStatus
from serving.models import BatchJob, Schedule
from tests import drawing, people
from tests.attacks import machines
from tests.attacks.machines import Machine, World
from tests.cards import CARD

pytestmark = pytest.mark.postgres

AT_ONCE = 20
# Machine, state, action; what the others are told.
RACES = [
    (machines.VERSIONS, "ready", "archive", {"state-conflict"}),
    (machines.VERSIONS, "rejected", "archive", {"state-conflict"}),
    (machines.ALIAS_REQUESTS, "pending", "approve", {"state-conflict"}),
    (machines.ALIAS_REQUESTS, "pending", "reject", {"state-conflict"}),
    (machines.VERSION_REQUESTS, "pending", "approve", {"state-conflict"}),
    (machines.VERSION_REQUESTS, "pending", "reject", {"state-conflict"}),
    (machines.JOBS, "queued", "cancel", {"state-conflict"}),
    (machines.JOBS, "failed", "retry", {"state-conflict"}),
    (machines.JOBS, "completed_with_rejects", "retry", {"state-conflict"}),
    (machines.SCHEDULES, "enabled", "disable", {"same"}),
    (machines.SCHEDULES, "disabled", "enable", {"same"}),
    (machines.SCHEDULES, "enabled", "delete", {"state-conflict", "schedule-not-found"}),
    (machines.KEYS, "active", "rotate", {"state-conflict"}),
    (machines.KEYS, "active", "revoke", {"same"}),
    (machines.ALIASES, "first", "to-second", {"same"}),
    (machines.ALIASES, "first", "remove", {"alias-not-found"}),
    (machines.WEBHOOKS, "enabled", "disable", {"same"}),
    (machines.WEBHOOKS, "disabled", "enable", {"same"}),
    (machines.WEBHOOKS, "enabled", "delete", {"webhook-not-found"}),
    (machines.TIER_REQUESTS, "pending", "approve", {"state-conflict"}),
    (machines.TIER_REQUESTS, "pending", "reject", {"state-conflict"}),
    (machines.TIERS, "product", "down-to-raw", {"state-conflict"}),
    (machines.MODELS, "in-use", "archive", {"state-conflict"}),
    (machines.MODELS, "archived", "unarchive", {"state-conflict"}),
    (machines.DATASETS_IN_USE, "in-use", "archive", {"state-conflict"}),
    (machines.DATASETS_IN_USE, "archived", "unarchive", {"state-conflict"}),
]


def all_at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Start all calls at the same moment; what they give, in order."""
    together = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        try:
            together.wait(30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def at_once(calls: list[Callable[[], Any]]) -> list[str]:
    """The same with answers: ``done``, or the code of each refusal."""
    answers = all_at_once(calls)
    return ["done" if a.status_code < 400 else str(a.json()["code"]) for a in answers]


@pytest.fixture
def world() -> World:
    return World()


# Each costs seconds: an ordinary run tries a third of them.
TRIED = RACES if drawing.IS_LONG else Random(drawing.FIXED_SEED).sample(RACES, k=len(RACES) // 3)


@pytest.mark.parametrize(
    ("machine", "state", "act", "others"),
    TRIED,
    ids=[f"{machine.key}-{state}-{act}" for machine, state, act, _ in TRIED],
)
def test_of_twenty_one_moves_it_and_one_event_says_so(
    world: World, machine: Machine, state: str, act: str, others: set[str]
) -> None:
    row = machine.make(world, state)
    earlier = set(AuditEvent.objects.values_list("pk", flat=True))

    told = Counter(at_once([lambda: machine.acts[act](world, row)] * AT_ONCE))

    about = AuditEvent.objects.exclude(pk__in=earlier).filter(object_id=str(row.pk))
    assert about.count() == 1
    if others == {"same"}:
        assert told == {"done": AT_ONCE}
    else:
        assert (told.pop("done"), told.total()) == (1, AT_ONCE - 1)
        assert set(told) <= others


def _mixed(world: World, machine: Machine, row: Model, acts: list[str]) -> list[tuple[str, str]]:
    pushed = [acts[i % len(acts)] for i in range(AT_ONCE)]
    told = at_once([lambda act=act: machine.acts[act](world, row) for act in pushed])
    return [(act, word) for act, word in zip(pushed, told, strict=True) if word != "state-conflict"]


@pytest.mark.parametrize("machine", [machines.ALIAS_REQUESTS, machines.VERSION_REQUESTS])
def test_of_approvals_and_rejections_at_once_one_decides(world: World, machine: Machine) -> None:
    row = machine.make(world, "pending")

    ((act, word),) = _mixed(world, machine, row, ["approve", "reject"])

    decided = ApprovalRequest.objects.get(pk=row.pk)
    assert (word, decided.state) == ("done", "approved" if act == "approve" else "rejected")
    moved = Alias.objects.filter(name="candidate").exists()
    if machine is machines.ALIAS_REQUESTS:
        assert moved == (act == "approve")
    else:
        status = ModelVersion.objects.get(pk=decided.version_id).status
        assert status == ("ready" if act == "approve" else "rejected")


def test_of_rotations_and_revocations_at_once_at_most_one_makes_a_key(world: World) -> None:
    row = machines.KEYS.make(world, "active")
    before = ApiKey.objects.count()

    told = _mixed(world, machines.KEYS, row, ["rotate", "revoke"])

    made = [act for act, word in told if (act, word) == ("rotate", "done")]
    assert ApiKey.objects.count() == before + len(made) <= before + 1
    assert ApiKey.objects.get(pk=row.pk).revoked_at is not None


def test_an_alias_never_points_to_what_is_archived_at_the_same_moment(world: World) -> None:
    row = machines.VERSIONS.make(world, "ready")

    told = _mixed(world, machines.VERSIONS, row, ["archive", "alias"])

    done = {act for act, word in told if word == "done"}
    archived = ModelVersion.objects.get(pk=row.pk).status == VersionStatus.ARCHIVED
    assert done == ({"archive"} if archived else {"alias"})
    assert Alias.objects.filter(version=row.pk).exists() != archived
    assert {word for _, word in told} <= {"done", "version-not-servable"}


def test_a_guarded_move_is_asked_for_once(world: World) -> None:
    world.model.approval_required, world.model.card = True, CARD
    world.model.save()

    told = Counter(at_once([lambda: machines.VERSIONS.acts["alias"](world, None)] * AT_ONCE))

    assert told == {"done": 1, "state-conflict": AT_ONCE - 1}
    assert ApprovalRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/models", {}),
        ("/schedules", {"cron": "0 3 * * *", "model": "churn", "dataset": "customers"}),
    ],
)
def test_a_name_is_given_once(world: World, path: str, more: dict[str, Any]) -> None:
    told = Counter(at_once([lambda: world.ask("post", path, {"name": "once", **more})] * AT_ONCE))

    assert told == {"done": 1, "name-taken": AT_ONCE - 1}
    assert AuditEvent.objects.filter(action__endswith=".create", object_name="once").count() == 1


def test_a_quota_holds_for_those_who_come_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.actions.webhooks.WEBHOOKS_MAX", 3)
    body = {"target_url": machines.HOOK}

    told = Counter(at_once([lambda: world.ask("post", "/webhooks", body)] * AT_ONCE))

    assert told == {"done": 3, "state-conflict": AT_ONCE - 3}
    assert Webhook.objects.count() == 3


def test_a_grant_is_taken_away_once(world: World) -> None:
    tariq = people.team_mate(world.model)
    path = "/models/churn/grants/tariq"

    told = Counter(at_once([lambda: world.ask("delete", path)] * AT_ONCE))

    assert told["done"] >= 1
    assert AuditEvent.objects.filter(action="grant.remove").count() == 1
    assert not tariq.by.may("viewer", world.model)


def test_an_alias_that_is_approved_never_points_to_what_is_archived(world: World) -> None:
    row = machines.ALIAS_REQUESTS.make(world, "pending")
    acts = [
        *[lambda: machines.VERSIONS.acts["archive"](world, row)] * (AT_ONCE // 2),
        *[lambda: machines.ALIAS_REQUESTS.acts["approve"](world, row)] * (AT_ONCE // 2),
    ]

    told = Counter(at_once(acts))

    archived = ModelVersion.objects.get(pk=world.second.pk).status == VersionStatus.ARCHIVED
    assert Alias.objects.filter(version=world.second).exists() != archived
    assert set(told) <= {"done", "state-conflict", "version-not-servable"}


def test_a_tier_is_asked_for_once(world: World) -> None:
    told = Counter(at_once([lambda: machines.TIERS.acts["to-curated"](world, None)] * AT_ONCE))

    assert told == {"done": 1, "state-conflict": AT_ONCE - 1}
    assert ApprovalRequest.objects.count() == 1


def test_a_job_is_made_for_each_that_asks_and_no_slot_is_lost(world: World) -> None:
    machines.SCHEDULES.make(world, "enabled")

    told = Counter(at_once([lambda: world.ask("post", "/schedules/nightly/run-now")] * AT_ONCE))

    schedule = Schedule.objects.get()
    assert told == {"done": AT_ONCE}
    assert schedule.slots.filter(is_manual=True).count() == BatchJob.objects.count() == AT_ONCE
