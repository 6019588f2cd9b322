"""Every machine of states that a person can push: its states, its actions, what each does.

A table has a line for each state and a column for each action. A cell is one of

- ``>state``: done; the row is in that state, and exactly one event is about it;
- ``same``: answered as done; nothing has changed and nothing is written down;
- ``made``: done; something new is there, were it an event alone, and the row is as it was;
- a code: refused with it; nothing has changed and nothing is written down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from registry.actions.aliases import move_alias, place_alias
from registry.actions.tiers import ask_for_tier
from registry.actions.webhooks import create_webhook
from registry.admin.api_keys import state_of as state_of_key
from registry.models import (
    Alias,
    ApiKey,
    ApprovalRequest,
    DatasetVersion,
    ModelVersion,
    RegisteredModel,
    Webhook,
)
from serving.actions.drive import drive
from serving.actions.schedules import create_schedule, delete_schedule, update_schedule
from serving.models import BatchJob, Schedule
from tests import people, things
from tests.cards import CARD
from tests.serving.batch import ledger

REASON = {"reason": "looked at it"}
HOOK = "https://hooks.example.org/x"


class World:
    """Olga's model churn with two ready versions, her dataset, and an approver."""

    def __init__(self) -> None:
        self.olga, self.anna = people.owner(), people.approver()
        self.first = ledger.ready_version(self.olga.by)
        self.model = self.first.model
        fields = ("model", "format", "artifact", "runtime", "created_by", "signature", "facts")
        kept = {name: getattr(self.first, name) for name in fields}
        gate = self.first.gate_version
        self.second = ModelVersion.objects.create(
            **kept, gate_version=gate, number=2, status="ready"
        )
        RegisteredModel.objects.update(next_number=3)
        # Now that she manages something, her key may have every scope.
        self.texts = {"olga": self.olga.key()[1], "anna": self.anna.key()[1]}
        rows = ledger.people_rows(3)
        self.rows = ledger.dataset_of(self.olga.by, rows)
        holes = rows.set_column(1, "age", pa.array([20, None, 21], pa.int64()))
        ledger.dataset_of(self.olga.by, holes, "holes")

    def ask(self, method: str, path: str, body: object = None, *, who: str = "olga") -> Any:
        """One call with somebody's key, by a client of its own, so that any thread may make it."""
        client: Client = people.client_with(self.texts[who])
        call = getattr(client, method)
        if body is None:
            return call(f"/api/v1{path}")
        return call(f"/api/v1{path}", body, content_type="application/json")


Act = Callable[[World, Any], Any]


@dataclass(frozen=True)
class Machine:
    """``make`` gives a row in a state, ``state`` reads it back; None where the row is gone."""

    key: str
    table: str
    make: Callable[[World, str], Model]
    state: Callable[[Any], str]
    acts: dict[str, Act]

    def cases(self) -> list[tuple[str, str, str]]:
        """State, action and outcome of each cell."""
        head, *lines = (line.split() for line in self.table.strip().splitlines())
        return [
            (state, act, outcome)
            for state, *outcomes in lines
            for act, outcome in zip(head, outcomes, strict=True)
        ]


# --- versions -----------------------------------------------------------------------------------


def _version(world: World, state: str) -> ModelVersion:
    ModelVersion.objects.filter(pk=world.second.pk).update(status=state)
    world.second.refresh_from_db()
    return world.second


