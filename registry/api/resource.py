"""The base of every resource: strict parameters, one way to answer, forms that are cleaned up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.core.files.uploadhandler import FileUploadHandler
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry import limits
from registry.actions.handing_out import note_download
from registry.api.auth import principal_of
from registry.api.form_parts import form_caps
from registry.api.kinds import parse_expand, represent, represent_whole
from registry.api.pagination import PageNumbers
from registry.api.parameters import read_query
from registry.api.parsers import StrictJSONParser
from registry.api.renderers import StrictJSONRenderer
from registry.api.shapes import In
from registry.api.sight import Sight
from registry.api.uploads import Intake, NoForm, Part, form_of
from registry.errors import NotAuthenticated, UnsupportedMediaType
from registry.models.base import TimeOrdered
from registry.principals import Principal

JSON_TYPE = "application/json"
FORM_TYPE = "multipart/form-data"


class Resource(APIView):
    """A resource of the API. Its doors parse, call one action and write out.

    ``query`` holds the declared query parameters that were sent.
    """

    renderer_classes = [StrictJSONRenderer]
    parser_classes = [StrictJSONParser]
    # OPTIONS would describe serializers; the OpenAPI page does.
    metadata_class = None
    query: dict[str, Any]

    @property
    def by(self) -> Principal:
        """Who asks."""
        return principal_of(self.request)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Answers are about what the caller may see: no shared cache keeps them."""
        return {**super().default_response_headers, "Cache-Control": "private, no-store"}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Decide who reads a form before anybody can, the CSRF check included."""
        if request.content_type == FORM_TYPE:
            request.upload_handlers = [self.form_handler(request)]
        return super().initialize_request(request, *args, **kwargs)

    def form_handler(self, request: HttpRequest) -> FileUploadHandler:
        """What a form meets: a refusal, unless the resource takes one."""
        return NoForm(request, (JSON_TYPE,))

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks, and count the call: for the key, the user, or the address."""
        address = request.META.get("REMOTE_ADDR")
        try:
            super().perform_authentication(request)
        except NotAuthenticated:
            limits.spend_for_address(address)
            raise
        if request.user.is_authenticated:
            limits.spend_for(principal_of(request).id)
        else:
            limits.spend_for_address(address)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then read the query parameters that the door declares."""
        super().initial(request, *args, **kwargs)
        door = getattr(self, (request.method or "").lower(), None)
        self.query = read_query(request.query_params, getattr(door, "query", ()))

    def sight(self) -> Sight:
        """The caller's view."""
        return Sight(self.request)

    def shown(self, row: Any, kind: str, *, expand: str | None = None) -> dict[str, Any]:
        """One row as a JSON object; it is read again with all that writing it out needs."""
        tree = parse_expand(expand, kind) if expand else {}
        return represent_whole(row.pk, kind, tree, self.sight())

    def one(self, row: Any, kind: str) -> Response:
        """The answer with one row, expanded as asked."""
        return Response(self.shown(row, kind, expand=self.query.get("expand")))

    def page(self, rows: QuerySet[Any, Any], kind: str) -> Response:
        """The answer with one page of rows, expanded as asked."""
        expand = self.query.get("expand")
        tree = parse_expand(expand, kind) if expand else {}
        paginator = PageNumbers()
        found: Sequence[Any] = paginator.paginate_queryset(rows, self.request, self) or ()
        return paginator.get_paginated_response(represent(found, kind, tree, self.sight()))

    def plain_page(
        self, rows: QuerySet[Any, Any], out: type[serializers.Serializer[Any]]
    ) -> Response:
        """The answer with one page of rows that have neither a url nor neighbours."""
        paginator = PageNumbers()
        found: Any = paginator.paginate_queryset(rows, self.request, self)
        context = {"sight": self.sight()}
        return paginator.get_paginated_response(out(found, many=True, context=context).data)

    def handed_out(
        self, answer: HttpResponseBase, action: str, subject: TimeOrdered, **what: object
    ) -> HttpResponseBase:
        """An answer that holds data or a model file, written down; HEAD takes nothing along."""
        if self.request.method == "GET":
            note_download(by=self.by, action=action, subject=subject, what=what)
        return answer


class _AnyAccept(BaseContentNegotiation):
    """A file is what it is: ``format`` chooses, whatever Accept says; errors stay JSON."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type or ""


class FileResource(Resource):
    """A resource that answers with a file; it reads no body."""

    content_negotiation_class = _AnyAccept


class FormResource(Resource):
    """A resource whose POST takes a form with files; scratch files go whatever happens."""

    form: ClassVar[type[In]]
    accepted: ClassVar[tuple[str, ...]] = (FORM_TYPE,)
    _intake: Intake | None = None

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks; nothing is taken from anybody while nobody can count it."""
        super().perform_authentication(request)
        if request.method == "POST":
            limits.require_shared()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, then clean up."""
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if self._intake is not None:
                self._intake.clean()

    def form_handler(self, request: HttpRequest) -> FileUploadHandler:
        """Scratch files for the parts, up to the caps of the form's fields."""
        self._intake = Intake(request, form_caps(self.form))
        return self._intake

    def read_form(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The checked fields, and what a repeated call must have alike (texts and digests).

        Raises UnsupportedMediaType for anything but a form.
        """
        if self._intake is None:
            sent = self.request._request.content_type or "nothing"
            raise UnsupportedMediaType(f"“{sent[:100]}” is not read here.", accepted=self.accepted)
        parts = form_of(self.request._request)
        alike = {
            name: f"sha256:{part.stored.sha256}" if isinstance(part, Part) else part
            for name, part in parts.items()
        }
        return self.form.read(parts), alike

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        return self.request._request.content_type == JSON_TYPE


def no_content() -> HttpResponse:
    """The answer that something is gone."""
    response = HttpResponse(status=204)
    del response["Content-Type"]
    return response
