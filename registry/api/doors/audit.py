"""Doors: the audit trail, for managers of everything."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.actions import audit_export
from registry.api.bodies.access import AuditEventOut
from registry.api.describe import describe
from registry.api.parameters import PAGING, SEARCH, Parameter
from registry.api.resource import FileResource, Resource
from registry.models import AuditEvent
from registry.principals import require_everywhere

_FILTERS = (
    SEARCH,
    Parameter("action", "Only this action, such as `alias.move`."),
    Parameter("actor", "Only what this user did."),
    Parameter("object_kind", "Only this kind, such as `modelversion`."),
    Parameter("object_id", "Only this object."),
    Parameter("request_id", "Only this request."),
    Parameter("since", "Only from this time on.", "time"),
    Parameter("until", "Only before this time.", "time"),
)
_NAMES = frozenset(parameter.name for parameter in _FILTERS)


class Audit(Resource):
    """``/audit``"""

    @describe(
        "audit_list",
        "Who did what, and when",
        answers={200: AuditEventOut},
        is_list=True,
        query=(*PAGING, *_FILTERS),
    )
    def get(self, request: Request) -> Response:
        """One page of events, newest first."""
        require_everywhere(self.by, roles.MANAGER)
        asked = {name: value for name, value in self.query.items() if name in _NAMES}
        rows = AuditEvent.objects.matching(**asked)
        return self.plain_page(rows.order_by("-id"), AuditEventOut)


class AuditExport(FileResource):
    """``/audit/export``"""

    @describe(
        "audit_export",
        "The audit trail as JSON Lines, with its seals",
        answers={200: (audit_export.MEDIA_TYPE,)},
        query=_FILTERS,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Every event that matches, oldest first."""
        require_everywhere(self.by, roles.MANAGER)
        # HEAD takes nothing along.
        is_taken = request.method == "GET"
        return StreamingHttpResponse(
            audit_export.export(by=self.by, asked=self.query) if is_taken else (),
            content_type=audit_export.MEDIA_TYPE,
            headers={"Content-Disposition": content_disposition_header(True, "audit.jsonl")},
        )
