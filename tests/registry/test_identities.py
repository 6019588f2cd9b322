"""Claims of a provider: what is read out of them, and what is of no use."""

from __future__ import annotations

from typing import Any

import pytest

from registry.identities import SignOn, UnusableClaims, identity_of

TOLD = SignOn("https://sso.example.org", "modelyard", "secret")
MAPPED = SignOn(
    "https://sso.example.org",
    "modelyard",
    "secret",
    groups_claim="realm_access.roles",
    roles={"science": "publisher", "leads": "approver"},
    staff_groups=frozenset({"science"}),
)
NORA: dict[str, Any] = {"sub": "1", "preferred_username": "nora"}


def test_a_name_is_read_from_its_parts_or_as_a_whole() -> None:
    parts = identity_of({**NORA, "given_name": "Nora", "family_name": "van den Berg"}, TOLD)
    whole = identity_of({**NORA, "name": "Nora van den Berg"}, TOLD)
    assert (parts.first_name, parts.last_name) == ("Nora", "van den Berg")
    assert (whole.first_name, whole.last_name) == ("Nora", "van den Berg")


@pytest.mark.parametrize(
    ("groups", "role", "is_staff"),
    [
        ({"realm_access": {"roles": ["science", "leads"]}}, "approver", True),
        ({"realm_access": {"roles": "leads"}}, "approver", False),
        ({"realm_access.roles": ["science"]}, "publisher", True),
        ({"realm_access": {"roles": [["science"], None, 7]}}, None, False),
        ({"realm_access": ["science"]}, None, False),
        ({"realm_access": {"roles": {"science": True}}}, None, False),
        ({"groups": ["science"]}, None, False),
        ({}, None, False),
    ],
)
def test_groups_give_the_highest_role_and_nothing_else_does(
    groups: dict[str, Any], role: str | None, is_staff: bool
) -> None:
    found = identity_of({**NORA, **groups}, MAPPED)
    assert (found.role, found.is_staff) == (role, is_staff)


@pytest.mark.parametrize(
    "claims",
    [
        {"preferred_username": "nora"},
        {"sub": "", "preferred_username": "nora"},
        {"sub": 7, "preferred_username": "nora"},
        {"sub": "x" * 192, "preferred_username": "nora"},
        {"sub": "a\0", "preferred_username": "nora"},
        {"sub": "1"},
        {"sub": "1", "preferred_username": "nora\n"},
        {"sub": "1", "preferred_username": "nora nyberg"},
        {"sub": "1", "preferred_username": "../admin"},
    ],
)
def test_without_a_subject_or_a_user_name_nobody_is_known(claims: dict[str, Any]) -> None:
    with pytest.raises(UnusableClaims, match="claim"):
        identity_of(claims, TOLD)


def test_a_name_in_other_letters_of_the_same_shape_is_that_name() -> None:
    wide = "\uff21\uff24\uff2d\uff29\uff2e"  # ADMIN, as accounts are kept
    assert identity_of({**NORA, "preferred_username": wide}, TOLD).username == "ADMIN"


@pytest.mark.parametrize("value", [7, ["a"], "x" * 400, "Nora\nBcc: x", None])
def test_what_only_serves_people_is_left_out_where_it_is_of_no_use(value: object) -> None:
    found = identity_of({**NORA, "email": value, "given_name": value, "family_name": value}, TOLD)
    assert (found.email, found.first_name, found.last_name) == ("", "", "")
