"""Every write to what governs is announced once, at the commit, and no other write is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from registry import audit, changes
from registry.actions.access import note_use
from registry.models import Alias, ApiKey, Grant, GroupRole, ModelVersion, RegisteredModel, User
from serving.models import Route, RouteTarget
from tests import people, things


class World:
    """A model with a version and its champion, its owner, a key, a group and a grant."""

    def __init__(self) -> None:
        self.owner = people.owner()
        self.model = things.a_model(self.owner)
        self.version = things.a_version(self.model, self.owner)
        self.alias = Alias.objects.create(model=self.model, name="champion", version=self.version)
        self.key = self.owner.key()[0]
        self.user = people.person("tariq").user
        self.grant = Grant.objects.create(user=self.user, role="scorer", model=self.model)
        self.group = self.owner.user.groups.get()
        self.route = Route.objects.create(model=self.model, updated_by=self.user)

    def target(self) -> RouteTarget:
        return RouteTarget.objects.create(
            route=self.route, place=0, version=self.version, weight=100
        )


def by_hand(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("update registry_user set is_active = %s", [False])


NEWS: dict[str, Callable[[World], object]] = {
    "a key is revoked": lambda w: w.key.save(update_fields=["revoked_at"]),
    "keys are revoked": lambda w: ApiKey.objects.update(revoked_at=timezone.now()),
    "a key is used and revoked": lambda w: ApiKey.objects.update(
        last_used_at=timezone.now(), revoked_at=timezone.now()
    ),
    "a key is limited": lambda w: w.key.limited_to.set([w.model]),
    "a key goes": lambda w: w.key.delete(),
    "a user leaves": lambda w: User.objects.filter(pk=w.user.pk).update(is_active=False),
    "users leave, by hand": by_hand,
    "a user is saved": lambda w: w.user.save(),
    "a user has a new password": lambda w: w.user.save(update_fields=["password"]),
    "a session ends": lambda w: Session.objects.all().delete(),
    "a session is written": lambda w: Session.objects.update(expire_date=timezone.now()),
    "users are saved": lambda w: User.objects.bulk_update([w.user], ["is_superuser"]),
    "somebody joins": lambda w: w.user.groups.add(w.group),
    "somebody leaves": lambda w: w.owner.user.groups.clear(),
    "a group goes": lambda w: w.group.delete(),
    "a group gets a role": lambda w: GroupRole.objects.create(
        group=Group.objects.create(name="new"), role="scorer"
    ),
    "a group loses its role": lambda w: GroupRole.objects.filter(group=w.group).delete(),
    "a grant goes": lambda w: Grant.objects.filter(pk=w.grant.pk).delete(),
    "grants come": lambda w: Grant.objects.bulk_create(
        [Grant(user=w.owner.user, role="viewer", dataset=None, model=w.model)],
        ignore_conflicts=True,
    ),
    "an alias moves": lambda w: w.alias.save(),
    "aliases move": lambda w: Alias.objects.update(version=w.version),
    "an alias goes": lambda w: w.alias.delete(),
    "a version is archived": lambda w: ModelVersion.objects.move(w.version, "archived"),
    "a version is pinned": lambda w: ModelVersion.objects.update(pinned_to="original"),
    "a version is compiled": lambda w: ModelVersion.objects.update(compiled_sha256="0" * 64),
    "a model is confidential": lambda w: RegisteredModel.objects.update(
        classification="confidential"
    ),
    "a route is made": lambda w: w.target(),
    "a route goes": lambda w: w.route.delete(),
}
NO_NEWS: dict[str, Callable[[World], object]] = {
    "a key is used": lambda w: note_use(w.key),
    "somebody signs in": lambda w: w.user.save(update_fields=["last_login"]),
    "a number is taken": lambda w: RegisteredModel.objects.update(next_number=9),
    "numbers are counted up": lambda w: RegisteredModel.objects.update(
        next_number=F("next_number") + 1
    ),
    "a lease is taken": lambda w: ModelVersion.objects.update(
        checking_until=Now() + timedelta(seconds=60), check_attempts=F("check_attempts") + 1
    ),
    "a lease is renewed": lambda w: ModelVersion.objects.update(checking_until=timezone.now()),
    "a model is described": lambda w: RegisteredModel.objects.update(description="pinned_to = 1"),
    "something is read": lambda w: list(ModelVersion.objects.select_related("model")),
    "an event is written": lambda w: audit.record(w.owner.by, "model.look", w.model),
}


@pytest.fixture
def world(db: None) -> World:
    """With nothing left to be announced."""
    made = World()
    connection.run_on_commit.clear()
    return made


def announced() -> int:
    """How often the end of this transaction would announce something."""
    return [registered[1] for registered in connection.run_on_commit].count(changes.announce)


@pytest.mark.parametrize("what", NEWS)
def test_what_governs_is_announced_once(world: World, what: str) -> None:
    NEWS[what](world)

    assert announced() == 1


@pytest.mark.parametrize("what", NO_NEWS)
def test_what_decides_nothing_is_not_announced(world: World, what: str) -> None:
    NO_NEWS[what](world)

    assert announced() == 0


KEYS = '"registry_apikey"'
BY_HAND = [
    f'UPDATE {KEYS} SET "name" = %s, revoked_at = now()',
    f'UPDATE {KEYS} SET "name" = %s,"revoked_at" = now()',
    f'UPDATE {KEYS} SET "name"=\'a\', "last_used_at" = now(), "revoked_at"=now()',
    f'UPDATE {KEYS} SET ("revoked_at", "name") = (1, 2)',
    f'UPDATE {KEYS} SET "name" = (1) /* ( */, "revoked_at" = (2) /* ) */',
    f'UPDATE {KEYS} AS k SET "name" = %s',
    f'UPDATE "public".{KEYS} SET "revoked_at" = 1',
    f'UPDATE ONLY {KEYS} SET "revoked_at" = 1',
    f'WITH x AS (SELECT 1) UPDATE {KEYS} SET "revoked_at" = 1',
    f"WITH x AS (DELETE FROM {KEYS} RETURNING 1) SELECT 1",
    f"TRUNCATE {KEYS}",
    f"MERGE INTO {KEYS} USING x",
    f"REPLACE INTO {KEYS} VALUES (1)",
    f'-- revoked\nUPDATE {KEYS} SET "revoked_at" = 1',
    f"/* gone */ DELETE FROM {KEYS}",
    "delete from Registry_ApiKey",
    f"COPY {KEYS} FROM stdin",
    f'SELECT 1; UPDATE {KEYS} SET "revoked_at" = 1',
    f'UPDATE "registry_event" SET "verb" = %s; DELETE FROM {KEYS}',
]
OF_NO_INTEREST = [
    f'SELECT {KEYS}."id" FROM {KEYS} WHERE {KEYS}."id" = %s',
    f'(SELECT "id" FROM {KEYS}) UNION (SELECT 1)',
    f"PRAGMA foreign_key_check({KEYS})",
    f'UPDATE {KEYS} SET "name" = %s, "last_used_at" = NULL',
    f'UPDATE {KEYS} SET "last_used_at" = (STATEMENT_TIMESTAMP() + %s) WHERE {KEYS}."id" = 1',
    f"UPDATE {KEYS} SET \"last_used_at\" = (x('+', STRFTIME('%%Y(', 'NOW'), %s)), \"name\" = %s",
    f'DELETE FROM "registry_event" WHERE "by" IN (SELECT "name" FROM {KEYS})',
    f'INSERT INTO "new__registry_apikey" ("id") SELECT "id" FROM {KEYS}',
    f'ALTER TABLE {KEYS} ADD COLUMN "note" text NULL',
    f'CREATE INDEX "by_name" ON {KEYS} ("name")',
    "DELETE FROM registry_apikey_notes",
]


@pytest.mark.django_db
@pytest.mark.parametrize("sql", [*BY_HAND, *OF_NO_INTEREST])
def test_sql_by_hand_is_announced_unless_it_surely_changes_nothing_that_governs(sql: str) -> None:
    connection.run_on_commit.clear()
    context = {"connection": connection, "cursor": None}

    changes._look(lambda *_: None, sql, (), False, context)

    assert announced() == (sql in BY_HAND)


def test_many_writes_are_one_announcement(world: World) -> None:
    for write in ("an alias moves", "a key is limited", "a user leaves"):
        with transaction.atomic():
            NEWS[write](world)

    assert announced() == 1


@pytest.mark.django_db(transaction=True)
def test_a_hook_of_somebody_else_that_raises_drops_no_announcement() -> None:
    user = people.person("tariq").user

    def registered_before() -> None:
        raise ValueError("a fault of another")

    @transaction.atomic
    def leave() -> None:
        transaction.on_commit(registered_before)
        User.objects.filter(pk=user.pk).update(is_active=False)

    before = changes.generation()
    with pytest.raises(ValueError, match="a fault of another"):
        leave()

    assert changes.generation() > before


def test_what_is_rolled_back_is_not_announced(world: World) -> None:
    with transaction.atomic():
        NEWS["an alias moves"](world)
        transaction.set_rollback(True)
    assert announced() == 0

    NEWS["an alias moves"](world)
    assert announced() == 1


def test_an_announcement_is_counted_where_it_is_made() -> None:
    before = changes.generation()

    changes.announce()

    assert changes.generation() > before
