"""Who asks on a page, and how a refusal of the domain becomes Django's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from registry.errors import DomainError, NotAllowed, NotFound
from registry.models import User
from registry.principals import Principal


def principal_of(request: HttpRequest) -> Principal:
    """The signed-in user as a principal; kept on the request, so that roles are read once."""
    known = getattr(request, "page_principal", None)
    if known is None:
        known = Principal(cast(User, request.user), request_id=request_id_of(request))
        request.page_principal = known  # type: ignore[attr-defined]  # our own addition
    return cast(Principal, known)


def request_id_of(request: HttpRequest) -> str:
    """The name of the request, which joins its audit events."""
    return str(getattr(request, "request_id", ""))


def address_of(request: HttpRequest) -> str:
    """Where the request comes from; empty where that is not known."""
    return str(request.META.get("REMOTE_ADDR", ""))


@contextmanager
def page_refusals() -> Iterator[None]:
    """While a page is made: NotFound is Django's 404, NotAllowed its 403."""
    try:
        yield
    except NotFound as error:
        raise Http404(str(error)) from error
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from error


class told:  # noqa: N801  # reads as a word of the statement that it is used in
    """While an action runs: what the domain refuses becomes a message, never an error page.

    ``success`` is said when nothing was refused.
    """

    def __init__(self, request: HttpRequest, success: str = "") -> None:
        self.request = request
        self.success = success

    def __enter__(self) -> None:
        """Nothing to do yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """True for a refusal: it has been told."""
        if error is None and self.success:
            messages.success(self.request, self.success)
        if not isinstance(error, DomainError):
            return False
        messages.error(self.request, str(error))
        return True


def to_page(url: Any) -> HttpResponse:
    """After a POST: see the page with GET."""
    return HttpResponseRedirect(str(url))
