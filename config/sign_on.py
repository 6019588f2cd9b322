"""The provider of single sign-on, out of its variables: all that belongs together, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from config.env import SettingError, is_address
from registry import roles
from registry.identities import SignOn

ISSUER_MAX_CHARS = 200
_CLAIM = re.compile(r"[\w:/.-]{1,200}")


def provider(
    *,
    issuer: str,
    client_id: str,
    client_secret: str,
    label: str,
    scopes: str,
    username_claim: str,
    groups_claim: str,
    role_map: str,
    staff_groups: str,
    session_hours: int,
) -> SignOn | None:
    """The provider; None where no issuer is named. Raises SettingError."""
    if not issuer:
        if client_id or client_secret:
            raise SettingError(
                "OIDC_ISSUER", "a client is named without its provider.", "Write its https URL."
            )
        return None
    _check_issuer(issuer)
    for name, value in (("OIDC_CLIENT_ID", client_id), ("OIDC_CLIENT_SECRET", client_secret)):
        if not value:
            raise SettingError(name, "OIDC_ISSUER is set without it.", "The provider gives it.")
    for name, value in (
        ("OIDC_USERNAME_CLAIM", username_claim),
        ("OIDC_GROUPS_CLAIM", groups_claim),
    ):
        if not _CLAIM.fullmatch(value):
            raise SettingError(name, f"{value!r} is no claim.", "Such as groups or a.b for parts.")
    asked = tuple(dict.fromkeys(["openid", *scopes.split()]))
    return SignOn(
        issuer=issuer,
        client_id=client_id,
        client_secret=client_secret,
        label=label,
        scopes=asked,
        username_claim=username_claim,
        groups_claim=groups_claim,
        roles=_role_map(role_map),
        staff_groups=frozenset(_listed(staff_groups)),
        session_s=session_hours * 3600,
    )


def _check_issuer(issuer: str) -> None:
    """https, because the token is believed for having come from there; http on this machine."""
    fix = "Write such as https://sso.example.org/realms/company."
    try:
        parts = urlsplit(issuer)
        host = parts.hostname or ""
    except ValueError as error:
        raise SettingError("OIDC_ISSUER", f"{issuer!r} is no URL.", fix) from error
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if not host or not is_plain or len(issuer) > ISSUER_MAX_CHARS:
        raise SettingError("OIDC_ISSUER", f"{issuer!r} is no plain URL of a provider.", fix)
    is_here = host == "localhost" or (is_address(host) and host in ("127.0.0.1", "::1"))
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise SettingError("OIDC_ISSUER", "the provider has to be reached by https.", fix)


def _role_map(text: str) -> Mapping[str, str]:
    """``group=role`` separated by commas; a group may hold ``=`` itself."""
    found: dict[str, str] = {}
    for part in _listed(text):
        group, is_given, role = part.rpartition("=")
        group, role = group.strip(), role.strip()
        if not is_given or not group or role not in roles.ROLES:
            raise SettingError(
                "OIDC_ROLES",
                f"{part!r} is no group=role.",
                f"Write such as data-science=publisher; roles are {', '.join(roles.ROLES)}.",
            )
        found[group] = roles.highest([role, found.get(group, role)]) or role
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
