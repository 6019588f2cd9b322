"""Two sides with one thing of every kind each, and all who may come to ask for them.

Nobody of those who ask has made anything of either side: what they may do comes from a role. Only
API keys and webhooks belong to people: on the own side everybody has theirs.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from registry import roles, storage
from registry.actions.access import create_api_key, revoke_api_key
from registry.actions.aliases import move_alias
from registry.models import (
    ApiKey,
    ApprovalRequest,
    Artifact,
    AuditEvent,
    Connection,
    Dataset,
    DatasetVersion,
    Grant,
    ModelVersion,
    RegisteredModel,
    User,
    Webhook,
)
from registry.principals import Principal
from registry.sealing import seal
from serving.actions import batch_jobs, schedules
from serving.actions.routes import set_route
from serving.models import BatchJob, PredictionRecord, Schedule
from serving.monitoring import comparison
from tests import people, things
from tests.people import Person
from tests.permissions.rules import SIDES, Side, Standing
from tests.serving.batch import ledger

# Making a handler looks through all static files: once is enough.
_HANDLER = Client(raise_request_exception=False).handler


@dataclass
class Things:
    """One of every kind, all of one side."""

    model: RegisteredModel
    version: ModelVersion
    spare: ModelVersion
    quarantined: ModelVersion
    approval: ApprovalRequest
    dataset: Dataset
    archived: Dataset
    shelved: RegisteredModel
    table: DatasetVersion
    connection: Connection
    queued: BatchJob
    failed: BatchJob
    done: BatchJob
    schedule: Schedule
    record: PredictionRecord
    key: ApiKey
    webhook: Webhook
    user: User
    group: Group
    event: AuditEvent


@dataclass
class Who:
    """Somebody who asks: what they hold, how they come, and what is theirs."""

    standing: Standing
    person: Person | None
    client: Client
    key: ApiKey | None = None
    webhook: Webhook | None = None


@dataclass
class World:
    """Both sides and everybody."""

    sides: dict[Side, Things]
    everybody: list[Who] = field(default_factory=list)

    def named(self, name: str) -> Who:
        """The one whose standing has this name."""
        return next(who for who in self.everybody if who.standing.name == name)


def make_world() -> World:
    """All of it; nothing rings for a worker."""
    with mock.patch("registry.queue._ring"):
        maker, olga = people.manager(), people.owner()
        people.person("vera")
        world = World({side: make_side(side, maker, olga) for side in SIDES})
        cross(world, maker)
        world.everybody = everybody(world)
        return world


# --- things --------------------------------------------------------------------------------------


def make_side(side: Side, maker: Person, olga: Person) -> Things:
    """One thing of every kind; ``maker`` has made all but what waits for an approval."""
    by = maker.by
    version = _with_bytes(ledger.ready_version(by, f"{side}-model"), f"{side} first")
    model = version.model
    spare = things.a_version(model, maker, seed=f"{side} spare")
    spare.signature, spare.facts = version.signature, version.facts
    spare.save(update_fields=["signature", "facts"])
    set_route(by=by, model=model, targets=[{"version": 1, "weight": 100}], mirror=[])
    quarantined = things.a_quarantined_version(model, olga, seed=f"{side} waiting")
    table = ledger.dataset_of(by, ledger.people_rows(10), f"{side}-data")
    table.tier = "curated"
    table.save(update_fields=["tier"])
    move_alias(by=by, version=version, alias="spare", reason="")
    vera = User.objects.get(username="vera")
    connection = Connection.objects.create(
        name=f"{side}-connection",
        driver="postgresql",
        address="postgresql://a@127.0.0.1:9/b",
        sealed_secret=seal("a password"),
        owner=maker.user,
    )
    for governed in ({"model": model}, {"dataset": table.dataset}, {"connection": connection}):
        Grant.objects.create(user=vera, role="viewer", **governed)
    return Things(
        model=model,
        version=version,
        spare=spare,
        quarantined=quarantined,
        approval=ApprovalRequest.objects.get(version=quarantined),
        dataset=table.dataset,
        archived=Dataset.objects.create(
            name=f"{side}-archived", owner=maker.user, archived_at=timezone.now()
        ),
        shelved=RegisteredModel.objects.create(
            name=f"{side}-shelved", owner=maker.user, archived_at=timezone.now()
        ),
        table=table,
        connection=connection,
        **_work(by, f"{side}-model", f"{side}-data", spare),
        record=_record(version, by),
        key=people.person(f"{side}-keeper", role="viewer").key()[0],
        webhook=_webhook(maker.user, model),
        user=_joined(people.person(f"{side}-user").user),
        group=Group.objects.create(name=f"{side}-group"),
        event=AuditEvent.objects.latest("id"),
    )


def _joined(user: User) -> User:
    """Somebody who comes in by single sign-on as well."""
    SocialAccount.objects.create(user=user, provider="https://login.example.org", uid=str(user))
    return user


def cross(world: World, maker: Person) -> None:
    """Each side has used what belongs to the other: links lead over that nobody may see."""
    for here, there in (("own", "other"), ("other", "own")):
        mine, theirs = world.sides[here], world.sides[there]  # type: ignore[index]  # both are sides
        mine.version.training_dataset = theirs.table
        mine.version.save(update_fields=["training_dataset"])
        mine.table.parents.add(theirs.table)
        batch_jobs.create_job(by=maker.by, model=mine.model.name, dataset=theirs.dataset.name)


def _with_bytes(version: ModelVersion, seed: str) -> ModelVersion:
    """The version over bytes that are kept."""
    stored = storage.put_bytes(things.model_bytes(seed))
    version.artifact = Artifact.objects.create(
        sha256=stored.sha256, format="skops", size_bytes=stored.size_bytes
    )
    version.save(update_fields=["artifact"])
    return version


def _work(by: Principal, model: str, data: str, other: ModelVersion) -> dict[str, Any]:
    """Jobs that wait, failed and are done, and a schedule."""
    queued, failed, done = (
        batch_jobs.create_job(by=by, model=model, dataset=data) for _ in range(3)
    )
    now = timezone.now()
    BatchJob.objects.filter(pk=failed.pk).update(
        state="failed", error={"code": "model-failed", "detail": "It raised."}, finished_at=now
    )
    output = things.an_output(Person(by.user), done.dataset_version, f"{data}-output")
    report = {
        "model": model,
        "version": 1,
        "compared_with": other.number,
        "dataset": data,
        "job": str(done.pk),
        **comparison.merged([comparison.Summary().to_json()]),
    }
    BatchJob.objects.filter(pk=done.pk).update(
        state="completed",
        rows_done=done.dataset_version.rows,
        rows_total=done.dataset_version.rows,
        output=output,
        compared_version=other,
        compared_sha256="c" * 64,
        report=report,
        finished_at=now,
    )
    for job in (failed, done):
        job.refresh_from_db()
    schedule = schedules.create_schedule(
        by=by, name=f"{model}-nightly", model=model, dataset=data, cron="0 0 29 2 *"
    )
    return {"queued": queued, "failed": failed, "done": done, "schedule": schedule}


def _record(version: ModelVersion, by: Principal) -> PredictionRecord:
    return PredictionRecord.objects.create(
        model=version.model,
        version=version,
        request_id=uuid.uuid4().hex,
        by=by.id,
        rows=1,
        inputs=[[42, "Rome"]],
        answers={"predictions": ["yes"]},
        latency_ms=1.5,
        created_at=timezone.now(),
    )


def _webhook(owner: User, model: RegisteredModel) -> Webhook:
    return Webhook.objects.create(
        url="http://127.0.0.1:9/", sealed_secret=seal("x" * 32), events=["batch-job.failed"],
        owner=owner, model=model,
    )  # fmt: skip


# --- people --------------------------------------------------------------------------------------


def everybody(world: World) -> list[Who]:
    """All who ask. A new way to come in, or a new role, is one more line here."""
    found = [Who(Standing("anonymous", "nothing"), None, _client())]
    found.append(_came(world, Standing("stranger", is_staff=False)))
    found.append(_came(world, Standing("staff")))
    found.append(_came(world, Standing("manager, not staff", is_staff=False, everywhere="manager")))
    for role in roles.ROLES:
        found.append(_came(world, Standing(f"{role} of own", granted=role)))
        found.append(_came(world, Standing(f"{role} everywhere", everywhere=role)))
    for scope, role in roles.SCOPE_ROLES.items():
        standing = Standing(f"key {scope}", "key", everywhere="manager", scope=role)
        found.append(_came(world, standing, scopes=[scope]))
    limited = Standing("limited key", "key", everywhere="manager", scope="manager", is_limited=True)
    found.append(_came(world, limited, scopes=["admin"], models=["own-model", "own-shelved"]))
    for fate in ("revoked", "expired"):
        found.append(_dead(world, fate))
    return found


def _client(key: str | None = None) -> Client:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    client = Client(raise_request_exception=False, headers=headers)
    client.handler = _HANDLER
    return client


def _came(world: World, standing: Standing, **key: Any) -> Who:
    name = standing.name.replace(" ", "-").replace(",", "")
    somebody = people.person(name, role=standing.everywhere, is_staff=standing.is_staff)
    held = world.sides["own"]
    own = held.model
    if standing.granted:
        for governed in (
            {"model": own},
            {"model": held.shelved},
            {"dataset": held.dataset},
            {"dataset": held.archived},
            {"dataset": held.done.output.dataset},
            {"connection": held.connection},
        ):
            Grant.objects.create(user=somebody.user, role=standing.granted, **governed)
    who = Who(standing, somebody, _client(), webhook=_webhook(somebody.user, own))
    if standing.granted or standing.everywhere:
        # What is done to it is done with a key that reaches no further.
        who.key = somebody.key(["read"], key.get("models"))[0]
    if standing.comes_with == "key":
        who.client = _client(somebody.key(**key)[1])
    else:
        who.client.force_login(somebody.user, "django.contrib.auth.backends.ModelBackend")
    return who


def _dead(world: World, fate: str) -> Who:
    """A manager's key that has ended."""
    owner = people.person(fate, role="manager", is_staff=True)
    key, text = create_api_key(
        by=owner.by, user=owner.user, name="ended", scopes=["admin"], expires_at=None
    )
    if fate == "revoked":
        revoke_api_key(by=owner.by, key=key)
    else:
        ended = timezone.now() - timedelta(hours=1)
        ApiKey.objects.filter(pk=key.pk).update(expires_at=ended)
    standing = Standing(f"{fate} key", "dead key", everywhere="manager", scope="manager")
    return Who(standing, owner, _client(text))
