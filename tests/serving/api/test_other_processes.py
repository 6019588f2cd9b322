"""A change made in one process is seen by the express lane of another, with Valkey and without."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection

from registry.actions.access import remove_grant, revoke_api_key
from registry.actions.aliases import move_alias
from registry.models import ApiKey, ModelVersion, User
from registry.principals import Principal
from tests.services.processes import wait_until
from tests.services.stack import ROOT
from tests.services.valkey import running_valkey
from tests.serving.batch import ledger


class Other:
    """The other process."""

    def __init__(self, redis_url: str) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "MODELYARD_HOME": os.environ["MODELYARD_HOME"],
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            "REDIS_URL": redis_url,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.serving.api.other_process"],
            cwd=ROOT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def says(self, verb: str, key: str, ref: str = "churn") -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{verb} {key} {ref}\n")
        self.process.stdin.flush()
        return self._line()

    def waits_for(self, start: str, key: str) -> None:
        """Ask until the answer begins like this."""
        wait_until(lambda: self.says("ask", key).startswith(start), 10, start)

    def is_soon_in_touch(self, key: str) -> None:
        """Ask until it would hear of news."""
        wait_until(lambda: self.says("ask", key).endswith("in-touch express"), 20, "in touch")

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


Start = Callable[[str], Other]


@pytest.fixture
def other(transactional_db: None) -> Iterator[Start]:
    """Start one on the test's database, with Redis at an address."""
    started: list[Other] = []

    def start(redis_url: str) -> Other:
        started.append(Other(redis_url))
        return started[-1]

    yield start
    for one in started:
        one.close()


class World:
    """Ana's model churn with two ready versions, and three scorers with a key each."""

    def __init__(self) -> None:
        self.ana = ledger.person("ana", superuser=True)
        self.first = ledger.ready_version(self.ana)
        self.model = self.first.model
        fields = ("model", "format", "artifact", "runtime", "created_by", "signature", "facts")
        self.second = ModelVersion.objects.create(
            **{name: getattr(self.first, name) for name in fields}, number=2, status="ready"
        )
        self.keys = {name: self._key(name) for name in ("tom", "tia", "tess", "tim")}

    def _key(self, name: str) -> str:
        from registry.actions.access import create_api_key

        somebody = ledger.person(name)
        ledger.grant(somebody, "scorer", self.model)
        return create_api_key(by=somebody, user=somebody.user, name=name)[1]

    def user(self, name: str) -> User:
        return User.objects.get(username=name)

    def changes(self) -> list[tuple[str, Callable[[], Any], str]]:
        """Whose key, what happens, and what the key is answered from then on."""
        by: Principal = self.ana
        return [
            ("tom", lambda: self._move(2), "200 churn/2"),
            (
                "tom",
                lambda: revoke_api_key(by=by, key=ApiKey.objects.get(user=self.user("tom"))),
                "401 -",
            ),
            (
                "tia",
                lambda: remove_grant(by=by, governed=self.model, user=self.user("tia")),
                "404 -",
            ),
            ("tess", lambda: User.objects.filter(username="tess").update(is_active=False), "401 -"),
            ("tim", lambda: ModelVersion.objects.move(self.second, "archived"), "409 -"),
        ]

    def _move(self, number: int) -> None:
        version = self.model.versions.get(number=number)
        move_alias(by=self.ana, alias="champion", version=version)


def test_changes_are_seen_at_once_through_valkey(other: Start, valkey: redis.Redis) -> None:
    world, process = World(), other(settings.REDIS_URL)
    for name, change, after in world.changes():
        key = world.keys[name]
        # In touch, a pass lives for half a minute: sooner it ends by the news alone.
        process.is_soon_in_touch(key)
        change()
        wait_until(
            lambda key=key, after=after: process.says("ask", key).startswith(after), 10, after
        )


def test_changes_are_seen_while_valkey_is_away(other: Start) -> None:
    world, process = World(), other("unix:///nowhere/valkey.sock")
    for name, change, after in world.changes():
        key = world.keys[name]
        assert process.says("ask", key).endswith("alone express")
        change()
        wait_until(
            lambda key=key, after=after: process.says("ask", key).startswith(after), 10, after
        )


def test_a_lost_connection_is_made_again_and_hides_nothing(
    other: Start, valkey: redis.Redis
) -> None:
    world, process = World(), other(settings.REDIS_URL)
    key = world.keys["tom"]
    process.is_soon_in_touch(key)

    valkey.client_kill_filter(_type="pubsub")
    world._move(2)

    process.waits_for("200 churn/2", key)
    process.is_soon_in_touch(key)


def test_changes_are_seen_within_a_second_while_valkey_is_silent(other: Start) -> None:
    with running_valkey() as server:
        world, process = World(), other(server.url)
        for name, change, after in world.changes():
            key = world.keys[name]
            process.is_soon_in_touch(key)
            server.freeze()
            change()
            changed_s = time.monotonic()

            while not (told := process.says("time", key).partition(" "))[2].startswith(after):
                # No request that began later is answered as before.
                assert float(told[0]) - changed_s < 1, told
            server.thaw()


def test_a_silence_that_ends_has_hidden_nothing(other: Start) -> None:
    with running_valkey() as server:
        world, process = World(), other(server.url)
        process.is_soon_in_touch(world.keys["tia"])
        process.is_soon_in_touch(world.keys["tom"])
        server.freeze()
        # To a server that the other does not listen to: as if who announces had given up.
        world._move(2)
        wait_until(
            lambda: "alone" in process.says("ask", world.keys["tia"]), 10, "it misses the news"
        )
        server.thaw()

        process.is_soon_in_touch(world.keys["tia"])
        process.waits_for("200 churn/2", world.keys["tom"])


def test_a_fork_listens_for_itself(other: Start, valkey: redis.Redis) -> None:
    world, process = World(), other(settings.REDIS_URL)
    key = world.keys["tom"]
    process.is_soon_in_touch(key)

    assert process.says("fork", key) == "200 200 churn/1 in-touch express"
    assert process.says("ask", key).startswith("200 churn/1")
