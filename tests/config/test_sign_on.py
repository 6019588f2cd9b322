"""The variables of single sign-on: what they come to, and what a wrong one is told."""

from __future__ import annotations

from typing import Any

import pytest

from config import sign_on
from config.env import SettingError

GIVEN: dict[str, Any] = {
    "issuer": "https://sso.example.org/realms/company",
    "client_id": "modelyard",
    "client_secret": "secret",
    "label": "Company",
    "scopes": "profile groups",
    "username_claim": "preferred_username",
    "groups_claim": "realm_access.roles",
    "role_map": "science=publisher, cn=leads, ou=x=approver, science=viewer",
    "staff_groups": "science, leads",
    "session_hours": 8,
}


def test_all_of_it_is_read() -> None:
    told = sign_on.provider(**GIVEN | {"role_map": "cn=leads=approver, a=publisher, a=viewer"})
    assert told is not None
    assert told.scopes == ("openid", "profile", "groups")
    assert told.roles == {"cn=leads": "approver", "a": "publisher"}
    assert told.staff_groups == {"science", "leads"}
    assert told.session_s == 8 * 3600
    assert "secret" not in repr(told).replace("client_secret", "")


def test_nothing_is_read_where_no_issuer_is_named() -> None:
    assert sign_on.provider(**GIVEN | {"issuer": "", "client_id": "", "client_secret": ""}) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "issuer",
            "http://sso.example.org",
            "OIDC_ISSUER: the provider has to be reached by https",
        ),
        ("issuer", "sso.example.org", "OIDC_ISSUER: 'sso.example.org' is no plain URL"),
        ("issuer", "https://u:p@sso.example.org", "OIDC_ISSUER: "),
        ("issuer", "https://sso.example.org/?a=b", "OIDC_ISSUER: "),
        ("issuer", "https://[sso", "OIDC_ISSUER: "),
        ("issuer", "https://sso.example.org/" + "a" * 200, "OIDC_ISSUER: "),
        ("issuer", "", "OIDC_ISSUER: a client is named without its provider."),
        ("client_id", "", "OIDC_CLIENT_ID: OIDC_ISSUER is set without it."),
        ("client_secret", "", "OIDC_CLIENT_SECRET: OIDC_ISSUER is set without it."),
        ("groups_claim", "a b", "OIDC_GROUPS_CLAIM: 'a b' is no claim."),
        ("role_map", "science", "OIDC_ROLES: 'science' is no group=role."),
        ("role_map", "science=king", "OIDC_ROLES: 'science=king' is no group=role."),
        ("role_map", "=viewer", "OIDC_ROLES: '=viewer' is no group=role."),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingError) as refused:
        sign_on.provider(**GIVEN | {"role_map": "", name: value})
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("issuer", ["http://localhost:9400", "http://127.0.0.1:9400/x"])
def test_a_provider_on_this_machine_needs_no_https(issuer: str) -> None:
    assert sign_on.provider(**GIVEN | {"issuer": issuer, "role_map": ""}) is not None
