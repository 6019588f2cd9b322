"""What a backup of the database holds: nothing that opens a door, in any column of any table."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from registry.models import ApiKey, User, Webhook
from tests import people
from tests.attacks.machines import HOOK, World

PASSWORDS = ("correct horse battery", "another staple for olga", "wrong guess at a password")
OWN_SECRET = "a-secret-of-the-receivers-own"
DATABASE_SECRETS = ("tiger-of-the-warehouse", "lion-of-the-warehouse", "in-the-address-itself")
IDEMPOTENT = {"Idempotency-Key": "first"}


class Story:
    """Everything that has to do with secrets, done once over every door; ``secrets`` are told."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {"the server's key": settings.SECRET_KEY}
        self.world = World()
        self.root = people.person("root", is_superuser=True, is_staff=True)
        self.client = people.client_with(self._noted("root's key", self.root.key()[1]))
        for who, text in self.world.texts.items():
            self._noted(f"{who}'s key", text)
        self._passwords()
        self._keys()
        self._webhooks()
        self._connections()

    def _noted(self, what: str, text: str) -> str:
        self.secrets[what] = text
        return text

    def _post(self, path: str, body: object, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1{path}", body, content_type="application/json", headers=headers
        )

    def _passwords(self) -> None:
        for number, text in enumerate(PASSWORDS):
            self._noted(f"password {number}", text)
        self.root.user.set_password(PASSWORDS[0])
        self.root.user.save()
        browser = Client()
        for text in (PASSWORDS[2], PASSWORDS[0]):
            browser.post("/admin/login/", {"username": "root", "password": text})
        self._noted("session", browser.cookies[settings.SESSION_COOKIE_NAME].value)
        self._noted("CSRF cookie", browser.cookies[settings.CSRF_COOKIE_NAME].value)
        changed = {"old_password": PASSWORDS[0]} | dict.fromkeys(
            ("new_password1", "new_password2"), PASSWORDS[1]
        )
        assert browser.post("/admin/password_change/", changed).status_code == 302
        self._noted("session after", browser.cookies[settings.SESSION_COOKIE_NAME].value)

    def _keys(self) -> None:
        made = self._post("/api-keys", {"name": "k", "scopes": ["read"]}, **IDEMPOTENT)
        self._noted("made key", made.json()["key"])
        turned = self._post(f"/api-keys/{made.json()['id']}/rotate", {}, **IDEMPOTENT)
        self._noted("rotated key", turned.json()["key"])
        out = io.StringIO()
        call_command("api_key", "create", "--user", "root", "--name", "shell", stdout=out)
        self._noted("key of the shell", out.getvalue().strip())

    def _webhooks(self) -> None:
        self._noted("own secret", OWN_SECRET)
        self._post("/webhooks", {"target_url": HOOK, "secret": OWN_SECRET}, **IDEMPOTENT)
        made = self._post(
            "/webhooks", {"target_url": HOOK}, **IDEMPOTENT | {"Idempotency-Key": "w"}
        )
        self._noted("made secret", made.json()["secret"])
        turned = self._post(f"/webhooks/{made.json()['id']}/rotate", {})
        self._noted("rotated secret", turned.json()["secret"])

    def _connections(self) -> None:
        for number, text in enumerate(DATABASE_SECRETS):
            self._noted(f"database {number}", text)
        place = "hooks.example.org/sales"
        body = {"name": "sales", "driver": "postgresql", "address": f"postgresql://reader@{place}"}
        first, second, third = DATABASE_SECRETS
        made = self._post("/connections", body | {"secret": first}, **IDEMPOTENT)
        assert made.status_code == 201, made.content
        self.client.patch(
            "/api/v1/connections/sales", {"secret": second}, content_type="application/json"
        )
        inside = {"name": "inside", "address": f"postgresql://reader:{third}@{place}"}
        asked = self._post("/connections", body | inside, **{"Idempotency-Key": "inside"})
        assert asked.status_code == 422


def cells() -> Iterator[tuple[str, str, str]]:
    """Table, column and text of every cell of the database."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    yield table, name, _as_text(value)


def _as_text(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def spellings(text: str) -> set[str]:
    """How a text may stand somewhere without being hidden."""
    raw = text.encode()
    return {
        text,
        json.dumps(text)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        text.removeprefix("my_")[9:] if text.startswith("my_") else text,
    }


@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=pytest.mark.django_db),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ]
)
def story(request: pytest.FixtureRequest) -> Story:
    """Told on either database."""
    return Story()


def test_no_cell_holds_a_secret_in_the_clear(story: Story) -> None:
    dump = list(cells())
    found = [
        (what, table, column)
        for what, secret in story.secrets.items()
        for table, column, text in dump
        if any(spelling in text for spelling in spellings(secret))
    ]

    assert not found
    assert len(story.secrets) >= 17
    # The search does find what stands there.
    assert any("postgresql://reader@hooks.example.org/sales" in text for _, _, text in dump)


def test_what_is_kept_in_the_place_of_a_secret_opens_nothing(story: Story) -> None:
    for key in ApiKey.objects.all():
        for text in (key.secret_sha256, key.secret_sha256[:43]):
            stolen = people.client_with(f"my_{key.public_id}_{text}")
            assert stolen.get("/api/v1/me").status_code == 401
    for user in User.objects.exclude(password=""):
        assert not user.check_password(user.password)
    for webhook in Webhook.objects.all():
        assert webhook.sealed_secret not in story.secrets.values()
