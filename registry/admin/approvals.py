"""Pages of approval requests: what waits, and the decision with its evidence."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from registry.actions import approvals
from registry.actions.approval_subjects import words_of
from registry.admin.access import principal_of, to_page, told
from registry.admin.base import GovernedAdmin
from registry.admin.decisions import decision_context
from registry.models import ApprovalRequest
from registry.models.approval_request import ApprovalState
from registry.panels import contents_of
from registry.principals import Principal
from registry.templatetags.modelyard import badge

DECISIONS = {"approve": approvals.approve, "reject": approvals.reject}
_FIRST = Case(
    When(state=ApprovalState.PENDING, then=Value(0)), default=Value(1), output_field=IntegerField()
)


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(GovernedAdmin[ApprovalRequest]):
    """Requests about visible models, open ones first."""

    nav_group, nav_order, nav_label, nav_icon = "Models", 3, "Approvals", "check"
    list_intro = "Four eyes: what waits for somebody other than the requester and the uploader."
    empty_title = "Nothing waits for an approval"
    empty_text = (
        "Requests appear here when a version is quarantined, when an alias of a model that needs "
        "approval is to move, and when a dataset's version is to move up a tier."
    )
    list_display = ("what", "state_shown", "asker", "created_at", "decider")
    list_filter = ("state", "subject")
    search_fields = ("model__name", "request_reason", "reason")
    search_placeholder = "Model or reason"
    pages = {"decide/": "decide"}

    def visible(self, principal: Principal) -> QuerySet[ApprovalRequest]:
        """With the people and versions that the list names."""
        rows = ApprovalRequest.objects.visible_to(principal)
        return rows.select_related(
            "model",
            "version__model",
            "version__artifact",
            "dataset_version__dataset",
            "requested_by",
            "decided_by",
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        """Open ones first, then the newest."""
        return self.visible(principal_of(request)).order_by(_FIRST, "-id")

    @admin.display(description="Request")
    def what(self, row: ApprovalRequest) -> str:
        """What is to happen."""
        return words_of(row)

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: ApprovalRequest) -> SafeString:
        """Where it stands."""
        return badge(row.state)

    @admin.display(description="Asked by", ordering="requested_by__username")
    def asker(self, row: ApprovalRequest) -> str:
        """Who asked."""
        return row.requested_by.get_username()

    @admin.display(description="Decided by", ordering="decided_by__username")
    def decider(self, row: ApprovalRequest) -> str:
        """Who decided."""
        return row.decided_by.get_username() if row.decided_by else "—"

    def row_page(self, request: HttpRequest, row: ApprovalRequest) -> HttpResponse:
        """The request, its evidence and the decision."""
        context = {
            "title": self.what(row),
            "crumbs": self.crumbs(),
            "row": row,
            "version": row.version,
            "checks": list(row.version.checks.all()) if row.version else [],
            "approval": decision_context(principal_of(request), row),
            "panels": contents_of("approval", request, row),
        }
        return self.render(request, "registry/approval.html", context)

    def decide(self, request: HttpRequest, row: ApprovalRequest) -> HttpResponse:
        """POST: approve or reject, with the reason."""
        action = DECISIONS.get(request.POST.get("decision", ""))
        if request.method != "POST" or action is None:
            if request.method == "POST":
                messages.error(request, "Approve or reject was expected.")
            return to_page(self.url_of("change", row.pk))
        with told(request, "Your decision is written down."):
            action(by=principal_of(request), request=row, reason=request.POST.get("reason", ""))
        return to_page(self.url_of("change", row.pk))
