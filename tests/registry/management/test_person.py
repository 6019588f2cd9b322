"""``manage.py person``: a second person for the four eyes, from the shell of the server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import override_settings

from registry import roles
from registry.identities import SignOn
from registry.models import AuditEvent, User
from registry.principals import Principal

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("admin", password=None)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nnot this line\n")
    return file


def person(*words: object) -> str:
    out = io.StringIO()
    call_command("person", *map(str, words), stdout=out)
    return out.getvalue()


def test_somebody_new_signs_in_and_has_the_role(admin, password_file, client):
    assert person("rita", "--role", "approver", "--password-file", password_file) == (
        "rita is approver\n"
    )

    rita = User.objects.get(username="rita")
    assert rita.check_password(PASSWORD)
    assert (rita.is_staff, Principal(rita).global_role) == (True, roles.APPROVER)
    event = AuditEvent.objects.get(action="user.create")
    assert (event.actor, event.after["groups"]) == ("admin", ["Approvers"])
    assert PASSWORD not in str(event.after)


def test_a_forgotten_password_is_set_anew_and_written_down(admin, password_file):
    assert person("admin", "--new-password", "--password-file", password_file) == (
        "admin has another password now\n"
    )

    admin.refresh_from_db()
    assert admin.check_password(PASSWORD)
    assert AuditEvent.objects.get(action="user.password").object_name == "admin"
    with pytest.raises(CommandError, match="There is nobody called rita"):
        person("rita", "--new-password", "--password-file", password_file)


def test_somebody_who_is_there_changes_the_role_and_keeps_the_rest(admin, password_file):
    person("rita", "--role", "approver", "--password-file", password_file)
    rita = User.objects.get(username="rita")
    rita.groups.add(Group.objects.create(name="Choir"))

    assert person("Rita", "--role", "publisher") == "rita is publisher now\n"

    assert sorted(rita.groups.values_list("name", flat=True)) == ["Choir", "Publishers"]
    assert rita.check_password(PASSWORD)


def test_the_password_is_asked_for_without_a_file(admin, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or PASSWORD)

    person("rita", "--role", "viewer")

    assert asked == ["Password for rita: "]
    assert User.objects.get(username="rita").check_password(PASSWORD)


def test_the_password_comes_from_standard_input(admin, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))

    person("rita", "--role", "viewer", "--password-file", "-")

    assert User.objects.get(username="rita").check_password(PASSWORD)


def test_a_weak_password_makes_nobody(admin, tmp_path):
    weak = tmp_path / "weak"
    weak.write_text("rita")

    with pytest.raises(CommandError, match="too short"):
        person("rita", "--role", "viewer", "--password-file", weak)

    assert not User.objects.filter(username="rita").exists()


def test_what_cannot_be_done_is_one_line(admin, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        person("rita", "--role", "viewer", "--password-file", tmp_path / "none")
    with pytest.raises(CommandError, match="invalid choice"):
        person("rita", "--role", "king")


def test_without_a_superuser_nobody_is_made(password_file):
    with pytest.raises(CommandError, match="no superuser"):
        person("rita", "--role", "viewer", "--password-file", password_file)


def test_somebody_who_is_there_is_joined_to_an_identity(admin, password_file):
    told = {
        **settings.MODELYARD,
        "SIGN_ON": SignOn("https://sso.example.org", "modelyard", "secret"),
    }
    person("rita", "--role", "approver", "--password-file", password_file)
    with override_settings(MODELYARD=told):
        assert person("rita", "--subject", "7f3a") == "7f3a signs on as rita now\n"
        assert person("rita", "--subject", "7f3a", "--role", "viewer") == (
            "rita is viewer now\n7f3a signs on as rita now\n"
        )
        with pytest.raises(CommandError, match="enters as rita already"):
            person("admin", "--subject", "7f3a")
    assert AuditEvent.objects.get(action="user.join").after == {"subject": "7f3a"}


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["rita"], "--role is needed"),
        (["rita", "--subject", "7f3a"], "--role is needed"),
        (["admin", "--subject", "7f3a"], "OIDC_ISSUER is not set"),
    ],
)
def test_what_is_missing_is_said(admin, words, refusal):
    with pytest.raises(CommandError, match=refusal):
        person(*words)
