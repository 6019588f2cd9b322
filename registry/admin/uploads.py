"""Forms with files go the way of REST: streamed, counted, hashed by ``registry.api.uploads``.

The handlers must stand before anybody reads the body, and Django's CSRF check reads it. So the
check is put off until they stand, and then made as always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.datastructures import MultiValueDict
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from registry import limits, roles
from registry.admin.access import principal_of
from registry.api.uploads import Intake
from registry.errors import DomainError
from registry.principals import Governed, require_somewhere

Page = Callable[..., HttpResponse]
Caps = Callable[[], Mapping[str, int]]


def streamed(page: Page, caps: Caps, kind: type[Governed]) -> Page:
    """A page whose file parts are streamed. ``caps`` names each part and its cap in bytes.

    ``page(request, refusal)`` is called with what the reading refused, or None. Nothing is read of
    somebody who publishes to nothing of the ``kind``.
    """

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        intake = Intake(request, caps())
        request.upload_handlers = [intake]
        try:
            return _read(request, page, kind)
        finally:
            intake.clean()

    return view


def _read(request: HttpRequest, page: Page, kind: type[Governed]) -> HttpResponse:
    try:
        if request.method == "POST":
            require_somewhere(principal_of(request), roles.PUBLISHER, kind)
            limits.require_shared()
        _ = request.POST
    except DomainError as error:
        # Nothing was taken, nothing will be done: only the form is shown again.
        request.POST = QueryDict()
        request._files = MultiValueDict()  # type: ignore[attr-defined]  # else Django reads again
        return page(request, error)
    answer: HttpResponse = csrf_protect(lambda r: page(r, None))(request)
    return answer
