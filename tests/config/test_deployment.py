"""The sample of production, each of its settings broken in turn: the start or a check says so.

What a whole ``check --deploy`` does with a finding is tried in ``tests/repo/test_settings.py``.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.test import override_settings

from config.env import SettingError
from config.make_check import production_environment
from serving import checks

# Variable, a value that nobody should keep ("" for left out), and what says so: the id of a check,
# or the variable that the start names.
BROKEN = [
    ("PUBLIC_URL", "http://models.example.org", "registry.W010"),
    ("PUBLIC_URL", "http://models.example.org", "security.W004"),
    ("PUBLIC_URL", "http://models.example.org", "security.W012"),
    ("PUBLIC_URL", "", "registry.W010"),
    ("PUBLIC_URL", "models.example.org", "PUBLIC_URL"),
    ("TRUSTED_PROXIES", "", "TRUSTED_PROXIES"),
    ("TRUSTED_PROXIES", "0.0.0.0/0", "registry.W011"),
    ("TRUSTED_PROXIES", "10.0.0.1,::/0", "registry.W011"),
    ("PROXY_HEADERS", "x-real-ip", "PROXY_HEADERS"),
    ("HOST", "0.0.0.0:8000", "HOST"),
    ("PORT", "80a", "PORT"),
    ("SECRET_KEY", "short", "security.W009"),
    ("SECRET_KEY", "a" * 60, "security.W009"),
    ("SECRET_KEY", "django-insecure-" + "0123456789abcdefghij" * 3, "security.W009"),
    ("SECRET_KEY", "", "registry.W012"),
    ("SECRET_KEY_FALLBACKS", "short", "security.W025"),
    ("DATABASE_URL", "", "registry.W012"),
    ("DATABASE_URL", "sqlite:////srv/modelyard.sqlite3", "registry.W012"),
    ("DATABASE_URL", "mysql://u:p@h/n", "DATABASE_URL"),
    ("REDIS_URL", "", "registry.W012"),
    ("REDIS_URL", "http://redis", "REDIS_URL"),
    ("STORAGE_URL", "", "registry.W012"),
    ("STORAGE_URL", "s3://nowhere", "STORAGE_URL"),
    ("OUTGOING_HOSTS", "127.0.0.0/8", "registry.W015"),
    ("OUTGOING_HOSTS", "169.254.0.0/16", "registry.W015"),
    ("OUTGOING_HOSTS", "::/0", "registry.W015"),
    ("OUTGOING_HOSTS", "*", "OUTGOING_HOSTS"),
    ("EMAIL_URL", "smtp://user:password@mail.example.org", "registry.W016"),
    ("EMAIL_URL", "file:///tmp", "registry.W016"),
    ("EMAIL_URL", "mail.example.org", "EMAIL_URL"),
    ("MAIL_SENDER", "modelyard@localhost", "registry.W016"),
    ("MAIL_SENDER", "nobody", "MAIL_SENDER"),
    ("MODELYARD_HOME", "/dev/null/x", "MODELYARD_HOME"),
    ("MODEL_CARD_POLICY", "show", "registry.W018"),
    ("MODEL_CARD_POLICY", "", "registry.W018"),
    ("MODEL_CARD_POLICY", "none", "MODEL_CARD_POLICY"),
    ("MODEL_FILE_POLICY", "gate", "serving.W001"),
    ("MODEL_FILE_POLICY", "", "serving.W001"),
    ("DEMO", "1", "registry.W013"),
    ("DEMO", "", "registry.W013"),
    ("TIME_ZONE", "Rome", "TIME_ZONE"),
    ("DEBUG", "1", "security.W018"),
    ("RATE_LIMIT", "off", "registry.W014"),
    ("ADDRESS_RATE_LIMIT", "off", "registry.W014"),
    ("MODELYARD_ADMIN_PASSWORD", "password", "registry.W017"),
    ("MODELYARD_ADMIN_PASSWORD", "administrator", "registry.W017"),
    ("PASSWORD_SIGN_IN", "0", "PASSWORD_SIGN_IN"),
    ("OIDC_ISSUER", "https://sso.example.org", "OIDC_CLIENT_ID"),
    ("OIDC_ISSUER", "http://sso.example.org", "OIDC_ISSUER"),
    ("OIDC_CLIENT_SECRET", "secret", "OIDC_ISSUER"),
]


@pytest.fixture(autouse=True)
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """How far this machine confines models is another question."""
    monkeypatch.setattr(checks, "confinement", lambda: {"level": "full", "layers": {}})


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This process has the sample's environment, and nothing else."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in production_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def findings(repository: Path) -> set[str]:
    """What ``check --deploy`` would say of the environment as it is now."""
    read = runpy.run_path(str(repository / "config" / "settings.py"))
    names = {name: value for name, value in read.items() if name.isupper()}
    kept = ("DATABASES", "STORAGES", "INSTALLED_APPS", "CACHES")
    # Connections and apps of this process stay; what the checks read of them is put in.
    changed: dict[str, Any] = {n: v for n, v in names.items() if n not in kept}
    with override_settings(**changed), pytest.MonkeyPatch.context() as patch:
        from django.conf import settings

        patch.setitem(
            settings.DATABASES["default"], "ENGINE", names["DATABASES"]["default"]["ENGINE"]
        )
        messages = run_checks(include_deployment_checks=True, tags=[Tags.security])
    return {str(message.id) for message in messages}


@pytest.mark.usefixtures("sample")
def test_the_sample_of_production_passes(repository: Path) -> None:
    assert findings(repository) == set()


@pytest.mark.parametrize(("name", "value", "said"), BROKEN)
def test_a_broken_setting_is_found(
    sample: pytest.MonkeyPatch, repository: Path, name: str, value: str, said: str
) -> None:
    sample.setenv(name, value)
    if "." not in said:
        with pytest.raises(SettingError) as refused:
            findings(repository)
        assert refused.value.name == said
    else:
        assert said in findings(repository)


def test_every_setting_of_the_sample_is_broken_once(tmp_path: Path) -> None:
    never = production_environment(tmp_path).keys() - {name for name, _, _ in BROKEN}
    assert never == {"PATH", "HOME", "LANG"} & never


@pytest.mark.parametrize(
    "changes",
    [
        {"DATABASE_URL": "", "REDIS_URL": "", "STORAGE_URL": "", "SECRET_KEY": ""},
        {"EMAIL_URL": "", "MAIL_SENDER": "", "OUTGOING_HOSTS": ""},
        {"EMAIL_URL": "smtp://localhost"},
        {"OUTGOING_HOSTS": "10.1.0.0/16,*.example.org"},
        {"MODELYARD_ADMIN_PASSWORD": "ten-grey-herons-in-a-row"},
        {
            "OIDC_ISSUER": "https://sso.example.org/realms/company",
            "OIDC_CLIENT_ID": "modelyard",
            "OIDC_CLIENT_SECRET": "secret",
            "OIDC_ROLES": "data-science=publisher",
            "PASSWORD_SIGN_IN": "0",
        },
    ],
)
def test_other_good_environments_pass(
    sample: pytest.MonkeyPatch, repository: Path, changes: dict[str, str]
) -> None:
    for name, value in changes.items():
        sample.setenv(name, value)
    assert findings(repository) == set()
