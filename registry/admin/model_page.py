"""What the page of one model shows to one principal."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from registry import roles
from registry.actions import archiving
from registry.actions.aliases import with_previous
from registry.admin.calling import examples_for
from registry.admin.card_page import answers_of, labels_missing
from registry.forms.models import GrantForm, MoveAliasForm
from registry.models import Alias, ApprovalRequest, ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.registered_model import Kind
from registry.panels import contents_of
from registry.principals import Principal

VERSIONS_SHOWN = 50


class ModelPage:
    """What the page of one model shows to one principal."""

    def __init__(
        self,
        crumbs: list[tuple[str, str]],
        request: HttpRequest,
        model: RegisteredModel,
        by: Principal,
        *,
        move_form: MoveAliasForm | None = None,
    ) -> None:
        self.crumbs = crumbs
        self.request = request
        self.model = model
        self.by = by
        self.move_form = move_form

    def context(self) -> dict[str, Any]:
        """The context of ``registry/model.html``."""
        by, model = self.by, self.model
        may_edit = by.may(roles.PUBLISHER, model)
        return {
            "title": model.name,
            "model": model,
            "crumbs": self.crumbs,
            "versions": self.versions,
            "aliases": self.aliases,
            "may_edit": may_edit,
            "may_publish": may_edit and model.archived_at is None,
            "may_archive": by.may(archiving.role_for(model), model),
            "may_manage": by.may(roles.MANAGER, model),
            "has_kind": model.kind != Kind.MODEL,
            "move_form": self.move_form or self._new_move_form(),
            "grant_form": GrantForm(auto_id="grant_%s"),
            "grants": model.grants.select_related("user").order_by("user__username"),
            "pending": self._pending(),
            "call": examples_for(self.request, self._called()),
            "card": answers_of(model.card),
            "card_missing": labels_missing(model.card),
            "panels": contents_of("model", self.request, model),
        }

    @cached_property
    def versions(self) -> list[ModelVersion]:
        """The newest versions, with their aliases."""
        rows = self.model.versions.select_related("created_by").prefetch_related("aliases")
        rows = rows.defer("facts", "declared_signature").order_by("-number")
        return list(rows[:VERSIONS_SHOWN])

    @cached_property
    def aliases(self) -> list[Alias]:
        """Where each alias points, and where it did before."""
        return list(with_previous(self.model.aliases.all()).select_related("version"))

    def _called(self) -> ModelVersion | None:
        if self.model.archived_at is not None:
            return None
        champion = next((a.version for a in self.aliases if a.name == CHAMPION), None)
        ready = (v for v in self.versions if v.status == "ready")
        called = champion or next(ready, None)
        if called is not None:
            called.model = self.model
        return called

    def _new_move_form(self) -> MoveAliasForm | None:
        if not self.by.may(roles.PUBLISHER, self.model) or self.model.archived_at is not None:
            return None
        return MoveAliasForm(self.model)

    def _pending(self) -> list[ApprovalRequest]:
        rows = self.model.approval_requests.pending().filter(~Q(alias=""))
        return list(rows.select_related("version", "requested_by"))