_OF_VERSION: dict[str, Act] = {
    "archive": lambda w, v: w.ask("post", "/models/churn/versions/2/archive"),
    "alias": lambda w, v: w.ask("put", "/models/churn/aliases/candidate", {"version": 2}),
    "route": lambda w, v: w.ask(
        "put", "/models/churn/route", {"targets": [{"version": 2, "weight": 100}]}
    ),
    "job": lambda w, v: w.ask(
        "post", "/batch-jobs", {"model": "churn", "version": 2, "dataset": "customers"}
    ),
    "pin-graph": lambda w, v: w.ask("patch", "/models/churn/versions/2", {"pinned_to": "onnx"}),
}
VERSIONS = Machine(
    "version",
    """
                archive          alias                  route                  job                    pin-graph
    pending     state-conflict   version-not-ready      version-not-ready      version-not-ready      state-conflict
    checking    state-conflict   version-not-ready      version-not-ready      version-not-ready      state-conflict
    ready       >archived        made                   made                   made                   state-conflict
    quarantined >archived        version-not-ready      version-not-ready      version-not-ready      state-conflict
    rejected    >archived        version-not-servable   version-not-servable   version-not-servable   state-conflict
    archived    state-conflict   version-not-servable   version-not-servable   version-not-servable   state-conflict
    """,  # noqa: E501
    _version,
    lambda version: version.status,
    _OF_VERSION,
)

# --- approvals ----------------------------------------------------------------------------------


def _alias_request(world: World, state: str) -> ApprovalRequest:
    world.model.approval_required, world.model.card = True, CARD
    world.model.save()
    world.second.model.refresh_from_db()
    request = move_alias(by=world.olga.by, version=world.second, alias="candidate")
    assert isinstance(request, ApprovalRequest)
    return _decided(world, request, state)


def _version_request(world: World, state: str) -> ApprovalRequest:
    version = things.a_quarantined_version(world.model, world.olga)
    return _decided(world, version.approval_requests.get(), state)


def _decided(world: World, request: ApprovalRequest, state: str) -> ApprovalRequest:
    if state != "pending":
        decision = {"decided_by": world.anna.user, "decided_at": timezone.now()}
        ApprovalRequest.objects.filter(pk=request.pk).update(state=state, **decision)
    return request


_DECISIONS = """
                approve          reject
    pending     >approved        >rejected
    approved    state-conflict   state-conflict
    rejected    state-conflict   state-conflict
"""
_DECIDE: dict[str, Act] = {
    "approve": lambda w, r: w.ask("post", f"/approvals/{r.pk}/approve", REASON, who="anna"),
    "reject": lambda w, r: w.ask("post", f"/approvals/{r.pk}/reject", REASON, who="anna"),
}
ALIAS_REQUESTS = Machine(
    "approval-of-alias", _DECISIONS, _alias_request, lambda r: r.state, _DECIDE
)
VERSION_REQUESTS = Machine(
    "approval-of-version", _DECISIONS, _version_request, lambda r: r.state, _DECIDE
)

# --- tiers of data ------------------------------------------------------------------------------


def _tier_request(world: World, state: str) -> ApprovalRequest:
    asked = {"tier": "curated", "reason": "It was looked through."}
    request = ask_for_tier(by=world.olga.by, version=world.rows, **asked)
    return _decided(world, request, state)


TIER_REQUESTS = Machine("approval-of-tier", _DECISIONS, _tier_request, lambda r: r.state, _DECIDE)


def _tier(world: World, state: str) -> DatasetVersion:
    DatasetVersion.objects.filter(pk=world.rows.pk).update(tier=state)
    return world.rows


def _to_tier(move: str, tier: str) -> Act:
    path = f"/datasets/customers/versions/1/{move}"
    return lambda w, d: w.ask("post", path, {"tier": tier, **REASON})


TIERS = Machine(
    "tier",
    """
                to-raw          to-curated      to-product      down-to-raw     down-to-curated
    raw         invalid-field   made            invalid-field   state-conflict  state-conflict
    curated     invalid-field   invalid-field   made            >raw            invalid-field
    product     state-conflict  state-conflict  state-conflict  >raw            >curated
    """,
    _tier,
    lambda version: version.tier,
    {
        "to-raw": _to_tier("promote", "raw"),
        "to-curated": _to_tier("promote", "curated"),
        "to-product": _to_tier("promote", "product"),
        "down-to-raw": _to_tier("demote", "raw"),
        "down-to-curated": _to_tier("demote", "curated"),
    },
)

# --- models and datasets in use and out of use --------------------------------------------------


def _set_aside(row: Any, state: str) -> Any:
    row.archived_at = timezone.now() if state == "archived" else None
    row.save()
    return row


