"""Doors: approval requests and their decisions."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from registry.actions.approvals import approve, reject
from registry.api.bodies.approvals import (
    ApprovalOut,
    ApprovalWholeOut,
    DecisionIn,
    visible_approvals,
)
from registry.api.describe import describe
from registry.api.find import row_with_id
from registry.api.parameters import EXPAND, PAGING, Parameter, ordered, ordering
from registry.api.resource import Resource
from registry.models import ApprovalRequest
from registry.models.approval_request import ApprovalState, ApprovalSubject
from registry.models.base import is_named

_ORDERS = ("created_at", "decided_at")


class Approvals(Resource):
    """``/approvals``"""

    @describe(
        "approvals_list",
        "What waits for a decision, and what was decided",
        answers={200: ApprovalOut},
        is_list=True,
        query=(
            *PAGING,
            ordering(*_ORDERS),
            EXPAND,
            Parameter("state", "Only this state.", choices=tuple(ApprovalState.values)),
            Parameter("subject", "Only this subject.", choices=tuple(ApprovalSubject.values)),
            Parameter("model", "Only requests about this model."),
            Parameter("dataset", "Only requests about versions of this dataset."),
        ),
    )
    def get(self, request: Request) -> Response:
        """One page of requests, newest first."""
        rows = visible_approvals(self.by)
        for field in ("state", "subject"):
            if field in self.query:
                rows = rows.filter(**{field: self.query[field]})
        if "model" in self.query:
            rows = rows.filter(is_named(self.query["model"], "model__name"))
        if "dataset" in self.query:
            rows = rows.filter(is_named(self.query["dataset"], "dataset_version__dataset__name"))
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "approval")


class Approval(Resource):
    """``/approvals/{id}``"""

    @describe("approvals_get", "One request", answers={200: ApprovalWholeOut}, query=(EXPAND,))
    def get(self, request: Request, id: str) -> Response:
        """The request."""
        return self.one(_found(self, id), "approval")


class Approve(Resource):
    """``/approvals/{id}/approve``"""

    @describe("approvals_approve", "Approve", body=DecisionIn, answers={200: ApprovalWholeOut})
    def post(self, request: Request, id: str) -> Response:
        """Say yes, and do what was asked for."""
        row, fields = _found(self, id), DecisionIn.read(request.data)
        return self.one(approve(by=self.by, request=row, reason=fields["reason"]), "approval")


class Reject(Resource):
    """``/approvals/{id}/reject``"""

    @describe("approvals_reject", "Reject", body=DecisionIn, answers={200: ApprovalWholeOut})
    def post(self, request: Request, id: str) -> Response:
        """Say no."""
        row, fields = _found(self, id), DecisionIn.read(request.data)
        return self.one(reject(by=self.by, request=row, reason=fields["reason"]), "approval")


def _found(resource: Resource, id: str) -> ApprovalRequest:
    rows = ApprovalRequest.objects.visible_to(resource.by).select_related(
        "model", "version__artifact", "version__model", "dataset_version__dataset", "requested_by"
    )
    return row_with_id(rows, id, "approval request")
