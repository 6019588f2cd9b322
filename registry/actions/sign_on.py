"""Entering by single sign-on: who is known by an identity, who becomes known, what they may then.

An account here and an identity there are joined by provider and subject, and by nothing else: not
by a name, and not by an address, which anybody may write into their own profile elsewhere.
"""

from __future__ import annotations

from typing import Any, cast

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from registry import audit, roles
from registry.actions.role_groups import group_of, with_only
from registry.conf import conf
from registry.errors import NameTaken, NotAllowed, NotFound, StateConflict
from registry.identities import Identity
from registry.models import User
from registry.models.base import TimeOrdered
from registry.principals import Principal, require_everywhere

REASON = "single sign-on"
_PROFILE = ("email", "first_name", "last_name")


class SignedOn(ModelBackend):
    """What sessions of single sign-on stand on: without it in the settings they end.

    Passwords are not looked at here.
    """

    def authenticate(
        self, request: HttpRequest | None, username: Any = None, password: Any = None, **_: Any
    ) -> None:
        """Nobody: who enters here was let in by ``enter``."""
        return


# The name by which Django knows it.
BACKEND = f"{SignedOn.__module__}.{SignedOn.__name__}"


def enter(identity: Identity, *, request_id: str = "") -> User:
    """The account of an identity, made where it is new, with the rights that its groups give.

    Raises NotAllowed for an account that is not active, and NameTaken where somebody who is not
    joined to this identity has the name.
    """
    try:
        return _enter(identity, request_id)
    except IntegrityError:
        # Their first entry from two windows at once: the other one has made the account.
        return _enter(identity, request_id)


@transaction.atomic
def _enter(identity: Identity, request_id: str) -> User:
    account = account_of(identity)
    is_new = account is None
    user = _made(identity) if account is None else account.user
    if not user.is_active:
        raise NotAllowed(f"The account {user} is not active.")
    before = {} if is_new else _shown(user)
    if not user.is_superuser:
        _give_rights(user, identity)
    after = _shown(user)
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    if changed:
        _record(
            Principal(user, request_id=request_id),
            "user.create" if is_new else "user.update",
            user,
            before=None if is_new else {name: before[name] for name in changed},
            after={"username": user.username, **after} if is_new else changed,
        )
    return user


@transaction.atomic
def join(*, by: Principal, user: User, subject: str) -> User:
    """Let an identity of the provider enter as somebody who has an account already.

    Raises StateConflict where no provider is named, or the identity has another account.
    """
    told = conf.sign_on
    if told is None:
        raise StateConflict("There is no single sign-on here: OIDC_ISSUER is not set.")
    held = SocialAccount.objects.filter(provider=told.issuer, uid=subject).first()
    if held is not None and held.user_id != user.pk:
        raise StateConflict(f"This identity enters as {held.user} already.")
    if held is None:
        SocialAccount.objects.create(user=user, provider=told.issuer, uid=subject)
        _record(by, "user.join", user, before=None, after={"subject": subject})
    return user


@transaction.atomic
def part(*, by: Principal, user: User, identity_id: int) -> User:
    """Let an identity enter as somebody no longer; their sessions of single sign-on end.

    The account stays: where its name is free, or a person with a shell joins the two, the identity
    enters anew. Raises NotAllowed below managers of everything, NotFound.
    """
    require_everywhere(by, roles.MANAGER)
    if user.is_superuser and not by.user.is_superuser:
        raise NotAllowed("Only a superuser changes a superuser.")
    held = SocialAccount.objects.select_for_update().filter(pk=identity_id, user=user).first()
    if held is None:
        raise NotFound(f"{user} has no such identity.")
    told = {"provider": held.provider, "subject": held.uid}
    held.delete()
    _end_sessions(user)
    audit.record(by, "user.part", cast(TimeOrdered, user), before=told, after=None)
    return user


def identities_of(user: User) -> Any:
    """What joins somebody to identities of providers: ``provider``, ``uid``, ``last_login``."""
    return SocialAccount.objects.filter(user=user).order_by("provider", "uid")


def _end_sessions(user: User) -> None:
    """Sign somebody out everywhere where they came in by single sign-on."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        known = session.get_decoded()
        if known.get(SESSION_KEY) == str(user.pk) and known.get(BACKEND_SESSION_KEY) == BACKEND:
            session.delete()


def account_of(identity: Identity) -> Any:
    """What joins the identity to somebody here, their ``user``; None where nothing does."""
    return (
        SocialAccount.objects.select_related("user")
        .filter(provider=identity.issuer, uid=identity.subject)
        .first()
    )


def _made(identity: Identity) -> User:
    if User.objects.filter(username__iexact=identity.username).exists():
        raise NameTaken(
            f"There is a user “{identity.username}” here already, who is not known to be you. Ask"
            f" whoever runs this server to join you to it, or to rename it. Your identity is"
            f" “{identity.subject}”."
        )
    user = User.objects.create_user(username=identity.username, password=None)
    SocialAccount.objects.create(user=user, provider=identity.issuer, uid=identity.subject)
    return user


def _give_rights(user: User, identity: Identity) -> None:
    """Staff and, where groups are mapped to roles, the role. Names and address only of those who
    have no password here: their account is the provider's.
    """
    user.is_staff = identity.is_staff
    if not user.has_usable_password():
        for name in _PROFILE:
            setattr(user, name, getattr(identity, name))
    user.save(update_fields=["is_staff", *_PROFILE])
    told = conf.sign_on
    if told is not None and told.roles:
        user.groups.set(with_only(user, _group_for(identity.role)))


def _group_for(role: str | None) -> Group | None:
    if role is None:
        return None
    group = group_of(role)
    if group is None:
        raise NotAllowed(f"No group here holds the role {role}, which your groups give you.")
    return group


def _shown(user: User) -> dict[str, Any]:
    """What an entry may change, as the audit trail has it."""
    groups = sorted(user.groups.values_list("name", flat=True))
    values = {name: getattr(user, name) for name in _PROFILE}
    return {**values, "is_staff": user.is_staff, "groups": groups}


def _record(by: Principal, action: str, user: User, *, before: Any, after: Any) -> None:
    # A user has what an event needs: a key, a name and a kind.
    subject = cast(TimeOrdered, user)
    audit.record(by, action, subject, before=before, after=after, reason=REASON)
