"""Mails about approvals: to those who may decide, and to the requester about the decision.

The requests are the outbox. One whose ``asked_by_mail_at`` or ``told_by_mail_at`` is empty waits:

    claimed   by a key in the cache, which ends by itself: one sender at a time, on all machines
      sent    the time is written down, and it is done
      else    the claim stays and is the pause before the next try, longer the older the request

A mail server that is away loses nothing, a worker that dies neither: its claim ends, and the next
pass sends again. A mail may so come twice, and is never left out, unless a decision is a week old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.db.models import Q, QuerySet
from django.utils import timezone
from redis.exceptions import RedisError

from registry import roles
from registry.actions.approval_subjects import about, is_involved, words_of
from registry.conf import conf
from registry.models import ApprovalRequest, User
from registry.models.approval_request import ApprovalState
from registry.principals import Principal, grant_target

log = logging.getLogger(__name__)

LOOKED_AT = 500
# One mail has no more readers than servers take.
READERS_MAX = 50
SHORTEST_PAUSE_S = 30
LONGEST_PAUSE_S = 3_600
OLDEST_DECISION = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of mail: the column that says it was sent, who reads it, and what it says."""

    column: str
    waiting: Q
    readers: Callable[[ApprovalRequest], list[str]]
    subject: Callable[[ApprovalRequest], str]
    body: Callable[[ApprovalRequest], str]


def send_due_mails() -> int:
    """Send what waits, as far as nobody else does; how many requests were written about."""
    if not is_any_mail_due():
        return 0
    server = get_connection()
    try:
        server.open()
        return sum(_send_all(server, sort) for sort in SORTS)
    except OSError as error:
        log.warning("The mail server is away: %s", error)
        return 0
    finally:
        server.close()


def is_any_mail_due() -> bool:
    """Whether a sender may find anything to do."""
    return conf.sends_mail and any(_waiting(sort).exists() for sort in SORTS)


def deciders(request: ApprovalRequest) -> list[User]:
    """The active people who may decide it and have a mail address, by name."""
    governed = about(request)
    high = [roles.APPROVER, roles.MANAGER]
    target = {f"grants__{field}": row for field, row in grant_target(governed).items()}
    people = User.objects.filter(
        Q(is_superuser=True)
        | Q(groups__held_role__role__in=high)
        | Q(grants__role__in=high, **target),
        is_active=True,
    )
    found = (Principal(user) for user in people.distinct().order_by("username"))
    return [
        by.user
        for by in found
        if _has_address(by.user)
        and by.may(roles.APPROVER, governed)
        and not is_involved(by, request)
    ]


def _waiting(sort: Sort) -> QuerySet[ApprovalRequest]:
    rows = ApprovalRequest.objects.filter(
        sort.waiting,
        Q(decided_at__isnull=True) | Q(decided_at__gt=timezone.now() - OLDEST_DECISION),
        **{f"{sort.column}__isnull": True},
    )
    return rows.order_by("id")


def _send_all(server: BaseEmailBackend, sort: Sort) -> int:
    whole = _waiting(sort).select_related(
        "model",
        "version__model",
        "version__artifact",
        "dataset_version__dataset",
        "requested_by",
        "decided_by",
    )
    return sum(_try(server, sort, request) for request in whole[:LOOKED_AT])


def _try(server: BaseEmailBackend, sort: Sort, request: ApprovalRequest) -> bool:
    """Send one, unless another sender is at it or its pause lasts.

    Raises OSError where the server is away: then there is no use in going on.
    """
    if not _is_claimed(sort, request):
        return False
    readers = sort.readers(request)
    if not readers and request.state == ApprovalState.PENDING:
        # Somebody may become an approver, or get an address, while it waits.
        return False
    try:
        for message in _messages(sort, request, readers):
            server.send_messages([message])
    except (SMTPRecipientsRefused, SMTPResponseException) as error:
        log.warning("No mail about %s was taken: %s", request.pk, error)
        return False
    ApprovalRequest.objects.filter(pk=request.pk).update(**{sort.column: timezone.now()})
    return bool(readers)


def _is_claimed(sort: Sort, request: ApprovalRequest) -> bool:
    since = request.decided_at or request.created_at
    try:
        return bool(cache.add(f"mail:{sort.column}:{request.pk}", 1, timeout=_pause_s(since)))
    except (OSError, RedisError) as error:
        log.warning("The cache is away, no mails are sent: %s", error)
        return False


def _pause_s(since: datetime) -> int:
    """A quarter of the age, so that each pause is longer than the one before."""
    age_s = int((timezone.now() - since).total_seconds())
    return max(SHORTEST_PAUSE_S, min(age_s // 4, LONGEST_PAUSE_S))


def _messages(sort: Sort, request: ApprovalRequest, readers: list[str]) -> Iterator[EmailMessage]:
    """Nobody reads the addresses of the others."""
    for start in range(0, len(readers), READERS_MAX):
        yield EmailMessage(
            " ".join(sort.subject(request).split())[:150],
            sort.body(request),
            bcc=readers[start : start + READERS_MAX],
        )


def _address(request: ApprovalRequest) -> str:
    return f"{conf.public_url}/admin/registry/approvalrequest/{request.pk}/"


def _asking(request: ApprovalRequest) -> str:
    lines = [
        f"{request.requested_by} asks for an approval: {words_of(request)}.",
        f"Because: {request.request_reason}" if request.request_reason else "",
        f"Checks, metrics and the model card stand on one page:\n{_address(request)}",
        "You are written to because you may decide this. The requester cannot.",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _telling(request: ApprovalRequest) -> str:
    lines = [
        f"{request.decided_by} has {request.state} what you asked for: {words_of(request)}.",
        f"Reason: {request.reason}",
        _address(request),
    ]
    return "\n\n".join(lines) + "\n"


def _requester(request: ApprovalRequest) -> list[str]:
    user = request.requested_by
    return [user.email] if user.is_active and _has_address(user) else []


def _has_address(user: User) -> bool:
    """Whether it is one: a bad one would keep the mail from the others."""
    try:
        validate_email(user.email)
    except ValidationError:
        return False
    return True


SORTS = (
    Sort(
        "asked_by_mail_at",
        Q(state=ApprovalState.PENDING),
        readers=lambda request: [user.email for user in deciders(request)],
        subject=lambda request: f"Approval asked for: {words_of(request)}",
        body=_asking,
    ),
    Sort(
        "told_by_mail_at",
        ~Q(state=ApprovalState.PENDING),
        readers=_requester,
        subject=lambda request: f"{request.state.capitalize()}: {words_of(request)}",
        body=_telling,
    ),
)
