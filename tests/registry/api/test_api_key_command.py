"""``manage.py api_key create``: the key alone on standard output, or one line on standard error."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import ManagementUtility
from django.utils import timezone

from registry.models import ApiKey
from tests import people, things

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch):
    """A command closes its connections when it ends; the test goes on with its own."""
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def run(capsys, *words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command line."""
    try:
        ManagementUtility(["manage.py", "api_key", *words]).execute()
        status = 0
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_the_key_is_printed_alone_and_works(capsys):
    people.owner()

    status, out, err = run(capsys, "create", "--user", "olga", "--name", "nightly")

    assert (status, err, out.count("\n")) == (0, "", 1)
    me = people.client_with(out.strip()).get("/api/v1/me").json()
    assert (me["username"], me["scopes"], me["key"]["expires_at"]) == (
        "olga",
        ["read", "score"],
        None,
    )


def test_scopes_models_and_expiry_are_as_told(capsys):
    things.a_model(people.owner())
    words = ["--scopes", "read, publish", "--models", "churn", "--expires", "30d"]

    status, _, _ = run(capsys, "create", "--user", "olga", "--name", "n", *words)

    key = ApiKey.objects.get()
    assert (status, key.scopes, key.all_models) == (0, ["read", "publish"], False)
    assert [m.name for m in key.limited_to.all()] == ["churn"]
    left = key.expires_at - timezone.now()
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


@pytest.mark.parametrize(
    "words",
    [
        ["create", "--user", "nobody", "--name", "n"],
        ["create", "--user", "olga", "--name", "n", "--scopes", "write"],
        ["create", "--user", "olga", "--name", "n", "--scopes", "approve"],
        ["create", "--user", "olga", "--name", "n", "--scopes", ""],
        ["create", "--user", "olga", "--name", "n", "--models", "nope"],
        ["create", "--user", "olga", "--name", "n", "--models", "a,,b"],
        ["create", "--user", "olga", "--name", "n", "--expires", "soon"],
        ["create", "--user", "olga", "--name", "n", "--expires", "0d"],
        ["create", "--user", "olga", "--name", "n", "--expires", "999999w"],
        ["create", "--user", "olga", "--name", ""],
        ["create", "--user", "olga"],
        ["create"],
        ["delete"],
        [],
    ],
)
def test_what_is_unknown_is_one_line_on_standard_error_and_status_2(capsys, words):
    people.owner()

    status, out, err = run(capsys, *words)

    assert (status, out) == (2, "")
    assert err.count("\n") == 1, err
    assert not ApiKey.objects.exists()