MODELS = Machine(
    "model",
    """
                archive          unarchive        job                    alias
    in-use      >archived        state-conflict   made                   made
    archived    state-conflict   >in-use          version-not-servable   version-not-servable
    """,
    lambda world, state: _set_aside(world.model, state),
    lambda model: "archived" if model.archived_at else "in-use",
    {
        "archive": lambda w, m: w.ask("post", "/models/churn/archive"),
        "unarchive": lambda w, m: w.ask("post", "/models/churn/unarchive"),
        "job": lambda w, m: w.ask("post", "/batch-jobs", {"model": "churn", "dataset": "holes"}),
        "alias": lambda w, m: w.ask("put", "/models/churn/aliases/candidate", {"version": 2}),
    },
)
DATASETS_IN_USE = Machine(
    "dataset",
    """
                archive          unarchive        job              promote
    in-use      >archived        state-conflict   made             made
    archived    state-conflict   >in-use          state-conflict   state-conflict
    """,
    lambda world, state: _set_aside(world.rows.dataset, state),
    lambda dataset: "archived" if dataset.archived_at else "in-use",
    {
        "archive": lambda w, d: w.ask("post", "/datasets/customers/archive"),
        "unarchive": lambda w, d: w.ask("post", "/datasets/customers/unarchive"),
        "job": lambda w, d: w.ask(
            "post", "/batch-jobs", {"model": "churn", "dataset": "customers"}
        ),
        "promote": _to_tier("promote", "curated"),
    },
)

# --- jobs ---------------------------------------------------------------------------------------


def _job(world: World, state: str) -> BatchJob:
    dataset = "holes" if state == "completed_with_rejects" else "customers"
    job = ledger.ask(world.olga.by, dataset=dataset)
    if state.startswith("completed"):
        drive(owner="w1")
        return BatchJob.objects.get(pk=job.pk)
    is_over = state not in ("queued", "running")
    BatchJob.objects.filter(pk=job.pk).update(
        state=state,
        finished_at=timezone.now() if is_over else None,
        error={"code": "x", "detail": "y"} if state == "failed" else None,
    )
    job.refresh_from_db()
    return job


JOBS = Machine(
    "job",
    """
                            cancel           retry            results          rejects
    queued                  >cancelled       state-conflict   state-conflict   state-conflict
    running                 >cancelled       state-conflict   state-conflict   state-conflict
    completed               state-conflict   state-conflict   made             made
    completed_with_rejects  state-conflict   >running         made             made
    failed                  state-conflict   >queued          state-conflict   made
    cancelled               state-conflict   state-conflict   state-conflict   made
    """,
    _job,
    lambda job: job.state,
    {
        "cancel": lambda w, j: w.ask("post", f"/batch-jobs/{j.pk}/cancel"),
        "retry": lambda w, j: w.ask("post", f"/batch-jobs/{j.pk}/retry"),
        "results": lambda w, j: w.ask("get", f"/batch-jobs/{j.pk}/results"),
        "rejects": lambda w, j: w.ask("get", f"/batch-jobs/{j.pk}/rejects"),
    },
)

# --- schedules ----------------------------------------------------------------------------------


def _schedule(world: World, state: str) -> Schedule:
    row = create_schedule(
        by=world.olga.by, name="nightly", cron="0 3 * * *", model="churn", dataset="customers"
    )
    if state == "disabled":
        row = update_schedule(by=world.olga.by, schedule=row, enabled=False)
    if state == "deleted":
        delete_schedule(by=world.olga.by, schedule=row)
    return row


def _schedule_state(row: Schedule) -> str:
    return "deleted" if row.deleted_at else "enabled" if row.enabled else "disabled"


SCHEDULES = Machine(
    "schedule",
    """
                enable               disable              run-now              delete
    enabled     same                 >disabled            made                 >deleted
    disabled    >enabled             same                 made                 >deleted
    deleted     schedule-not-found   schedule-not-found   schedule-not-found   schedule-not-found
    """,
    _schedule,
    _schedule_state,
    {
        "enable": lambda w, s: w.ask("patch", "/schedules/nightly", {"enabled": True}),
        "disable": lambda w, s: w.ask("patch", "/schedules/nightly", {"enabled": False}),
        "run-now": lambda w, s: w.ask("post", "/schedules/nightly/run-now"),
        "delete": lambda w, s: w.ask("delete", "/schedules/nightly"),
    },
)

