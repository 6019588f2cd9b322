"""Door: the audit trail, for managers of everything."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.api.bodies.access import AuditEventOut
from registry.api.describe import describe
from registry.api.filters import searched
from registry.api.parameters import PAGING, SEARCH, Parameter
from registry.api.resource import Resource
from registry.models import AuditEvent
from registry.principals import require_everywhere

_EXACT = {
    "action": Parameter("action", "Only this action, such as `alias.move`."),
    "actor": Parameter("actor", "Only what this user did."),
    "object_kind": Parameter("object_kind", "Only this kind, such as `modelversion`."),
    "object_id": Parameter("object_id", "Only this object."),
    "request_id": Parameter("request_id", "Only this request."),
}


class Audit(Resource):
    """``/audit``"""

    @describe(
        "audit_list",
        "Who did what, and when",
        answers={200: AuditEventOut},
        is_list=True,
        query=(
            *PAGING,
            SEARCH,
            *_EXACT.values(),
            Parameter("since", "Only from this time on.", "time"),
            Parameter("until", "Only before this time.", "time"),
        ),
    )
    def get(self, request: Request) -> Response:
        """One page of events, newest first."""
        require_everywhere(self.by, roles.MANAGER)
        asked = {name: text for name, text in self.query.items() if name in _EXACT}
        rows = searched(
            AuditEvent.objects.filter(**asked), self.query.get("search"), "object_name", "reason"
        )
        if "since" in self.query:
            rows = rows.filter(at__gte=self.query["since"])
        if "until" in self.query:
            rows = rows.filter(at__lt=self.query["until"])
        return self.plain_page(rows.order_by("-id"), AuditEventOut)
