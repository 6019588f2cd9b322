"""``manage.py api_key``: keys made, shown, replaced and ended from the shell of the server."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import ManagementUtility
from django.utils import timezone

from registry.actions.access import create_api_key, revoke_api_key
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


def test_the_list_shows_whose_keys_there_are_and_never_their_text(capsys):
    olga = people.owner()
    things.a_model(olga)
    _, text = olga.key(["read"], ["churn"])
    ended, _ = olga.key()
    revoke_api_key(by=olga.by, key=ended)
    people.manager().key(["admin"])

    status, out, err = run(capsys, "list", "--user", "olga")
    head, line = out.splitlines()

    assert (status, err) == (0, "")
    assert head.split()[:4] == ["prefix", "state", "user", "name"]
    assert line.split() == [text[:12], "active", "olga", "olga's", "key", "read", "churn", "-", "-"]
    assert text not in out
    everybody = [json.loads(one) for one in run(capsys, "list", "--all", "--json")[1].splitlines()]
    assert [(one["user"], one["state"]) for one in everybody] == [
        ("marie", "active"),
        ("olga", "revoked"),
        ("olga", "active"),
    ]


def test_a_name_moves_no_cursor_of_the_terminal(capsys):
    olga = people.owner()
    create_api_key(by=olga.by, user=olga.user, name="\x1b[2Jgone\u202e")

    _, out, _ = run(capsys, "list")

    assert "\N{REPLACEMENT CHARACTER}[2Jgone\N{REPLACEMENT CHARACTER}" in out


def test_a_rotated_key_is_followed_by_one_with_the_same_reach(capsys):
    olga = people.owner()
    things.a_model(olga)
    _, before = olga.key(["read"], ["churn"])

    status, out, err = run(capsys, "rotate", before[:12])

    me = people.client_with(out.strip()).get("/api/v1/me").json()
    assert (status, err, out.count("\n"), me["scopes"], me["key"]["models"]) == (
        0,
        "",
        1,
        ["read"],
        ["churn"],
    )
    assert people.client_with(before).get("/api/v1/me").json()["code"] == "key-expired"
    assert run(capsys, "rotate", before[:12])[0] == 2


def test_keys_are_ended_by_how_they_begin_by_id_or_all_of_somebody(capsys):
    olga, other = people.owner(), people.manager()
    keys = [olga.key() for _ in range(4)]
    kept, text = other.key()
    (first, first_text), (second, _) = keys[:2]

    assert run(capsys, "revoke", first_text, str(second.pk))[0] == 0
    assert not ApiKey.objects.filter(pk__in=[first.pk, second.pk], revoked_at=None).exists()
    status, out, _ = run(capsys, "revoke", "--user", "olga")

    assert (status, out.count("\n")) == (0, 2)
    assert list(ApiKey.objects.filter(revoked_at=None)) == [kept]
    assert people.client_with(text).get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--user", "nobody"],
        ["rotate"],
        ["rotate", "my_zzzzzzzz"],
        ["revoke"],
        ["revoke", "--user", "nobody"],
        ["revoke", "\0"],
    ],
)
def test_a_wrong_word_changes_nothing(capsys, words):
    people.owner().key()

    status, out, err = run(capsys, *words)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert ApiKey.objects.get().revoked_at is None


def test_one_wrong_key_among_several_ends_none_and_is_not_repeated(capsys):
    _, text = people.owner().key()
    wrong = f"my_zzzzzzzz_{'s' * 43}"

    status, out, err = run(capsys, "revoke", text, wrong)

    assert (status, out) == (2, "")
    assert wrong not in err
    assert ApiKey.objects.get().revoked_at is None
