"""API keys and grants: making, rotating, revoking, and finding out who a key stands for."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from registry import audit, roles
from registry.errors import InvalidField, KeyExpired, NotAllowed, NotAuthenticated, StateConflict
from registry.models import ApiKey, Grant, RegisteredModel, User
from registry.principals import Governed, Principal, grant_target, require

KEY_PATTERN = re.compile(r"my_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_SECRET_AT = len("my_12345678_")
_ID_ALPHABET = string.ascii_lowercase + string.digits
_LAST_USED_EVERY = timedelta(minutes=1)
_NAME_MAX_CHARS = 100


@transaction.atomic
def create_api_key(
    *,
    by: Principal,
    user: User,
    name: str,
    scopes: Sequence[str] = roles.DEFAULT_SCOPES,
    models: Iterable[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; returns it with its text, which is nowhere kept.

    ``models`` are names (None: no limit). For another user only a manager of everything makes
    keys, for a superuser only a superuser, and a key makes no key that reaches further than itself.
    Raises InvalidField for an unknown scope or model, and for a scope that the user holds nowhere.
    """
    if user.pk != by.user.pk:
        require_keys_for_others(by)
        _require_over(by, user)
    _check_key_name(name)
    _check_scopes(by, user, scopes)
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidField("The key would have expired already.", pointer="/expires_at")
    limited_to = None if models is None else _models_of(by, user, models)
    _check_reach(by, limited_to, expires_at)
    key, text = _insert(user, name, scopes, limited_to, expires_at)
    audit.record(by, "api_key.create", key, after={"user": str(user), "scopes": list(scopes)})
    return key, text


def require_keys_for_others(by: Principal) -> None:
    """Raise NotAllowed unless ``by`` may make keys for somebody else."""
    if not by.may_everywhere(roles.MANAGER):
        raise NotAllowed("Only a manager of everything makes keys for somebody else.")


@transaction.atomic
def rotate_api_key(*, by: Principal, key: ApiKey) -> tuple[ApiKey, str]:
    """Make a key with the same reach and end this one at once.

    Raises StateConflict for a key that has ended.
    """
    _require_own(by, key)
    _require_over(by, key.user)
    key = _held(key)
    _refuse_dead(key)
    limited_to = None if key.all_models else list(key.limited_to.all())
    _check_scopes(by, key.user, key.scopes)
    _check_reach(by, limited_to, key.expires_at)
    successor, text = _insert(key.user, key.name, key.scopes, limited_to, key.expires_at)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    audit.record(by, "api_key.rotate", key, after={"successor": successor.public_id})
    return successor, text


@transaction.atomic
def revoke_api_key(*, by: Principal, key: ApiKey) -> ApiKey:
    """End a key at once. Ending one that has ended changes nothing.

    Raises NotAllowed for who it is not, and for a key that may do less than the one to be ended.
    """
    _require_own(by, key)
    key = _held(key)
    _require_as_far(by, key)
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        audit.record(by, "api_key.revoke", key, after={"revoked_at": key.revoked_at.isoformat()})
    return key


def authenticate_key(text: str, *, request_id: str = "") -> Principal:
    """Who a key stands for. Raises NotAuthenticated, or KeyExpired once it has ended."""
    key = find_key(text)
    note_use(key)
    return Principal(key.user, key, request_id)


def find_key(text: str) -> ApiKey:
    """The key of this text, with its user. Raises NotAuthenticated and KeyExpired."""
    match = KEY_PATTERN.fullmatch(text)
    key = match and ApiKey.objects.select_related("user").filter(public_id=match[1]).first()
    if not key or not is_text_of(key, text):
        raise NotAuthenticated("The key is not known.")
    require_live(key)
    return key


def is_text_of(key: ApiKey, text: str) -> bool:
    """Whether a well-formed text is the key's; takes the same time whatever of it differs."""
    return hmac.compare_digest(key.secret_sha256, _digest(text[_SECRET_AT:]))


def require_live(key: ApiKey) -> None:
    """Raises KeyExpired for a key that has ended, NotAuthenticated when its user may not enter."""
    if key.revoked_at is not None:
        raise KeyExpired("The key was revoked.")
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise KeyExpired(f"The key expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
    if not key.user.is_active:
        raise NotAuthenticated("The key's user is not active.")


def note_use(key: ApiKey) -> None:
    """Write down that the key is in use, about once a minute."""
    before = timezone.now() - _LAST_USED_EVERY
    if key.last_used_at is None or key.last_used_at < before:
        due = Q(last_used_at__isnull=True) | Q(last_used_at__lt=before)
        ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=timezone.now())


@transaction.atomic
def set_grant(*, by: Principal, governed: Governed, user: User, role: str) -> Grant:
    """Give a user a role on one thing. Needs the role manager on it."""
    require(by, roles.MANAGER, governed)
    if role not in roles.ROLES:
        raise InvalidField(f"One of {', '.join(roles.ROLES)} was expected.", pointer="/role")
    # Two calls at once queue here: the second one finds the grant of the first.
    type(governed).objects.select_for_update().get(pk=governed.pk)
    target = grant_target(governed)
    before = Grant.objects.filter(user=user, **target).first()
    role_before = before.role if before else None
    grant = before or Grant(user=user, **target)
    grant.role = role
    grant.save()
    audit.record(
        by,
        "grant.set",
        governed,
        before={"role": role_before},
        after={"role": role, "user": str(user)},
    )
    return grant