# --- keys ---------------------------------------------------------------------------------------


def _key(world: World, state: str) -> ApiKey:
    key, _ = world.olga.key(["read"])
    past = timezone.now() - timedelta(days=1)
    if state != "active":
        field = "revoked_at" if state == "revoked" else "expires_at"
        ApiKey.objects.filter(pk=key.pk).update(**{field: past})
    return key


KEYS = Machine(
    "key",
    """
                rotate           revoke
    active      >revoked         >revoked
    expired     state-conflict   >revoked
    revoked     state-conflict   same
    """,
    _key,
    state_of_key,
    {
        "rotate": lambda w, k: w.ask("post", f"/api-keys/{k.pk}/rotate"),
        "revoke": lambda w, k: w.ask("post", f"/api-keys/{k.pk}/revoke"),
    },
)

# --- versions of datasets -----------------------------------------------------------------------


def _dataset_version(world: World, state: str) -> DatasetVersion:
    DatasetVersion.objects.filter(pk=world.rows.pk).update(status=state)
    return world.rows


DATASETS = Machine(
    "dataset-version",
    """
                download         job
    pending     state-conflict   made
    ready       made             made
    rejected    state-conflict   state-conflict
    """,
    _dataset_version,
    lambda version: version.status,
    {
        "download": lambda w, d: w.ask("get", "/datasets/customers/versions/1/download"),
        "job": lambda w, d: w.ask(
            "post", "/batch-jobs", {"model": "churn", "dataset": "customers@1"}
        ),
    },
)

# --- aliases ------------------------------------------------------------------------------------


def _alias(world: World, state: str) -> Alias:
    version = world.second if state == "second" else world.first
    return place_alias(by=world.olga.by, version=version, alias="candidate")


ALIASES = Machine(
    "alias",
    """
                to-first     to-second    remove
    first       same         >second      >gone
    second      >first       same         >gone
    """,
    _alias,
    lambda alias: {1: "first", 2: "second"}[alias.version.number],
    {
        "to-first": lambda w, a: w.ask("put", "/models/churn/aliases/candidate", {"version": 1}),
        "to-second": lambda w, a: w.ask("put", "/models/churn/aliases/candidate", {"version": 2}),
        "remove": lambda w, a: w.ask("delete", "/models/churn/aliases/candidate"),
    },
)

# --- webhooks -----------------------------------------------------------------------------------


def _webhook(world: World, state: str) -> Webhook:
    row, _ = create_webhook(by=world.olga.by, target_url=HOOK, enabled=state == "enabled")
    return row


WEBHOOKS = Machine(
    "webhook",
    """
                enable       disable      rotate       test         delete
    enabled     same         >disabled    >enabled     made         >gone
    disabled    >enabled     same         >disabled    made         >gone
    """,
    _webhook,
    lambda row: "enabled" if row.enabled else "disabled",
    {
        "enable": lambda w, h: w.ask("patch", f"/webhooks/{h.pk}", {"enabled": True}),
        "disable": lambda w, h: w.ask("patch", f"/webhooks/{h.pk}", {"enabled": False}),
        "rotate": lambda w, h: w.ask("post", f"/webhooks/{h.pk}/rotate"),
        "test": lambda w, h: w.ask("post", f"/webhooks/{h.pk}/test"),
        "delete": lambda w, h: w.ask("delete", f"/webhooks/{h.pk}"),
    },
)

MACHINES = (
    *(VERSIONS, ALIAS_REQUESTS, VERSION_REQUESTS, JOBS, SCHEDULES, KEYS, DATASETS, ALIASES),
    *(WEBHOOKS, TIER_REQUESTS, TIERS, MODELS, DATASETS_IN_USE),
)
