"""The first start: the admin's password, the line to paste, the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry.management import preparation
from registry.management.commands import up
from registry.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(settings: Any) -> dict[str, Any]:
    """What the environment says; changed for one test."""
    settings.MODELYARD = {**settings.MODELYARD, "ADMIN_PASSWORD": "", "DEMO": True}
    return settings.MODELYARD  # type: ignore[no-any-return]


def lines(capsys: pytest.CaptureFixture[str], home: Path) -> list[str]:
    up.announce(home)
    return capsys.readouterr().out.splitlines()


def test_the_password_is_shown_once(
    told: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preparation.ensure_admin()
    ready, _, password, curl = lines(capsys, tmp_path)
    assert User.objects.get().check_password(password.removeprefix("admin password: "))
    assert lines(capsys, tmp_path) == [ready, curl]


def test_a_start_that_broke_off_before_the_password_was_shown_shows_it_next_time(
    told: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preparation.ensure_admin()
    preparation.ensure_admin()
    assert User.objects.count() == 1
    assert len(lines(capsys, tmp_path)) == 4


def test_a_password_of_the_environment_is_set_and_not_shown(
    told: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preparation.ensure_admin()
    told["ADMIN_PASSWORD"] = "from outside"
    preparation.ensure_admin()
    assert User.objects.get().check_password("from outside")
    assert len(lines(capsys, tmp_path)) == 2


def test_a_password_of_the_environment_changes_no_password_that_is_in_use(
    told: dict[str, Any],
) -> None:
    User.objects.create_superuser("admin", password="in use")
    told["ADMIN_PASSWORD"] = "from outside"
    preparation.ensure_admin()
    assert User.objects.get().check_password("in use")


def test_no_admin_is_made_where_there_are_people(told: dict[str, Any]) -> None:
    User.objects.create_user("somebody")
    preparation.ensure_admin()
    assert not User.objects.filter(username="admin").exists()


def test_the_curl_line_is_safe_to_paste_whatever_the_folder_is_called(tmp_path: Path) -> None:
    home = tmp_path / "it's $HOME"
    line = up.curl_line(home, json.dumps({"text": "it's"}))
    assert """$(cat '""" in line
    assert """it'"'"'s $HOME/demo.key'""" in line
    assert """-d '{"text": "it'"'"'s"}'""" in line


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
    ],
)
def test_the_curl_line_names_an_address_that_can_be_called(
    settings: Any, tmp_path: Path, host: str, base: str
) -> None:
    settings.HOST, settings.PORT = host, 8000
    line = up.curl_line(tmp_path, None).replace("'", "")
    assert line == f"curl -s {base}/healthz"


def test_the_demo_is_loaded_into_an_empty_registry_until_it_has_succeeded(
    told: dict[str, Any], tmp_path: Path
) -> None:
    assert not up.Demo.is_wanted(tmp_path)
    up.Demo.begin_if_empty(tmp_path)
    assert up.Demo.is_wanted(tmp_path)
    (tmp_path / "demo.key").touch()
    up.Demo.output(tmp_path).write_text("half a li")
    assert up.Demo.request_body(tmp_path) is None
    up.Demo.output(tmp_path).write_text('{"instances": []}')
    assert up.Demo.request_body(tmp_path) == '{"instances": []}'


def test_the_demo_can_be_switched_off(told: dict[str, Any], tmp_path: Path) -> None:
    told["DEMO"] = False
    up.Demo.begin_if_empty(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not up.Demo.is_wanted(tmp_path)