@transaction.atomic
def remove_grant(*, by: Principal, governed: Governed, user: User) -> bool:
    """Take a user's role away again; False when there was none."""
    require(by, roles.MANAGER, governed)
    rows = Grant.objects.select_for_update(of=("self",))
    grant = rows.filter(user=user, **grant_target(governed)).first()
    if grant is None:
        return False
    audit.record(
        by,
        "grant.remove",
        governed,
        before={"role": grant.role, "user": str(user)},
        after={"role": None},
    )
    grant.delete()
    return True


def roles_held(user: User) -> frozenset[str]:
    """Every role that the user has anywhere, with the ones that it includes."""
    granted = Grant.objects.filter(user=user).values_list("role", flat=True)
    held = roles.highest(r for r in (*granted, Principal(user).global_role) if r)
    return frozenset(roles.ROLES[: roles.rank(held) + 1])


def _check_key_name(name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _NAME_MAX_CHARS:
        raise InvalidField("A name of 1 to 100 characters was expected.", pointer="/name")


def _check_scopes(by: Principal, user: User, scopes: Sequence[str]) -> None:
    if not scopes:
        raise InvalidField("At least one scope is needed.", pointer="/scopes")
    held = roles_held(user)
    for scope in scopes:
        role = roles.SCOPE_ROLES.get(scope)
        if role is None:
            known = ", ".join(roles.SCOPES)
            raise InvalidField(f"Unknown scope “{scope}”; known: {known}.", pointer="/scopes")
        if role not in held:
            raise InvalidField(
                f"{user} holds the role {role}, which “{scope}” stands for, nowhere.",
                pointer="/scopes",
            )
        if not by.has_scope_for(role):
            raise NotAllowed("The new key would reach further than the key that makes it.")


def _check_reach(
    by: Principal, limited_to: Sequence[RegisteredModel] | None, expires_at: datetime | None
) -> None:
    """A key makes no key for more models, and none that outlives it."""
    if by.api_key is None:
        return
    ends_at = by.api_key.expires_at
    outlives = ends_at is not None and (expires_at is None or expires_at > ends_at)
    reached = by.model_ids
    is_wider = reached is not None and (
        limited_to is None or not {m.pk for m in limited_to} <= reached
    )
    if outlives:
        raise NotAllowed("The new key would live longer than this one: set an earlier expires_at.")
    if is_wider:
        raise NotAllowed("The new key would reach models that this one does not: name others.")


def _models_of(by: Principal, user: User, names: Iterable[str]) -> list[RegisteredModel]:
    """What the user sees; a key that is limited itself is not told what else there is."""
    found = []
    visible = RegisteredModel.objects.visible_to(Principal(user)).visible_to(by)
    for name in names:
        model = visible.named(name).first()
        if model is None:
            raise InvalidField(f"{user} sees no model “{name}”.", pointer="/models")
        found.append(model)
    return found


def _insert(
    user: User,
    name: str,
    scopes: Sequence[str],
    limited_to: Sequence[RegisteredModel] | None,
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    public_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        public_id=public_id,
        secret_sha256=_digest(secret),
        user=user,
        name=name.strip(),
        scopes=[s for s in roles.SCOPES if s in scopes],
        all_models=limited_to is None,
        expires_at=expires_at,
    )
    if limited_to is not None:
        key.limited_to.set(limited_to)
    return key, f"my_{public_id}_{secret}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _require_own(by: Principal, key: ApiKey) -> None:
    if key.user_id != by.user.pk and not by.may_everywhere(roles.MANAGER):
        raise NotAllowed("Only its user or a manager of everything may change a key.")


def _require_over(by: Principal, user: User) -> None:
    """Who has a key of somebody acts in their name."""
    if user.is_superuser and not by.user.is_superuser:
        raise NotAllowed("Only a superuser makes keys that stand for a superuser.")


def _require_as_far(by: Principal, key: ApiKey) -> None:
    """A key that was stolen ends itself, and none that may do more."""
    if by.api_key is None or by.api_key.pk == key.pk:
        return
    reached = by.model_ids
    limited_to = None if key.all_models else set(key.limited_to.values_list("pk", flat=True))
    is_wider = reached is not None and (limited_to is None or not limited_to <= reached)
    beyond = [s for s in key.scopes if not by.has_scope_for(roles.SCOPE_ROLES.get(s, roles.VIEWER))]
    if is_wider or beyond:
        raise NotAllowed("The key to be ended reaches further than the one that ends it.")


def _held(key: ApiKey) -> ApiKey:
    """The row as it stands now, held: of two calls at once the second sees what the first did."""
    return ApiKey.objects.select_for_update(of=("self",)).select_related("user").get(pk=key.pk)


def _refuse_dead(key: ApiKey) -> None:
    if key.revoked_at is not None:
        raise StateConflict("The key was revoked.")
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise StateConflict("The key has expired.")
